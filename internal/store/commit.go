package store

import (
	"context"
	"errors"
	"slices"

	"edrc/internal/ledger"
)

var errClosed = errors.New("the store is closed")

// errEnded is what the callers of a batch get when one of its functions ended the
// committer's goroutine (runtime.Goexit, as t.FailNow does).
var errEnded = errors.New("a store transaction ended its goroutine")

// request is one Update waiting for its commit.
type request struct {
	records int
	fn      func(ledger.Tx) error
	ticket  uint64
	settled bool
	err     error
	done    chan error
}

func (r *request) settle(err error) { r.settled, r.err = true, err }

// Update runs fn in a transaction and returns once it is durable, or nothing of it
// was kept. records is about how many records fn writes. fn sees what earlier ones
// of the same commit have written. It may run more than once, and only its last
// run counts: it must set, not add to, what it shares with its caller. An error or
// a panic of fn undoes fn alone and is returned to its caller. When ctx ends
// before fn had its turn, fn never runs; after that the outcome is waited for.
func (s *Store) Update(ctx context.Context, records int, fn func(ledger.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &request{records: max(1, records), fn: fn, err: errEnded, done: make(chan error, 1)}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errClosed
	}
	s.tickets++
	r.ticket = s.tickets
	s.queue = append(s.queue, r)
	if !s.running {
		s.running = true
		s.committer.Add(1)
		go s.work()
	}
	s.mu.Unlock()
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		if s.withdraw(r) {
			return ctx.Err()
		}
		return <-r.done
	}
}

// Close lets the committer finish what is queued, without pauses, and waits for it.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end()
	s.committer.Wait()
	return nil
}

// withdraw takes a request off the queue; false when its turn has come.
func (s *Store) withdraw(r *request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.queue, r)
	if i < 0 {
		return false
	}
	s.queue = slices.Delete(s.queue, i, i+1)
	if len(s.queue) == 0 && s.giveUp != nil {
		s.giveUp()
	}
	return true
}

// work is the committer: it commits until nothing is queued.
func (s *Store) work() {
	clean := false
	defer func() {
		if !clean { // a function ended this goroutine: another one takes over
			go s.work()
			return
		}
		s.committer.Done()
	}()
	for s.more() {
		if wait := s.pause - s.now().Sub(s.committed); s.pause > 0 && wait > 0 {
			_ = s.sleep(s.life, min(wait, s.pause)) // cut short by Close
		}
		s.round()
	}
	clean = true
}

// more reports whether anything is queued; the committer ends when not.
func (s *Store) more() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = len(s.queue) > 0
	return s.running
}

// round makes one commit of what is queued.
func (s *Store) round() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	last := s.await(cancel)
	leave, err := s.enter(ctx, gateAll, 5*s.timeout)
	if err != nil {
		s.refuse(last, err)
		return
	}
	defer leave()
	h, err := s.open(ctx, true)
	if err != nil {
		s.refuse(last, s.explain("write", err))
		return
	}
	batch := s.take()
	// The waiters are answered when the file is closed: what they do next may be to
	// open it.
	defer func() {
		for _, r := range batch {
			r.done <- r.err
		}
	}()
	defer func() {
		_ = h.close() // what is committed is durable already
		s.committed = s.now()
	}()
	err = s.commit(h, batch)
	if d, damaged := errors.AsType[*damage](err); damaged {
		d.info = h.info
		if h, err = s.renew(h, d); err == nil {
			err = s.commit(h, batch)
		}
	}
	for _, r := range batch {
		if !r.settled {
			r.settle(s.explain("write", err))
		}
	}
}

// renew repairs the file and opens the new one.
func (s *Store) renew(h *handle, d *damage) (*handle, error) {
	_ = h.close() // nothing of it is to be kept
	if err := s.repair(context.Background(), d); err != nil {
		return &handle{}, err
	}
	h, err := s.open(context.Background(), true)
	if err != nil {
		return &handle{}, err
	}
	return h, nil
}
