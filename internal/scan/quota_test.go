package scan

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
)

func TestAScanIsReservedBeforeItIsAskedFor(t *testing.T) {
	w := newWorld(t, Policy{}, file("a"))
	reserved := -1
	w.engine.before = func(call string, _ alert.Hash) error {
		if call == "submit" {
			reserved = w.spentOn()
			w.state(sha("a"), ledger.JobSubmitting, "")
		}
		return nil
	}
	w.want(wish("a", alert.High))
	w.step()
	if reserved != 1 {
		t.Errorf("%d scans were reserved when the request went out", reserved)
	}
}

func TestWhatCertainlyCostNothingIsGivenBack(t *testing.T) {
	for _, kind := range []fault.Kind{fault.Unavailable, fault.RateLimited, fault.Auth, fault.Denied, fault.Invalid, fault.Quota} {
		t.Run(string(kind), func(t *testing.T) {
			w := newWorld(t, Policy{MaxScans: 1}, file("a"))
			w.engine.before = func(call string, _ alert.Hash) error {
				if call == "submit" {
					return fault.New(kind, "no")
				}
				return nil
			}
			w.want(wish("a", alert.High))
			w.step()
			if w.spentOn() != 0 || w.granted.Load() != 0 || w.job(sha("a")).Reserved != "" {
				t.Errorf("%d reserved, %d taken", w.spentOn(), w.granted.Load())
			}
			w.state(sha("a"), ledger.JobWaiting, "")
			w.engine.before = nil
			w.drain(2 * time.Hour)
			w.state(sha("a"), ledger.JobJudged, "")
		})
	}
}

func TestTheDayBeginsAtMidnightUTC(t *testing.T) {
	w := newWorld(t, Policy{DailyBudget: 1}, file("a"), file("b"))
	w.clock.set(time.Date(2026, 3, 14, 23, 58, 0, 0, time.UTC).In(time.FixedZone("east", 9*3600)))
	w.want(wish("a", alert.High))
	w.drain(time.Minute)
	w.want(wish("b", alert.High))
	w.step()
	j := w.state(sha("b"), ledger.JobWaiting, ReasonQuota+": nothing left today")
	if midnight := time.Date(2026, 3, 15, 0, 0, 0, 0, time.UTC); !j.NextTry.Equal(midnight) {
		t.Errorf("the next try is at %v", j.NextTry)
	}
	w.drain(time.Hour)
	w.state(sha("b"), ledger.JobJudged, "")
	if q := w.quotaNow(); q.Day != "2026-03-15" || q.Spent != 1 || q.Since != 2 {
		t.Errorf("%+v", q)
	}
}

func TestAReservationOfYesterdayIsNotGivenBackToToday(t *testing.T) {
	w := newWorld(t, Policy{}, file("a", func(f *specimen) { f.unheld = true }), file("b"))
	w.clock.set(time.Date(2026, 3, 14, 23, 59, 59, 0, time.UTC))
	w.engine.before = func(call string, h alert.Hash) error {
		if call == "submit" && h == sha("a") {
			w.clock.add(time.Minute)
			w.want(wish("b", alert.High))
			w.step()
		}
		return nil
	}
	w.want(wish("a", alert.High))
	w.step()
	if q := w.quotaNow(); q.Spent != 1 || q.Since != 1 {
		t.Errorf("only b was spent today: %+v", q)
	}
}

func TestTheDailyBudgetHolds(t *testing.T) {
	w := newWorld(t, Policy{DailyBudget: 3}, many(10)...)
	for i := range 10 {
		w.want(wish(fmt.Sprint(i), alert.High))
	}
	w.drain(time.Hour)
	if w.engine.paid() != 3 {
		t.Errorf("%d scans", w.engine.paid())
	}
	w.drain(25 * time.Hour)
	if w.engine.paid() != 6 {
		t.Errorf("%d scans after two days", w.engine.paid())
	}
}

func many(n int) []*specimen {
	var out []*specimen
	for i := range n {
		out = append(out, file(fmt.Sprint(i)))
	}
	return out
}

func TestTheVendorsQuotaHoldsWhenItIsTheSmallerOne(t *testing.T) {
	w := newWorld(t, Policy{DailyBudget: 100}, many(10)...)
	w.engine.quota = Allowance{Known: true, Limit: 1000, Usage: 996, Type: "monthly"}
	if _, err := w.RefreshQuota(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		w.want(wish(fmt.Sprint(i), alert.High))
	}
	w.drain(time.Hour)
	if w.engine.paid() != 4 {
		t.Errorf("%d scans", w.engine.paid())
	}
}

func TestAShareIsKeptForHighSeverity(t *testing.T) {
	w := newWorld(t, Policy{DailyBudget: 10, ReservePercent: 30}, append(many(20), file("late"))...)
	for i := range 20 {
		w.want(wish(fmt.Sprint(i), alert.Medium))
	}
	w.drain(time.Hour)
	if w.engine.paid() != 7 {
		t.Fatalf("medium alerts took %d of 10, 3 are kept", w.engine.paid())
	}
	w.want(wish("late", alert.High))
	w.drain(time.Hour)
	w.state(sha("late"), ledger.JobJudged, "")
}

func TestAFileWhoseSeverityRisesNeedNotWaitForTomorrow(t *testing.T) {
	w := newWorld(t, Policy{DailyBudget: 2, ReservePercent: 50}, many(2)...)
	w.want(wish("0", alert.Low))
	w.drain(time.Minute)
	w.want(wish("1", alert.Low))
	w.drain(time.Minute)
	w.state(sha("1"), ledger.JobWaiting, "kept for high severity")
	w.want(wish("1", alert.Critical))
	w.drain(time.Minute)
	w.state(sha("1"), ledger.JobJudged, "")
}

func TestEightWorkersNeverSpendMoreThanMaxScans(t *testing.T) {
	const most = 5
	w := newWorld(t, Policy{MaxScans: most}, many(60)...)
	for i := range 60 {
		w.want(wish(fmt.Sprint(i), alert.High))
	}
	n := 0
	w.engine.after = func(alert.Hash) error { // some answers are lost
		w.engine.mu.Lock()
		defer w.engine.mu.Unlock()
		if n++; n%2 == 0 {
			return fault.New(fault.InDoubt, "reset")
		}
		return nil
	}
	for range 12 {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 6 {
					jobs, err := w.Claim(context.Background(), 2)
					if err != nil {
						t.Error(err)
					}
					for _, j := range jobs {
						_ = w.Step(context.Background(), j)
					}
				}
			})
		}
		wg.Wait()
		w.clock.add(40 * time.Second)
	}
	w.engine.after = nil
	w.drain(30 * time.Minute)
	if w.engine.paid() != most || w.Spent() != most || w.spentOn() != most {
		t.Errorf("paid %d, counted %d, reserved %d, allowed %d", w.engine.paid(), w.Spent(), w.spentOn(), most)
	}
}

func TestARefusalForQuotaOpensTheBreakerAndAsksNoMore(t *testing.T) {
	w := newWorld(t, Policy{}, many(30)...)
	w.engine.before = func(call string, _ alert.Hash) error {
		if call == "submit" {
			return fault.New(fault.Quota, "used up")
		}
		return nil
	}
	for i := range 30 {
		w.want(wish(fmt.Sprint(i), alert.High))
	}
	w.drain(10 * time.Minute)
	if n := w.engine.count("submit"); n != 1 {
		t.Errorf("%d requests were refused, one is enough to know", n)
	}
	for i := range 30 {
		w.state(sha(fmt.Sprint(i)), ledger.JobWaiting, ReasonQuota)
	}
	if q := w.quotaNow(); !q.ClosedUntil.After(w.clock.now()) || q.Reason == "" || q.Spent != 0 {
		t.Errorf("%+v", q)
	}
}

func TestALookUpThatIsRefusedForQuotaOpensTheBreakerToo(t *testing.T) {
	w := newWorld(t, Policy{}, many(1)...)
	w.engine.before = func(string, alert.Hash) error { return fault.New(fault.Quota, "used up") }
	w.want(wish("0", alert.High))
	if _, errs := w.step(); len(errs) != 0 {
		t.Errorf("%v", errs)
	}
	w.state(sha("0"), ledger.JobWaiting, ReasonQuota)
	if !w.quotaNow().ClosedUntil.After(w.clock.now()) {
		t.Error("the breaker is closed")
	}
}

func TestWhenQuotaIsThereAgainTheBreakerClosesAndTheWorstGoesFirst(t *testing.T) {
	w := newWorld(t, Policy{}, many(3)...)
	refuse := true
	w.engine.before = func(call string, _ alert.Hash) error {
		if call == "submit" && refuse {
			return fault.New(fault.Quota, "used up")
		}
		return nil
	}
	for i, s := range []alert.Severity{alert.Low, alert.Critical, alert.Medium} {
		w.want(wish(fmt.Sprint(i), s))
	}
	w.drain(time.Minute)
	refuse = false
	w.engine.quota = Allowance{Known: true, Limit: 100, Usage: 100}
	if _, err := w.RefreshQuota(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, _ := w.step(); n != 0 {
		t.Error("nothing is left, and jobs were woken")
	}
	w.engine.quota.Usage = 10
	q, err := w.RefreshQuota(t.Context())
	if err != nil || !q.ClosedUntil.IsZero() || q.Reason != "" {
		t.Fatalf("%+v, %v", q, err)
	}
	w.drain(10 * time.Minute)
	want := []alert.Hash{sha("1"), sha("2"), sha("0")}
	for i, h := range want {
		if len(w.engine.submits) != 3 || w.engine.submits[i] != h {
			t.Fatalf("the order was %v, want %v", w.engine.submits, want)
		}
	}
}

func TestTheBreakerClosesByItselfWhenTheEngineTellsNoFigures(t *testing.T) {
	for _, kind := range []fault.Kind{fault.Denied, fault.NotFound} {
		w := newWorld(t, Policy{}, many(1)...)
		w.engine.quotaE = fault.New(kind, "your plan does not tell")
		if err := w.CloseQuota(t.Context(), "used up"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.RefreshQuota(t.Context()); err != nil {
			t.Fatalf("no failure of the run: %v", err)
		}
		w.want(wish("0", alert.High))
		w.drain(time.Minute)
		w.state(sha("0"), ledger.JobWaiting, "used up")
		w.drain(2 * time.Hour)
		w.state(sha("0"), ledger.JobJudged, "")
		if q, err := w.RefreshQuota(t.Context()); err != nil || !q.ClosedUntil.IsZero() {
			t.Errorf("%+v, %v", q, err)
		}
	}
}

func TestARealFailureToReadTheQuotaIsTold(t *testing.T) {
	w := newWorld(t, Policy{})
	w.engine.quotaE = fault.New(fault.Auth, "wrong key")
	if _, err := w.RefreshQuota(t.Context()); !fault.Is(err, fault.Auth) {
		t.Error(err)
	}
}

func TestAnUnlimitedAllowanceLimitsNothing(t *testing.T) {
	if _, limited := (Allowance{Known: true, Limit: -1, Usage: 9}).Left(); limited {
		t.Error("unlimited")
	}
	if _, limited := (Allowance{Limit: 5}).Left(); limited {
		t.Error("unknown")
	}
	if left, limited := (Allowance{Known: true, Limit: 5, Usage: 9}).Left(); !limited || left != 0 {
		t.Error(left)
	}
}

func TestARunThatMaySpendNoMoreLeavesTheRestToTheNext(t *testing.T) {
	w := newWorld(t, Policy{MaxScans: 1}, many(2)...)
	w.want(wish("0", alert.High))
	w.want(wish("1", alert.High))
	w.drain(30 * time.Second)
	if w.engine.paid() != 1 {
		t.Fatal(w.engine.paid())
	}
	w.clock.add(5 * time.Minute)
	w.Scanner = w.other(Policy{})
	w.drain(time.Minute)
	if w.engine.paid() != 2 {
		t.Error("the next run does not go on")
	}
}

func TestTheLastScanGoesToTheWorstAlsoWhenItsHashMustLetOthersGoFirst(t *testing.T) {
	w := newWorld(t, Policy{DailyBudget: 1}, file("mild"), file("bad"))
	w.want(wish("mild", alert.Low, "256"))
	w.want(wish("bad", alert.Critical, "1"))
	w.drain(time.Hour)
	w.state(hashesOf("bad").SHA1, ledger.JobJudged, "")
	w.state(sha("mild"), ledger.JobWaiting, ReasonQuota)
	if w.engine.paid() != 1 {
		t.Error(w.engine.paid())
	}
	w.drain(25 * time.Hour)
	w.state(sha("mild"), ledger.JobJudged, "")
}

func TestTroubleSaysWhatHappened(t *testing.T) {
	cause := fault.New(fault.Unavailable, "away")
	tr := &Trouble{Hash: sha("a"), Err: cause}
	if tr.Error() != cause.Error() || !fault.Is(tr, fault.Unavailable) {
		t.Error(tr)
	}
}
