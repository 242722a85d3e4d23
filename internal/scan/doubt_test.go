package scan

import (
	"fmt"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
)

// loseAnswers makes the next n submits succeed without telling.
func (w *world) loseAnswers(n int) {
	w.engine.after = func(alert.Hash) error {
		if n--; n >= 0 {
			return fault.New(fault.InDoubt, "the connection was reset")
		}
		return nil
	}
}

func (w *world) once() {
	w.t.Helper()
	w.state(sha("a"), ledger.JobJudged, "")
	if w.engine.paid() != 1 || w.spentOn() != 1 || w.Spent() != 1 {
		w.t.Errorf("paid %d, reserved %d, counted %d: %s", w.engine.paid(), w.spentOn(), w.Spent(), w.engine.order())
	}
	if j := w.job(sha("a")); j.From != ledger.Scanned || j.Reserved != "" {
		w.t.Errorf("%+v", j)
	}
}

func TestASubmitInDoubtIsLookedUpBeforeItIsSentAgain(t *testing.T) {
	w := newWorld(t, Policy{}, file("a"))
	w.loseAnswers(1)
	w.want(wish("a", alert.High))
	w.step()
	w.state(sha("a"), ledger.JobSubmitting, ReasonEngine)
	w.drain(time.Hour)
	if got := w.engine.order(); got != "lookup submit lookup submit poll poll detail" { // 409 told the id
		t.Error(got)
	}
	w.once()
}

func TestASubmitInDoubtThatTheLookUpFindsDoneIsCountedOnce(t *testing.T) {
	w := newWorld(t, Policy{}, file("a"))
	w.loseAnswers(1)
	w.want(wish("a", alert.High))
	w.step()
	w.engine.finish(sha("a"))
	w.drain(time.Hour)
	if got := w.engine.order(); got != "lookup submit lookup detail" {
		t.Error(got)
	}
	w.once()
}

// finish ends a running analysis at once.
func (e *engine) finish(h alert.Hash) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f := e.byHash[h]
	f.id, f.done = "", e.clock.now()
}

func TestASubmitInDoubtIsCountedOnceHoweverOftenItsVerdictCannotBeRead(t *testing.T) {
	w := newWorld(t, Policy{MaxScans: 1}, file("a"))
	w.loseAnswers(1)
	w.want(wish("a", alert.High))
	w.step()
	w.engine.finish(sha("a"))
	bad := 3
	w.engine.before = func(call string, _ alert.Hash) error {
		if call == "detail" && bad > 0 {
			bad--
			return fault.New(fault.Unavailable, "away")
		}
		return nil
	}
	w.drain(time.Hour)
	w.once()
}

func TestASubmitThatWasLostBeforeItArrivedIsSentAgain(t *testing.T) {
	w := newWorld(t, Policy{MaxScans: 1}, file("a"), file("b"))
	lost := 1
	w.engine.before = func(call string, _ alert.Hash) error {
		if call == "submit" && lost > 0 {
			lost--
			return fault.New(fault.InDoubt, "timeout")
		}
		return nil
	}
	w.want(wish("a", alert.High))
	w.step()
	if w.spentOn() != 1 {
		t.Error("what may have been spent was given back")
	}
	w.want(wish("b", alert.High))
	w.step()
	if w.engine.paid() != 0 {
		t.Error("another file took the scan that may have been spent")
	}
	w.drain(30 * time.Second)
	w.once()
}

func TestADoubtOutlivesARefusalOfTheSecondTry(t *testing.T) {
	for _, kind := range []fault.Kind{fault.RateLimited, fault.Auth, fault.Quota, fault.Unavailable} {
		t.Run(string(kind), func(t *testing.T) {
			w := newWorld(t, Policy{MaxScans: 1}, file("a"))
			n := 0
			w.loseAnswers(1)
			w.engine.before = func(call string, _ alert.Hash) error {
				if call == "submit" {
					if n++; n == 2 {
						return fault.New(kind, "no")
					}
				}
				return nil
			}
			w.want(wish("a", alert.High))
			for n < 2 {
				w.step()
				w.clock.add(time.Minute)
			}
			w.state(sha("a"), ledger.JobSubmitting, "")
			w.engine.finish(sha("a"))
			w.drain(2 * time.Hour)
			w.once()
		})
	}
}

func TestADoubtOutlivesTheEndOfWhatARunMaySpend(t *testing.T) {
	w := newWorld(t, Policy{}, file("a"), file("b"))
	w.loseAnswers(1)
	w.want(wish("a", alert.High))
	w.step()
	w.engine.after = nil
	next := *w
	next.Scanner = w.other(Policy{MaxScans: 1})
	next.want(wish("b", alert.Critical))
	next.step() // spends the one
	w.clock.add(time.Minute)
	next.step()
	next.state(sha("a"), ledger.JobSubmitting, "")
	w.engine.finish(sha("a"))
	next.drain(time.Hour)
	if j := next.state(sha("a"), ledger.JobJudged, ""); j.From != ledger.Scanned || next.spentOn() != 2 {
		t.Errorf("%s, %d", j.From, next.spentOn())
	}
}

func TestAnotherProcessResolvesTheDoubtOfOneThatDied(t *testing.T) {
	w := newWorld(t, Policy{}, file("a"))
	w.want(wish("a", alert.High))
	w.Scanner.store = &slow{w.store, w.key(sha("a")), ledger.JobSubmitting, func() { w.engine.before = nil }}
	w.engine.after = func(alert.Hash) error { panic("killed") }
	jobs, _ := w.Claim(t.Context(), 1)
	func() {
		defer func() { _ = recover() }()
		_ = w.Step(t.Context(), jobs[0])
	}()
	w.engine.after = nil
	next := *w
	next.Scanner = w.other(Policy{})
	if n, _ := next.step(); n != 0 {
		t.Error("the claim of the dead one is still good")
	}
	w.clock.add(3 * time.Minute)
	next.drain(time.Hour)
	next.once()
}

func TestADoubtThatA409WithoutAnIDAnswersStaysOne(t *testing.T) {
	w := newWorld(t, Policy{}, file("a"))
	w.loseAnswers(1)
	w.want(wish("a", alert.High))
	w.step()
	w.engine.byHash[sha("a")].outcome = AlreadyRunning
	w.clock.add(time.Minute)
	w.step()
	w.state(sha("a"), ledger.JobSubmitting, ReasonRunning)
	w.engine.finish(sha("a"))
	w.drain(time.Hour)
	w.once()
}

func TestARefreshInDoubtIsNotPaidTwice(t *testing.T) {
	w := newWorld(t, Policy{}, file("a", func(f *specimen) { f.age = day }))
	again := wish("a", alert.High)
	again.Refresh = true
	w.loseAnswers(1)
	w.want(again)
	w.step()
	w.clock.add(time.Minute)
	w.engine.finish(sha("a"))
	w.drain(time.Hour)
	w.once()
}

func TestARefreshInDoubtDoesNotTakeAnOldAnalysisForItsOwn(t *testing.T) {
	w := newWorld(t, Policy{}, file("a", func(f *specimen) { f.age = day }))
	again := wish("a", alert.High)
	again.Refresh = true
	lost := 1
	w.engine.before = func(call string, _ alert.Hash) error {
		if call == "submit" && lost > 0 {
			lost--
			return fault.New(fault.InDoubt, "timeout")
		}
		return nil
	}
	w.want(again)
	w.drain(time.Hour)
	w.once()
	if v := w.verdict(sha("a")); v.AgeThen > time.Minute {
		t.Errorf("an analysis of %v was handed out as a fresh one", v.AgeThen)
	}
}

func TestManyDoubtsOneAfterTheOtherAreStillOneScanAFile(t *testing.T) {
	w := newWorld(t, Policy{MaxScans: 20, RetryBase: time.Second}, many(20)...)
	n := 0
	w.engine.after = func(alert.Hash) error {
		if n++; n%3 != 0 {
			return fault.New(fault.InDoubt, "reset")
		}
		return nil
	}
	for i := range 20 {
		w.want(wish(fmt.Sprint(i), alert.High))
	}
	w.drain(6 * time.Hour)
	for i := range 20 {
		w.state(sha(fmt.Sprint(i)), ledger.JobJudged, "")
	}
	if w.engine.paid() != 20 || w.spentOn() != 20 || w.Spent() != 20 {
		t.Errorf("paid %d, reserved %d, counted %d", w.engine.paid(), w.spentOn(), w.Spent())
	}
}

func TestADoubtKeepsItsScanWhenItsClaimRunsOut(t *testing.T) {
	w := newWorld(t, Policy{MaxScans: 1}, file("a"), file("b"))
	w.loseAnswers(1)
	w.want(wish("a", alert.High))
	w.step()
	w.clock.add(time.Minute)
	jobs, err := w.Claim(t.Context(), 1)
	if err != nil || len(jobs) != 1 {
		t.Fatal(jobs, err)
	}
	w.Scanner.store = &slow{w.store, w.key(sha("a")), ledger.JobSubmitting, func() { w.clock.add(time.Hour) }}
	if err := w.Step(t.Context(), jobs[0]); err != nil {
		t.Fatal(err)
	}
	w.want(wish("b", alert.Critical))
	w.drain(time.Hour)
	if w.engine.paid() != 1 {
		t.Errorf("%d scans, 1 is allowed", w.engine.paid())
	}
}

func TestADoubtThatATwinResolvesStaysCounted(t *testing.T) {
	w := newWorld(t, Policy{}, file("a"))
	w.loseAnswers(1)
	w.want(wish("a", alert.High, "1"))
	w.step() // paid for, and in doubt
	w.want(wish("a", alert.High, "256"))
	w.drain(time.Hour) // joins the one that runs
	w.state(hashesOf("a").SHA1, ledger.JobJudged, "")
	if w.engine.paid() != 1 || w.spentOn() != 1 {
		t.Errorf("paid %d, counted %d", w.engine.paid(), w.spentOn())
	}
}

func TestAVerdictThatComesBetweenLookUpAndSubmitSavesTheScan(t *testing.T) {
	w := newWorld(t, Policy{}, file("a"))
	w.engine.before = func(call string, _ alert.Hash) error {
		if call != "lookup" {
			return nil
		}
		return w.store.Update(t.Context(), 1, func(tx ledger.Tx) error { // by another process, under another hash
			v := alert.Verdict{Engine: "intezer", Class: alert.Malicious, Hashes: hashesOf("a")}
			return tx.PutVerdict(&ledger.VerdictRecord{Engine: w.Scope(), Verdict: v, Learned: w.clock.now()})
		})
	}
	w.want(wish("a", alert.High))
	w.drain(time.Hour)
	if j := w.state(sha("a"), ledger.JobJudged, ""); j.From != ledger.Remembered || w.engine.paid() != 0 || w.granted.Load() != 0 {
		t.Errorf("%+v, paid %d", j, w.engine.paid())
	}
}

func TestTwoDoubtsOfOneFileDoNotWaitForEachOther(t *testing.T) {
	w := newWorld(t, Policy{}, file("a"))
	w.want(wish("a", alert.High, "256", "1"))
	w.want(wish("a", alert.High, "1"))
	err := w.store.Update(t.Context(), 2, func(tx ledger.Tx) error {
		for _, h := range []alert.Hash{sha("a"), hashesOf("a").SHA1} {
			j, err := tx.Job(w.key(h))
			if err != nil {
				return err
			}
			j.State, j.Reserved, j.Submitted = ledger.JobSubmitting, w.today(), w.clock.now()
			if err := tx.PutJob(j); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.drain(time.Hour)
	for _, h := range []alert.Hash{sha("a"), hashesOf("a").SHA1} {
		w.state(h, ledger.JobJudged, "")
	}
	if w.engine.paid() != 1 {
		t.Errorf("paid %d", w.engine.paid())
	}
}
