//go:build linux

package crash

import (
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"edrc/internal/lab"
)

// TestAKillBesideANoteDoublesNoneOfAnyProduct: each product says in its own way whether
// a note is there, and how long its text may be.
func TestAKillBesideANoteDoublesNoneOfAnyProduct(t *testing.T) {
	t.Parallel()
	for _, product := range append(lab.Products()[1:], lab.Variants()...) {
		t.Run(product, func(t *testing.T) {
			t.Parallel()
			o := lab.Options{Seed: 40, Alerts: 12, Files: 8, AnalysisTime: 50 * time.Millisecond, Products: []string{product}}
			told := func(w *world) map[string][]string {
				out := w.markers()
				for _, ms := range out {
					slices.Sort(ms) // several alerts may share what a note stands on
				}
				return out
			}
			w := newWorld(t, o, settings{})
			ref := w.sync()
			w.untilSettled(6)
			want := told(w)
			if len(want) < 3 {
				t.Fatalf("the world proves little: notes on %v", want)
			}
			n := ref.count("sen") // before a request, and behind it
			for _, k := range every(n, n/3) {
				t.Run(strconv.Itoa(k), func(t *testing.T) {
					w := newWorld(t, o, settings{})
					w.crashing("kill", k, "sen").wait()
					w.untilSettled(6)
					if got := told(w); !maps.EqualFunc(got, want, slices.Equal) {
						t.Errorf("after a kill at %d: %v, want %v", k, got, want)
					}
				})
			}
		})
	}
}
