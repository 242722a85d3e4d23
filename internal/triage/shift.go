package triage

import (
	"errors"
	"sync"
)

// shift runs several kinds of work side by side, each in a loop of its own, so that
// the slow one does not hold the others up. A kind that finds nothing waits until
// another one has moved, because that may have made work for it; when all wait, the
// shift is over.
type shift struct {
	mu    sync.Mutex
	news  *sync.Cond
	busy  int  // kinds that are not waiting
	moves int  // grows with each move
	over  bool // a kind failed
	total int
	errs  []error
}

func newShift(kinds int) *shift {
	s := &shift{busy: kinds}
	s.news = sync.NewCond(&s.mu)
	return s
}

// run gives how much was moved in all. stop ends every kind at its next boundary.
func (s *shift) run(kinds []func() (int, error), stop func() bool) (int, error) {
	var wg sync.WaitGroup
	for _, work := range kinds {
		wg.Go(func() { s.loop(work, stop) })
	}
	wg.Wait()
	return s.total, errors.Join(s.errs...)
}

func (s *shift) loop(work func() (int, error), stop func() bool) {
	for {
		s.mu.Lock()
		seen := s.moves
		s.mu.Unlock()
		n, err := work()
		if !s.next(n, err, seen, stop()) {
			return
		}
	}
}

// next notes what a kind did and reports whether it should look again.
func (s *shift) next(n int, err error, seen int, stop bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.total += n; n > 0 {
		s.moves++
	}
	if err != nil {
		s.errs = append(s.errs, err)
	}
	s.over = s.over || stop || err != nil
	if s.over || n > 0 {
		s.news.Broadcast()
		return !s.over
	}
	s.busy--
	if s.busy == 0 {
		s.news.Broadcast()
	}
	for s.moves == seen && s.busy > 0 && !s.over {
		s.news.Wait()
	}
	if s.over || s.moves == seen {
		return false
	}
	s.busy++
	return true
}
