package report

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"edrc/internal/term"
)

func TestTableFitsTheTerminal(t *testing.T) {
	for _, width := range []int{120, 80, 50, 30, 7} {
		got, stderr := run(t, screen(width), Options{}, alerts())
		golden(t, fmt.Sprintf("table%d", width), got)
		for line := range strings.Lines(got) {
			if w := cells(strings.TrimSuffix(line, "\n")); w > width {
				t.Errorf("width %d: a line of %d cells: %q", width, w, line)
			}
		}
		if stderr != "" {
			t.Errorf("stderr: %q", stderr)
		}
	}
}

func TestAPipedTableIsWhole(t *testing.T) {
	io := pipe()
	io.Width = 20 // of some terminal that is not stdout
	got, _ := run(t, io, Options{}, alerts())
	golden(t, "piped", got)
}

func TestWideCutsButDropsNothing(t *testing.T) {
	got, _ := run(t, screen(80), Options{Format: Wide}, alerts())
	golden(t, "wide80", got)
	got, _ = run(t, pipe(), Options{Format: Wide}, alerts())
	if head, _, _ := strings.Cut(got, "\n"); !strings.HasSuffix(head, "TAGS") {
		t.Errorf("header %q", head)
	}
}

func TestColumnsAndSortAreHonoured(t *testing.T) {
	for _, tc := range []struct {
		o    Options
		want string
	}{
		{Options{Columns: []string{"host", " Severity", "host"}, Sort: "severity"}, "HOST         SEVERITY\n" +
			"開発-MAC-07  low\nFIN-WS-014   high\ni-0a12f3e4   high\nFIN-WS-014   critical\n"},
		{Options{Columns: []string{"age"}, Sort: "-age", NoHeader: true}, " 3h\n 1h\n41m\n12m\n"},
		{Options{Columns: []string{"file"}, Sort: "file", NoHeader: true}, "-\nhelper_tool\ninvoice_0922.exe\ninvoice_0922.exe\n"},
		{Options{Columns: []string{"tags"}, Sort: "-tags"}, "TAGS\na,b\n-\n-\n-\n"},
	} {
		if got, _ := run(t, screen(80), tc.o, alerts()); got != tc.want {
			t.Errorf("%+v:\n%s\nwant\n%s", tc.o, got, tc.want)
		}
	}
}

func TestSortLeavesTheCallersItemsAlone(t *testing.T) {
	l := alerts()
	run(t, screen(80), Options{Sort: "-age"}, l)
	if l.Items[0].Host != "FIN-WS-014" {
		t.Fatal("the items were reordered in place")
	}
}

func TestColourDoesNotMoveColumns(t *testing.T) {
	io := screen(80)
	io.Color = term.Always
	got, _ := run(t, io, Options{Columns: []string{"severity", "host"}}, alerts())
	plain, _ := run(t, screen(80), Options{Columns: []string{"severity", "host"}}, alerts())
	if !strings.Contains(got, "\x1b[31mcritical\x1b[0m") || !strings.Contains(got, "\x1b[1mHOST") {
		t.Fatalf("no colour: %q", got)
	}
	bare := regexp.MustCompile(`\x1b\[\d*m`).ReplaceAllString(got, "")
	if bare != plain {
		t.Fatalf("without its colours:\n%q\nwant\n%q", bare, plain)
	}
}

func TestAnEmptyTableIsToldOnStderr(t *testing.T) {
	l := alerts()
	l.Items = nil
	stdout, stderr := run(t, screen(80), Options{}, l)
	if stdout != "" || stderr != "no alerts\n" {
		t.Fatalf("stdout %q, stderr %q", stdout, stderr)
	}
	l.Errors = failures()
	stdout, stderr = run(t, screen(80), Options{}, l)
	if want := "edrc: wiz: list issues: the token was refused (401)\n      edrc auth login wiz\n"; stdout != "" || stderr != want {
		t.Fatalf("nobody knows whether there are alerts: stdout %q, stderr %q", stdout, stderr)
	}
}

func TestFitCutsBeforeItDrops(t *testing.T) {
	ref, what := span{natural: 10}, span{natural: 40, min: 16, shrink: 1, keep: true}
	host, file := span{natural: 12, min: 8, shrink: 2}, span{natural: 20, min: 10, shrink: 3}
	for _, tc := range []struct {
		width int
		want  []int
	}{
		{0, []int{10, 12, 40, 20}},
		{88, []int{10, 12, 40, 20}},
		{80, []int{10, 12, 40, 12}}, // the file first
		{75, []int{10, 9, 40, 10}},  // then the host
		{60, []int{10, 8, 26, 10}},  // then what happened
		{45, []int{10, 8, 23, 0}},   // the file goes, what happened has room again
		{30, []int{10, 0, 18, 0}},
		{20, []int{10, 0, 8, 0}}, // what happened is cut below its least
		{8, []int{8, 0, 0, 0}},
	} {
		got := fit([]span{ref, host, what, file}, tc.width)
		if fmt.Sprint(got) != fmt.Sprint(tc.want) {
			t.Errorf("width %d: %v, want %v", tc.width, got, tc.want)
		}
	}
}

func TestCutNeverExceedsItsWidth(t *testing.T) {
	for _, s := range []string{"plain text", "日本語の名前", "mixed 日本 e\u0301", "👨‍👩‍👧 family", "…"} {
		for w := 1; w < 14; w++ {
			if got := cut(s, w); cells(got) > w {
				t.Errorf("cut(%q, %d) = %q, %d cells", s, w, got, cells(got))
			}
		}
	}
	if got := cut("a b c d", 3); got != "a…" {
		t.Errorf("a space stands before the ellipsis: %q", got)
	}
}
