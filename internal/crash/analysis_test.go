package crash

import (
	"testing"
	"time"
)

// TestAnAnalysisThatOutlivesTheRunIsNotPaidForAgain: cron does not wait; the next
// run carries on with what the last one began.
func TestAnAnalysisThatOutlivesTheRunIsNotPaidForAgain(t *testing.T) {
	t.Parallel()
	o := smallWorld()
	scans, ref := smallReference(t)
	o.AnalysisTime = 24 * time.Hour
	w := newWorld(t, o, settings{wait: time.Nanosecond})
	want := w.truth()
	worthIt(t, want, scans, ref)
	running := func(r run) int {
		t.Helper()
		n := r.summary.Waiting["analysis running"]
		if r.exit != 0 || n == 0 || r.settled() {
			t.Fatalf("exit %d, want 0, with analyses running: %v\n%s", r.exit, r.summary.Waiting, r.stderr)
		}
		return n
	}
	begun := running(w.sync())
	w.later(soon)
	r := w.sync()
	if running(r) != begun || r.count("send") != 0 || w.lab.State().Intezer.Scans != begun {
		t.Fatalf("a run beside %d running analyses: %d of them, %d paid for, and %q", begun, running(r), w.lab.State().Intezer.Scans, r.boundaries)
	}
	// A file that fails once and those that let stronger hashes go first take more rounds.
	for range 6 {
		w.control("finish", struct{}{}, nil)
		w.later(time.Minute)
		if r = w.sync(); r.settled() {
			break
		}
	}
	w.untilSettled(1)
	w.holds(want, scans, "at the end")
}

// TestAnAnalysisThatAKilledRunBeganIsJoined: the run that paid for it died before
// it could write down which one it is, and the analysis still runs.
func TestAnAnalysisThatAKilledRunBeganIsJoined(t *testing.T) {
	t.Parallel()
	o := smallWorld()
	scans, _ := smallReference(t)
	o.AnalysisTime = 24 * time.Hour
	for _, n := range []int{1, 2} {
		w := newWorld(t, o, settings{wait: time.Nanosecond})
		want := w.truth()
		if r := w.crashing("kill", n, "sent 201 POST /api/v2-0/analyze-by-hash").wait(); !r.killed {
			t.Fatalf("it was not killed after submit %d: exit %d, %q", n, r.exit, r.boundaries)
		}
		for range 8 {
			w.later(soon)
			w.sync() // nothing ends meanwhile: what runs is to be found running
			if w.sync().settled() {
				break
			}
			w.control("finish", struct{}{}, nil)
		}
		w.untilSettled(1)
		w.holds(want, scans, "at the end")
	}
}
