package triage

import (
	"context"
	"slices"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/source"
)

// cloudWorld is a product whose alerts tell their account.
func cloudWorld(t *testing.T) *world {
	w := newWorld(t)
	w.p.traits.Accounts = true
	return w
}

// at puts an alert into an account.
func at(h *held, account string) *held {
	h.Resources = []alert.Resource{{Account: account, Region: "us-east-1"}}
	return h
}

func part(key string, accounts ...string) Environment {
	return Environment{Key: key, Scopes: []alert.Scope{{Accounts: accounts}}}
}

// noted gives the alerts that have a note.
func noted(p *product) []string {
	var out []string
	for id, ns := range p.notes {
		for range ns {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

func TestASyncOfAnEnvironmentTakesItsAlertsAndASyncOfAllMissesNone(t *testing.T) {
	w := cloudWorld(t)
	w.engine.set("x", alert.Malicious)
	at(w.p.add("mine", time.Hour, threat("x")), "1")
	at(w.p.add("theirs", time.Hour, threat("x")), "2")
	w.p.add("nobody's", time.Hour, threat("x"))
	sum := w.sync(SyncOptions{Environment: part("one@1", "1")})
	if sum.New != 1 || !slices.Equal(noted(w.p), []string{"mine"}) {
		t.Fatalf("%d new, noted %q", sum.New, noted(w.p))
	}
	if w.record("theirs") != nil {
		t.Error("an alert outside left a trace")
	}
	// Its watermark is past theirs by now: the other watermarks are not.
	w.clock.add(48 * time.Hour)
	if sum := w.sync(SyncOptions{Environment: part("two@1", "2")}); sum.New != 1 || !slices.Equal(noted(w.p), []string{"mine", "theirs"}) {
		t.Errorf("another environment: %d new, noted %q", sum.New, noted(w.p))
	}
	if sum := w.sync(); sum.New != 1 || !slices.Equal(noted(w.p), []string{"mine", "nobody's", "theirs"}) {
		t.Errorf("everything: %d new, noted %q", sum.New, noted(w.p))
	}
	if sum := w.sync(SyncOptions{Environment: part("one@1", "1")}); sum.New != 0 || len(noted(w.p)) != 3 {
		t.Errorf("once more: %d new, noted %q", sum.New, noted(w.p))
	}
}

func TestAnEnvironmentThatGrewIsReadAnew(t *testing.T) {
	w := cloudWorld(t)
	w.engine.set("x", alert.Malicious)
	at(w.p.add("a", time.Hour, threat("x")), "1")
	at(w.p.add("b", time.Hour, threat("x")), "2")
	w.sync(SyncOptions{Environment: part("prod@1", "1")})
	w.clock.add(48 * time.Hour)
	w.sync(SyncOptions{Environment: part("prod@1", "1")})
	if sum := w.sync(SyncOptions{Environment: part("prod@2", "1", "2")}); sum.New != 1 || !slices.Equal(noted(w.p), []string{"a", "b"}) {
		t.Errorf("%d new, noted %q", sum.New, noted(w.p))
	}
}

func TestTheSweepOfAnEnvironmentIsNotThatOfEverything(t *testing.T) {
	w := cloudWorld(t)
	w.sync()
	w.sync(SyncOptions{Environment: part("one@1", "1")})
	w.clock.add(25 * time.Hour)
	late := at(w.p.add("late", 30*time.Hour, threat("x")), "2")
	late.Updated = late.Created // later than any overlap
	w.sync(SyncOptions{Environment: part("one@1", "1")})
	if sum := w.sync(); sum.Sources[0].Late != 1 {
		t.Errorf("the environment's sweep was taken for the whole one: %+v", sum.Sources[0])
	}
}

func TestNotesOutsideTheEnvironmentAreLeftToASyncOfEverything(t *testing.T) {
	w := cloudWorld(t)
	at(w.p.add("mine", time.Hour, threat("x")), "1")
	at(w.p.add("theirs", time.Hour, threat("x")), "2")
	w.Settings.Wait = 0
	w.sync() // the analysis runs on
	w.engine.set("x", alert.Malicious)
	w.clock.add(time.Hour)
	sum := w.sync(SyncOptions{Environment: part("one@1", "1")})
	if !slices.Equal(noted(w.p), []string{"mine"}) {
		t.Errorf("noted %q: %+v", noted(w.p), sum)
	}
	if w.sync(); !slices.Equal(noted(w.p), []string{"mine", "theirs"}) {
		t.Errorf("then noted %q", noted(w.p))
	}
}

func TestATagThatChangedIsRememberedAndJudgesNothingAgain(t *testing.T) {
	w := cloudWorld(t)
	w.engine.set("x", alert.Malicious)
	h := at(w.p.add("a", time.Hour, threat("x")), "1")
	w.sync()
	h.Resources = []alert.Resource{{Account: "1", Region: "us-east-1", Tags: map[string]string{"env": "prod"}}}
	h.Updated = w.clock.now()
	w.clock.add(time.Hour)
	sum := w.sync()
	rec := w.record("a")
	if sum.New+sum.Sources[0].Changed != 0 || len(w.p.posts) != 1 || rec == nil || rec.Resources[0].Tags["env"] != "prod" {
		t.Errorf("%+v, %d posts, %+v", sum.Sources[0], len(w.p.posts), rec)
	}
	list, err := w.List(t.Context(), ListOptions{Offline: true, Query: alert.Query{Scopes: []alert.Scope{{Tags: map[string]string{"env": "prod"}}}}})
	if err != nil || len(list.Rows) != 1 {
		t.Errorf("offline: %+v, %v", list, err)
	}
}

func TestAProductWithoutAccountsIsInNoEnvironment(t *testing.T) {
	w := cloudWorld(t)
	plain := newProduct("edr", w.clock)
	plain.err = fault.New(fault.Unavailable, "it is down")
	at(w.p.add("a", time.Hour), "1")
	at(w.p.add("b", time.Hour), "2")
	w.Service = w.process("host/1/a", w.p, plain)
	q := alert.Query{Scopes: part("", "1").Scopes}
	list, err := w.List(t.Context(), ListOptions{Query: q})
	if err != nil || len(list.Rows) != 1 || list.Sources != 1 || len(list.Errors) != 0 {
		t.Errorf("it was asked: %+v, %v", list, err)
	}
	if sum := w.sync(SyncOptions{Environment: part("one@1", "1")}); len(sum.Sources) != 1 {
		t.Errorf("%+v", sum.Sources)
	}
	if _, err := w.List(t.Context(), ListOptions{Query: q, Sources: []string{"edr"}}); !fault.Is(err, fault.Usage) {
		t.Errorf("named: %v", err)
	}
	w.Service = w.process("host/1/a", plain)
	if _, err := w.Sync(t.Context(), SyncOptions{Environment: part("one@1", "1")}); !fault.Is(err, fault.Usage) {
		t.Errorf("alone: %v", err)
	}
}

// scoped is a product that knows whether it has to do with some scopes.
type scoped struct {
	*product
	account string
	asked   int
}

func (s *scoped) StreamsWithin(ctx context.Context, scopes []alert.Scope) ([]source.Stream, error) {
	s.asked++
	if !slices.Contains(scopes[0].Accounts, s.account) {
		return nil, &fault.Error{Kind: fault.NotFound, Msg: "outside", Err: source.ErrOutside}
	}
	return s.Streams(ctx)
}

func TestASourceThatHasNothingToDoWithTheEnvironmentIsNoFailureBesideOneThatHas(t *testing.T) {
	w := newWorld(t)
	one, two := &scoped{product: newProduct("one", w.clock), account: "1"}, &scoped{product: newProduct("two", w.clock), account: "2"}
	one.traits.Accounts, two.traits.Accounts = true, true
	w.Service = w.process("host/1/a", one, two)
	sum, err := w.Sync(t.Context(), SyncOptions{Environment: part("a@1", "1")})
	if err != nil || len(sum.Errors) != 0 || one.pages == 0 || two.pages != 0 || two.asked == 0 {
		t.Errorf("%+v, %v; %d and %d pages", sum.Errors, err, one.pages, two.pages)
	}
	if sum, err = w.Sync(t.Context(), SyncOptions{Environment: part("c@1", "3")}); err != nil || len(sum.Errors) != 2 {
		t.Errorf("nobody has to do with it, and that is not said: %+v, %v", sum.Errors, err)
	}
	left := elsewhere([]SourceError{{"two", &fault.Error{Kind: fault.NotFound, Err: source.ErrOutside}}}, 2)
	if len(left) != 0 {
		t.Errorf("%v", left)
	}
	if left = elsewhere([]SourceError{{"two", &fault.Error{Kind: fault.NotFound, Err: source.ErrOutside}}}, 1); len(left) != 1 {
		t.Errorf("%v", left)
	}
}

// record reads an alert's record.
func (w *world) record(id string) (rec *ledger.Alert) {
	w.t.Helper()
	sid, err := SourceID(w.t.Context(), w.p)
	if err == nil {
		err = w.Store.View(w.t.Context(), func(tx ledger.Tx) (err error) {
			rec, err = tx.Alert(sid, id)
			return err
		})
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return rec
}
