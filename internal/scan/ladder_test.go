package scan

import (
	"context"
	"errors"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
)

const day = 24 * time.Hour

func TestWhatIsRememberedCostsNotEvenARequest(t *testing.T) {
	w := newWorld(t, Policy{}, file("a", func(f *specimen) { f.age = time.Hour }))
	w.want(wish("a", alert.High))
	w.drain(time.Hour)
	asked := len(w.engine.calls)
	job, v := w.want(wish("a", alert.High))
	if v == nil || v.Verdict.Class != alert.Malicious || job.State != ledger.JobJudged {
		t.Fatalf("%+v, %+v", job, v)
	}
	if n, _ := w.step(); n != 0 || len(w.engine.calls) != asked {
		t.Errorf("%d jobs were worked on, the engine was asked: %s", n, w.engine.order())
	}
}

func TestARememberedVerdictIsFoundUnderEveryHashOfItsFile(t *testing.T) {
	w := newWorld(t, Policy{}, file("a", func(f *specimen) { f.age = time.Hour }))
	w.want(wish("a", alert.High, "256"))
	w.drain(time.Hour)
	for _, algo := range []string{"1", "5"} {
		job, v := w.want(wish("a", alert.High, algo))
		if v == nil || job.Key.Hash != sha("a") || job.State != ledger.JobJudged {
			t.Errorf("%s: %+v, %+v", algo, job, v)
		}
	}
}

func TestALookUpComesBeforeASubmitAndIsFree(t *testing.T) {
	w := newWorld(t, Policy{}, file("a", func(f *specimen) { f.age = time.Hour }))
	w.want(wish("a", alert.High))
	w.drain(time.Hour)
	j := w.state(sha("a"), ledger.JobJudged, "")
	if got := w.engine.order(); got != "lookup detail" || j.From != ledger.LookedUp {
		t.Errorf("%s, %s", got, j.From)
	}
	if w.spentOn() != 0 || w.Spent() != 0 {
		t.Error("a look-up was counted as a scan")
	}
	if v := w.verdict(sha("a")); v.AgeThen != time.Hour {
		t.Errorf("the analysis was an hour old, remembered as %v", v.AgeThen)
	}
}

func TestASubmitIsTheLastRungAndCostsOneScan(t *testing.T) {
	w := newWorld(t, Policy{}, file("a"))
	w.want(wish("a", alert.High))
	w.drain(time.Hour)
	j := w.state(sha("a"), ledger.JobJudged, "")
	if got := w.engine.order(); got != "lookup submit poll poll detail" || j.From != ledger.Scanned {
		t.Errorf("%s, %s", got, j.From)
	}
	if w.engine.paid() != 1 || w.spentOn() != 1 || w.Spent() != 1 {
		t.Errorf("paid %d, reserved %d, counted %d", w.engine.paid(), w.spentOn(), w.Spent())
	}
}

func TestTenAlertsOnOneFileAreOneScan(t *testing.T) {
	w := newWorld(t, Policy{}, file("a"))
	for range 10 {
		w.want(wish("a", alert.Low))
		w.step()
	}
	w.drain(time.Hour)
	if w.engine.paid() != 1 || w.engine.count("lookup") != 1 {
		t.Errorf("%s", w.engine.order())
	}
}

func TestAVerdictThatOutlivedItsLifeIsAskedForAgain(t *testing.T) {
	for class, life := range DefaultLife() {
		t.Run(string(class), func(t *testing.T) {
			rec := &ledger.VerdictRecord{Verdict: alert.Verdict{Class: class}}
			w := newWorld(t, Policy{})
			rec.Learned = w.clock.now()
			w.clock.add(life - time.Second)
			if !w.Fresh(rec, 0) {
				t.Error("it is not believed although its life is not over")
			}
			w.clock.add(time.Second)
			if w.Fresh(rec, 0) {
				t.Error("it is still believed")
			}
		})
	}
	w := newWorld(t, Policy{}, file("a", func(f *specimen) { f.age = time.Hour; f.class = alert.Unknown }))
	w.want(wish("a", alert.High))
	w.drain(time.Hour)
	w.clock.add(day)
	if _, v := w.want(wish("a", alert.High)); v != nil {
		t.Error("a stale verdict was handed out")
	}
	w.drain(time.Hour)
	if w.engine.paid() != 1 {
		t.Errorf("the look-up finds it stale too, so it must be analysed: %s", w.engine.order())
	}
}

func TestAnAnalysisThatIsTooOldByTheEnginesClockIsPaidForAgain(t *testing.T) {
	w := newWorld(t, Policy{}, file("a", func(f *specimen) { f.age = 91 * day }))
	w.want(wish("a", alert.High))
	w.drain(time.Hour)
	if w.engine.paid() != 1 {
		t.Error(w.engine.order())
	}
}

func TestMaxAgeNarrowsTheLifeAndNeverWidensIt(t *testing.T) {
	w := newWorld(t, Policy{}, file("a", func(f *specimen) { f.age = 2 * time.Hour }), file("b", func(f *specimen) { f.age = 2 * day; f.class = alert.Unknown }))
	a, b := wish("a", alert.High), wish("b", alert.High)
	a.MaxAge, b.MaxAge = time.Hour, 30*day
	w.want(a)
	w.want(b)
	w.drain(time.Hour)
	if w.engine.paid() != 2 {
		t.Errorf("both are too old: %s", w.engine.order())
	}
}

func TestRefreshBelievesNothing(t *testing.T) {
	w := newWorld(t, Policy{}, file("a", func(f *specimen) { f.age = time.Hour }))
	w.want(wish("a", alert.High))
	w.drain(time.Hour)
	again := wish("a", alert.High)
	again.Refresh = true
	if _, v := w.want(again); v != nil {
		t.Error("a remembered verdict came back")
	}
	w.drain(time.Hour)
	if w.engine.paid() != 1 {
		t.Error(w.engine.order())
	}
	w.state(sha("a"), ledger.JobJudged, "")
	if _, v := w.want(wish("a", alert.High)); v == nil {
		t.Error("the wish for a fresh one outlived its answer")
	}
}

func TestAFileWithoutAUsableHashHasNoJob(t *testing.T) {
	w := newWorld(t, Policy{})
	job, v := w.want(Wish{File: alert.File{Name: "x", Path: `C:\x`}})
	if job != nil || v != nil {
		t.Errorf("%+v, %+v", job, v)
	}
}

func TestAFileThatTheEngineDoesNotHoldWaitsForIt(t *testing.T) {
	w := newWorld(t, Policy{}, file("a", func(f *specimen) { f.unheld = true }))
	w.want(wish("a", alert.High))
	w.drain(time.Hour)
	w.state(sha("a"), ledger.JobWaiting, "file needed")
	if w.spentOn() != 0 || w.Spent() != 0 {
		t.Error("the reservation was not given back")
	}
	w.engine.byHash[sha("a")].unheld = false // somebody else has uploaded it
	w.drain(13 * time.Hour)
	w.state(sha("a"), ledger.JobJudged, "")
}

func TestARunningAnalysisIsJoinedAndNotPaid(t *testing.T) {
	w := newWorld(t, Policy{}, file("a"))
	if _, err := w.engine.Submit(t.Context(), sha("a")); err != nil { // by a colleague
		t.Fatal(err)
	}
	w.want(wish("a", alert.High))
	w.drain(time.Hour)
	j := w.state(sha("a"), ledger.JobJudged, "")
	if w.engine.paid() != 1 || w.spentOn() != 0 || w.Spent() != 0 || j.From != ledger.LookedUp {
		t.Errorf("paid %d, reserved %d, counted %d, %s", w.engine.paid(), w.spentOn(), w.Spent(), j.From)
	}
}

func TestARunningAnalysisWithoutAnIDIsLookedUpLater(t *testing.T) {
	w := newWorld(t, Policy{}, file("a", func(f *specimen) { f.outcome = AlreadyRunning }))
	w.want(wish("a", alert.High))
	w.step()
	w.state(sha("a"), ledger.JobWaiting, ReasonRunning)
	w.engine.mu.Lock()
	w.engine.byHash[sha("a")].done = w.clock.now()
	w.engine.mu.Unlock()
	w.drain(time.Hour)
	if j := w.state(sha("a"), ledger.JobJudged, ""); j.From != ledger.LookedUp || w.spentOn() != 0 {
		t.Errorf("%s, %d", j.From, w.spentOn())
	}
}

func TestALookUpThatFindsARunningAnalysisJoinsIt(t *testing.T) {
	w := newWorld(t, Policy{}, file("a"))
	sub, _ := w.engine.Submit(t.Context(), sha("a"))
	w.Scanner.engine = joins{w.engine, sub.ID}
	w.want(wish("a", alert.High))
	w.drain(time.Hour)
	w.state(sha("a"), ledger.JobJudged, "")
	if w.engine.count("submit") != 1 || w.spentOn() != 0 || w.Spent() != 0 {
		t.Errorf("%s: %d, %d", w.engine.order(), w.spentOn(), w.Spent())
	}
}

// joins answers look-ups with a running analysis.
type joins struct {
	*engine
	id string
}

func (j joins) Lookup(context.Context, alert.Hash) (Analysis, error) {
	return Analysis{ID: j.id, State: Running, Private: true}, nil
}

func TestAFileThatARuleExcludesIsWithheldForGood(t *testing.T) {
	w := newWorld(t, Policy{}, file("a", func(f *specimen) { f.outcome = SkippedByRule }))
	w.want(wish("a", alert.High))
	w.drain(48 * time.Hour)
	w.state(sha("a"), ledger.JobWithheld, "excluded by a rule")
	if w.engine.count("submit") != 1 || w.spentOn() != 0 {
		t.Errorf("%s, %d", w.engine.order(), w.spentOn())
	}
	w.want(wish("a", alert.Critical))
	if n, _ := w.step(); n != 0 {
		t.Error("it was tried again")
	}
}

func TestAnUnsupportedFileIsRememberedAsSuch(t *testing.T) {
	w := newWorld(t, Policy{}, file("a", func(f *specimen) { f.outcome = Unsupported }))
	w.want(wish("a", alert.High))
	w.drain(time.Hour)
	w.state(sha("a"), ledger.JobJudged, "")
	v := w.verdict(sha("a"))
	if v == nil || v.Verdict.Class != alert.NotSupported || v.Verdict.Reason == "" || w.spentOn() != 0 {
		t.Fatalf("%+v, spent %d", v, w.spentOn())
	}
	if _, v := w.want(wish("a", alert.High)); v == nil {
		t.Error("it would be asked for again")
	}
}

func TestAFailedAnalysisIsTriedAgainAndThenGivenUp(t *testing.T) {
	w := newWorld(t, Policy{}, file("once", func(f *specimen) { f.fails = 1 }), file("always", func(f *specimen) { f.fails = 99 }))
	w.want(wish("once", alert.High))
	w.want(wish("always", alert.High))
	w.drain(time.Hour)
	w.state(sha("once"), ledger.JobJudged, "")
	w.state(sha("always"), ledger.JobFailed, "it broke")
	if n := w.engine.byHash[sha("always")].scans; n != maxAttempts {
		t.Errorf("%d analyses of a file that fails", n)
	}
	w.want(wish("always", alert.High))
	if n, _ := w.step(); n != 0 {
		t.Error("a failure is forgotten at once")
	}
	w.clock.add(10 * time.Minute)
	w.want(wish("always", alert.High))
	if n, _ := w.step(); n != 1 {
		t.Error("a failure is never tried again")
	}
}

func TestAVanishedAnalysisIsStartedAgain(t *testing.T) {
	w := newWorld(t, Policy{}, file("a", func(f *specimen) { f.vanishes = 1 }))
	w.want(wish("a", alert.High))
	w.drain(time.Hour)
	w.state(sha("a"), ledger.JobJudged, "")
	if w.engine.count("submit") != 2 {
		t.Error(w.engine.order())
	}
}

func TestAnAnalysisThatNeverEndsIsGivenUpAndHoldsUpNobody(t *testing.T) {
	w := newWorld(t, Policy{GiveUp: 10 * time.Minute}, file("stuck", func(f *specimen) { f.never = true }), file("b"))
	w.want(wish("stuck", alert.Critical))
	w.want(wish("b", alert.Low))
	w.drain(time.Minute)
	w.state(sha("b"), ledger.JobJudged, "")
	w.state(sha("stuck"), ledger.JobAnalysing, ReasonRunning)
	w.drain(2 * time.Hour)
	w.state(sha("stuck"), ledger.JobFailed, "did not end within 10m0s")
}

func TestPollsBecomeRarerUpToABound(t *testing.T) {
	w := newWorld(t, Policy{PollBase: time.Second, PollMax: 10 * time.Second, GiveUp: time.Hour}, file("stuck", func(f *specimen) { f.never = true }))
	w.want(wish("stuck", alert.High))
	last := time.Duration(0)
	for range 30 {
		w.step()
		wait := w.job(sha("stuck")).NextTry.Sub(w.clock.now())
		if wait < last || wait > 10*time.Second {
			t.Fatalf("a wait of %v after one of %v", wait, last)
		}
		last = wait
		w.clock.add(wait)
	}
	if last != 10*time.Second {
		t.Errorf("the last wait is %v", last)
	}
}

func TestEngineTroubleIsReportedAndTriedAgainMoreAndMoreRarely(t *testing.T) {
	w := newWorld(t, Policy{RetryBase: time.Second}, file("a"))
	w.engine.before = func(string, alert.Hash) error { return fault.New(fault.Unavailable, "the engine is away") }
	w.want(wish("a", alert.High))
	for _, want := range []time.Duration{1, 2, 4, 8} {
		_, errs := w.step()
		tr, ok := errors.AsType[*Trouble](errors.Join(errs...))
		if !ok || tr.Hash != sha("a") || !fault.Is(tr, fault.Unavailable) {
			t.Fatalf("%v", errs)
		}
		j := w.state(sha("a"), ledger.JobWaiting, ReasonEngine)
		if wait := j.NextTry.Sub(w.clock.now()); wait != want*time.Second {
			t.Fatalf("the wait is %v, want %v", wait, want*time.Second)
		}
		w.clock.set(j.NextTry)
	}
	w.engine.before = nil
	w.drain(time.Hour)
	w.state(sha("a"), ledger.JobJudged, "")
}

func TestTheEnginesOwnWaitIsHeeded(t *testing.T) {
	w := newWorld(t, Policy{RetryBase: time.Second}, file("a"))
	w.engine.before = func(string, alert.Hash) error {
		return &fault.Error{Kind: fault.RateLimited, Msg: "slow down", RetryAfter: 7 * time.Minute}
	}
	w.want(wish("a", alert.High))
	w.step()
	if wait := w.job(sha("a")).NextTry.Sub(w.clock.now()); wait != 7*time.Minute {
		t.Error(wait)
	}
}

func TestATroubledPollKeepsTheAnalysis(t *testing.T) {
	w := newWorld(t, Policy{}, file("a"))
	w.want(wish("a", alert.High))
	w.step()
	w.clock.add(time.Minute)
	w.engine.before = func(call string, _ alert.Hash) error {
		if call == "poll" {
			return fault.New(fault.Unavailable, "away")
		}
		return nil
	}
	for range 20 {
		w.step()
		w.clock.add(time.Minute)
	}
	w.state(sha("a"), ledger.JobAnalysing, ReasonEngine)
	w.engine.before = nil
	w.drain(time.Hour)
	w.state(sha("a"), ledger.JobJudged, "")
	if w.engine.paid() != 1 {
		t.Error(w.engine.order())
	}
}

func TestAnInterruptedStepGivesItsClaimBack(t *testing.T) {
	w := newWorld(t, Policy{}, file("a"))
	ctx, cancel := context.WithCancel(t.Context())
	w.engine.before = func(string, alert.Hash) error { cancel(); return ctx.Err() }
	w.want(wish("a", alert.High))
	jobs, err := w.Claim(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Step(ctx, jobs[0]); !fault.Is(err, fault.Interrupted) {
		t.Errorf("%v", err)
	}
	if j := w.job(sha("a")); j.Claim.Held(w.clock.now()) {
		t.Error("the next run must wait for the claim to run out")
	}
}

func TestAPublicAnswerToAPrivateLookUpIsWarnedOfOnce(t *testing.T) {
	w := newWorld(t, Policy{}, file("a", func(f *specimen) { f.age, f.public = time.Hour, true }), file("b", func(f *specimen) { f.age, f.public = time.Hour, true }))
	warned := 0
	w.Scanner.warn = func(string) { warned++ }
	w.want(wish("a", alert.High))
	w.want(wish("b", alert.High))
	w.drain(time.Hour)
	if warned != 1 {
		t.Errorf("warned %d times", warned)
	}
}

func TestAVerdictByAWeakHashAloneIsWeak(t *testing.T) {
	w := newWorld(t, Policy{}, &specimen{hs: alert.Hashes{SHA1: hashesOf("a").SHA1}, age: time.Hour})
	w.want(wish("a", alert.High, "1"))
	w.drain(time.Hour)
	if v := w.verdict(hashesOf("a").SHA1); v == nil || !v.Verdict.Weak {
		t.Errorf("%+v", v)
	}
}

func TestADryRunSpendsNothingAndPricesTheRun(t *testing.T) {
	w := newWorld(t, Policy{DryRun: true}, file("known", func(f *specimen) { f.age = time.Hour }), file("a"), file("b"))
	for _, name := range []string{"known", "a", "b"} {
		w.want(wish(name, alert.High))
	}
	w.want(wish("b", alert.High, "1"))
	w.drain(time.Hour)
	if w.engine.count("submit") != 0 || w.spentOn() != 0 || w.Spent() != 0 {
		t.Errorf("%s", w.engine.order())
	}
	w.state(sha("known"), ledger.JobJudged, "")
	w.state(sha("a"), ledger.JobWaiting, ReasonDryRun)
	if w.Priced() < 2 {
		t.Errorf("priced %d", w.Priced())
	}
}
