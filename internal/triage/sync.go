package triage

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/scan"
	"edrc/internal/source"
)

// SyncOptions narrow a sync.
type SyncOptions struct {
	Sources    []string
	Since      time.Time       // zero: from the watermark; else one more window, moving no watermark
	MaxRuntime time.Duration   // 0: none
	Stop       <-chan struct{} // closed: end at the next boundary; nil: never
	// Environment: read and note what is in it. What earlier runs left to judge is judged.
	Environment Environment
	DryRun      bool // the caller gave a scratch store and a Scanner that spends nothing
}

// groupsPerRound bounds the notes of one round, so that judging goes on beside them.
const groupsPerRound = 40

// idleStep is the least that a run waits when it finds nothing to do.
const idleStep = 5 * time.Millisecond

// giveUpAfter is how many rounds in a row a source's notes may fail before they
// are left to the next run.
const giveUpAfter = 5

// syncer is one run of Sync.
type syncer struct {
	*Service
	o       SyncOptions
	sum     *Summary
	started time.Time
	soft    time.Time // the end of MaxRuntime
	targets []*target
	mu      sync.Mutex
	judged  *distinct[ledger.JobKey] // jobs whose verdict came in during this run
	touched *distinct[ledger.JobKey] // every job that this run had to do with
	trouble error                    // the engine's last failure
	carrier *carrier                 // the files that are on their way
	// progress counts what got further in any way: an analysis that still runs did not.
	progress atomic.Int64
}

// target is one source in a run.
type target struct {
	src      source.Source
	sid      alert.SourceID
	sum      *SourceSummary
	failures int
	notSoon  time.Time
}

// Sync does for every new alert what an analyst would: it reads all sources,
// judges every distinct file once, writes the verdicts back, and says what it
// left. It can be stopped anywhere; the next run carries on. The error is for what
// stopped the whole run; the failures of single sources are in the Summary.
func (s *Service) Sync(ctx context.Context, o SyncOptions) (*Summary, error) {
	picked, err := s.pickWithin(o.Sources, o.Environment.Scopes)
	if err != nil {
		return nil, err
	}
	if len(picked) == 0 {
		return nil, fault.Usagef("no source is configured").WithHint("add one to the configuration, or try `edrc demo`")
	}
	r := &syncer{Service: s, o: o, started: s.Now(), judged: newDistinct[ledger.JobKey](), touched: newDistinct[ledger.JobKey](),
		sum: &Summary{Waiting: map[string]int{}, Skipped: map[string]int{}, DryRun: o.DryRun}}
	if o.MaxRuntime > 0 {
		r.soft = r.started.Add(o.MaxRuntime)
	}
	for _, src := range picked {
		t := &target{src: src, sum: newSourceSummary(src.Name())}
		r.targets = append(r.targets, t)
		r.sum.Sources = append(r.sum.Sources, t.sum)
	}
	if _, err := s.Scanner.RefreshQuota(ctx); err != nil && !fault.Is(err, fault.Interrupted) {
		r.trouble = err // told at the end; what is remembered and looked up still helps
	} else if err == nil {
		// The engine answers: what waited because it did not is due at once.
		if err := s.Scanner.Wake(ctx, scan.ReasonEngine); err != nil {
			return nil, err
		}
	}
	if err := s.Scanner.Reopen(ctx); err != nil {
		return nil, err
	}
	if err := s.Scanner.Tidy(ctx); err != nil && !fault.Is(err, fault.Interrupted) {
		r.sum.Errors = append(r.sum.Errors, SourceError{"spool", fault.At(err, "spool", "")})
	}
	r.meet(ctx, picked)
	r.pullAll(ctx)
	r.carrier = newCarrier(ctx, r.Settings.withDefaults().Workers)
	err = r.work(ctx)
	r.carrier.close()
	if e := r.finish(context.WithoutCancel(ctx)); err == nil {
		err = e
	}
	return r.sum, err
}

// stop reports whether the run should end at this boundary.
func (r *syncer) stop() bool {
	select {
	case <-r.o.Stop:
		r.mark("interrupted")
		return true
	default:
	}
	if !r.soft.IsZero() && !r.Now().Before(r.soft) {
		r.mark("max-runtime")
		return true
	}
	return false
}

func (r *syncer) mark(why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sum.Stopped == "" {
		r.sum.Stopped = why
	}
}

// meet learns who the sources are that are not read now, but whose findings the others
// repeat: what is remembered of them decides where a verdict is told.
func (r *syncer) meet(ctx context.Context, picked []source.Source) {
	for _, src := range r.Sources {
		itself := func(p source.Source) bool { return p.Name() == src.Name() }
		repeats := func(p source.Source) bool { return slices.Contains(p.Traits().Repeats, src.Kind()) }
		if !slices.ContainsFunc(picked, itself) && slices.ContainsFunc(picked, repeats) {
			_, _ = r.sourceID(ctx, src)
		}
	}
}

// pullAll reads every source, side by side: reading is cheap, and only when all
// is known can the worst be judged first.
func (r *syncer) pullAll(ctx context.Context) {
	var wg sync.WaitGroup
	errs := make([][]error, len(r.targets))
	for i, t := range r.targets {
		wg.Go(func() {
			errs[i] = r.pullOne(ctx, t)
			for _, err := range errs[i] {
				if !errors.Is(err, source.ErrOutside) {
					r.fail(t, err)
				}
			}
		})
	}
	wg.Wait()
	outside := func(list []error) bool {
		return slices.ContainsFunc(list, func(err error) bool { return errors.Is(err, source.ErrOutside) })
	}
	if slices.ContainsFunc(errs, func(list []error) bool { return !outside(list) }) {
		return // another source has to do with the environment
	}
	for i, t := range r.targets {
		for _, err := range errs[i] {
			r.fail(t, err)
		}
	}
}

func (r *syncer) fail(t *target, err error) {
	err = fault.At(err, t.src.Name(), "")
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.sum.Errors {
		if e.Source == t.src.Name() && e.Err.Error() == err.Error() {
			return
		}
	}
	r.sum.Errors = append(r.sum.Errors, SourceError{t.src.Name(), err})
	t.sum.add(func(s *SourceSummary) { s.Error = err.Error() })
}

// pullOne reads one source. Where some of its streams failed, the errors are theirs, and
// the others were read.
func (r *syncer) pullOne(ctx context.Context, t *target) []error {
	feed, ok := t.src.(source.Feeder)
	if !ok {
		return []error{source.Unsupported(t.src, "be synced")}
	}
	var err error
	if t.sid, err = r.sourceID(ctx, t.src); err != nil {
		return []error{err}
	}
	lease, err := r.acquire(ctx, t.sid)
	if fault.Is(err, fault.Locked) {
		t.sum.add(func(s *SourceSummary) { s.Busy = err.Error() })
		return nil
	}
	if err != nil {
		return []error{err}
	}
	defer r.release(lease)
	p := &puller{Service: r.Service, src: t.src, feed: feed, sid: t.sid, lease: lease, sum: t.sum, stop: r.stop, ids: newDistinct[string](),
		saw: r.touched.add, part: r.o.Environment}
	steps := []func() error{func() error { return p.pull(ctx) }}
	if !r.o.Since.IsZero() {
		steps = append(steps, func() error { return p.since(ctx, r.o.Since) })
	}
	steps = append(steps, func() error { return p.sweepDaily(ctx) })
	var errs []error
	for _, step := range steps {
		err := step()
		if err != nil {
			errs = append(errs, apart(stale(err))...)
			t.sum.add(func(s *SourceSummary) { s.Partial = !wholly(err) })
		}
		if wholly(err) || r.stop() {
			break
		}
	}
	return errs
}

// stale turns a lost lease into words.
func stale(err error) error {
	if errors.Is(err, ledger.ErrStale) {
		return fault.New(fault.Conflict, "another edrc took over while this one made no progress; it carries on")
	}
	return err
}

// sweepEvery is how often the ids of the last days are compared.
const sweepEvery = 24 * time.Hour

// sweepDaily reads the last days by creation once a day: lateness beyond the
// overlap exists, and only this finds it.
func (p *puller) sweepDaily(ctx context.Context) error {
	key := "sweep/" + p.part.stream(string(p.sid))
	var last string
	err := p.Store.View(ctx, func(tx ledger.Tx) (err error) {
		last, err = tx.Meta(key)
		return err
	})
	if err != nil {
		return err
	}
	now := p.Now()
	if at, perr := time.Parse(time.RFC3339, last); perr == nil && now.Sub(at) < sweepEvery {
		return nil
	}
	var failed error
	if last != "" { // the first pass has just read everything there is to compare
		before := p.sum.New
		failed = p.since(ctx, now.Add(-p.Settings.withDefaults().Sweep))
		if wholly(failed) || p.stop() {
			return failed
		}
		p.sum.add(func(s *SourceSummary) { s.Late += s.New - before })
	}
	err = p.Store.Update(ctx, 1, func(tx ledger.Tx) error { return tx.PutMeta(key, now.UTC().Format(time.RFC3339)) })
	if err != nil {
		return err
	}
	return failed
}

// work judges files and writes notes in rounds until nothing is due, then waits a
// while for what is running. Polling what still runs does not lengthen the wait.
func (r *syncer) work(ctx context.Context) error {
	var idleSince time.Time
	for !r.stop() && ctx.Err() == nil {
		before := r.progress.Load()
		worked, err := r.round(ctx)
		if err != nil {
			return err
		}
		if r.progress.Load() > before {
			idleSince = time.Time{}
		}
		if worked > 0 {
			continue
		}
		if idleSince.IsZero() {
			idleSince = r.Now()
		}
		next, err := r.nextDue(ctx)
		if err != nil {
			return err
		}
		deadline := idleSince.Add(r.Settings.Wait)
		if next.IsZero() || next.After(deadline) {
			return nil
		}
		if soon := r.Now().Add(idleStep); next.Before(soon) {
			next = soon // it is due, and yet nothing could be done: no busy waiting
		}
		if err := r.pause(ctx, next); err != nil {
			return nil //nolint // cancelled while waiting: the state is in the store
		}
	}
	return ctx.Err()
}

// pause sleeps until a time, in steps short enough to notice a stop.
func (r *syncer) pause(ctx context.Context, until time.Time) error {
	for !r.stop() {
		d := until.Sub(r.Now())
		if d <= 0 {
			return nil
		}
		if err := r.Sleep(ctx, min(d, 200*time.Millisecond)); err != nil {
			return err
		}
	}
	return nil
}

// round does all kinds of work side by side until none of them finds anything to do.
func (r *syncer) round(ctx context.Context) (int, error) {
	var jobs []func() (int, error)
	jobs = append(jobs,
		func() (int, error) { return r.judge(ctx) },
		func() (int, error) { return r.carrier.wait(r.stop, stopGrace) },
		func() (int, error) { n, err := r.fanout(ctx, r.stop); r.progress.Add(int64(n)); return n, err })
	if !r.o.DryRun {
		for _, t := range r.targets {
			jobs = append(jobs, func() (int, error) { n := r.notes(ctx, t); r.progress.Add(int64(n)); return n, nil })
		}
	}
	return newShift(len(jobs)).run(jobs, func() bool { return r.stop() || ctx.Err() != nil })
}

// notes delivers one source's due notes; failures are its own.
func (r *syncer) notes(ctx context.Context, t *target) int {
	noter, ok := t.src.(source.Noter)
	if !ok || t.sid == "" || t.failures >= giveUpAfter || t.notSoon.After(r.Now()) {
		return 0
	}
	d := &deliverer{Service: r.Service, src: t.src, sid: t.sid, noter: noter, traits: t.src.Traits(), sum: t.sum, stop: r.stop, part: r.o.Environment}
	n, err := d.deliver(ctx, groupsPerRound)
	switch {
	case err == nil:
		t.failures = 0
	case fault.Is(err, fault.Interrupted):
	default:
		if n == 0 {
			t.failures++
		}
		t.notSoon = r.Now().Add(r.Settings.withDefaults().NoteRetry)
		r.fail(t, err)
	}
	return n
}
