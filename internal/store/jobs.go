package store

import (
	"iter"
	"time"

	"edrc/internal/fault"
	"edrc/internal/ledger"
)

func fixJob(at []byte, j *ledger.Job) (err error) {
	j.Key, err = cutJob(at)
	return err
}

// Job finds a file job.
func (t *tx) Job(k ledger.JobKey) (*ledger.Job, error) {
	return getJSON[ledger.Job](t, kJobs, jobKey(k.Engine, k.Hash))
}

// PutJob stores the job and keeps its place in the queue.
func (t *tx) PutJob(j *ledger.Job) error {
	if j.Key.Hash == "" {
		return fault.New(fault.Invalid, "a file job without a hash cannot be remembered")
	}
	old, err := t.Job(j.Key)
	if err != nil {
		return err
	}
	if err := t.reindex(old, j); err != nil {
		return err
	}
	return putJSON(t, kJobs, jobKey(j.Key.Engine, j.Key.Hash), j)
}

// reindex moves the job's entries in the queue and among the active ones.
func (t *tx) reindex(old, j *ledger.Job) error {
	is := places(j)
	for _, p := range formerPlaces(old) {
		if p.in(is) {
			continue
		}
		if err := t.del(p.kind, p.at); err != nil {
			return err
		}
	}
	for _, p := range is {
		if t.get(p.kind, p.at) != nil { // writing it again would only dirty its page
			continue
		}
		if err := t.put(p.kind, p.at, present); err != nil {
			return err
		}
	}
	return nil
}

// Jobs visits every job of the engine ("" for all), in hash order.
func (t *tx) Jobs(engine string) iter.Seq2[*ledger.Job, error] {
	return each(t, kJobs, prefix(engine), nil, fixJob)
}

// ActiveBelow reports whether a job of a lower rank is Active.
func (t *tx) ActiveBelow(engine string, rank int) (bool, error) {
	p := key(nil).str(engine)
	for at := range t.scan(kActive, p, nil) {
		return int(at[len(p)]) < rank, nil
	}
	return false, nil
}

// DueJobs gives at most n jobs that are due at now and that nobody holds, highest
// priority first, then lowest rank, then oldest.
func (t *tx) DueJobs(engine string, now time.Time, n int) ([]*ledger.Job, error) {
	if n <= 0 {
		return nil, nil
	}
	if err := t.promote(engine, now); err != nil {
		return nil, err
	}
	late := t.late(engine, now, n)
	var out []*ledger.Job
	var misplaced []*ledger.Job
	for at := range t.merged(engine, late) {
		j, err := t.queued(engine, at)
		if err != nil {
			return nil, err
		}
		if j == nil {
			continue
		}
		if j.Due().After(now) { // promoted, and then the clock was set back
			misplaced = append(misplaced, j)
			continue
		}
		if out = append(out, j); len(out) == n {
			break
		}
	}
	return out, t.demote(misplaced)
}

// queued reads the job of a queue entry's order; nil for an entry without one,
// which a damaged store may have.
func (t *tx) queued(engine string, order []byte) (*ledger.Job, error) {
	return getJSON[ledger.Job](t, kJobs, key(nil).str(engine).bytes(order[orderLen:]))
}

// NextDue gives when the next job that is not due at now becomes so; zero when none is.
func (t *tx) NextDue(engine string, now time.Time) (time.Time, error) {
	p := waitingPrefix(engine)
	from := waitingPrefix(engine).time(now.Add(1))
	for at := range t.scan(kQueue, p, from) {
		due, _, err := cutTime(at[len(p):])
		return due, err
	}
	return time.Time{}, nil
}
