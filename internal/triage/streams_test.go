package triage

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/source"
)

// spread is a product of several streams, each of which has every alert of p whose id
// begins with the stream's name.
type spread struct {
	*product
	streams []string
	mu      sync.Mutex
	broken  map[string]error
	read    []string // streams, a page each
	begin   func(stream string)
}

func (s *spread) Streams(context.Context) ([]source.Stream, error) {
	var out []source.Stream
	for _, name := range s.streams {
		out = append(out, source.Stream{Name: name, Now: s.clock.now()})
	}
	return out, nil
}

func (s *spread) Page(ctx context.Context, st source.Stream, w source.Window, token string) (source.Page, error) {
	s.mu.Lock()
	s.read = append(s.read, st.Name)
	err, begin := s.broken[st.Name], s.begin
	s.mu.Unlock()
	if begin != nil {
		begin(st.Name)
	}
	if err != nil {
		return source.Page{}, err
	}
	pg, err := s.product.Page(ctx, st, w, token)
	pg.Alerts = slices.DeleteFunc(slices.Clone(pg.Alerts), func(a alert.Alert) bool { return a.ID[:1] != st.Name })
	return pg, err
}

// spreadWorld has an alert in each of the streams, which are named by one letter.
func spreadWorld(t *testing.T, streams ...string) (*world, *spread) {
	t.Helper()
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	s := &spread{product: w.p, streams: streams, broken: map[string]error{}}
	for _, name := range streams {
		w.p.add(name+"1", time.Hour, threat("a"))
	}
	w.Service = w.process("host/1/a", s)
	return w, s
}

// watermarks gives the streams whose feed by change has one.
func (w *world) watermarks(streams []string) []string {
	w.t.Helper()
	sid, err := SourceID(w.ctx, w.p)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	w.view(func(tx ledger.Tx) error {
		out = nil
		for _, name := range streams {
			cur, err := tx.Cursor(ledger.CursorKey{Source: sid, Stream: name, By: string(source.Updated)})
			if err != nil {
				return err
			}
			if cur != nil && !cur.Watermark.IsZero() {
				out = append(out, name)
			}
		}
		return nil
	})
	return out
}

func TestAStreamThatFailsDoesNotKeepTheOthersFromBeingRead(t *testing.T) {
	w, s := spreadWorld(t, "a", "b", "c", "d")
	s.broken["b"] = fault.New(fault.Denied, "b is denied")
	s.broken["c"] = fault.New(fault.Unavailable, "c is down")
	sum, err := w.trySync(w.Service, SyncOptions{Since: w.clock.now().Add(-2 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, e := range sum.Errors {
		said = append(said, e.Err.Error())
	}
	slices.Sort(said)
	if len(said) != 2 || !fault.Is(sum.Errors[0].Err, fault.Denied) && !fault.Is(sum.Errors[1].Err, fault.Denied) {
		t.Errorf("each stream's error is told once: %q", said)
	}
	if !sum.Sources[0].Partial || sum.New != 2 || sum.Notes != 2 {
		t.Errorf("%+v", sum.Sources[0])
	}
	if got := w.watermarks(s.streams); !slices.Equal(got, []string{"a", "d"}) {
		t.Errorf("watermarks of %v", got)
	}

	clear(s.broken)
	w.clock.add(time.Minute)
	if sum := w.sync(); sum.New != 2 || sum.Sources[0].Partial {
		t.Errorf("what failed is read from where it stood: %+v", sum.Sources[0])
	}
}

func TestASourceWhoseStreamsAllFailIsNotPartlyRead(t *testing.T) {
	w, s := spreadWorld(t, "a", "b")
	s.broken["a"], s.broken["b"] = fault.New(fault.Denied, "a is denied"), fault.New(fault.Denied, "b is denied")
	sum, err := w.trySync(w.Service)
	if err != nil || sum.Sources[0].Partial || len(sum.Errors) != 2 {
		t.Errorf("%+v, %v, %v", sum.Sources[0], sum.Errors, err)
	}
}

func TestTheDailySweepReadsTheStreamsThatCanBeRead(t *testing.T) {
	w, s := spreadWorld(t, "a", "b")
	w.sync()
	s.broken["b"] = fault.New(fault.Denied, "b is denied")
	w.clock.add(25 * time.Hour)
	h := w.p.add("a2", 30*time.Hour, threat("a"))
	h.Updated = h.Created // later than any overlap
	sum, err := w.trySync(w.Service)
	if err != nil || sum.Sources[0].Late != 1 {
		t.Fatalf("%+v, %v", sum.Sources[0], err)
	}
	s.read = nil
	if _, err := w.trySync(w.Service); err != nil {
		t.Fatal(err)
	}
	if n := len(s.read); n != 3 {
		t.Errorf("%d pages, want two of a and the one of b that fails: the sweep was a moment ago", n)
	}
}

func TestStreamsAreReadSideBySideWithinABound(t *testing.T) {
	var names []string
	for c := 'a'; c <= 'p'; c++ {
		names = append(names, string(c))
	}
	w, s := spreadWorld(t, names...)
	var now, most atomic.Int32
	two := make(chan struct{})
	s.begin = func(string) {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		if n == 2 {
			select {
			case <-two:
			default:
				close(two)
			}
		}
		<-two // the first waits for a second one: alone it would wait for ever
	}
	w.sync()
	if n := most.Load(); n > streamsAtOnce {
		t.Errorf("%d at once", n)
	}
	if w.seen() != len(names) {
		t.Errorf("%d alerts", w.seen())
	}
}

func TestAStopLeavesStreamsToTheNextRun(t *testing.T) {
	var names []string
	for c := 'a'; c <= 'p'; c++ {
		names = append(names, string(c))
	}
	w, s := spreadWorld(t, names...)
	stop := make(chan struct{})
	once := sync.OnceFunc(func() { close(stop) })
	s.begin = func(string) { once() }
	if _, err := w.trySync(w.Service, SyncOptions{Stop: stop}); err != nil {
		t.Fatal(err)
	}
	if n := len(w.watermarks(names)); n == len(names) {
		t.Error("every stream was read to its end")
	}
	s.begin = nil
	w.sync()
	if got := w.watermarks(names); len(got) != len(names) || w.seen() != len(names) {
		t.Errorf("%d watermarks, %d alerts", len(got), w.seen())
	}
}

func TestAReconciliationWithoutAllStreamsCallsNothingGone(t *testing.T) {
	w, s := spreadWorld(t, "a", "b")
	w.sync()
	s.broken["b"] = fault.New(fault.Denied, "b is denied")
	out, err := w.Reconcile(w.ctx, nil, w.clock.now().Add(-48*time.Hour))
	if err != nil || len(out.Errors) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	for _, id := range []string{"a1", "b1"} {
		w.state(id, ledger.AlertDone, "")
	}
}

// copied is a product that gives no notes back, and of which we have copies. The same
// note again leaves one.
type copied struct {
	mute
	copies []alert.Note
}

func (c copied) NoteCopies(context.Context, string) ([]alert.Note, error) { return c.copies, nil }

func TestANoteThatMayBeRepeatedIsSentAgainAndNotSetAside(t *testing.T) {
	w := noteWorld(t)
	w.p.traits.NoteRepeatable = true
	w.Service = w.process("host/1/a", muted(w.p))
	w.p.outcomes = []source.NoteOutcome{source.NoteUnknown, source.NoteUnknown}
	sum := w.sync()
	if len(w.p.posts) != 3 || sum.Quarantined != 0 || sum.Notes != 1 {
		t.Errorf("%d posts, %+v", len(w.p.posts), sum)
	}
}

func TestANoteThatMayBeRepeatedIsLeftToAPersonInTheEnd(t *testing.T) {
	w := noteWorld(t)
	w.p.traits.NoteRepeatable = true
	w.Service = w.process("host/1/a", muted(w.p))
	for range 2 * maxAttempts {
		w.p.outcomes = append(w.p.outcomes, source.NoteUnknown)
	}
	sum := w.sync()
	if len(w.p.posts) != maxAttempts || sum.Quarantined != 1 {
		t.Errorf("%d posts, %+v", len(w.p.posts), sum)
	}
}

func TestAPersonsNoteThatMayBeRepeatedIs(t *testing.T) {
	w := personWorld(t)
	w.p.traits.NoteRepeatable = true
	w.Service = w.process("host/1/a", muted(w.p))
	w.p.outcomes = []source.NoteOutcome{source.NoteUnknown}
	if _, err := w.write("x", "k1"); !fault.Is(err, fault.InDoubt) {
		t.Fatal(err)
	}
	r, err := w.write("x", "k1")
	if err != nil || r.NoteID == "" || len(w.p.posts) != 2 {
		t.Errorf("%+v, %v, %d posts", r, err, len(w.p.posts))
	}
	for range maxAttempts {
		w.p.outcomes = append(w.p.outcomes, source.NoteUnknown)
	}
	for i := range maxAttempts + 1 {
		if _, err := w.write("y", "k2"); !fault.Is(err, fault.InDoubt) {
			t.Fatal(i, err)
		}
	}
	if len(w.p.posts) != 2+maxAttempts {
		t.Errorf("%d posts", len(w.p.posts))
	}
}

func TestOurOwnCopiesOfNotesAreListedAndSaidToBeOurs(t *testing.T) {
	w := personWorld(t)
	want := []alert.Note{{ID: "1", Text: "first"}, {ID: "2", Text: "second"}}
	w.Service = w.process("host/1/a", copied{muted(w.p), want})
	got, own, err := w.Notes(w.ctx, w.ref("1"))
	if err != nil || !own || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%+v, %v, %v", got, own, err)
	}
	w.Service = w.process("host/1/a", w.p)
	if _, own, err := w.Notes(w.ctx, w.ref("1")); own || err != nil {
		t.Errorf("%v, %v", own, err)
	}
}
