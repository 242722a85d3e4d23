package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"edrc/internal/alert"
	"edrc/internal/ledger"
)

// queueModel compares the job queue with a map of jobs that is sorted at each look.
func queueModel(t *testing.T, b Backend) {
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		engine := fmt.Sprintf("e%d", round) // the store outlives a round
		model := map[alert.Hash]ledger.Job{}
		now := at(0)
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				n := rapid.SampledFrom([]int{32, 40, 64}).Draw(rt, "digits")
				j := newJob(engine, hash(n, rapid.StringMatching(`[0-5]`).Draw(rt, "hash")),
					alert.Severity(rapid.IntRange(-1, 5).Draw(rt, "priority")), at(rapid.IntRange(0, 5).Draw(rt, "created")))
				j.State = rapid.SampledFrom([]ledger.JobState{
					ledger.JobWanted, ledger.JobWaiting, ledger.JobAnalysing, ledger.JobJudged, ledger.JobFailed, ledger.JobFetching,
				}).Draw(rt, "state")
				if rapid.Bool().Draw(rt, "later") {
					j.NextTry = at(rapid.IntRange(0, 20).Draw(rt, "next"))
				}
				if rapid.Bool().Draw(rt, "held") {
					j.Claim = j.Claim.Take("h", at(rapid.IntRange(0, 20).Draw(rt, "until")))
				}
				j.Priority = max(j.Priority, 0)
				update(rt, b, func(tx ledger.Tx) error { return tx.PutJob(j) })
				model[j.Key.Hash] = *j
			},
			"clock": func(rt *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 4).Draw(rt, "minutes")) * time.Minute)
			},
			"look": func(rt *rapid.T) {
				update(rt, b, func(tx ledger.Tx) error { return compareQueue(rt, tx, engine, model, now) })
			},
			"": func(rt *rapid.T) {
				view(rt, b, func(tx ledger.Tx) error { return compareQueue(rt, tx, engine, model, now) })
			},
		})
	})
}

func compareQueue(rt *rapid.T, tx ledger.Tx, engine string, model map[alert.Hash]ledger.Job, now time.Time) error {
	var want []*ledger.Job
	var next time.Time
	var below [4]bool
	for _, j := range model {
		for r := j.Key.Rank() + 1; r < len(below); r++ {
			below[r] = below[r] || j.Active()
		}
		switch {
		case j.Terminal():
		case !j.Due().After(now):
			want = append(want, &j)
		case next.IsZero() || j.Due().Before(next):
			next = j.Due()
		}
	}
	slices.SortFunc(want, func(a, b *ledger.Job) int {
		if c := byDue(a, b); c != 0 {
			return c
		}
		return strings.Compare(string(a.Key.Hash), string(b.Key.Hash))
	})
	n := rapid.IntRange(0, 8).Draw(rt, "n")
	got, err := tx.DueJobs(engine, now, n)
	if err != nil {
		return err
	}
	want = want[:min(n, len(want))]
	if !slices.EqualFunc(got, want, func(a, b *ledger.Job) bool { return a.Key == b.Key }) {
		rt.Fatalf("due: %d jobs, want %d, or in another order", len(got), len(want))
	}
	if got, err := tx.NextDue(engine, now); err != nil || !got.Equal(next) {
		rt.Fatalf("next due %v (%v), want %v", got, err, next)
	}
	for rank, want := range below {
		if got, err := tx.ActiveBelow(engine, rank); err != nil || got != want {
			rt.Fatalf("active below %d: %v (%v), want %v", rank, got, err, want)
		}
	}
	return nil
}

// alertModel compares alerts with a map that is sorted at each look.
func alertModel(t *testing.T, b Backend) {
	round := 0
	idGen := rapid.OneOf(rapid.StringN(1, 4, -1), rapid.StringMatching(`[\x00\x01:ab]{1,3}`))
	rapid.Check(t, func(rt *rapid.T) {
		round++
		source := fmt.Sprintf("s%d", round)
		model := map[string]time.Time{}
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				a := newAlert(source, idGen.Draw(rt, "id"), at(rapid.IntRange(-3, 3).Draw(rt, "created")))
				update(rt, b, func(tx ledger.Tx) error { return tx.PutAlert(a) })
				if _, known := model[a.ID]; !known {
					model[a.ID] = a.Created
				}
			},
			"": func(rt *rapid.T) {
				from, to := at(rapid.IntRange(-4, 4).Draw(rt, "from")), at(rapid.IntRange(-4, 4).Draw(rt, "to"))
				view(rt, b, func(tx ledger.Tx) error {
					got, err := ids(tx, source, from, to)
					if want := between(model, from, to); !slices.Equal(got, want) {
						rt.Fatalf("[%v, %v]: %q, want %q", from, to, got, want)
					}
					return err
				})
			},
		})
	})
}

func between(model map[string]time.Time, from, to time.Time) (out []string) {
	for id, created := range model {
		if !created.Before(from) && !created.After(to) {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		if c := model[a].Compare(model[b]); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	return out
}
