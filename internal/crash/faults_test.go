//go:build linux

package crash

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"edrc/internal/lab"
)

// faultKinds are all that the lab can do wrong, anywhere and on writes.
func faultKinds() []lab.Fault {
	var out []lab.Fault
	for _, kind := range []string{"429", "500", "503", "reset", "timeout", "truncate", "html"} {
		out = append(out, lab.Fault{Kind: kind, Rate: 0.3}, lab.Fault{Kind: kind, Place: "before", Rate: 0.3})
		if kind != "429" {
			out = append(out, lab.Fault{Kind: kind, Place: "after", Rate: 0.3})
		}
	}
	return out
}

// TestAThirdOfAllRequestsMayFail: whatever kind of failure it is, the end is the
// same as without, after at most five runs.
func TestAThirdOfAllRequestsMayFail(t *testing.T) {
	t.Parallel()
	o := lab.Options{Seed: 23, Alerts: 30, Files: 12}
	s := settings{settle: slow * 250 * time.Millisecond, timeout: slow * 500 * time.Millisecond}
	scans, ref := reference(t, o, settings{}, nil)
	for _, f := range faultKinds() {
		t.Run(strings.TrimSuffix(f.String(), "=0.3"), func(t *testing.T) {
			t.Parallel()
			o := o
			o.Faults = []lab.Fault{f}
			w := newWorld(t, o, s)
			w.control("faults", map[string]string{"faults": ""}, nil)
			want := w.truth()
			worthIt(t, want, scans, ref)
			w.control("faults", map[string]string{"faults": f.String()}, nil)
			var runs []string
			most := 5
			for !w.reached(want, scans) {
				if len(runs) == most {
					w.Errorf("%d runs have not reached the end:\n%s", most, strings.Join(runs, "\n"))
					break
				}
				w.later(soon)
				r := w.sync("--max-runtime", (20 * time.Second).String()) // a vendor may ask for longer pauses than that
				if r.exit < 0 || r.exit == 2 {
					t.Fatalf("%s: exit %d\n%s", r.name, r.exit, r.stderr)
				}
				runs = append(runs, fmt.Sprintf("exit %d: %s\n%s", r.exit, r.stdout, r.stderr))
				if w.retryQuarantined(r) {
					most++
				}
			}
			w.control("faults", map[string]string{"faults": ""}, nil)
			w.untilSettled(2)
			w.holds(want, scans, "at the end")
		})
	}
}

// reached reports whether the lab is as it should be in the end.
func (w *world) reached(want truth, scans map[string]int) bool {
	got := w.markers()
	for id, marker := range want {
		if ms := got[id]; marker != "" && (len(ms) != 1 || ms[0] != marker) {
			return false
		}
	}
	return maps.Equal(w.lab.State().Intezer.ScansByFile, scans)
}

// retryQuarantined does what a person does with a note that five attempts in a row
// could not bring to an end; at this rate it happens to one in some hundred.
func (w *world) retryQuarantined(r run) bool {
	w.Helper()
	if r.summary.Quarantined == 0 {
		return false
	}
	list := w.edrc("quarantine", "list", "-o", "json")
	var out struct{ Items []struct{ ID string } }
	if err := json.Unmarshal([]byte(list.stdout), &out); err != nil || len(out.Items) == 0 {
		w.Fatalf("quarantine list: %v\n%s\n%s", err, list.stdout, list.stderr)
	}
	for _, it := range out.Items {
		if r := w.edrc("quarantine", "retry", it.ID); r.exit != 0 {
			w.Fatalf("quarantine retry: exit %d\n%s", r.exit, r.stderr)
		}
	}
	return true
}
