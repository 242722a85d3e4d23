package scan

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"strings"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/sample"
)

// Local is a file that a person handed over, wrapped on the spool. Close it.
type Local struct {
	*sample.Archive
	handle alert.Handle
}

// Hold wraps what r gives on the spool; the hashes and the size are known then.
func (s *Scanner) Hold(ctx context.Context, name string, r io.Reader) (*Local, error) {
	if !s.takesFiles() {
		return nil, fault.New(fault.Unsupported, "%s takes no files", s.Engine())
	}
	spool, err := s.fetching.Spool(true)
	if err != nil {
		return nil, err
	}
	var id [8]byte
	_, _ = rand.Read(id[:])
	l := &Local{handle: alert.Handle{Source: localSource, ID: hex.EncodeToString(id[:])}}
	password, err := s.password(&ledger.Fetch{Handle: l.handle, Attempt: 1})
	if err != nil {
		return nil, err
	}
	if l.Archive, err = spool.Wrap(ctx, r, name, password); err != nil {
		return nil, err
	}
	return l, nil
}

// Sum tells the hashes and the size of what r gives; nothing is kept.
func Sum(ctx context.Context, name string, r io.Reader) (alert.File, error) {
	c, err := sample.Sum(ctx, r, name)
	return alert.File{Hashes: c.Hashes, Name: c.Name, Size: c.Size}, err
}

// NeedsFile reports a job that gets no further until somebody has its file.
func NeedsFile(j *ledger.Job) bool {
	if j == nil || j.Kept() {
		return false
	}
	switch j.State {
	case ledger.JobFetching:
		return true
	case ledger.JobWaiting:
		return strings.HasPrefix(j.Reason, ReasonFile)
	case ledger.JobWithheld:
		return strings.HasPrefix(j.Reason, ReasonPolicy)
	case ledger.JobFailed:
		return strings.HasPrefix(j.Reason, NoFile)
	}
	return false
}

// Offer gives a job the file that it waits for, and makes it due. A job that needs no
// file is left as it is; one that another process is working on is fault.Locked.
func (s *Scanner) Offer(ctx context.Context, key ledger.JobKey, l *Local) error {
	var job *ledger.Job
	err := s.store.Update(ctx, 1, func(tx ledger.Tx) error {
		j, err := tx.Job(key)
		if err != nil {
			return err
		}
		if job = nil; !NeedsFile(j) {
			return nil
		}
		if j.Claim.Held(s.now()) {
			return fault.New(fault.Locked, "another edrc (%s) is working on this file", j.Claim.Holder)
		}
		if j.Terminal() {
			if err := j.Move(ledger.JobWanted, "", time.Time{}); err != nil {
				return err
			}
		}
		f := j.Fetch.Copy()
		f.Restart()
		f.Handle, f.Attempt, f.Bad = l.handle, 1, 0
		j.Fetch, j.Claim = f, j.Claim.Take(s.holder, s.now().Add(s.policy.ClaimFor))
		job = j
		return tx.PutJob(j)
	})
	if err != nil || job == nil {
		return err
	}
	ctx, done := s.during(ctx, job)
	defer done()
	if err := s.keepLocal(ctx, job, l); err != nil {
		s.giveBack(job)
		return err
	}
	return nil
}

func (s *Scanner) keepLocal(ctx context.Context, job *ledger.Job, l *Local) error {
	got, err := inspect(ctx, job, l.Archive)
	if sample.ProblemOf(err) == sample.WrongBytes {
		return fault.New(fault.Conflict, "the file changed while it was read").WithHint("scan it again")
	}
	if err != nil {
		return err
	}
	spool, err := s.fetching.Spool(true)
	if err != nil {
		return err
	}
	if err := spool.Keep(ctx, l.Archive, keptKey(job.Key)); err != nil {
		return err
	}
	return s.kept(ctx, job, got, LocalFiles)
}
