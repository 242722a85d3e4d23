//go:build linux

package crash

import (
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"edrc/internal/lab"
)

// smallWorld has a bit of everything: files that are known, that must be scanned,
// that fail once and that must be fetched and uploaded; alerts that are closed, without a usable
// hash, and told already by another tool. An analysis is over before the next run
// begins: one that is asked for again is paid for again.
func smallWorld() lab.Options {
	return lab.Options{Seed: 40, Alerts: 20, Files: 12, AnalysisTime: 50 * time.Millisecond}
}

// smallReference is the reference of smallWorld, made once.
func smallReference(t *testing.T) (map[string]int, run) {
	t.Helper()
	small.Do(func() { small.scans, small.ref = reference(t, smallWorld(), settings{}, nil) })
	if small.scans == nil {
		t.Fatal("the reference of the small world failed in another test")
	}
	return small.scans, small.ref
}

var small struct {
	sync.Once
	scans map[string]int
	ref   run
}

// worthIt fails a test whose world has become too tame to prove anything.
func worthIt(t *testing.T, want truth, scans map[string]int, r run) {
	t.Helper()
	notes, none := 0, 0
	for _, m := range want {
		if m == "" {
			none++
		} else {
			notes++
		}
	}
	fetched := r.count("send POST /web/api/v2.1/threats/fetch-file")
	if notes < 10 || none < 3 || len(scans) < 3 || fetched < 1 || r.count("send") < 8 {
		t.Fatalf("the world proves little: %d alerts to note, %d not, %d files to scan, %d to fetch, %d writes; choose another seed",
			notes, none, len(scans), fetched, r.count("send"))
	}
}

// every gives the boundaries to try: each when EDRC_LONG is set, else a sample.
func every(n, step int) []int {
	if os.Getenv("EDRC_LONG") != "" {
		step = 1
	}
	var out []int
	for k := 1; k <= n; k += step {
		out = append(out, k)
	}
	return out
}

func TestAKillAtAnyBoundaryLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	o := smallWorld()
	scans, ref := smallReference(t)
	n := len(ref.boundaries)
	for _, k := range every(n+6, 2*slow-1) { // how work falls into commits varies a little
		t.Run(strconv.Itoa(k), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, o, settings{})
			want := w.truth()
			if k == 1 {
				worthIt(t, want, scans, ref)
			}
			r := w.crashing("kill", k, "").wait()
			if !r.killed && (k < n*2/3 || r.exit != 0) {
				t.Fatalf("it was to be killed at %d of %d boundaries and was not: exit %d after %d\n%s", k, n, r.exit, len(r.boundaries), r.stderr)
			}
			w.untilSettled(6)
			w.holds(want, scans, "after a kill at boundary "+strconv.Itoa(k))
		})
	}
}

// TestKillsAmongLostAnswersLoseAndDoubleNothing: answers to writes get lost, notes
// are shown late, and the process that should find out is killed too.
func TestKillsAmongLostAnswersLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	o := smallWorld()
	scans, ref := smallReference(t)
	n := len(ref.boundaries)
	o.NoteLag = time.Second
	o.Faults = []lab.Fault{{Kind: "reset", Place: "after", Rate: 0.4}}
	for _, k := range every(n+20, 9) { // doubts are commits too
		t.Run(strconv.Itoa(k), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, o, settings{wait: slow * 4 * time.Second})
			want := w.truth()
			second := 1 + rand.New(rand.NewPCG(7, uint64(k))).IntN(60)
			w.crashing("kill", k, "").wait()
			// No time passes but the real one: the dead hold their claims until these run out.
			w.crashing("kill", second, "").wait()
			w.untilSettledNow(20 * time.Second)
			w.holds(want, scans, "after kills at boundaries "+strconv.Itoa(k)+" and "+strconv.Itoa(second))
		})
	}
}
