//go:build linux

package crash

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/lab"
)

// TestProcessesAtOncePayForAFileOnce: two consoles share files, cron syncs each of
// them and both together, and an analyst asks for some of the files by hand.
func TestProcessesAtOncePayForAFileOnce(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{3, 5, 11} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			o := lab.Options{Seed: seed, Alerts: 24, Files: 16, Sources: 2, AnalysisTime: 300 * time.Millisecond}
			scans, ref := reference(t, o, settings{}, nil)
			w := newWorld(t, o, settings{lease: slow * 10 * time.Second})
			want := w.truth()
			worthIt(t, want, scans, ref)
			hand := []string{"scan", "hash"}
			for _, f := range w.lab.Files() { // by another hash than most alerts have
				if scans[f.SHA256] > 0 && !f.FailsOnce {
					hand = append(hand, []string{f.SHA1, f.MD5, f.SHA256}[f.Index%3])
				}
			}
			if len(hand) < 5 {
				t.Fatalf("only %d files for the analyst; choose another seed", len(hand)-2)
			}
			names := w.consoles()
			sync := func(args ...string) *process { return w.start(nil, append([]string{"sync", "-o", "json"}, args...)...) }
			all := []*process{sync("--source", names[0][0]), sync("--source", names[1][0]), w.start(nil, hand...), sync()}
			for _, p := range all {
				if r := p.wait(); r.exit != 0 {
					t.Errorf("%s: exit %d\n%s\n%s", r.name, r.exit, r.stdout, r.stderr)
				}
			}
			w.untilSettled(3)
			w.holds(want, scans, "after four processes at once")
		})
	}
}

// TestAStoppedProcessDoublesNothingWhenItGoesOn: a process is stopped (SIGSTOP, as
// by a laptop's lid) wherever it has just written something down or been answered,
// another one takes over when its lease and claims have run out and finishes the
// work, and then the first one goes on.
//
// Between the last look at its claim and the request on the wire nothing can be
// promised: a vendor without idempotency keys takes the late request for a new one.
// So the processes here are not stopped right before a request.
func TestAStoppedProcessDoublesNothingWhenItGoesOn(t *testing.T) {
	t.Parallel()
	// One alert and one file: every boundary follows from the one before it, and
	// nothing else is on its way when the process stops.
	one := lab.Options{Alerts: -1, Files: 12, Seed: 1, AnalysisTime: 50 * time.Millisecond}
	prepare := func(w *world) {
		w.addAlerts(map[string]any{"file": w.fileHeld("public"), "age": "1m", "sha": "sha256"})
	}
	scans, ref := reference(t, one, settings{}, prepare)
	if len(scans) != 1 || ref.count("send") != 2 {
		t.Fatalf("the world is to have one scan and one note: %v, %q", scans, ref.boundaries)
	}
	last := len(ref.boundaries) - ref.count("send ")
	for k := 1; k <= last; k++ {
		t.Run(fmt.Sprint("one alert, ", k), func(t *testing.T) {
			t.Parallel()
			stopAndGoOn(t, one, k, prepare, scans)
		})
	}
	// More of them, stopped while it holds the lease and takes alerts in.
	many := smallWorld()
	manyScans, ref := smallReference(t)
	pull := slices.IndexFunc(ref.boundaries, func(b string) bool { return strings.HasPrefix(b, "send") })
	for k := 1; k <= min(pull, 10); k += 2 {
		t.Run(fmt.Sprint("many alerts, ", k), func(t *testing.T) {
			t.Parallel()
			stopAndGoOn(t, many, k, nil, manyScans)
		})
	}
}

// stopAndGoOn stops one process at boundary k, has another one take over, and lets
// the first go on. A commit that was given up may hold the store's file for a
// moment longer; a process that is stopped just then blocks everybody, as it must,
// and it is done again.
func stopAndGoOn(t *testing.T, o lab.Options, k int, prepare func(*world), scans map[string]int) {
	t.Helper()
	for range 3 {
		if tookOver(t, o, k, prepare, scans) {
			return
		}
		t.Log("it was stopped with the store's file open; once more")
	}
	t.Error("it is stopped with the store's file open each time")
}

func tookOver(t *testing.T, o lab.Options, k int, prepare func(*world), scans map[string]int) bool {
	t.Helper()
	const lease = slow * 800 * time.Millisecond
	w := newWorld(t, o, settings{lease: lease})
	if prepare != nil {
		prepare(w)
	}
	want := w.truth()
	p := w.crashing("stop", k, "")
	if !p.untilStopped() {
		if r := p.wait(); r.exit != 0 {
			t.Errorf("%s: exit %d\n%s", r.name, r.exit, r.stderr)
		}
		w.untilSettledNow(10 * time.Second)
		w.holds(want, scans, "without a stop")
		return true
	}
	if found := p.clear(); len(found) > 0 {
		t.Errorf("in clear in what the stopped process has open: %q", found)
	}
	time.Sleep(lease + 100*time.Millisecond)
	if r := w.sync(); r.locked {
		p.goOn()
		p.wait()
		return false
	}
	w.untilSettledNow(20 * time.Second)
	w.holds(want, scans, "after another process took over")
	p.goOn()
	if r := p.wait(); r.killed || r.exit != 0 && r.exit != 3 && r.exit != 1 {
		t.Errorf("%s, after it went on: exit %d\n%s", r.name, r.exit, r.stderr)
	}
	w.holds(want, scans, "after the stopped one went on")
	w.untilSettledNow(10 * time.Second)
	w.holds(want, scans, "at the end")
	return true
}
