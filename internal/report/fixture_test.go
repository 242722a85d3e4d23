package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edrc/internal/fault"
	"edrc/internal/term"
)

var update = flag.Bool("update", false, "write the goldens anew")

// row is a stand-in for an alert.
type row struct {
	Ref      string    `json:"ref"`
	Severity int       `json:"severity"`
	Seen     time.Time `json:"seen"`
	Host     string    `json:"host"`
	What     string    `json:"what"`
	File     string    `json:"file"`
	Big      int64     `json:"big"`
	Tags     []string  `json:"tags"`
}

var severities = []string{"low", "medium", "high", "critical"}

func columns() []Column[row] {
	return []Column[row]{
		{Name: "ref", Value: func(v View, r row) string {
			if source, id, ok := strings.Cut(r.Ref, ":"); v.TTY && ok && len(id) > 4 {
				return source + ":…" + id[len(id)-4:]
			}
			return r.Ref
		}},
		{
			Name:  "severity",
			Value: func(_ View, r row) string { return severities[r.Severity] },
			Sort:  func(a, b row) int { return a.Severity - b.Severity },
			Style: func(s term.Style, r row, text string) string {
				if r.Severity == 3 {
					return s.Red(text)
				}
				return text
			},
		},
		{Name: "age", Right: true, Value: func(v View, r row) string {
			if v.TTY {
				return Age(v.Now.Sub(r.Seen))
			}
			return r.Seen.Format(time.RFC3339)
		}, Sort: func(a, b row) int { return b.Seen.Compare(a.Seen) }},
		{Name: "host", Value: func(_ View, r row) string { return r.Host }, Shrink: 2, Min: 8},
		{Name: "what", Value: func(_ View, r row) string { return r.What }, Shrink: 1, Min: 16, Flex: true},
		{Name: "file", Value: func(_ View, r row) string { return r.File }, Shrink: 3, Min: 10},
		{Name: "tags", Value: func(_ View, r row) string { return strings.Join(r.Tags, ",") }, Shrink: 4, Wide: true},
	}
}

func alerts() List[row] {
	at := func(back time.Duration) time.Time {
		return time.Date(2026, 11, 22, 14, 43, 0, 0, time.UTC).Add(-back)
	}
	return List[row]{
		Schema:  "edrc.alerts/v1",
		Columns: columns(),
		Empty:   "no alerts",
		Items: []row{
			{"falcon:ldt:77aaa41c", 3, at(12 * time.Minute), "FIN-WS-014", "Ransomware behaviour blocked", "invoice_0922.exe", 1, nil},
			{"s1-prod:1698000000000088213", 2, at(41 * time.Minute), "FIN-WS-014", "Malware detected on write", "invoice_0922.exe", 9007199254740993, []string{"a", "b"}},
			{"aws:us-east-1/9ae7d2", 2, at(time.Hour), "i-0a12f3e4", "CryptoCurrency:EC2/BitcoinTool.B!DNS", "", 3, nil},
			{"cbc:19aa", 0, at(3 * time.Hour), "開発-MAC-07", "Reputation: PUP", "helper_tool", 4, nil},
		},
	}
}

func failures() []error {
	return []error{(&fault.Error{Kind: fault.Auth, Source: "wiz", Op: "list issues", Msg: "the token was refused (401)"}).
		WithHint("edrc auth login wiz")}
}

// run prints l and returns both streams.
func run[T any](t *testing.T, io *term.IO, o Options, l List[T]) (stdout, stderr string) {
	t.Helper()
	out, errs := io.Out.(*bytes.Buffer), io.Err.(*bytes.Buffer)
	out.Reset()
	errs.Reset()
	if err := Print(t.Context(), io, o, l); err != nil {
		t.Fatalf("Print: %v", err)
	}
	return out.String(), errs.String()
}

func screen(width int) *term.IO {
	io, _, _ := term.Test("")
	io.OutTTY, io.Width, io.Color = true, width, term.Never
	return io
}

func pipe() *term.IO {
	io, _, _ := term.Test("")
	return io
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is\n%s\nwant\n%s", name, got, want)
	}
}

// mustFail checks the kind and the whole text of an error.
func mustFail(t *testing.T, err error, kind fault.Kind, want string) {
	t.Helper()
	if err == nil || !fault.Is(err, kind) || err.Error() != want {
		t.Errorf("got %v (%q)\nwant %s (%q)", err, fault.KindOf(err), want, kind)
	}
}
