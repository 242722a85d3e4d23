package crash

import (
	"testing"
	"edrc/internal/lab"
)

func TestSeeds(t *testing.T) {
	for seed := uint64(1); seed <= 60; seed++ {
	t.Run("", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, lab.Options{Seed: seed, Alerts: 20, Files: 12}, settings{})
		tr := w.truth()
		due := 0
		ms := map[string]bool{}
		for _, m := range tr { if m != "" { due++; ms[m]=true } }
		r := w.sync()
		if len(r.boundaries) < 150 {
		t.Log(seed, "due", due, "markers", len(ms), "exit", r.exit, "settled", r.settled(), "boundaries", len(r.boundaries), w.lab.State().Intezer.Scans, len(w.lab.State().Intezer.ScansByFile), r.summary.Waiting, r.summary.Skipped)
		}
	})
	}
}
