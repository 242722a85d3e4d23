package triage

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/scan"
	"edrc/internal/source"
)

func TestOneFileInManyAlertsOfManySourcesIsJudgedOnce(t *testing.T) {
	w := newWorld(t)
	other := newProduct("other", w.clock)
	w.Service = w.process("host/1/a", w.p, other)
	for i := range 20 {
		w.p.add(fmt.Sprint("x", i), time.Hour, threat("a"))
		other.add(fmt.Sprint("y", i), time.Hour, threat("a"))
	}
	w.sync() // the analysis runs on
	w.engine.set("a", alert.Malicious)
	w.clock.add(time.Minute)
	sum := w.sync()
	if n := w.engine.scans[hashesOf("a").SHA256]; n != 1 {
		t.Errorf("%d scans", n)
	}
	if sum.Notes != 40 || sum.Scanned != 1 {
		t.Errorf("%+v", sum)
	}
	for i := range 20 {
		if len(w.p.texts(fmt.Sprint("x", i))) != 1 || len(other.texts(fmt.Sprint("y", i))) != 1 {
			t.Errorf("alert %d", i)
		}
	}
}

func TestASourceThatFailsDoesNotStopTheOthers(t *testing.T) {
	w := newWorld(t)
	broken := newProduct("broken", w.clock)
	broken.err = fault.New(fault.Auth, "wrong token")
	unread := bare{newProduct("unread", w.clock)}
	w.Service = w.process("host/1/a", broken, w.p, unread)
	w.engine.set("a", alert.Malicious)
	w.p.add("1", time.Hour, threat("a"))
	sum, err := w.trySync(w.Service)
	if err != nil {
		t.Fatal(err)
	}
	w.one("1")
	kinds := map[string]fault.Kind{}
	for _, e := range sum.Errors {
		kinds[e.Source] = fault.KindOf(e.Err)
	}
	if len(kinds) != 2 || kinds["broken"] != fault.Auth || kinds["unread"] != fault.Unsupported {
		t.Errorf("%v", kinds)
	}
	if sum.Sources[0].Error == "" || sum.Sources[1].Error != "" {
		t.Errorf("%+v", sum.Sources)
	}
}

func TestAnEngineThatFailsIsToldOnceAndAlertsAreTakenInAllTheSame(t *testing.T) {
	w := newWorld(t)
	w.Settings.Wait = 0
	w.engine.err = fault.New(fault.Unavailable, "the engine is away")
	for i := range 5 {
		w.p.add(fmt.Sprint(i), time.Hour, threat(fmt.Sprint(i)))
	}
	sum, err := w.trySync(w.Service)
	if err != nil || len(sum.Errors) != 1 || sum.Errors[0].Source != "intezer" || sum.New != 5 {
		t.Fatalf("%+v, %v", sum.Errors, err)
	}
	w.engine.err = nil
	for i := range 5 {
		w.engine.set(fmt.Sprint(i), alert.Malicious)
	}
	w.clock.add(time.Hour)
	if sum := w.sync(); sum.Notes != 5 {
		t.Errorf("%+v", sum)
	}
}

func TestMaxRuntimeEndsAtABoundaryAndTheNextRunCompletes(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	w.fill(60)
	w.p.onPage = func(int, string) error { w.clock.add(time.Minute); return nil }
	sum := w.sync(SyncOptions{MaxRuntime: 2 * time.Minute})
	if sum.Stopped != "max-runtime" || w.seen() == 0 || w.seen() == 60 {
		t.Errorf("%q, %d seen", sum.Stopped, w.seen())
	}
	w.p.onPage = nil
	if sum := w.sync(); sum.Stopped != "" || w.seen() != 60 || len(w.p.texts("f059")) != 1 {
		t.Errorf("%+v, %d seen", sum, w.seen())
	}
}

func TestStopEndsAtABoundaryAndTheNextRunCompletes(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	w.fill(60)
	stop := make(chan struct{})
	var once sync.Once
	w.p.onAdd = func(int, []alert.Handle) { once.Do(func() { close(stop) }) }
	sum := w.sync(SyncOptions{Stop: stop})
	if sum.Stopped != "interrupted" {
		t.Errorf("%+v", sum)
	}
	w.p.onAdd = nil
	w.clock.add(time.Minute)
	w.sync()
	for i := range 60 {
		w.one(fmt.Sprintf("f%03d", i))
	}
}

func TestACancelledSyncReturnsThatAndLosesNothing(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	w.fill(60)
	ctx, cancel := context.WithCancel(w.ctx)
	w.p.onPage = func(n int, _ string) error {
		if n == 3 {
			cancel()
		}
		return nil
	}
	sum, err := w.Sync(ctx, SyncOptions{})
	if !errors.Is(err, context.Canceled) || sum == nil {
		t.Fatal(sum, err)
	}
	w.p.onPage = nil
	w.sync()
	for i := range 60 {
		w.one(fmt.Sprintf("f%03d", i))
	}
}

func TestSyncWaitsForWhatRunsButNotForEver(t *testing.T) {
	w := newWorld(t)
	w.Settings.Wait = 2 * time.Minute
	w.p.add("1", time.Hour, threat("a"))
	began := w.clock.now()
	sum := w.sync()
	if took := w.clock.now().Sub(began); took > 3*time.Minute || took < time.Minute {
		t.Errorf("it waited %v for an analysis that never ends", took)
	}
	if sum.Waiting[scan.ReasonRunning] != 1 {
		t.Errorf("%v", sum.Waiting)
	}
}

func TestTheWorstAlertsAreSubmittedFirst(t *testing.T) {
	w := newWorld(t)
	w.Settings.Workers = 1
	w.policy = scan.Policy{MaxScans: 2}
	w.Service = w.process("host/1/a", w.p)
	w.Settings.Wait = 0
	for name, s := range map[string]alert.Severity{"low": alert.Low, "crit": alert.Critical, "info": alert.Info, "high": alert.High} {
		w.p.add(name, time.Hour, threat(name)).Severity = s
	}
	w.sync()
	if len(w.engine.ask) != 2 || w.engine.ask[0] != hashesOf("crit").SHA256 || w.engine.ask[1] != hashesOf("high").SHA256 {
		t.Errorf("%v", w.engine.ask)
	}
}

func TestADryRunWritesNothingAndSpendsNothing(t *testing.T) {
	w := newWorld(t)
	w.policy = scan.Policy{DryRun: true}
	w.Service = w.process("host/1/a", w.p)
	w.engine.set("a", alert.Malicious)
	w.p.add("1", time.Hour, threat("a"))
	w.p.add("2", time.Hour, threat("b"))
	sum := w.sync(SyncOptions{DryRun: true})
	if len(w.p.posts) != 0 || len(w.engine.ask) != 0 || sum.ScansPriced != 1 || !sum.DryRun || sum.NotesDue != 1 {
		t.Errorf("%+v", sum)
	}
}

func TestASyncWithoutSourcesSaysSo(t *testing.T) {
	w := newWorld(t)
	w.Service = w.process("host/1/a")
	if _, err := w.Sync(w.ctx, SyncOptions{}); !fault.Is(err, fault.Usage) {
		t.Error(err)
	}
	w.Service = w.process("host/1/a", w.p)
	if _, err := w.Sync(w.ctx, SyncOptions{Sources: []string{"nobody"}}); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

func TestOnlyTheNamedSourcesAreSynced(t *testing.T) {
	w := newWorld(t)
	other := newProduct("other", w.clock)
	w.Service = w.process("host/1/a", w.p, other)
	if sum := w.sync(SyncOptions{Sources: []string{"other", "other"}}); len(sum.Sources) != 1 || w.p.pages != 0 || other.pages == 0 {
		t.Errorf("%+v", sum.Sources)
	}
}

func TestTheSummaryAddsUp(t *testing.T) {
	w := newWorld(t)
	w.Settings.Wait = 0
	w.engine.set("known", alert.Malicious)
	w.engine.unheld[hashesOf("missing").SHA256] = true
	for i := range 3 {
		w.p.add(fmt.Sprint("k", i), time.Hour, threat("known"))
	}
	w.p.add("m", time.Hour, threat("missing"))
	w.p.add("r", time.Hour, threat("running"))
	w.p.add("n", time.Hour)
	var events []Event
	var mu sync.Mutex
	w.Observe = func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, e)
	}
	sum := w.sync()
	if sum.Alerts != 6 || sum.New != 6 || sum.Files != 3 || sum.LookedUp != 1 || sum.Notes != 3 || sum.ScansSpent != 1 ||
		sum.Waiting["file needed"] != 1 || sum.Waiting[scan.ReasonRunning] != 1 || sum.Skipped[SkipNoFile] != 1 {
		t.Errorf("%+v", sum)
	}
	what := map[string]bool{}
	for _, e := range events {
		what[e.What] = true
	}
	if !what["alerts"] || !what["files"] || !what["notes"] {
		t.Errorf("%+v", events)
	}
}

func TestNotesThatFailAgainAndAgainAreLeftToTheNextRun(t *testing.T) {
	w := noteWorld(t)
	w.Settings.NoteRetry, w.Settings.Wait = time.Second, time.Hour
	w.p.onNotes = func() error { return fault.New(fault.Unavailable, "away") }
	began := w.clock.now()
	sum, err := w.trySync(w.Service)
	if err != nil || len(sum.Errors) != 1 {
		t.Fatal(sum.Errors, err)
	}
	if took := w.clock.now().Sub(began); took > 10*time.Minute {
		t.Errorf("it went on for %v", took)
	}
	if w.p.reads["1"] > 2*giveUpAfter {
		t.Errorf("%d reads", w.p.reads["1"])
	}
}

func TestAProductWithoutNotesIsSyncedAndJudged(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	w.p.add("1", time.Hour, threat("a")).Note = ""
	src := struct {
		bare
		source.Feeder
	}{bare{w.p}, w.p}
	w.Service = w.process("host/1/a", src)
	w.sync()
	w.view(func(tx ledger.Tx) error {
		r, err := tx.Alert(w.sidOf(src), "1")
		if r == nil || r.Verdict != alert.Malicious {
			t.Errorf("%+v", r)
		}
		return err
	})
}

func TestAProductThatCannotTellItsTenantCannotBeRemembered(t *testing.T) {
	w := newWorld(t)
	_, err := SourceID(w.ctx, anonymous{w.p})
	if !fault.Is(err, fault.Unsupported) {
		t.Error(err)
	}
	w.p.err = fault.New(fault.Denied, "no")
	if _, err := SourceID(w.ctx, w.p); !fault.Is(err, fault.Denied) {
		t.Error(err)
	}
}

// anonymous is a product without an identity.
type anonymous struct{ p *product }

func (a anonymous) Name() string                                 { return "anonymous" }
func (a anonymous) Kind() string                                 { return "anonymous" }
func (a anonymous) Traits() source.Traits                        { return a.p.traits }
func (a anonymous) Check(context.Context) (source.Health, error) { return source.Health{}, nil }

func TestTwoHoldersNeverShareAName(t *testing.T) {
	if a, b := NewHolder("host", 1), NewHolder("host", 1); a == b {
		t.Error(a)
	}
}

func TestAnUnknownSourceNameSaysWhichThereAre(t *testing.T) {
	w := newWorld(t)
	_, err := w.Source("nobody")
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Kind != fault.NotFound || f.Hint != "configured: fake" {
		t.Errorf("%+v", err)
	}
	w.Service = w.process("host/1/a")
	if _, err := w.Source("nobody"); err == nil {
		t.Error("found")
	}
}
