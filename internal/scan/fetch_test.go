package scan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/sample"
	"edrc/internal/source"
)

func TestAFileThatTheEngineDoesNotHoldIsFetchedUploadedAndJudged(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	w.serves(w.s1, "1", "a", func(f *served) {
		f.states = []source.FetchState{source.FetchPending, source.FetchPending, source.FetchReady}
		f.retry = 7 * time.Second
	})
	w.engine.before = func(call string, _ alert.Hash) error {
		if call == "upload" && w.spentOn() != 1 {
			t.Error("the scan was not reserved before the upload")
		}
		return nil
	}
	w.step()
	j := w.state(sha("a"), ledger.JobFetching, ReasonFetching+": s1")
	if j.Fetch.Handle.ID != "1" || j.Fetch.Attempt != 1 || j.Fetch.Ticket != nil || !j.NextTry.IsZero() || w.s1.order() != "" {
		t.Errorf("the choice is committed before the product is asked: %+v, %s", j.Fetch, w.s1.order())
	}
	w.step()
	for range 2 {
		if j = w.state(sha("a"), ledger.JobFetching, ReasonFetching+": s1"); len(j.Fetch.Ticket) == 0 || !j.NextTry.Equal(w.clock.now().Add(7*time.Second)) {
			t.Errorf("%+v, next try %v", j.Fetch, j.NextTry)
		}
		w.unpaid()
		w.clock.add(7 * time.Second)
		w.step()
	}
	if j = w.state(sha("a"), ledger.JobWanted, ""); !j.Kept() || j.Claimed != hashesOf("a") || j.Fetch.From != "s1" || j.Fetch.Size != 6 || len(w.kept()) != 1 {
		t.Errorf("with the file in hand: %+v", j)
	}
	if got := w.engine.order(); got != "lookup submit" {
		t.Errorf("the engine was asked in between: %s", got)
	}
	w.unpaid()
	w.step()
	if j = w.state(sha("a"), ledger.JobAnalysing, ""); j.Fetch != nil || w.spentOn() != 1 || w.Uploaded() != 1 {
		t.Errorf("%+v, reserved %d, uploaded %d", j, w.spentOn(), w.Uploaded())
	}
	w.nothingKept()
	w.drain(time.Hour)
	w.scanned(sha("a"))
	if got := w.engine.order(); got != "lookup submit lookup submit upload poll poll detail" {
		t.Error(got)
	}
	if got := w.s1.order(); got != "start 1, poll 1, poll 1, open 1" {
		t.Error(got)
	}
	for _, h := range hashesOf("a").All() {
		if w.verdict(h) == nil {
			t.Errorf("nothing is remembered of %s", h)
		}
	}
	u := w.engine.uploads[0]
	if u.password != w.s1.requests[0].Password || u.password == "" || bytes.Contains(u.raw, content("a")) {
		t.Error("the archive left in clear, or under another password")
	}
	if j := w.job(sha("a")); j.From != ledger.Scanned || w.Spent() != 1 {
		t.Errorf("%+v, spent %d", j, w.Spent())
	}
}

func TestTheProductIsAskedForTheFileAsItsAlertNamesIt(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{Endpoint: true}, file("a"))
	wanted := wish("a", alert.High, "256", "1")
	wanted.File.Name, wanted.File.Path = "evil.exe", `C:\Users\ana\evil.exe`
	w.alert(w.s1, "1", wanted)
	w.s1.serve("1", "a")
	w.drain(time.Hour)
	w.scanned(sha("a"))
	r := w.s1.requests[0]
	if r.File.Path != `C:\Users\ana\evil.exe` || r.File.SHA1 != hashesOf("a").SHA1 || r.Attempt != 1 || !r.Endpoint || r.Handle.ID != "1" {
		t.Errorf("%+v", r)
	}
}

func TestTheConfiguredWaitBetweenTwoLooksIsTaken(t *testing.T) {
	for _, c := range []struct{ own, configured, want time.Duration }{
		{0, 0, defaultPoll}, {7 * time.Second, 0, 7 * time.Second}, {7 * time.Second, 3 * time.Second, 3 * time.Second},
	} {
		w := newStation(t, Policy{}, Fetching{Poll: c.configured}, file("a"))
		w.serves(w.s1, "1", "a", func(f *served) { f.states, f.retry = []source.FetchState{source.FetchPending}, c.own })
		w.step()
		w.step()
		if got := w.job(sha("a")).NextTry.Sub(w.clock.now()); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestWithTheFileInHandTheHashIsAskedForFirst(t *testing.T) {
	t.Run("somebody else uploaded it", func(t *testing.T) {
		w := newStation(t, Policy{}, Fetching{}, file("a"))
		w.serves(w.s1, "1", "a")
		w.until(sha("a"), ledger.JobFetching)
		w.until(sha("a"), ledger.JobWanted)
		w.engine.byHash[sha("a")].unheld = false
		w.drain(time.Hour)
		w.scanned(sha("a"))
		if w.engine.count("upload") != 0 || w.Uploaded() != 0 {
			t.Error(w.engine.order())
		}
	})
	t.Run("somebody else had it analysed", func(t *testing.T) {
		w := newStation(t, Policy{}, Fetching{}, file("a"))
		w.serves(w.s1, "1", "a")
		w.until(sha("a"), ledger.JobFetching)
		w.until(sha("a"), ledger.JobWanted)
		w.engine.byHash[sha("a")].done = w.clock.now()
		w.drain(time.Hour)
		w.state(sha("a"), ledger.JobJudged, "")
		w.unpaid()
		w.nothingKept()
	})
	t.Run("another process judged it while it was fetched", func(t *testing.T) {
		w := newStation(t, Policy{}, Fetching{}, file("a"))
		w.serves(w.s1, "1", "a", func(f *served) { f.states = []source.FetchState{source.FetchPending} })
		w.until(sha("a"), ledger.JobFetching)
		w.step()
		err := w.store.Update(t.Context(), 1, func(tx ledger.Tx) error {
			v := alert.Verdict{Class: alert.Trusted, Hashes: hashesOf("a")}
			return tx.PutVerdict(&ledger.VerdictRecord{Engine: w.Scope(), Verdict: v, Learned: w.clock.now()})
		})
		if err != nil {
			t.Fatal(err)
		}
		asked := w.s1.order()
		w.drain(time.Minute)
		w.state(sha("a"), ledger.JobJudged, "")
		if w.s1.order() != asked {
			t.Errorf("the product was asked for what is known: %s", w.s1.order())
		}
		w.unpaid()
	})
}

func TestATicketThatOneRunLeavesAnotherCarriesOn(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	w.serves(w.s1, "1", "a", func(f *served) {
		f.states = []source.FetchState{source.FetchPending, source.FetchPending, source.FetchReady}
	})
	w.until(sha("a"), ledger.JobFetching)
	w.step() // asks, and ends
	o := w.another(t, Policy{}, Fetching{Policy: w.fetching.Policy})
	o.until(sha("a"), ledger.JobWanted)
	if got := w.s1.order(); got != "start 1, poll 1, poll 1, open 1" {
		t.Error(got)
	}
	third := w.another(t, Policy{}, Fetching{Policy: w.fetching.Policy}) // uploads what another has kept
	third.drain(time.Hour)
	third.scanned(sha("a"))
	if w.Spent() != 0 || o.Spent() != 0 || third.Spent() != 1 {
		t.Errorf("%d, %d, %d", w.Spent(), o.Spent(), third.Spent())
	}
}

func TestATicketThatCannotBeReadIsAskedForAnew(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	w.serves(w.s1, "1", "a", func(f *served) { f.states = []source.FetchState{source.FetchPending, source.FetchReady} })
	w.until(sha("a"), ledger.JobFetching)
	w.step()
	w.edit(sha("a"), func(j *ledger.Job) { j.Fetch.Ticket = []byte(`{"handle":7}`) })
	w.drain(time.Hour)
	w.scanned(sha("a"))
	if got, n := w.s1.distinctPasswords("1"); got != 1 || n != 2 {
		t.Errorf("%d passwords in %d requests", got, n)
	}
}

// edit changes a stored job behind everybody's back.
func (w *world) edit(h alert.Hash, change func(*ledger.Job)) {
	w.t.Helper()
	err := w.store.Update(context.Background(), 1, func(tx ledger.Tx) error {
		j, err := tx.Job(w.key(h))
		if err != nil {
			return err
		}
		change(j)
		return tx.PutJob(j)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// mortal is the store of a process that is killed at its n-th commit: before it, or
// after it. Nothing of the process reaches the store from then on.
type mortal struct {
	Store
	left   int
	before bool
	dead   bool
}

var errKilled = errors.New("killed")

func (m *mortal) View(ctx context.Context, fn func(ledger.Tx) error) error {
	if m.dead {
		return errKilled
	}
	return m.Store.View(ctx, fn)
}

func (m *mortal) Update(ctx context.Context, n int, fn func(ledger.Tx) error) error {
	m.left--
	if m.dead || m.left <= 0 && m.before {
		m.dead = true
		return errKilled
	}
	err := m.Store.Update(ctx, n, fn)
	if m.left <= 0 {
		m.dead = true
		return errKilled
	}
	return err
}

// work carries everything as far as it goes, as long as the process lives.
func (w *station) work(m *mortal) {
	for range 100 {
		jobs, err := w.Claim(context.Background(), 10)
		if err != nil {
			return
		}
		for _, j := range jobs {
			_ = w.Step(context.Background(), j)
		}
		next, err := w.NextDue(context.Background())
		if err != nil || next.IsZero() || m.dead {
			return
		}
		w.clock.set(next)
	}
}

func TestAProcessThatIsKilledAtAnyCommitCostsNoSecondScanAndAsksUnderOnePassword(t *testing.T) {
	lived := false
	for n := 1; !lived; n++ {
		for _, before := range []bool{true, false} {
			t.Run(fmt.Sprintf("commit %d, before it: %v", n, before), func(t *testing.T) {
				w := newStation(t, Policy{}, Fetching{}, file("a"))
				w.serves(w.s1, "1", "a", func(f *served) {
					f.states = []source.FetchState{source.FetchPending, source.FetchReady}
				})
				m := &mortal{Store: w.store, left: n, before: before}
				w.Scanner.store = m
				w.work(m)
				if lived = !m.dead; lived {
					w.state(sha("a"), ledger.JobJudged, "")
					return
				}
				w.clock.add(5 * time.Minute) // its claim runs out
				o := w.another(t, Policy{}, Fetching{Policy: w.fetching.Policy})
				o.drain(time.Hour)
				o.state(sha("a"), ledger.JobJudged, "")
				if o.engine.paid() != 1 || o.spentOn() != 1 {
					t.Errorf("paid %d, reserved %d: %s", o.engine.paid(), o.spentOn(), o.engine.order())
				}
				if got, n := w.s1.distinctPasswords("1"); got != 1 {
					t.Errorf("%d passwords in %d requests", got, n)
				}
				w.clock.set(time.Now().Add(2 * keepAfter))
				if err := o.Tidy(t.Context()); err != nil {
					t.Error(err)
				}
				o.nothingKept()
			})
		}
	}
}

func TestWithoutFetchingAFileWaitsAndWhatAnotherRunBeganStaysUsable(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	w.serves(w.s1, "1", "a")
	w.until(sha("a"), ledger.JobFetching)
	plain := w.without()
	plain.until(sha("a"), ledger.JobWaiting)
	plain.state(sha("a"), ledger.JobWaiting, ReasonFile)
	w.clock.add(fileRetry)
	w.until(sha("a"), ledger.JobFetching)
	w.until(sha("a"), ledger.JobWanted)
	plain.step() // with the file in hand, and no way to send it
	w.state(sha("a"), ledger.JobWaiting, ReasonFile)
	if len(w.kept()) != 1 {
		t.Error("the archive was thrown away by a process that has no use for it")
	}
	w.unpaid()
	w.drain(24 * time.Hour)
	w.scanned(sha("a"))
}

// without is a process of a configuration that fetches nothing.
func (w *station) without() *station {
	o, inner := *w, *w.world
	inner.Scanner = w.other(Policy{})
	o.world = &inner
	return &o
}

func TestWithoutFetchingAnArchiveThatIsNeededNoMoreIsLeftToOthers(t *testing.T) {
	w := inHand(t, Policy{})
	w.engine.byHash[sha("a")].done = w.clock.now()
	w.without().drain(time.Minute)
	w.state(sha("a"), ledger.JobJudged, "")
	w.clock.set(w.kept()[0].Since.Add(keepAfter))
	if err := w.Tidy(t.Context()); err != nil {
		t.Error(err)
	}
	w.nothingKept()
	w.unpaid()
}

func TestADryRunAsksNoProductAndThrowsNothingAway(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"), file("b"))
	w.serves(w.s1, "2", "b", func(f *served) { f.states = []source.FetchState{source.FetchPending} })
	w.serves(w.s1, "1", "a")
	w.until(sha("a"), ledger.JobFetching)
	w.until(sha("a"), ledger.JobWanted) // its archive is on the spool
	w.state(sha("b"), ledger.JobFetching, "")
	w.clock.add(time.Minute)
	dry := w.another(t, Policy{DryRun: true}, Fetching{Policy: w.fetching.Policy}) // on a copy of the store, which this stands for
	w.engine.byHash[sha("a")].done = w.clock.now()
	asked := w.s1.order()
	dry.drain(time.Hour)
	w.state(sha("a"), ledger.JobJudged, "")
	w.state(sha("b"), ledger.JobWaiting, ReasonDryRun)
	if w.s1.order() != asked || dry.Priced() != 1 {
		t.Errorf("priced %d; asked %s", dry.Priced(), w.s1.order())
	}
	w.unpaid()
	w.clock.set(time.Now().Add(2 * keepAfter))
	if err := dry.Tidy(t.Context()); err != nil {
		t.Error(err)
	}
	if n := len(w.kept()); n != 1 {
		t.Errorf("a dry run left %d archives on the spool", n)
	}
}

func TestAnEngineThatTakesNoFilesIsNotOffered(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	w.Scanner.engine = justHashes{w.engine}
	w.serves(w.s1, "1", "a")
	w.step()
	w.state(sha("a"), ledger.JobWaiting, ReasonFile)
	if w.s1.order() != "" {
		t.Error(w.s1.order())
	}
	if _, err := w.Hold(t.Context(), "a", strings.NewReader("x")); !fault.Is(err, fault.Unsupported) {
		t.Error(err)
	}
}

// justHashes hides that an engine takes files.
type justHashes struct{ Engine }

func TestAPasswordIsOneOfTheAttemptAndTheThreat(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	h := alert.Handle{Source: "sid-s1", ID: "1"}
	first, err := w.password(&ledger.Fetch{Handle: h, Attempt: 1})
	if err != nil || first != sample.Password([]byte("the secret of this install, 32 b"), "sid-s1", "1", 1) {
		t.Fatal(first, err)
	}
	if again, _ := w.password(&ledger.Fetch{Handle: h, Attempt: 2}); again == first {
		t.Error("another attempt has the same password")
	}
}
