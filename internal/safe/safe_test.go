package safe

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestLineShowsWhatWouldMoveTheCursor(t *testing.T) {
	for _, tc := range [][2]string{
		{"plain name.exe", "plain name.exe"},
		{"日本語 – ü", "日本語 – ü"},
		{"\x1b[2Jcleared", `\x1b[2Jcleared`},
		{"\x1b]0;title\x07", `\x1b]0;title\x07`},
		{"a\r\nb\tc", `a\r\nb\tc`},
		{"exe.\u202efdp", `exe.\u202efdp`},
		{"c1\u009b31m", `c1\x9b31m`},
		{"tag\U000E0041", `tag\U000e0041`},
		{"bad\xff", "bad\ufffd"},
	} {
		if got := Line(tc[0]); got != tc[1] {
			t.Errorf("Line(%q) = %q, want %q", tc[0], got, tc[1])
		}
	}
}

func TestTextKeepsLinesAndTabs(t *testing.T) {
	if got, want := Text("a\tb\r\nc\x1b"), "a\tb\nc\\x1b"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func TestCSVGuardsFormulas(t *testing.T) {
	for _, s := range []string{"=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx"} {
		if got := CSV(s); got != "'"+s {
			t.Errorf("CSV(%q) = %q", s, got)
		}
	}
	if got := CSV("a=b"); got != "a=b" {
		t.Errorf("CSV changed a harmless cell to %q", got)
	}
}

func TestDefangIsUndoneByRefang(t *testing.T) {
	if got, want := Defang("https://pay.example/a.b?x=1"), "hxxps://pay[.]example/a.b?x=1"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom([]string{"", "http://", "https://"}).Draw(t, "scheme") +
			rapid.StringMatching(`[a-z0-9.@-]{1,30}(/[a-z.@]{0,10})?`).Draw(t, "rest")
		if got := Refang(Defang(s)); got != s {
			t.Fatalf("Refang(Defang(%q)) = %q", s, got)
		}
	})
}

func FuzzLineLeavesNoControlCharacter(f *testing.F) {
	f.Add("\x1b[31m")
	f.Add("a\u2066b")
	f.Fuzz(func(t *testing.T, s string) {
		got := Line(s)
		if !utf8.ValidString(got) {
			t.Fatalf("Line(%q) is not UTF-8", s)
		}
		if i := strings.IndexFunc(got, hostile); i >= 0 {
			t.Fatalf("Line(%q) = %q has a hostile character at %d", s, got, i)
		}
	})
}
