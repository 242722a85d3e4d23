package crash

import (
	"testing"
	"time"

	"edrc/internal/lab"
)

// TestANoteThatWasRefusedForNowIsSentByTheNextRun: cron and a terminal are not in
// one time zone, and what one has written the other must recognise.
func TestANoteThatWasRefusedForNowIsSentByTheNextRun(t *testing.T) {
	t.Parallel()
	o := smallWorld()
	scans, _ := smallReference(t)
	w := newWorld(t, o, settings{wait: 500 * time.Millisecond})
	want := w.truth()
	if r := w.sync("--max-runtime", "20s"); !r.settled() {
		t.Fatalf("exit %d\n%s", r.exit, r.stderr)
	}
	w.holds(want, scans, "before")
	ids := w.addAlerts(map[string]any{"count": 3, "file": w.fileHeld("private"), "age": "1m"})
	want = w.truth()
	w.later(soon)
	w.control("faults", map[string]string{"faults": "429@before=1"}, nil)
	if r := w.sync(); r.summary.NotesDue != len(ids) {
		t.Fatalf("%d notes are due after a run that the console refused, want %d: exit %d\n%s", r.summary.NotesDue, len(ids), r.exit, r.stdout)
	}
	w.control("faults", map[string]string{"faults": ""}, nil)
	w.untilSettled(2)
	w.holds(want, scans, "after")
}

// fileHeld is the first file that the engine holds so, and is ordinary otherwise.
func (w *world) fileHeld(how string) int {
	w.Helper()
	for _, f := range w.filesHeld(how) {
		return f.Index
	}
	w.Fatalf("no file is held so: %s", how)
	return -1
}

func (w *world) filesHeld(how string) []lab.FileInfo {
	var out []lab.FileInfo
	for _, f := range w.lab.Files() {
		if f.Held == how && !f.FailsOnce && !f.Skipped {
			out = append(out, f)
		}
	}
	return out
}
