package scan

import (
	"context"
	"slices"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
)

func TestTheHighestSeverityIsClaimedFirstAndAlone(t *testing.T) {
	w := newWorld(t, Policy{}, file("low"), file("crit"), file("high"))
	w.want(wish("low", alert.Low))
	w.want(wish("crit", alert.Critical))
	w.want(wish("high", alert.High))
	w.want(wish("high2", alert.High))
	for _, want := range []struct {
		sev alert.Severity
		n   int
	}{{alert.Critical, 1}, {alert.High, 2}, {alert.Low, 1}} {
		jobs, err := w.Claim(t.Context(), 10)
		if err != nil || len(jobs) != want.n || jobs[0].Priority != want.sev {
			t.Fatalf("%+v, %v; want %d of %s", jobs, err, want.n, want.sev)
		}
	}
	if jobs, _ := w.Claim(t.Context(), 10); len(jobs) != 0 {
		t.Error("a held job was claimed again")
	}
}

func TestPriorityIsTheHighestSeverityThatWantsTheFile(t *testing.T) {
	w := newWorld(t, Policy{}, file("a"))
	for _, s := range []alert.Severity{alert.Medium, alert.Critical, alert.Low} {
		w.want(wish("a", s))
	}
	if j := w.job(sha("a")); j.Priority != alert.Critical {
		t.Error(j.Priority)
	}
}

func TestAJobThatIsHeldIsNotClaimedByKeyEither(t *testing.T) {
	w := newWorld(t, Policy{}, file("a"))
	w.want(wish("a", alert.High))
	k := w.key(sha("a"))
	if j, err := w.ClaimOne(t.Context(), k); j == nil || err != nil {
		t.Fatal(j, err)
	}
	if j, err := w.other(Policy{}).ClaimOne(t.Context(), k); j != nil || err != nil {
		t.Fatal(j, err)
	}
	w.clock.add(3 * time.Minute)
	if j, err := w.other(Policy{}).ClaimOne(t.Context(), k); j == nil || err != nil {
		t.Error("a claim that ran out is never taken over", err)
	}
	if j, err := w.ClaimOne(t.Context(), w.key(sha("nobody"))); j != nil || err != nil {
		t.Error(j, err)
	}
}

// steal lets another process take a job over.
func (w *world) steal(h alert.Hash) {
	err := w.store.Update(context.Background(), 1, func(tx ledger.Tx) error {
		j, err := tx.Job(w.key(h))
		if err != nil {
			return err
		}
		j.Claim = j.Claim.Take("host/2/b", w.clock.now().Add(time.Hour))
		return tx.PutJob(j)
	})
	if err != nil {
		w.t.Error(err)
	}
}

func TestACommitUnderAClaimThatWasTakenOverChangesNothing(t *testing.T) {
	for _, call := range []string{"lookup", "poll", "detail"} {
		t.Run(call, func(t *testing.T) {
			w := newWorld(t, Policy{}, file("a"))
			w.want(wish("a", alert.High))
			stolen := false
			var before *ledger.Job
			var quota ledger.Quota
			w.engine.before = func(c string, _ alert.Hash) error {
				if c == call && !stolen {
					stolen = true
					w.steal(sha("a"))
					before, quota = w.job(sha("a")), *w.quotaNow()
				}
				return nil
			}
			for !stolen {
				w.step()
				w.clock.add(time.Minute)
			}
			after := w.job(sha("a"))
			if *after != *before || *w.quotaNow() != quota || w.verdict(sha("a")) != nil {
				t.Errorf("the loser wrote:\n%+v\n%+v", before, after)
			}
			if call == "lookup" && w.engine.count("submit") != 0 {
				t.Error("the loser paid")
			}
		})
	}
}

func TestAClaimThatIsStolenWhileTheRequestRunsLeavesTheOutcomeToTheThief(t *testing.T) {
	w := newWorld(t, Policy{}, file("a"))
	w.want(wish("a", alert.High))
	w.engine.after = func(alert.Hash) error { w.steal(sha("a")); return nil }
	w.step()
	w.state(sha("a"), ledger.JobSubmitting, "")
	w.engine.after = nil
	w.clock.add(2 * time.Hour) // the thief died too
	w.drain(time.Hour)
	w.state(sha("a"), ledger.JobJudged, "")
	if w.engine.paid() != 1 || w.spentOn() != 1 {
		t.Errorf("paid %d, counted %d", w.engine.paid(), w.spentOn())
	}
}

// slow lets time pass after a commit that leaves a job in a state.
type slow struct {
	Store
	key   ledger.JobKey
	state ledger.JobState
	then  func()
}

func (s *slow) Update(ctx context.Context, n int, fn func(ledger.Tx) error) error {
	hit := false
	err := s.Store.Update(ctx, n, func(tx ledger.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		j, err := tx.Job(s.key)
		hit = j != nil && j.State == s.state
		return err
	})
	if hit && s.then != nil {
		s.then()
		s.then = nil
	}
	return err
}

func TestAClaimThatRanOutBeforeThePaidRequestDoesNotSendIt(t *testing.T) {
	w := newWorld(t, Policy{}, file("a"))
	w.want(wish("a", alert.High))
	w.Scanner.store = &slow{w.store, w.key(sha("a")), ledger.JobSubmitting, func() { w.clock.add(time.Hour) }} // the laptop was closed
	jobs, _ := w.Claim(t.Context(), 1)
	if err := w.Step(t.Context(), jobs[0]); err != nil {
		t.Fatal(err)
	}
	if w.engine.count("submit") != 0 {
		t.Fatal("it was sent under a claim that may be somebody else's")
	}
	if w.granted.Load() != 0 {
		t.Error("the run may spend one scan less now")
	}
	w.drain(time.Hour)
	w.state(sha("a"), ledger.JobJudged, "")
	if w.engine.paid() != 1 || w.spentOn() != 1 {
		t.Errorf("paid %d, reserved %d", w.engine.paid(), w.spentOn())
	}
}

func TestFilesWithWeakHashesLetOthersGoFirstAndHoldUpNobody(t *testing.T) {
	w := newWorld(t, Policy{}, file("strong", func(f *specimen) { f.never = true }), file("weak"), file("low"), file("known", func(f *specimen) { f.age = time.Hour }))
	w.want(wish("strong", alert.Low, "256"))
	w.want(wish("weak", alert.Critical, "1"))
	w.want(wish("known", alert.Critical, "1"))
	w.step() // critical: both are looked up, which is free
	j := w.state(hashesOf("weak").SHA1, ledger.JobWaiting, ReasonOrder)
	if !j.Behind || j.Urgency() != 0 {
		t.Errorf("%+v", j)
	}
	if w.verdict(sha("known")) == nil {
		t.Error("a verdict that costs nothing had to wait")
	}
	w.step()
	w.state(sha("strong"), ledger.JobAnalysing, "")
	looked := w.engine.count("lookup")
	for range 5 { // the weak one is due again and again, and must not be in the way
		w.clock.add(5 * time.Second)
		w.want(wish("low", alert.Low, "256"))
		jobs, err := w.Claim(t.Context(), 1)
		if err != nil || len(jobs) != 1 || jobs[0].Behind {
			t.Fatalf("%+v, %v", jobs, err)
		}
		if err := w.Step(t.Context(), jobs[0]); err != nil {
			t.Fatal(err)
		}
	}
	w.step()
	if n := w.engine.count("lookup") - looked; n > 1 { // of the low one
		t.Errorf("%d look-ups while waiting for its turn", n)
	}
	w.engine.byHash[sha("strong")].never = false
	w.drain(2 * time.Hour)
	w.state(hashesOf("weak").SHA1, ledger.JobJudged, "")
}

func TestAJudgedFileJudgesItsTwinsUnderOtherHashes(t *testing.T) {
	w := newWorld(t, Policy{}, file("a"))
	w.want(wish("a", alert.High, "256"))
	w.want(wish("a", alert.High, "1"))
	w.want(wish("a", alert.High, "5"))
	w.drain(time.Hour)
	for _, h := range hashesOf("a").All() {
		w.state(h, ledger.JobJudged, "")
	}
	if w.engine.paid() != 1 {
		t.Errorf("one file was paid for %d times", w.engine.paid())
	}
	var fans []ledger.Fanout
	err := w.store.View(t.Context(), func(tx ledger.Tx) (err error) {
		fans, err = tx.Fanouts(w.Scope(), 10)
		return err
	})
	if err != nil || len(fans) != 3 {
		t.Errorf("the alerts of each hash must be told: %+v, %v", fans, err)
	}
}

func TestARefreshedVerdictIsToldToAlertsThatKnowTheFileByAnotherHash(t *testing.T) {
	w := newWorld(t, Policy{}, file("a", func(f *specimen) { f.class = alert.Suspicious }))
	w.want(wish("a", alert.High, "1"))
	w.drain(time.Hour)
	w.want(wish("a", alert.High, "256"))
	clearFans(t, w)
	again := wish("a", alert.High, "256")
	again.Refresh = true
	w.engine.byHash[sha("a")].class = alert.Malicious
	w.want(again)
	w.drain(time.Hour)
	var keys []alert.Hash
	err := w.store.View(t.Context(), func(tx ledger.Tx) error {
		fans, err := tx.Fanouts(w.Scope(), 10)
		for _, f := range fans {
			keys = append(keys, f.Job.Hash)
		}
		return err
	})
	if err != nil || !slices.Contains(keys, hashesOf("a").SHA1) {
		t.Errorf("%v, %v", keys, err)
	}
}

func clearFans(t *testing.T, w *world) {
	t.Helper()
	err := w.store.Update(t.Context(), 1, func(tx ledger.Tx) error {
		fans, err := tx.Fanouts(w.Scope(), 10)
		for _, f := range fans {
			if err := tx.DeleteFanout(f.Job); err != nil {
				return err
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAGivenUpTwinIsJudgedToo(t *testing.T) {
	w := newWorld(t, Policy{}, file("a", func(f *specimen) { f.fails = maxAttempts }))
	w.want(wish("a", alert.High, "1"))
	w.drain(time.Hour)
	w.state(hashesOf("a").SHA1, ledger.JobFailed, "")
	w.want(wish("a", alert.High, "256"))
	w.drain(time.Hour)
	w.state(hashesOf("a").SHA1, ledger.JobJudged, "")
}

func TestTheErrorOfAStaleCommitIsErrStale(t *testing.T) {
	w := newWorld(t, Policy{}, file("a"))
	w.want(wish("a", alert.High))
	jobs, _ := w.Claim(t.Context(), 1)
	w.steal(sha("a"))
	err := w.change(t.Context(), jobs[0], func(ledger.Tx, *ledger.Job) error { t.Error("it ran"); return nil })
	if err == nil || fault.KindOf(err) != fault.Other {
		t.Fatal(err)
	}
	if err := w.Step(t.Context(), jobs[0]); err != nil {
		t.Errorf("whoever took over carries on, so it is no failure: %v", err)
	}
}
