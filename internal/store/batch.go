package store

import (
	"context"
	"errors"
	"slices"
)

// await says which requests a round is for, as the last ticket: one that comes
// later is not refused for a lock that it did not wait for. giveUp is called when
// nobody waits any more.
func (s *Store) await(giveUp context.CancelFunc) (last uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.giveUp = giveUp
	return s.tickets
}

// take gives the requests of one commit: as many as fit, at least one.
func (s *Store) take() []*request {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.giveUp = nil
	n, records := 0, 0
	for n < len(s.queue) && (n == 0 || records+s.queue[n].records <= s.maxRecords) {
		records += s.queue[n].records
		n++
	}
	batch := slices.Clone(s.queue[:n])
	s.queue = slices.Delete(s.queue, 0, n)
	return batch
}

// refuse answers the requests up to a ticket with an error, without running them.
func (s *Store) refuse(last uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.giveUp = nil
	s.queue = slices.DeleteFunc(s.queue, func(r *request) bool {
		if r.ticket > last {
			return false
		}
		r.done <- err
		return true
	})
}

// commit runs the requests that are not settled yet in one transaction. When one
// fails, all is rolled back and the others run again without it. One that failed
// after others had run saw what was not committed then: it runs again alone, so
// that its error is about the store as it is. The error is damage, or nil.
func (s *Store) commit(h *handle, batch []*request) error {
	together := slices.DeleteFunc(slices.Clone(batch), func(r *request) bool { return r.settled })
	var alone []*request
	for len(together) > 0 {
		failed, err := attempt(h, together)
		switch {
		case isDamage(err):
			return err
		case failed < 0:
			s.settle(together, err)
			together = nil
		case failed == 0:
			together[0].settle(err)
			together = together[1:]
		default:
			alone = append(alone, together[failed])
			together = slices.Delete(together, failed, failed+1)
		}
	}
	for _, r := range alone {
		failed, err := attempt(h, []*request{r})
		switch {
		case isDamage(err):
			return err
		case failed == 0:
			r.settle(err)
		default:
			s.settle([]*request{r}, err)
		}
	}
	return nil
}

func isDamage(err error) bool {
	_, ok := errors.AsType[*damage](err)
	return ok
}

// settle gives all of them the outcome of their transaction.
func (s *Store) settle(rs []*request, err error) {
	for _, r := range rs {
		r.settle(s.explain("write", err))
	}
}

// attempt runs the requests in one transaction and commits it. failed is the one
// that returned an error, -1 when it was the transaction itself, or none.
func attempt(h *handle, rs []*request) (failed int, err error) {
	btx, err := h.begin(true)
	if err != nil {
		return -1, err
	}
	committed := false
	defer func() {
		if !committed {
			h.rollback(btx)
		}
	}()
	t := newTx(context.Background(), btx)
	t.drop = h.drop
	defer t.over()
	for i, r := range rs {
		err := guard(func() error { return r.fn(t) })
		if t.damage != nil {
			return -1, &damage{sure: true, cause: t.damage}
		}
		if isDamage(err) {
			return -1, err
		}
		if err != nil {
			return i, err
		}
	}
	enough := h.dropMeanwhile()
	err = guard(btx.Commit)
	enough(!isDamage(err))
	if err != nil && !isDamage(err) {
		err = writeFailed{err}
	}
	committed = err == nil
	return -1, err
}
