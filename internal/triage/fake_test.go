package triage

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/scan"
	"edrc/internal/source"
	"edrc/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock moves when somebody sleeps, and when it is told to.
type clock struct {
	mu sync.Mutex
	at time.Time
}

var t0 = time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func (c *clock) sleep(ctx context.Context, d time.Duration) error {
	c.add(d)
	return ctx.Err()
}

// engine judges at once what it knows; anything else is paid for and then runs
// until it is known.
type engine struct {
	mu      sync.Mutex
	clock   *clock
	known   map[alert.Hash]alert.Class
	unheld  map[alert.Hash]bool
	running map[string]alert.Hash
	scans   map[alert.Hash]int
	ask     []alert.Hash // submits, in order
	lookups int
	err     error // of every call
	fails   map[alert.Hash]bool
	family  string
	detail  func(*alert.Verdict)
}

func (e *engine) Name() string  { return "intezer" }
func (e *engine) Scope() string { return "intezer https://engine.example" }

func (e *engine) set(name string, c alert.Class) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, h := range hashesOf(name).All() {
		e.known[h] = c
	}
}

func (e *engine) analysis(h alert.Hash, id string) scan.Analysis {
	v := alert.Verdict{Engine: "intezer", Class: e.known[h], AnalysisID: id, Analysed: e.clock.now(), Hashes: fileOf(h)}
	return scan.Analysis{ID: id, State: scan.Succeeded, Private: true, Date: e.clock.now(), Verdict: v}
}

func (e *engine) Lookup(_ context.Context, h alert.Hash) (scan.Analysis, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lookups++
	if e.err != nil {
		return scan.Analysis{}, e.err
	}
	if e.known[h] == "" {
		return scan.Analysis{}, fault.New(fault.NotFound, "none")
	}
	return e.analysis(h, "id-"+string(h[:8])), nil
}

func (e *engine) Submit(_ context.Context, h alert.Hash) (scan.Submission, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return scan.Submission{}, e.err
	}
	if e.unheld[h] {
		return scan.Submission{Outcome: scan.NotHeld}, nil
	}
	id := "run-" + string(h[:8])
	if _, runs := e.running[id]; runs {
		return scan.Submission{Outcome: scan.AlreadyRunning, ID: id}, nil
	}
	e.running[id] = h
	e.scans[h]++
	e.ask = append(e.ask, h)
	return scan.Submission{Outcome: scan.Accepted, ID: id}, nil
}

func (e *engine) Poll(_ context.Context, id string) (scan.Analysis, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	h := e.running[id]
	switch {
	case e.fails[h]:
		delete(e.running, id)
		return scan.Analysis{ID: id, State: scan.Failed, Reason: "it broke"}, nil
	case e.known[h] == "":
		return scan.Analysis{ID: id, State: scan.Running}, nil
	}
	delete(e.running, id)
	return e.analysis(h, id), nil
}

func (e *engine) Detail(_ context.Context, a scan.Analysis) (alert.Verdict, error) {
	v := a.Verdict
	v.Family = e.family
	if e.detail != nil {
		e.detail(&v)
	}
	return v, nil
}

func (e *engine) Quota(context.Context) (scan.Allowance, error) { return scan.Allowance{}, e.err }

// files remembers which hashes belong together.
var files sync.Map

// hashesOf are the hashes of a file of a name.
func hashesOf(name string) alert.Hashes {
	b := []byte("file " + name)
	h2, h1, h5 := sha256.Sum256(b), sha1.Sum(b), md5.Sum(b)
	hs := alert.NewHashes(hex.EncodeToString(h2[:]), hex.EncodeToString(h1[:]), hex.EncodeToString(h5[:]))
	for _, h := range hs.All() {
		files.Store(h, hs)
	}
	return hs
}

func fileOf(h alert.Hash) alert.Hashes {
	hs, _ := files.Load(h)
	return hs.(alert.Hashes)
}

// wishFor asks for a file anew.
func wishFor(name string) scan.Wish {
	return scan.Wish{File: threat(name), Severity: alert.High, Refresh: true}
}

// product is a detection product in memory.
type product struct {
	mu     sync.Mutex
	name   string
	clock  *clock
	traits source.Traits
	alerts []*held
	notes  map[string][]note // by container
	noteN  int
	lag    time.Duration // until a note is shown
	probes bool          // ProbeNotes tells
	size   int           // of a page
	limit  int           // of a window; 0: none

	posts   []post
	reads   map[string]int // of notes, by container
	windows []source.Window
	pages   int
	removed []string
	bad     []source.BadItem // on the first page of every window
	// What goes wrong.
	err      error // of everything
	onPage   func(n int, token string) error
	onNotes  func() error
	onAdd    func(n int, to []alert.Handle) // before the note is written
	outcomes []source.NoteOutcome           // of the next posts, one each; then done
	silently bool                           // an unknown outcome wrote the note all the same
	half     bool                           // an unknown outcome wrote it on every other handle
}

type held struct {
	alert.Alert
	visible time.Time
}

type note struct {
	alert.Note
	visible time.Time
}

type post struct {
	text string
	to   []string
}

func (p *product) Name() string                                 { return p.name }
func (p *product) Kind() string                                 { return "fake" }
func (p *product) Traits() source.Traits                        { return p.traits }
func (p *product) Check(context.Context) (source.Health, error) { return source.Health{}, nil }
func (p *product) Tenant(context.Context) (string, error)       { return p.name + ".example", p.err }

func (p *product) Streams(context.Context) ([]source.Stream, error) {
	return []source.Stream{{Name: "alerts", Now: p.clock.now()}}, p.err
}

func (p *product) Page(ctx context.Context, _ source.Stream, w source.Window, token string) (source.Page, error) {
	if ctx.Err() != nil {
		return source.Page{}, ctx.Err()
	}
	p.mu.Lock()
	p.pages++
	n, hook := p.pages, p.onPage
	if token == "" {
		p.windows = append(p.windows, w)
	}
	p.mu.Unlock()
	if hook != nil {
		if err := hook(n, token); err != nil {
			return source.Page{}, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var in []alert.Alert
	for _, h := range p.alerts {
		at := h.Created
		if w.By == source.Updated {
			at = h.Updated
		}
		if !h.visible.After(p.clock.now()) && !at.Before(w.From) && !at.After(w.To) {
			in = append(in, h.Alert)
		}
	}
	slices.SortStableFunc(in, func(a, b alert.Alert) int { return a.Created.Compare(b.Created) })
	pg := source.Page{Date: p.clock.now()}
	if token == "" {
		pg.Bad = p.bad
	}
	if p.limit > 0 && len(in) > p.limit {
		pg.Alerts, pg.Full = in[:p.limit], true
		return pg, nil
	}
	from := 0
	if token != "" {
		from, _ = strconv.Atoi(token)
	}
	to := min(len(in), from+p.size)
	pg.Alerts = in[min(from, to):to]
	if to < len(in) {
		pg.Next = strconv.Itoa(to)
	}
	return pg, nil
}

func (p *product) List(_ context.Context, _ alert.Query) iter.Seq2[alert.Alert, error] {
	return func(yield func(alert.Alert, error) bool) {
		for _, b := range p.bad {
			if !yield(alert.Alert{}, &b) {
				return
			}
		}
		for _, h := range p.alerts { // whatever the query says
			if !yield(h.Alert, nil) {
				return
			}
		}
		if p.err != nil {
			yield(alert.Alert{}, p.err)
		}
	}
}

func (p *product) Get(_ context.Context, hs ...alert.Handle) ([]alert.Alert, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []alert.Alert
	for _, h := range hs {
		for _, a := range p.alerts {
			if a.ID == h.ID {
				out = append(out, a.Alert)
			}
		}
	}
	return out, p.err
}

func (p *product) AddNote(_ context.Context, text string, to ...alert.Handle) ([]source.NoteResult, error) {
	p.mu.Lock()
	var ids []string
	for _, h := range to {
		ids = append(ids, h.ID)
	}
	p.posts = append(p.posts, post{text, ids})
	n, hook := len(p.posts), p.onAdd
	p.mu.Unlock()
	if hook != nil {
		hook(n, to)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	out := source.NoteDone
	if len(p.outcomes) > 0 {
		out, p.outcomes = p.outcomes[0], p.outcomes[1:]
	}
	var res []source.NoteResult
	for i, h := range to {
		r := source.NoteResult{Handle: h, Outcome: out}
		if out != source.NoteDone {
			r.Err = fault.New(fault.Unavailable, "the console did not say")
		}
		if out == source.NoteRefused {
			r.Err = fault.New(fault.Invalid, "too long")
		}
		if out == source.NoteDone || out == source.NoteUnknown && (p.silently || p.half && i%2 == 0) {
			r.NoteID = p.put(h.Note, text)
		}
		res = append(res, r)
	}
	return res, nil
}

// put writes a note.
func (p *product) put(container, text string) string {
	p.noteN++
	id := fmt.Sprintf("n%d", p.noteN)
	p.notes[container] = append(p.notes[container], note{alert.Note{ID: id, Text: text, Created: p.clock.now()}, p.clock.now().Add(p.lag)})
	return id
}

func (p *product) Notes(_ context.Context, h alert.Handle) iter.Seq2[alert.Note, error] {
	return func(yield func(alert.Note, error) bool) {
		p.mu.Lock()
		p.reads[h.Note]++
		hook, all := p.onNotes, slices.Clone(p.notes[h.Note])
		p.mu.Unlock()
		if hook != nil {
			if err := hook(); err != nil {
				yield(alert.Note{}, err)
				return
			}
		}
		for _, n := range all {
			if !n.visible.After(p.clock.now()) && !yield(n.Note, nil) {
				return
			}
		}
	}
}

func (p *product) ProbeNotes(_ context.Context, hs ...alert.Handle) (map[string]alert.Has, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]alert.Has{}
	for _, h := range hs {
		if !p.probes {
			continue
		}
		out[h.ID] = alert.None
		for _, n := range p.notes[h.Note] {
			if !n.visible.After(p.clock.now()) {
				out[h.ID] = alert.Some
			}
		}
	}
	return out, nil
}

func (p *product) RemoveNote(_ context.Context, h alert.Handle, id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.removed = append(p.removed, id)
	p.notes[h.Note] = slices.DeleteFunc(p.notes[h.Note], func(n note) bool { return n.ID == id })
	return nil
}

// bare is a product that can only be listed.
type bare struct{ p *product }

func (b bare) Name() string                                 { return b.p.name }
func (b bare) Kind() string                                 { return "bare" }
func (b bare) Traits() source.Traits                        { return b.p.traits }
func (b bare) Check(context.Context) (source.Health, error) { return source.Health{}, nil }
func (b bare) Tenant(context.Context) (string, error)       { return "bare.example", nil }

// mute is a product whose notes cannot be read.
type mute struct {
	bare
	source.Feeder
	source.Getter
	source.Noter
}

func muted(p *product) mute { return mute{bare{p}, p, p, p} }

// add puts an alert on the product: of the given age, on files named by role.
func (p *product) add(id string, age time.Duration, fs ...alert.File) *held {
	at := p.clock.now().Add(-age)
	h := &held{Alert: alert.Alert{Handle: alert.Handle{ID: id, Note: id}, Ref: alert.Ref{Source: p.name, ID: id}, Kind: "fake",
		Title: "alert " + id, Severity: alert.High, Status: alert.StatusNew, Created: at, Updated: at,
		Host: alert.Host{ID: "h1", Name: "host-1"}, Files: fs}}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.alerts = append(p.alerts, h)
	return h
}

// threat is a threat file of a name.
func threat(name string) alert.File {
	return alert.File{Hashes: hashesOf(name), Name: name, Role: alert.RoleThreat}
}

func newProduct(name string, c *clock) *product {
	return &product{name: name, clock: c, notes: map[string][]note{}, reads: map[string]int{}, size: 10,
		traits: source.Traits{NoteMax: 4000, NoteBulk: 10, NoteSettle: 30 * time.Second, Overlap: 15 * time.Minute, Settle: 30 * time.Second}}
}

// world is a service over the real store, an engine and products in memory.
type world struct {
	*Service
	t      testing.TB
	ctx    context.Context
	clock  *clock
	engine *engine
	store  *store.Store
	policy scan.Policy
	p      *product
}

func newWorld(t testing.TB) *world {
	t.Helper()
	c := &clock{at: t0}
	st, err := store.Open(store.Options{Path: filepath.Join(t.TempDir(), "edrc.db"), Pause: -1, Timeout: 20 * time.Second, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	e := &engine{clock: c, known: map[alert.Hash]alert.Class{}, unheld: map[alert.Hash]bool{}, running: map[string]alert.Hash{},
		scans: map[alert.Hash]int{}, fails: map[alert.Hash]bool{}}
	w := &world{t: t, ctx: context.Background(), clock: c, engine: e, store: st, p: newProduct("fake", c)}
	w.Service = w.process("host/1/a", w.p)
	return w
}

// process is another edrc on the same store.
func (w *world) process(holder string, srcs ...source.Source) *Service {
	s := &Service{Sources: srcs, Store: w.store, Holder: holder, Now: w.clock.now, Sleep: w.clock.sleep,
		Settings: Settings{Wait: 10 * time.Minute}}
	s.Scanner = scan.New(w.engine, w.store, w.policy, holder, w.clock.now, nil)
	return s
}

func (w *world) sync(o ...SyncOptions) *Summary {
	w.t.Helper()
	sum, err := w.trySync(w.Service, o...)
	for _, e := range sum.Errors {
		w.t.Errorf("%s: %v", e.Source, e.Err)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return sum
}

func (w *world) trySync(s *Service, o ...SyncOptions) (*Summary, error) {
	w.t.Helper()
	sum, err := s.Sync(w.ctx, append(o, SyncOptions{})[0])
	if sum == nil {
		w.t.Fatal(err)
	}
	return sum, err
}

func (w *world) sid() alert.SourceID { return w.sidOf(w.p) }

func (w *world) sidOf(src source.Source) alert.SourceID {
	w.t.Helper()
	id, err := SourceID(w.ctx, src)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

func (w *world) view(fn func(ledger.Tx) error) {
	w.t.Helper()
	if err := w.store.View(w.ctx, fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) update(fn func(ledger.Tx) error) {
	w.t.Helper()
	if err := w.store.Update(w.ctx, 1, fn); err != nil {
		w.t.Fatal(err)
	}
}

// rec reads what is remembered of an alert.
func (w *world) rec(id string) *ledger.Alert {
	w.t.Helper()
	var out *ledger.Alert
	w.view(func(tx ledger.Tx) (err error) { out, err = tx.Alert(w.sid(), id); return err })
	if out == nil {
		w.t.Fatalf("alert %s is not remembered", id)
	}
	return out
}

func (w *world) state(id string, want ledger.AlertState, reason string) *ledger.Alert {
	w.t.Helper()
	r := w.rec(id)
	if r.State != want || !strings.Contains(r.Reason, reason) {
		w.t.Fatalf("alert %s is %s (%s), want %s (%s)", id, r.State, r.Reason, want, reason)
	}
	return r
}

func (w *world) effects() []*ledger.Effect {
	w.t.Helper()
	var out []*ledger.Effect
	w.view(func(tx ledger.Tx) error {
		out = nil
		for e, err := range tx.Effects("") {
			if err != nil {
				return err
			}
			out = append(out, e)
		}
		return nil
	})
	return out
}

func (w *world) due() int {
	w.t.Helper()
	n := 0
	w.view(func(tx ledger.Tx) error {
		outs, err := tx.Outgoing(w.sid(), nil, 10_000)
		n = len(outs)
		return err
	})
	return n
}

// texts are the notes on a container, those that are not shown yet too.
func (p *product) texts(container string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, n := range p.notes[container] {
		out = append(out, n.Text)
	}
	return out
}

// one gives the only note on a container.
func (w *world) one(container string) string {
	w.t.Helper()
	texts := w.p.texts(container)
	if len(texts) != 1 {
		w.t.Fatalf("%s has %d notes: %q", container, len(texts), texts)
	}
	return texts[0]
}

func (w *world) ref(id string) alert.Ref { return alert.Ref{Source: w.p.name, ID: id} }

func (w *world) cursor(by source.Change) *ledger.Cursor {
	w.t.Helper()
	var out *ledger.Cursor
	w.view(func(tx ledger.Tx) (err error) {
		out, err = tx.Cursor(ledger.CursorKey{Source: w.sid(), Stream: "alerts", By: string(by)})
		return err
	})
	return out
}

var errKilled = errors.New("killed")

// crash is a store that fails from its nth commit on, as if the process had died:
// before it is written, or right after.
type crash struct {
	Store
	mu    sync.Mutex
	left  int
	after bool
}

func (c *crash) Update(ctx context.Context, n int, fn func(ledger.Tx) error) error {
	c.mu.Lock()
	c.left--
	left := c.left
	c.mu.Unlock()
	if left < 0 || left == 0 && !c.after {
		return errKilled
	}
	err := c.Store.Update(ctx, n, fn)
	if left == 0 && err == nil {
		return errKilled
	}
	return err
}

func (c *crash) View(ctx context.Context, fn func(ledger.Tx) error) error {
	c.mu.Lock()
	dead := c.left <= 0
	c.mu.Unlock()
	if dead {
		return errKilled
	}
	return c.Store.View(ctx, fn)
}
