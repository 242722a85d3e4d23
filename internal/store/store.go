// Package store keeps edrc's memory in one bbolt file: verdicts, alerts, file
// jobs, notes, cursors, quota. It gives the records of package ledger inside
// transactions and knows nothing of what they are for.
//
// Several edrc processes share the file. It is therefore open only while a
// transaction runs: views take a shared lock, commits an exclusive one, and a
// process that commits a lot leaves the file alone for a moment between two
// commits. Writes go through one committer, which puts what has been waiting into
// one transaction, because a durable commit costs the same for one record as for
// two hundred.
//
// The store is a cache of what vendors know and of what was paid for. A damaged
// file is set aside, what can be read of it goes into a new one, and work goes on.
package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"edrc/internal/fault"
	"edrc/internal/ledger"
)

// Options say where the store is and how patient it is. All but Path have defaults.
type Options struct {
	Path string
	// Timeout is how long a view waits for the file's lock (2 s); the committer
	// waits five times as long.
	Timeout time.Duration
	// MaxRecords is how many records go into one commit (200). Twice as many are a third
	// faster, keep the file locked longer, and map twice as much of it: see dropMeanwhile.
	MaxRecords int
	// Pause is how long the file stays closed between two commits (50 ms; negative
	// for not at all), so that another process gets its turn.
	Pause time.Duration
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error
	// Warn gets a line for the user: the store was damaged and set aside.
	Warn func(string)
}

// Store is a store. It holds no file open and no goroutine between uses.
type Store struct {
	path       string
	schema     schema
	timeout    time.Duration
	maxRecords int
	pause      time.Duration
	now        func() time.Time
	sleep      func(context.Context, time.Duration) error
	warn       func(string)

	// gate keeps views and commits of this process apart, so that they need not
	// poll each other's file lock.
	gate *semaphore.Weighted
	// repairs keeps two repairs of this process apart.
	repairs sync.Mutex

	mu        sync.Mutex
	queue     []*request
	tickets   uint64
	running   bool // a committer is at work
	closed    bool
	giveUp    context.CancelFunc // ends the committer's wait for the lock
	committed time.Time          // the end of the last commit; the committer's alone

	life      context.Context // ends the committer's pauses
	end       context.CancelFunc
	committer sync.WaitGroup
}

const (
	viewTimeout = 2 * time.Second
	// gateAll is the weight that leaves nobody else in.
	gateAll = 1 << 20
)

// Open makes a store for the file at o.Path. It touches nothing: the file is
// created by the first write.
func Open(o Options) (*Store, error) {
	if o.Path == "" {
		return nil, fault.Usagef("no path for the store").WithHint("set store.path or EDRC_STATE_DIR")
	}
	s := &Store{
		path: o.Path, schema: current(), timeout: o.Timeout, maxRecords: o.MaxRecords, pause: o.Pause,
		now: o.Now, sleep: o.Sleep, warn: o.Warn, gate: semaphore.NewWeighted(gateAll),
	}
	if s.timeout <= 0 {
		s.timeout = viewTimeout
	}
	if s.maxRecords <= 0 {
		s.maxRecords = 200
	}
	if s.pause == 0 {
		s.pause = 50 * time.Millisecond
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.sleep == nil {
		s.sleep = sleep
	}
	if s.warn == nil {
		s.warn = func(string) {}
	}
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// View runs fn over one moment of the store, read-only. Before the first write it
// sees an empty store. fn must be quick (it keeps every process from committing),
// do no network I/O, and neither call View nor Update.
func (s *Store) View(ctx context.Context, fn func(ledger.Tx) error) error {
	return s.view(ctx, func(t *tx, _ *handle) error { return fn(t) })
}

// view is View for this package; the handle is nil when there is no file.
func (s *Store) view(ctx context.Context, fn func(*tx, *handle) error) error {
	leave, err := s.enter(ctx, 1, s.timeout)
	if err != nil {
		return err
	}
	defer leave()
	h, err := s.open(ctx, false)
	if errors.Is(err, errNone) {
		return fn(newTx(ctx, nil), nil)
	}
	if err != nil {
		return s.explain("read", err)
	}
	err = s.viewOpen(ctx, h, fn)
	d, damaged := errors.AsType[*damage](err)
	if !damaged {
		return err
	}
	// fn may have shown half of what it read: it is not run again.
	d.info = h.info
	if err := s.repair(ctx, d); err != nil {
		return s.explain("read", err)
	}
	return fault.New(fault.Corrupt, "the store was damaged and has been rebuilt: %w", d.cause).
		WithHint("run the command again")
}

// viewOpen runs fn over an open file and closes it.
func (s *Store) viewOpen(ctx context.Context, h *handle, fn func(*tx, *handle) error) error {
	defer func() { _ = h.close() }() // nothing was written
	btx, err := h.begin(false)
	if err != nil {
		return err
	}
	defer h.rollback(btx)
	t := newTx(ctx, btx)
	t.drop = h.drop
	defer t.over()
	err = guard(func() error { return fn(t, h) })
	if bug, ok := errors.AsType[*panicked](err); ok {
		panic(bug)
	}
	if t.damage != nil {
		return &damage{sure: true, cause: t.damage}
	}
	return err
}

// enter waits for this process's own turn at the file.
func (s *Store) enter(ctx context.Context, weight int64, timeout time.Duration) (leave func(), err error) {
	s.mu.Lock()
	closed := s.closed && weight != gateAll // the committer still has its queue to work off
	s.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := s.gate.Acquire(limited, weight); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fault.New(fault.Locked, "the store %s was in use for %s by this process itself", s.path, timeout)
	}
	return func() { s.gate.Release(weight) }, nil
}

// open gives the open file, with its schema known and its buckets there: it
// repairs what is damaged and migrates what is old. A view gets errNone when
// nothing was written yet.
func (s *Store) open(ctx context.Context, write bool) (*handle, error) {
	timeout := s.timeout
	if write {
		timeout *= 5
	}
	for again := false; ; again = true {
		h, err := s.acquire(ctx, write, timeout)
		if err == nil {
			if err = s.admit(h, write); err == nil {
				return h, nil
			}
			_ = h.close() // nothing was written
		}
		d, damaged := errors.AsType[*damage](err)
		switch {
		case damaged && !again:
			err = s.repair(ctx, d)
		case errors.Is(err, errBare):
			return nil, errNone
		case errors.Is(err, errOld) && !again:
			err = s.upgrade(ctx)
		}
		if err != nil {
			return nil, err
		}
	}
}

// upgrade migrates the file for a view, which cannot.
func (s *Store) upgrade(ctx context.Context) error {
	h, err := s.open(ctx, true)
	if err != nil {
		return err
	}
	return h.close()
}

// admit looks whether the open file is one to work with. A write makes it so.
func (s *Store) admit(h *handle, write bool) error {
	btx, err := h.begin(false)
	var found schema
	if err == nil {
		err = guard(func() error { found, err = s.schema.check(btx); return err })
		h.rollback(btx)
	}
	if d, ok := errors.AsType[*damage](err); ok {
		d.info = h.info
		return err
	}
	switch {
	case write && errors.Is(err, errBare):
		return h.db.Update(s.schema.stamp)
	case write && errors.Is(err, errOld):
		return s.migrate(h, found)
	}
	return err
}
