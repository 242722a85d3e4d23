package scan

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/sample"
	"edrc/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock stands still until it is told to go on.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)} }

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

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = t
}

// hashesOf are the hashes of a file of a name.
func hashesOf(name string) alert.Hashes {
	b := []byte("file " + name)
	h2, h1, h5 := sha256.Sum256(b), sha1.Sum(b), md5.Sum(b)
	return alert.NewHashes(hex.EncodeToString(h2[:]), hex.EncodeToString(h1[:]), hex.EncodeToString(h5[:]))
}

// sample is a file of the engine's world.
type specimen struct {
	hs       alert.Hashes
	class    alert.Class
	unheld   bool
	outcome  Outcome       // of a submit, in place of the ordinary one
	age      time.Duration // of the private analysis; < 0: none
	public   bool          // the analysis is not private
	fails    int           // so many of its analyses fail
	vanishes int           // so many of them vanish
	never    bool          // its analyses never end
	uploaded Outcome       // of an upload, in place of the ordinary one
	lags     bool          // what was uploaded is not found by its hash

	id    string // of the analysis that runs
	began time.Time
	polls int
	done  time.Time // zero: never analysed
	scans int       // paid for
}

// engine is the engine in memory: it counts what is paid for and charges for every
// analysis that it starts, also for a file that it has analysed already.
type engine struct {
	mu      sync.Mutex
	clock   *clock
	byHash  map[alert.Hash]*specimen
	byID    map[string]*specimen
	calls   []string // "lookup", "submit", "poll", "detail", "quota"
	submits []alert.Hash
	n       int
	mute    bool // its replies name no hash but the SHA-256
	// takes, if set, is how long an analysis runs by the clock, whoever polls it;
	// else the second poll finds it done.
	takes time.Duration
	quota Allowance
	// before runs before a call is answered; an error is the answer. after runs once
	// a submit was carried out; an error is then all that the caller learns.
	before func(call string, h alert.Hash) error
	after  func(h alert.Hash) error
	quotaE error

	spool     *sample.Spool // where uploads are opened
	maxUpload int64
	uploads   []upload
	// uploading runs while an upload is under way, afterUpload once it was carried out;
	// an error is then all that the caller learns.
	uploading   func(context.Context) error
	afterUpload func() error
}

func newEngine(c *clock, files ...*specimen) *engine {
	e := &engine{clock: c, byHash: map[alert.Hash]*specimen{}, byID: map[string]*specimen{}}
	for _, f := range files {
		for _, h := range f.hs.All() {
			e.byHash[h] = f
		}
		if f.class == "" {
			f.class = alert.Malicious
		}
		if f.age > 0 {
			f.done = c.now().Add(-f.age)
		}
	}
	return e
}

func file(name string, change ...func(*specimen)) *specimen {
	f := &specimen{hs: hashesOf(name)}
	for _, c := range change {
		c(f)
	}
	return f
}

func (e *engine) Name() string  { return "intezer" }
func (e *engine) Scope() string { return "intezer https://engine.example" }

func (e *engine) call(name string, h alert.Hash) error {
	e.mu.Lock()
	e.calls = append(e.calls, name)
	before := e.before
	e.mu.Unlock()
	if before == nil {
		return nil
	}
	return before(name, h)
}

func (e *engine) count(name string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, c := range e.calls {
		if c == name {
			n++
		}
	}
	return n
}

func (e *engine) order() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Join(e.calls, " ")
}

func (e *engine) paid() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.submits)
}

func (e *engine) verdict(f *specimen, id string) alert.Verdict {
	v := alert.Verdict{Engine: "intezer", Class: f.class, AnalysisID: id, Analysed: f.done, Hashes: f.hs}
	if e.mute {
		v.Hashes = alert.Hashes{SHA256: f.hs.SHA256}
	}
	return v
}

func (e *engine) Lookup(_ context.Context, h alert.Hash) (Analysis, error) {
	if err := e.call("lookup", h); err != nil {
		return Analysis{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	f := e.byHash[h]
	e.ripen(f)
	if f == nil || f.done.IsZero() {
		return Analysis{}, fault.New(fault.NotFound, "no analysis")
	}
	return Analysis{ID: "old-" + string(h[:6]), State: Succeeded, Verdict: e.verdict(f, "old"), Date: e.clock.now(), Private: !f.public}, nil
}

func (e *engine) Submit(_ context.Context, h alert.Hash) (Submission, error) {
	if err := e.call("submit", h); err != nil {
		return Submission{}, err
	}
	e.mu.Lock()
	f, after := e.byHash[h], e.after
	e.ripen(f)
	var out Submission
	switch {
	case f == nil || f.unheld:
		out = Submission{Outcome: NotHeld}
	case f.outcome != "":
		out = Submission{Outcome: f.outcome, Reason: "so it is"}
	case f.id != "":
		out = Submission{Outcome: AlreadyRunning, ID: f.id}
	default:
		e.n++
		f.id, f.polls, f.began = fmt.Sprintf("analysis-%d", e.n), 0, e.clock.now()
		e.byID[f.id] = f
		f.scans++
		e.submits = append(e.submits, h)
		out = Submission{Outcome: Accepted, ID: f.id}
	}
	e.mu.Unlock()
	if after != nil {
		if err := after(h); err != nil {
			return Submission{}, err
		}
	}
	return out, nil
}

func (e *engine) Poll(_ context.Context, id string) (Analysis, error) {
	if err := e.call("poll", ""); err != nil {
		return Analysis{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	f := e.byID[id]
	if f == nil {
		return Analysis{ID: id, State: Vanished}, nil
	}
	f.polls++
	e.ripen(f)
	switch {
	case e.takes > 0 && f.id != "", f.never || f.polls < 2 && e.takes == 0:
		return Analysis{ID: id, State: Running}, nil
	case f.vanishes > 0:
		f.vanishes--
		f.id = ""
		return Analysis{ID: id, State: Vanished}, nil
	case f.fails > 0:
		f.fails--
		f.id = ""
		return Analysis{ID: id, State: Failed, Reason: "it broke"}, nil
	}
	if f.id != "" {
		f.id, f.done = "", e.clock.now()
	}
	return Analysis{ID: id, State: Succeeded, Verdict: e.verdict(f, id), Date: e.clock.now(), Private: true}, nil
}

// ripen ends an analysis whose time is over.
func (e *engine) ripen(f *specimen) {
	if f != nil && f.id != "" && e.takes > 0 && e.clock.now().Sub(f.began) >= e.takes {
		f.id, f.done = "", e.clock.now()
	}
}

func (e *engine) Detail(_ context.Context, a Analysis) (alert.Verdict, error) {
	if err := e.call("detail", ""); err != nil {
		return alert.Verdict{}, err
	}
	return a.Verdict, nil
}

func (e *engine) Quota(context.Context) (Allowance, error) {
	if err := e.call("quota", ""); err != nil {
		return Allowance{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.quota, e.quotaE
}

// tb is what *testing.T and *rapid.T have in common.
type tb interface {
	Helper()
	Error(...any)
	Errorf(string, ...any)
	Fatal(...any)
	Fatalf(string, ...any)
}

// world is a scanner over the real store and the engine in memory.
type world struct {
	*Scanner
	t      tb
	clock  *clock
	engine *engine
	store  *store.Store
}

func openStore(t testing.TB, c *clock) *store.Store {
	t.Helper()
	s, err := store.Open(store.Options{Path: filepath.Join(t.TempDir(), "edrc.db"), Pause: -1, Timeout: 20 * time.Second, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func newWorld(t testing.TB, p Policy, files ...*specimen) *world {
	t.Helper()
	c := newClock()
	w := &world{t: t, clock: c, engine: newEngine(c, files...), store: openStore(t, c)}
	w.Scanner = New(w.engine, w.store, p, "host/1/a", c.now, nil)
	return w
}

// other is another process on the same store.
func (w *world) other(p Policy) *Scanner {
	return New(w.engine, w.store, p, "host/2/b", w.clock.now, nil)
}

func (w *world) want(wish Wish) (*ledger.Job, *ledger.VerdictRecord) {
	w.t.Helper()
	var job *ledger.Job
	var v *ledger.VerdictRecord
	err := w.store.Update(context.Background(), 1, func(tx ledger.Tx) (err error) {
		job, v, err = w.Want(tx, wish)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return job, v
}

// wish is a wish for a file under the hashes that are named: "256", "1", "5".
func wish(name string, sev alert.Severity, algos ...string) Wish {
	all, hs := hashesOf(name), alert.Hashes{}
	if len(algos) == 0 {
		hs = all
	}
	for _, a := range algos {
		switch a {
		case "256":
			hs.SHA256 = all.SHA256
		case "1":
			hs.SHA1 = all.SHA1
		case "5":
			hs.MD5 = all.MD5
		}
	}
	return Wish{File: alert.File{Hashes: hs, Name: name}, Severity: sev}
}

func (w *world) key(h alert.Hash) ledger.JobKey { return ledger.JobKey{Engine: w.Scope(), Hash: h} }

func (w *world) job(h alert.Hash) *ledger.Job {
	w.t.Helper()
	var j *ledger.Job
	err := w.store.View(context.Background(), func(tx ledger.Tx) (err error) {
		j, err = tx.Job(w.key(h))
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if j == nil {
		w.t.Fatalf("no job of %s", h)
	}
	return j
}

func (w *world) verdict(h alert.Hash) *ledger.VerdictRecord {
	w.t.Helper()
	var v *ledger.VerdictRecord
	err := w.store.View(context.Background(), func(tx ledger.Tx) (err error) {
		v, err = tx.Verdict(w.Scope(), h)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

func (w *world) quotaNow() *ledger.Quota {
	w.t.Helper()
	q, err := w.QuotaNow(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return q
}

// spentOn gives how many scans were reserved or spent today.
func (w *world) spentOn() int { return w.quotaNow().Spent }

// step claims the due jobs and carries each as far as it goes; it gives how many
// there were, and the trouble that they met.
func (w *world) step() (int, []error) {
	w.t.Helper()
	jobs, err := w.Claim(context.Background(), 100)
	if err != nil {
		w.t.Fatal(err)
	}
	var errs []error
	for _, j := range jobs {
		if err := w.Step(context.Background(), j); err != nil {
			errs = append(errs, err)
		}
	}
	return len(jobs), errs
}

// drain works until every job has come to rest, letting time pass for those that
// wait for less than most.
func (w *world) drain(most time.Duration) {
	w.t.Helper()
	end := w.clock.now().Add(most)
	for range 10_000 {
		if n, _ := w.step(); n > 0 {
			continue
		}
		next, err := w.NextDue(context.Background())
		if err != nil {
			w.t.Fatal(err)
		}
		if next.IsZero() || next.After(end) {
			return
		}
		w.clock.set(next)
	}
	var left []string
	_ = w.store.View(context.Background(), func(tx ledger.Tx) error {
		for j := range tx.Jobs("") {
			if !j.Terminal() {
				left = append(left, fmt.Sprintf("%s %s (%s) %v", j.Key.Hash[:8], j.State, j.Reason, j.NextTry))
			}
		}
		return nil
	})
	w.t.Fatalf("the jobs never come to rest: %s; now %v", strings.Join(left, "; "), w.clock.now())
}

func (w *world) state(h alert.Hash, want ledger.JobState, reason string) *ledger.Job {
	w.t.Helper()
	j := w.job(h)
	if j.State != want || !strings.Contains(j.Reason, reason) {
		w.t.Fatalf("the job is %s (%s), want %s (%s)", j.State, j.Reason, want, reason)
	}
	return j
}

func sha(name string) alert.Hash { return hashesOf(name).SHA256 }
