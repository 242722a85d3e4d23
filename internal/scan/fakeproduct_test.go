package scan

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/sample"
	"edrc/internal/source"
)

// content is the bytes of a file of a name: its hashes are hashesOf(name).
func content(name string) []byte { return []byte("file " + name) }

// served is the file of one alert, as its product has it.
type served struct {
	// states are those of each start and poll in turn; the last one stays. None: ready.
	states []source.FetchState
	reason string
	retry  time.Duration
	// archive makes what is downloaded, of the password that was asked for; openErr are
	// the errors of each download in turn, nil of one that goes well.
	archive func(password string) []byte
	openErr []error
	opening func(ctx context.Context) error // while it is downloaded
	failing error                           // of every start and poll
}

// product is a detection product in memory. It remembers the passwords that it was
// asked for, and makes archives with them, whatever a download says.
type product struct {
	clock *clock
	name  string

	mu        sync.Mutex
	files     map[string]*served
	calls     []string // "start 1", "poll 1", "open 1": of an alert
	passwords map[string][]string
	requests  []source.FetchRequest
}

var _ source.Fetcher = (*product)(nil)

func (p *product) Name() string                                 { return p.name }
func (p *product) Kind() string                                 { return "acme" }
func (p *product) Traits() source.Traits                        { return source.Traits{} }
func (p *product) Check(context.Context) (source.Health, error) { return source.Health{}, nil }

// progress is what the product keeps in a ticket.
type progress struct{ Steps int }

func (p *product) StartFetch(ctx context.Context, r source.FetchRequest) (source.FetchStep, error) {
	p.mu.Lock()
	p.requests = append(p.requests, r)
	p.passwords[r.Handle.ID] = append(p.passwords[r.Handle.ID], r.Password)
	p.mu.Unlock()
	return p.step(ctx, "start", source.Ticket{Handle: r.Handle, File: r.File, Attempt: r.Attempt, Started: p.clock.now()}, true)
}

func (p *product) PollFetch(ctx context.Context, t source.Ticket) (source.FetchStep, error) {
	return p.step(ctx, "poll", t, false)
}

func (p *product) step(ctx context.Context, call string, t source.Ticket, anew bool) (source.FetchStep, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, call+" "+t.Handle.ID)
	f := p.files[t.Handle.ID]
	switch {
	case ctx.Err() != nil:
		return source.FetchStep{}, ctx.Err()
	case f == nil:
		return source.FetchStep{State: source.FetchNone, Ticket: t, Reason: "no such threat"}, nil
	case f.failing != nil:
		return source.FetchStep{}, f.failing
	}
	var at progress
	if !anew {
		if err := json.Unmarshal(t.Data, &at); err != nil {
			return source.FetchStep{}, fault.New(fault.Invalid, "this is no ticket of mine: %v", err)
		}
	}
	state := source.FetchReady
	if len(f.states) > 0 {
		state = f.states[0]
		f.states = f.states[min(1, len(f.states)-1):]
	}
	at.Steps++
	t.Data, _ = json.Marshal(at)
	return source.FetchStep{State: state, Ticket: t, Reason: f.reason, Retry: f.retry}, nil
}

func (p *product) OpenFetch(ctx context.Context, t source.Ticket, password string, spool *sample.Spool) (*sample.Archive, error) {
	p.mu.Lock()
	p.calls = append(p.calls, "open "+t.Handle.ID)
	f := p.files[t.Handle.ID]
	asked := p.passwords[t.Handle.ID]
	var err error
	if len(f.openErr) > 0 {
		err, f.openErr = f.openErr[0], f.openErr[1:]
	}
	opening := f.opening
	p.mu.Unlock()
	if opening != nil {
		if err := opening(ctx); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	return spool.Take(ctx, strings.NewReader(string(f.archive(asked[len(asked)-1]))), password)
}

// serve gives an alert a file: its own content in an ordinary archive, unless changed.
func (p *product) serve(id, name string, change ...func(*served)) *served {
	f := &served{archive: func(password string) []byte { return archiveOf(password, entry{name, content(name)}) }}
	for _, c := range change {
		c(f)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files[id] = f
	return f
}

// asked gives the calls of a kind, "" for all.
func (p *product) asked(kind string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, c := range p.calls {
		if strings.HasPrefix(c, kind) {
			out = append(out, c)
		}
	}
	return out
}

func (p *product) order() string { return strings.Join(p.asked(""), ", ") }

// distinctPasswords gives how many passwords an alert was asked for under, and how often.
func (p *product) distinctPasswords(id string) (int, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := slices.Clone(p.passwords[id])
	n := len(all)
	slices.Sort(all)
	return len(slices.Compact(all)), n
}

// noFetcher is a product that cannot give files.
type noFetcher struct{ source.Source }

// station is a world in which files can be fetched and uploaded.
type station struct {
	*world
	dir      string // of the spool
	products map[alert.SourceID]source.Source
	s1, s2   *product
	secretE  error
	spoolE   error
	alerts   int
}

func newStation(t testing.TB, p Policy, f Fetching, files ...*specimen) *station {
	t.Helper()
	for _, s := range files {
		s.unheld = true
	}
	if f.Policy.Types == nil {
		f.Policy.Types = sample.Types()
	}
	w := &station{world: newWorld(t, p, files...), dir: t.TempDir() + "/spool", products: map[alert.SourceID]source.Source{}}
	w.s1, w.s2 = w.product("s1"), w.product("s2")
	w.engine.spool = openSpool(t, t.TempDir())
	w.equip(t, w.Scanner, f)
	return w
}

func (w *station) product(name string) *product {
	p := &product{clock: w.clock, name: name, files: map[string]*served{}, passwords: map[string][]string{}}
	w.products[alert.SourceID("sid-"+name)] = p
	return p
}

func openSpool(t testing.TB, dir string) *sample.Spool {
	t.Helper()
	s, err := sample.OpenSpool(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// equip lets a scanner fetch, with a spool of its own on the same directory, as
// another process has it.
func (w *station) equip(t testing.TB, s *Scanner, f Fetching) {
	var spool *sample.Spool
	f.Source = func(_ context.Context, sid alert.SourceID) (source.Source, error) { return w.products[sid], nil }
	f.Secret = func() ([]byte, error) { return []byte("the secret of this install, 32 b"), w.secretE }
	f.Spool = func(create bool) (*sample.Spool, error) {
		if w.spoolE != nil {
			return nil, w.spoolE
		}
		if _, err := os.Stat(w.dir); spool == nil && (create || err == nil) {
			spool = openSpool(t, w.dir)
		}
		return spool, nil
	}
	s.Fetch(f)
}

// another is another process on the same store and spool.
func (w *station) another(t testing.TB, p Policy, f Fetching) *station {
	o := *w
	inner := *w.world
	inner.Scanner = New(w.engine, w.store, p, "host/2/b", w.clock.now, nil)
	o.world = &inner
	o.equip(t, inner.Scanner, f)
	return &o
}

// alert makes an alert of a product that names a file, known to sync, and wants the
// file's job. Each is younger than the one before.
func (w *station) alert(p *product, id string, f Wish) *ledger.Job {
	w.t.Helper()
	w.alerts++
	var job *ledger.Job
	rec := &ledger.Alert{Handle: alert.Handle{Source: alert.SourceID("sid-" + p.name), ID: id}, Name: p.name, State: ledger.AlertOpen,
		Created: w.clock.now().Add(time.Duration(w.alerts) * time.Second), Files: []alert.File{f.File}, Severity: f.Severity}
	f.Alert, f.Known = rec.Handle, true
	err := w.store.Update(context.Background(), 3, func(tx ledger.Tx) (err error) {
		if job, _, err = w.Want(tx, f); err != nil || job == nil {
			return err
		}
		if err := tx.PutAlert(rec); err != nil {
			return err
		}
		return tx.Want(job.Key, rec.Key())
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return job
}

// serves makes an alert about a file, and its product has it.
func (w *station) serves(p *product, id, name string, change ...func(*served)) *served {
	w.t.Helper()
	w.alert(p, id, wish(name, alert.High, "256"))
	return p.serve(id, name, change...)
}

// until steps until the job is in a state, letting time pass.
func (w *station) until(h alert.Hash, state ledger.JobState) *ledger.Job {
	w.t.Helper()
	var seen []string
	for range 100 {
		j := w.job(h)
		if j.State == state {
			return j
		}
		seen = append(seen, fmt.Sprintf("%s (%s)", j.State, j.Reason))
		if n, _ := w.step(); n > 0 {
			continue
		}
		next, err := w.NextDue(context.Background())
		if err != nil || next.IsZero() {
			break
		}
		w.clock.set(next)
	}
	w.t.Fatalf("it is never %s: %s", state, strings.Join(seen, "; "))
	return nil
}

// kept gives what waits on the spool.
func (w *station) kept() []sample.Kept {
	w.t.Helper()
	spool, err := w.fetching.Spool(true)
	if err != nil {
		w.t.Fatal(err)
	}
	list, err := spool.List()
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// nothingKept: what is not needed any more is not on the spool.
func (w *station) nothingKept() {
	w.t.Helper()
	if k := w.kept(); len(k) != 0 {
		w.t.Errorf("%d archives are left on the spool", len(k))
	}
}

// told gives the files whose alerts are to be told.
func (w *world) told() []alert.Hash {
	w.t.Helper()
	var out []alert.Hash
	err := w.store.View(context.Background(), func(tx ledger.Tx) error {
		fans, err := tx.Fanouts(w.Scope(), 100)
		for _, f := range fans {
			out = append(out, f.Job.Hash)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// scanned: the file was judged after one upload, which cost one scan.
func (w *station) scanned(h alert.Hash) {
	w.t.Helper()
	w.state(h, ledger.JobJudged, "")
	if w.engine.paid() != 1 || w.spentOn() != 1 {
		w.t.Errorf("paid %d, reserved %d: %s", w.engine.paid(), w.spentOn(), w.engine.order())
	}
	w.nothingKept()
}

// unpaid: nothing was uploaded, and no scan is reserved.
func (w *station) unpaid() {
	w.t.Helper()
	if w.engine.count("upload") != 0 || w.engine.paid() != 0 || w.spentOn() != 0 {
		w.t.Errorf("uploads %d, paid %d, reserved %d: %s", w.engine.count("upload"), w.engine.paid(), w.spentOn(), w.engine.order())
	}
}
