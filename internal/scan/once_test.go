package scan

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
)

// TestOneFileUnderThreeHashesIsPaidForOnce draws in which order alerts name which
// hashes of two files, when workers of two processes step, how time passes, and
// which answers are lost.
func TestOneFileUnderThreeHashesIsPaidForOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, Policy{PollBase: time.Second, RetryBase: time.Second}, file("a"), file("b"))
		w.t = rt
		w.engine.mute = rapid.Bool().Draw(rt, "the engine names the SHA-256 alone")
		lose := rapid.SliceOfN(rapid.Bool(), 8, 8).Draw(rt, "lost answers")
		n := 0
		w.engine.after = func(alert.Hash) error {
			w.engine.mu.Lock()
			defer w.engine.mu.Unlock()
			if n++; n <= len(lose) && lose[n-1] {
				return fault.New(fault.InDoubt, "reset")
			}
			return nil
		}
		both := []*Scanner{w.Scanner, w.other(Policy{PollBase: time.Second, RetryBase: time.Second})}
		named := map[alert.Hash]bool{}
		for range rapid.IntRange(1, 14).Draw(rt, "actions") {
			switch rapid.IntRange(0, 2).Draw(rt, "what") {
			case 0:
				name := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "file")
				algos := rapid.SampledFrom([][]string{{"256"}, {"1"}, {"5"}, {"256", "1"}, {"1", "5"}, {"256", "1", "5"}}).Draw(rt, "hashes")
				sev := rapid.SampledFrom([]alert.Severity{alert.Low, alert.Critical}).Draw(rt, "severity")
				j, _ := w.want(wish(name, sev, algos...))
				named[j.Key.Hash] = true
			case 1:
				var wg sync.WaitGroup
				for i := range rapid.IntRange(1, 4).Draw(rt, "workers") {
					wg.Go(func() { stepAll(t, both[i%2]) })
				}
				wg.Wait()
			case 2:
				w.clock.add(time.Duration(rapid.IntRange(1, 40).Draw(rt, "seconds")) * time.Second)
			}
		}
		w.drain(24 * time.Hour)
		for _, name := range []string{"a", "b"} {
			if f := w.engine.byHash[sha(name)]; f.scans > 1 {
				rt.Fatalf("file %s was paid for %d times: %v", name, f.scans, w.engine.submits)
			}
		}
		for h := range named {
			if j := w.job(h); j.State != ledger.JobJudged {
				rt.Fatalf("%s is %s (%s)", h, j.State, j.Reason)
			}
		}
		// A lost answer may have been a 409, which is free: it is counted all the same.
		paid, spent := w.engine.paid(), both[0].Spent()+both[1].Spent()
		if most := paid + min(n, len(lose)); spent > most || w.spentOn() < paid || w.spentOn() > most {
			rt.Fatalf("paid %d, counted %d, reserved %d", paid, spent, w.spentOn())
		}
	})
}

func stepAll(t *testing.T, s *Scanner) {
	jobs, err := s.Claim(context.Background(), 2)
	if err != nil {
		t.Error(err)
	}
	var wg sync.WaitGroup
	for _, j := range jobs {
		wg.Go(func() { _ = s.Step(context.Background(), j) })
	}
	wg.Wait()
}

// TestAWeakHashIsNotSubmittedOnTheStrengthOfAnOldLookUp: between the look-up and
// the submit of a SHA-1, its file is judged under its SHA-256.
func TestAWeakHashIsNotSubmittedOnTheStrengthOfAnOldLookUp(t *testing.T) {
	for _, mute := range []bool{false, true} {
		t.Run(fmt.Sprint("the engine names the SHA-256 alone: ", mute), func(t *testing.T) {
			w := newWorld(t, Policy{}, file("a"))
			w.engine.mute = mute
			w.want(wish("a", alert.Low, "256"))
			w.step() // runs
			w.want(wish("a", alert.Critical, "1"))
			weak, err := w.ClaimOne(t.Context(), w.key(hashesOf("a").SHA1))
			if err != nil || weak == nil {
				t.Fatal(err)
			}
			w.engine.before = func(call string, h alert.Hash) error {
				if call == "lookup" && h == hashesOf("a").SHA1 {
					w.engine.before = nil
					w.drain(time.Minute) // the strong one is judged after this look-up has found nothing
					return fault.New(fault.NotFound, "no analysis")
				}
				return nil
			}
			if err := w.Step(t.Context(), weak); err != nil {
				t.Fatal(err)
			}
			w.drain(time.Hour)
			if w.engine.paid() != 1 {
				t.Errorf("one file was paid for %d times: %s", w.engine.paid(), w.engine.order())
			}
			w.state(hashesOf("a").SHA1, ledger.JobJudged, "")
		})
	}
}
