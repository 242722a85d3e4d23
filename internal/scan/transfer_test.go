package scan

import (
	"context"
	"testing"
	"time"

	"edrc/internal/fault"
	"edrc/internal/ledger"
)

// telling is a store that says when something was committed.
type telling struct {
	Store
	committed chan struct{}
}

func (s *telling) Update(ctx context.Context, n int, fn func(ledger.Tx) error) error {
	err := s.Store.Update(ctx, n, fn)
	select {
	case s.committed <- struct{}{}:
	default:
	}
	return err
}

// renewed waits until the claim of a's job ends later than a time.
func (w *station) renewed(ctx context.Context, s *telling, than time.Time) error {
	for !w.job(sha("a")).Claim.Until.After(than) {
		select {
		case <-s.committed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func TestATransferThatTakesLongerThanItsClaimIsRenewedAndNotTakenOver(t *testing.T) {
	const claim = 90 * time.Millisecond // by the clock of the test; it is renewed by the real one
	for _, upload := range []bool{false, true} {
		w := newStation(t, Policy{ClaimFor: claim}, Fetching{}, file("a"))
		s := &telling{w.store, make(chan struct{}, 1)}
		o := w.another(t, Policy{ClaimFor: claim}, w.plainFetching())
		transfers := 0
		long := func(ctx context.Context) error {
			transfers++
			for range 3 {
				until := w.job(sha("a")).Claim.Until
				w.clock.add(claim * 2 / 3)
				if err := w.renewed(ctx, s, until); err != nil {
					return err
				}
				if jobs, err := o.Claim(ctx, 10); err != nil || len(jobs) != 0 {
					t.Errorf("it was taken over: %v, %v", jobs, err)
				}
			}
			return nil
		}
		f := w.serves(w.s1, "1", "a")
		w.until(sha("a"), ledger.JobFetching)
		w.Scanner.store = s
		if upload {
			w.engine.uploading = long
		} else {
			f.opening = long
		}
		for range 2 { // the file comes, and is sent
			if _, errs := w.step(); len(errs) != 0 {
				t.Error(errs)
			}
		}
		w.state(sha("a"), ledger.JobAnalysing, "")
		w.drain(time.Hour)
		w.scanned(sha("a"))
		if transfers != 1 {
			t.Errorf("%d transfers", transfers)
		}
	}
}

func (w *station) plainFetching() Fetching { return Fetching{Policy: w.fetching.Policy} }

func TestALostClaimEndsTheTransferAndIsNoErrorOfTheRun(t *testing.T) {
	for name, broken := range map[string]func(error) error{
		"the bare error": func(err error) error { return err },
		"as the product tells it": func(err error) error {
			return &fault.Error{Kind: fault.Interrupted, Source: "s1", Msg: "interrupted", Err: err}
		},
		"as a request that may have been carried out": func(err error) error {
			return &fault.Error{Kind: fault.InDoubt, Source: "intezer", Msg: "interrupted", Err: err}
		},
	} {
		for _, upload := range []bool{false, true} {
			w := newStation(t, Policy{ClaimFor: 90 * time.Millisecond}, Fetching{}, file("a"))
			f := w.serves(w.s1, "1", "a")
			w.until(sha("a"), ledger.JobFetching)
			steal := func(ctx context.Context) error {
				w.steal(sha("a"))
				<-ctx.Done()
				return broken(ctx.Err())
			}
			if upload {
				w.until(sha("a"), ledger.JobWanted)
				w.engine.uploading = steal
			} else {
				f.opening = steal
			}
			before := len(w.kept())
			if _, errs := w.step(); len(errs) != 0 {
				t.Errorf("%s: %v", name, errs)
			}
			j := w.job(sha("a"))
			if j.Claim.Holder != "host/2/b" || j.Reason == ReasonEngine || len(w.kept()) != before {
				t.Errorf("%s: the loser wrote %+v; %d archives, before %d", name, j, len(w.kept()), before)
			}
			f.opening, w.engine.uploading = nil, nil
			w.clock.add(2 * time.Hour) // the thief died
			w.drain(time.Hour)
			w.scanned(sha("a"))
		}
	}
}

func TestATransferThatTheRunInterruptsGivesItsClaimBack(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	f := w.serves(w.s1, "1", "a")
	w.until(sha("a"), ledger.JobFetching)
	ctx, cancel := context.WithCancel(t.Context())
	f.opening = func(ctx context.Context) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}
	jobs, err := w.Claim(t.Context(), 1)
	if err != nil || len(jobs) != 1 {
		t.Fatal(jobs, err)
	}
	if err := w.Step(ctx, jobs[0]); !fault.Is(err, fault.Interrupted) {
		t.Errorf("%v", err)
	}
	if j := w.state(sha("a"), ledger.JobFetching, ""); j.Claim.Holder != "" || !j.Due().IsZero() {
		t.Errorf("%+v", j)
	}
	f.opening = nil
	o := w.another(t, Policy{}, w.plainFetching())
	o.drain(time.Hour)
	o.scanned(sha("a"))
}

func TestAClaimThatWasGivenBackIsNotRenewed(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	w.serves(w.s1, "1", "a")
	jobs, err := w.Claim(t.Context(), 1)
	if err != nil || len(jobs) != 1 {
		t.Fatal(jobs, err)
	}
	held := *jobs[0]
	w.clock.add(time.Minute)
	if err := w.renew(t.Context(), &held); err != nil || !w.job(sha("a")).Claim.Until.Equal(w.clock.now().Add(w.policy.ClaimFor)) {
		t.Errorf("%v, %+v", err, w.job(sha("a")).Claim)
	}
	if err := w.Step(t.Context(), jobs[0]); err != nil {
		t.Fatal(err)
	}
	if err := w.renew(t.Context(), &held); err != nil || w.job(sha("a")).Claim != (ledger.Claim{Token: held.Claim.Token}) {
		t.Errorf("%v, %+v", err, w.job(sha("a")).Claim)
	}
	w.steal(sha("a"))
	if err := w.renew(t.Context(), &held); err == nil {
		t.Error("a claim that somebody else has was renewed")
	}
}

func TestOnlyAStepThatMovesAFileMayOutlastItsClaim(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	w.serves(w.s1, "1", "a")
	for _, want := range []struct {
		state ledger.JobState
		moves bool
		most  time.Duration
	}{{ledger.JobWanted, false, w.policy.ClaimFor}, {ledger.JobFetching, true, transferMost}, {ledger.JobWanted, true, transferMost}, {ledger.JobAnalysing, false, w.policy.ClaimFor}} {
		j := w.state(sha("a"), want.state, "")
		if MovesFile(j) != want.moves {
			t.Errorf("%s: %v", want.state, MovesFile(j))
		}
		ctx, done := w.during(t.Context(), j)
		if at, ok := ctx.Deadline(); !ok || time.Until(at) > want.most || time.Until(at) < want.most/2 {
			t.Errorf("%s: ends %v", want.state, at)
		}
		done()
		if ctx.Err() == nil {
			t.Errorf("%s: its context outlives the step", want.state)
		}
		w.step()
	}
}
