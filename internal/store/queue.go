package store

import (
	"bytes"
	"iter"
	"slices"
	"time"

	"edrc/internal/ledger"
)

// The queue of jobs to do has two ranges for each engine:
//
//	engine 'r' order         may be worked on now
//	engine 'w' due order     waits: for its next try, or the end of a claim
//	order = 255-priority, rank, created, hash
//
// so that the best jobs and the next due time are each one seek, however many
// jobs there are. Time passes without anybody writing, so jobs that have become
// due still stand under 'w': a reader merges both ranges, and a writer moves a
// few of them over each time, which keeps what there is to merge short.
const (
	ready   = 'r'
	waiting = 'w'
	// orderLen is the length of an order before its hash.
	orderLen = 1 + 1 + timeLen
	// promoteMax bounds what one transaction moves over.
	promoteMax = 256
)

func readyPrefix(engine string) key   { return key(nil).str(engine).byte(ready) }
func waitingPrefix(engine string) key { return key(nil).str(engine).byte(waiting) }

// order gives a job's place among those that are due.
func order(j *ledger.Job) key {
	return key(nil).byte(byte(127 - j.Urgency())).byte(byte(j.Key.Rank())).
		time(j.Created).raw(string(j.Key.Hash))
}

// place is one index entry.
type place struct {
	kind kind
	at   key
}

func (p place) in(ps []place) bool {
	return slices.ContainsFunc(ps, func(o place) bool { return o.kind == p.kind && bytes.Equal(o.at, p.at) })
}

// readyPlace and waitingPlace are where a job stands in the queue.
func readyPlace(j *ledger.Job) place {
	return place{kQueue, readyPrefix(j.Key.Engine).bytes(order(j))}
}

func waitingPlace(j *ledger.Job) place {
	return place{kQueue, waitingPrefix(j.Key.Engine).time(j.Due()).bytes(order(j))}
}

// places gives the index entries that a job has.
func places(j *ledger.Job) []place {
	var out []place
	if j.Active() {
		at := key(nil).str(j.Key.Engine).byte(byte(j.Key.Rank())).raw(string(j.Key.Hash))
		out = append(out, place{kActive, at})
	}
	switch {
	case j.Terminal():
	case j.Due().IsZero():
		out = append(out, readyPlace(j))
	default:
		out = append(out, waitingPlace(j))
	}
	return out
}

// formerPlaces gives the index entries that a stored job may have: one that
// waited may have been promoted since.
func formerPlaces(j *ledger.Job) []place {
	if j == nil {
		return nil
	}
	out := places(j)
	if !j.Terminal() && !j.Due().IsZero() {
		out = append(out, readyPlace(j))
	}
	return out
}

// late gives the orders of the n best jobs that wait no longer.
func (t *tx) late(engine string, now time.Time, n int) [][]byte {
	p := waitingPrefix(engine)
	var best [][]byte // sorted
	for at := range t.scan(kQueue, p, nil) {
		due, rest, err := cutTime(at[len(p):])
		if err != nil || due.After(now) || len(rest) < orderLen {
			break
		}
		if len(best) == n && bytes.Compare(rest, best[n-1]) >= 0 {
			continue
		}
		i, _ := slices.BinarySearchFunc(best, rest, bytes.Compare)
		best = slices.Insert(best, i, bytes.Clone(rest))
		best = best[:min(n, len(best))]
	}
	return best
}

// merged visits the orders of ready jobs and the late ones as one sorted sequence.
func (t *tx) merged(engine string, late [][]byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		p := readyPrefix(engine)
		for at := range t.scan(kQueue, p, nil) {
			rest := at[len(p):]
			if len(rest) < orderLen {
				continue
			}
			for len(late) > 0 && bytes.Compare(late[0], rest) < 0 {
				if !yield(late[0]) {
					return
				}
				late = late[1:]
			}
			if !yield(rest) {
				return
			}
		}
		for _, rest := range late {
			if !yield(rest) {
				return
			}
		}
	}
}

// promote moves jobs that have become due to the ready range, the earliest first.
// A view may not write, and merges instead.
func (t *tx) promote(engine string, now time.Time) error {
	if !t.writable {
		return nil
	}
	p := waitingPrefix(engine)
	var due []key
	for at := range t.scan(kQueue, p, nil) {
		when, _, err := cutTime(at[len(p):])
		if err != nil || when.After(now) || len(due) == promoteMax {
			break
		}
		due = append(due, bytes.Clone(at))
	}
	for _, at := range due {
		if err := t.del(kQueue, at); err != nil {
			return err
		}
		if err := t.put(kQueue, readyPrefix(engine).bytes(at[len(p)+timeLen:]), present); err != nil {
			return err
		}
	}
	return nil
}

// demote undoes a promotion that a clock set back has made wrong.
func (t *tx) demote(js []*ledger.Job) error {
	if !t.writable {
		return nil
	}
	for _, j := range js {
		if err := t.del(kQueue, readyPlace(j).at); err != nil {
			return err
		}
		if err := t.put(kQueue, waitingPlace(j).at, present); err != nil {
			return err
		}
	}
	return nil
}
