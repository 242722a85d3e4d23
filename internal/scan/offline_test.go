package scan

import (
	"context"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/ledger"
	"edrc/internal/source"
)

// offline makes an endpoint one that cannot be reached.
func offline(f *served) {
	f.states, f.reason = []source.FetchState{source.FetchUnreachable}, "LT-ANNA is offline"
}

// comesBack makes it reachable: the next steps find these states.
func (p *product) comesBack(id string, states ...source.FetchState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files[id].states = states
}

func TestAnOfflineEndpointIsAskedMoreAndMoreRarelyAndItsTicketIsKept(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{Retry: time.Minute}, file("a"))
	w.serves(w.s1, "1", "a", offline)
	w.until(sha("a"), ledger.JobFetching)
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 64, 64} {
		w.step()
		j := w.state(sha("a"), ledger.JobFetching, ReasonOffline+": LT-ANNA is offline")
		if got := j.NextTry.Sub(w.clock.now()); got != want*time.Minute || j.Fetch.Tries != i+1 || len(j.Fetch.Ticket) == 0 {
			t.Errorf("step %d: next in %v, want %v; %+v", i, got, want*time.Minute, j.Fetch)
		}
		w.clock.set(j.NextTry)
	}
	if starts, polls := len(w.s1.asked("start")), len(w.s1.asked("poll")); starts != 1 || polls != 8 {
		t.Errorf("%d starts, %d polls", starts, polls)
	}
	if len(w.told()) != 0 {
		t.Error("its alerts were told something")
	}
	w.unpaid()
}

func TestAnEndpointThatComesBackBeforeTheDeadlineIsServed(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{Retry: time.Minute, GiveUp: 24 * time.Hour}, file("a"))
	w.serves(w.s1, "1", "a", offline)
	w.drain(20 * time.Hour)
	w.state(sha("a"), ledger.JobFetching, ReasonOffline)
	w.s1.comesBack("1", source.FetchLost, source.FetchPending, source.FetchReady) // its product must be asked anew
	j := w.job(sha("a"))
	w.clock.set(j.NextTry)
	w.step()
	if j = w.state(sha("a"), ledger.JobFetching, ReasonFetching); j.Fetch.Ticket != nil {
		t.Errorf("%+v", j.Fetch)
	}
	w.drain(time.Hour)
	w.scanned(sha("a"))
	if got := w.s1.order(); !strings.HasSuffix(got, "poll 1, start 1, poll 1, open 1") {
		t.Error(got)
	}
	if got, n := w.s1.distinctPasswords("1"); got != 1 || n != 2 {
		t.Errorf("%d passwords in %d requests", got, n)
	}
}

func TestProgressEndsTheBackOff(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{Retry: time.Minute}, file("a"))
	w.serves(w.s1, "1", "a", offline)
	w.drain(30 * time.Minute)
	w.s1.comesBack("1", source.FetchPending, source.FetchUnreachable)
	for range 2 {
		w.clock.set(w.job(sha("a")).NextTry)
		w.step()
	}
	if j := w.state(sha("a"), ledger.JobFetching, ReasonOffline); j.Fetch.Tries != 1 || j.NextTry.Sub(w.clock.now()) != time.Minute {
		t.Errorf("%+v", j)
	}
}

func TestAFileThatDoesNotComeUntilTheDeadlineIsGivenUpAndItsAlertsAreTold(t *testing.T) {
	for name, c := range map[string]struct {
		state  source.FetchState
		reason string
	}{
		"the endpoint is offline":     {source.FetchUnreachable, ReasonOffline + ": LT-ANNA is offline"},
		"it is being fetched forever": {source.FetchPending, ReasonFetching + ": s1"},
		"it is lost again and again":  {source.FetchLost, ReasonFetching + ": s1"},
		"nobody has it":               {source.FetchNone, "no product that names it can give it"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newStation(t, Policy{}, Fetching{Retry: 8 * time.Hour, Poll: 8 * time.Hour, GiveUp: 3 * 24 * time.Hour}, file("a"))
			w.serves(w.s1, "1", "a", offline, func(f *served) { f.states = []source.FetchState{c.state} })
			w.drain(3*24*time.Hour - time.Minute)
			if j := w.job(sha("a")); j.Terminal() || len(w.told()) != 0 {
				t.Fatalf("given up early: %s (%s)", j.State, j.Reason)
			}
			w.drain(30 * 24 * time.Hour)
			j := w.state(sha("a"), ledger.JobFailed, NoFile+", asked for since 2026-03-14: ")
			if !strings.Contains(j.Reason, c.reason) || j.Fetch != nil || j.Claim.Holder != "" {
				t.Errorf("%+v", j)
			}
			if told := w.told(); len(told) != 1 || told[0] != sha("a") {
				t.Errorf("told: %v", told)
			}
			w.unpaid()
			w.nothingKept()
		})
	}
}

func TestTroubleDoesNotOutliveTheDeadlineEither(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{GiveUp: 24 * time.Hour}, file("a"))
	w.serves(w.s1, "1", "a", func(f *served) { f.failing = unavailable("the console is down") })
	w.drain(25 * time.Hour)
	j := w.state(sha("a"), ledger.JobFailed, NoFile)
	if !strings.Contains(j.Reason, "the console is down") || len(w.told()) != 1 {
		t.Errorf("%+v, told %v", j, w.told())
	}
	if n := len(w.s1.asked("start")); n < 40 || n > 80 { // every half an hour at last
		t.Errorf("asked %d times in a day", n)
	}
}

func TestAGivenUpFileIsAskedForAgainWhenANewAlertNamesIt(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{Retry: time.Hour, GiveUp: 24 * time.Hour}, file("a"))
	w.serves(w.s1, "1", "a", offline)
	w.drain(48 * time.Hour)
	w.state(sha("a"), ledger.JobFailed, NoFile)
	w.clock.add(time.Hour)
	w.serves(w.s2, "2", "a")
	w.s1.comesBack("1", source.FetchNone)
	w.drain(time.Hour)
	w.scanned(sha("a"))
}

func TestTheDeadlineCountsFromTheFirstQuestionWhoeverIsAsked(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{Retry: 20 * time.Minute, GiveUp: 24 * time.Hour}, file("a"))
	w.serves(w.s1, "1", "a", offline)
	began := w.clock.now()
	w.drain(20 * time.Hour)
	w.s1.comesBack("1", source.FetchNone)
	w.alert(w.s2, "2", wish("a", alert.High, "256"))
	w.s2.serve("2", "a", offline)
	w.until(sha("a"), ledger.JobFailed)
	j := w.state(sha("a"), ledger.JobFailed, "offline")
	if took := w.clock.now().Sub(began); took > 25*time.Hour || len(w.s2.asked("start")) > 2 {
		t.Errorf("given up after %v: %s; %s", took, j.Reason, w.s2.order())
	}
}

func TestAnOfflineEndpointDoesNotKeepAnotherFromBeingAsked(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{Retry: time.Minute}, file("a"))
	w.serves(w.s1, "1", "a", offline)
	w.serves(w.s2, "2", "a", offline)
	w.until(sha("a"), ledger.JobFetching)
	for round, want := range []time.Duration{1, 2, 4} { // a wait for each round, not for each endpoint
		w.step()
		if j := w.state(sha("a"), ledger.JobFetching, ReasonOffline); j.Fetch.Handle.ID != "2" || j.NextTry.After(w.clock.now()) {
			t.Errorf("round %d: %+v, next try %v", round, j.Fetch, j.NextTry)
		}
		w.step()
		j := w.state(sha("a"), ledger.JobFetching, ReasonOffline)
		if got := j.NextTry.Sub(w.clock.now()); j.Fetch.Handle.ID != "1" || got != want*time.Minute {
			t.Errorf("round %d: next in %v, %+v", round, got, j.Fetch)
		}
		w.clock.set(j.NextTry)
	}
	w.s2.comesBack("2", source.FetchReady)
	w.drain(time.Minute)
	w.scanned(sha("a"))
}

func TestANewAlertIsAskedAtOnceWhileAnEndpointIsOffline(t *testing.T) {
	for _, known := range []bool{true, false} {
		w := newStation(t, Policy{}, Fetching{Retry: time.Hour}, file("a"))
		w.serves(w.s1, "1", "a", offline)
		w.drain(3 * time.Hour)
		if known {
			w.serves(w.s2, "2", "a")
		} else {
			asked := wish("a", alert.High, "256")
			asked.Alert = alert.Handle{Source: "sid-s2", ID: "2"}
			w.want(asked)
			w.s2.serve("2", "a")
		}
		w.drain(time.Minute)
		w.scanned(sha("a"))
	}
}

func TestANewAlertDoesNotTakeTheFileAwayThatIsJustComing(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{Retry: time.Minute}, file("a"))
	f := w.serves(w.s1, "1", "a", offline)
	w.until(sha("a"), ledger.JobFetching)
	w.step()
	w.s1.comesBack("1", source.FetchReady)
	f.opening = func(context.Context) error { // it has been offline until now
		w.serves(w.s2, "2", "a")
		return nil
	}
	w.drain(time.Hour)
	w.scanned(sha("a"))
	if len(w.s1.asked("open")) != 1 || w.s2.order() != "" {
		t.Errorf("%s; %s", w.s1.order(), w.s2.order())
	}
}

func TestTheLastTryIsAtTheDeadlineAndNotLongAfterIt(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{Retry: time.Hour, GiveUp: 20 * time.Hour}, file("a"))
	w.serves(w.s1, "1", "a", offline)
	began := w.clock.now()
	w.until(sha("a"), ledger.JobFailed)
	if took := w.clock.now().Sub(began); took != 20*time.Hour {
		t.Errorf("given up after %v", took)
	}
}
