package source

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestBaseNameKnowsThePathByItsStart(t *testing.T) {
	for path, want := range map[string]string{
		`C:\Users\a/b.exe`: "a/b.exe", `\Device\HarddiskVolume2\x.exe`: "x.exe", `C:\dir\`: "dir",
		`/tmp/a\b`: `a\b`, "/opt/dir/": "dir", "name": "name", "": "", "/": "", `\`: "",
	} {
		if got := BaseName(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}

func TestTimingReplacesWhatIsSet(t *testing.T) {
	zero, hour := time.Duration(0), time.Hour
	facts := Traits{NoteMax: 7, NoteSettle: time.Second, Settle: time.Minute, Overlap: time.Hour}
	got := Timing{Settle: &zero, NoteSettle: &hour}.Of(facts)
	if got.NoteSettle != time.Hour || got.Settle != 0 || got.Overlap != time.Hour || got.NoteMax != 7 {
		t.Errorf("%+v", got)
	}
	if facts.Settle != time.Minute {
		t.Error("the facts themselves were changed")
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if !Clock(func() time.Time { return at })().Equal(at) || Clock(nil)().IsZero() {
		t.Error("the clock is not the caller's, or there is none without")
	}
}

func TestAnUnreadableItemKeepsTheStartOfIt(t *testing.T) {
	b := Unreadable("a1", "no time", json.RawMessage(strings.Repeat("x", MaxBadRaw+1)))
	if b.ID != "a1" || b.Reason != "no time" || len(b.Raw) != MaxBadRaw || !strings.Contains(b.Error(), `"a1"`) {
		t.Errorf("%+v", b)
	}
	if b := Unreadable("", "empty", nil); len(b.Raw) != 0 {
		t.Errorf("%+v", b)
	}
}
