package scan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"edrc/internal/fault"
	"edrc/internal/ledger"
)

// submit reserves a scan, writes the intent, and only then asks for the analysis.
// behind says that other jobs were to go first when the look-up began: what they
// have found out meanwhile it may have missed.
func (s *Scanner) submit(ctx context.Context, job *ledger.Job, doubt, behind bool) error {
	if s.policy.DryRun {
		s.priced.Add(1)
		return s.wait(ctx, job, ReasonDryRun, s.now().Add(fileRetry))
	}
	if behind {
		return s.order(ctx, job)
	}
	if !s.take(job.Key) {
		reason := fmt.Sprintf("%s: this run may spend %d scans", ReasonQuota, s.policy.MaxScans)
		return s.wait(ctx, job, reason, s.now().Add(runPause))
	}
	keep := doubt // what may have been paid stays taken until the outcome is known
	defer func() {
		if !keep {
			s.untake(job.Key)
		}
	}()
	granted, err := s.reserve(ctx, job)
	if err != nil || !granted {
		return err
	}
	if err := s.stillOurs(ctx, job); err != nil {
		return err
	}
	sub, err := s.engine.Submit(ctx, job.Key.Hash)
	uploads := err == nil && sub.Outcome == NotHeld && job.Kept() && s.takesFiles()
	if uploads {
		sub, err = s.upload(ctx, job)
	}
	switch {
	case errors.Is(err, ledger.ErrStale):
		return err // nothing was sent
	case errors.Is(err, errRefetch):
		return s.refetch(context.WithoutCancel(ctx), job, doubt)
	case uploads && fault.Is(err, fault.Invalid):
		return s.uploadRefused(context.WithoutCancel(ctx), job, err)
	case err != nil:
		keep = doubt || inDoubt(err)
		return s.submitFailed(context.WithoutCancel(ctx), job, err, doubt)
	}
	if uploads && sub.Outcome == Accepted {
		s.uploaded.Add(1)
	}
	keep = sub.Outcome == Accepted || doubt && sub.Outcome == AlreadyRunning
	if keep && sub.ID != "" {
		s.taken.Delete(job.Key) // spent for good
	}
	return s.submitted(context.WithoutCancel(ctx), job, sub, doubt)
}

// take takes one of the scans that this run may spend, once for each file.
func (s *Scanner) take(k ledger.JobKey) bool {
	if _, already := s.taken.LoadOrStore(k, struct{}{}); already {
		return true
	}
	if n := s.granted.Add(1); s.policy.MaxScans > 0 && n > int64(s.policy.MaxScans) {
		s.untake(k)
		return false
	}
	return true
}

// untake gives it back: nothing was spent.
func (s *Scanner) untake(k ledger.JobKey) {
	if _, had := s.taken.LoadAndDelete(k); had {
		s.granted.Add(-1)
	}
}

// inDoubt reports whether a failed submit may have been accepted.
func inDoubt(err error) bool { return fault.Is(err, fault.InDoubt) || fault.Is(err, fault.Other) }

// submitted files the engine's answer, and settles the reservation.
func (s *Scanner) submitted(ctx context.Context, job *ledger.Job, sub Submission, doubt bool) error {
	switch sub.Outcome {
	case Accepted:
		s.spent.Add(1)
		return s.analysing(ctx, job, sub.ID, s.policy.PollBase, true)
	case AlreadyRunning:
		if sub.ID == "" && doubt { // it is the one in doubt, most likely: the look-up will tell
			return s.wait(ctx, job, ReasonRunning, s.now().Add(min(unknownRetry, s.policy.PollMax)))
		}
		if sub.ID == "" {
			return s.settle(ctx, job, func(_ ledger.Tx, j *ledger.Job) error {
				return j.Move(ledger.JobWaiting, ReasonRunning, s.now().Add(min(unknownRetry, s.policy.PollMax)))
			})
		}
		if doubt {
			s.spent.Add(1)
		}
		return s.analysing(ctx, job, sub.ID, s.policy.PollBase, doubt)
	case SkippedByRule:
		return s.change(ctx, job, func(tx ledger.Tx, j *ledger.Job) error {
			if err := s.refund(tx, j); err != nil {
				return err
			}
			j.Claim, j.Fetch = j.Claim.Release(), nil
			return s.withheld(tx, j, "excluded by a rule of the engine's account")
		})
	case NotHeld:
		err := s.change(ctx, job, func(tx ledger.Tx, j *ledger.Job) error {
			if err := s.refund(tx, j); err != nil {
				return err
			}
			return j.Move(ledger.JobWaiting, ReasonFile, time.Time{}) // under the claim: it goes on at once
		})
		if err != nil {
			return err
		}
		return s.needFile(ctx, job)
	case Unsupported:
		return s.change(ctx, job, func(tx ledger.Tx, j *ledger.Job) error {
			if err := s.refund(tx, j); err != nil {
				return err
			}
			return s.neverTaken(tx, j, sub.Reason)
		})
	}
	return fault.New(fault.Unavailable, "the engine gave an outcome that is not known: %q", sub.Outcome)
}

// refetch gets a file again whose archive is not on the spool any more, a few times: after
// that its alert is of no use. doubt: the reservation may have been spent on it while it
// was there.
func (s *Scanner) refetch(ctx context.Context, job *ledger.Job, doubt bool) error {
	last := job.Fetch.Handle.Source != localSource && job.Fetch.Bad+1 >= maxBad
	err := s.change(ctx, job, func(tx ledger.Tx, j *ledger.Job) error {
		if doubt {
			j.Reserved = ""
		}
		if err := s.refund(tx, j); err != nil {
			return err
		}
		f := j.Fetch.Copy()
		f.Restart()
		f.Bad++
		if j.Fetch = f; !last { // else it goes on at once, under the claim
			j.Claim = j.Claim.Release()
		}
		if f.Handle.Source == localSource {
			return j.Move(ledger.JobWaiting, ReasonFile, s.now().Add(fileRetry))
		}
		return j.Move(ledger.JobFetching, ReasonFetching, time.Time{})
	})
	if err != nil || !last {
		return err
	}
	return s.useless(ctx, job, errRefetch.Error())
}

// uploadRefused gives up a file that the engine does not take, however it is packed.
func (s *Scanner) uploadRefused(ctx context.Context, job *ledger.Job, cause error) error {
	return s.settle(ctx, job, func(tx ledger.Tx, j *ledger.Job) error {
		j.Fetch = nil
		if err := j.Move(ledger.JobFailed, "the engine refused the upload: "+cause.Error(), time.Time{}); err != nil {
			return err
		}
		return tx.PutFanout(j.Key, ledger.AlertKey{})
	})
}

// submitFailed tells a refusal for quota from a request whose outcome is unknown,
// and from one that was certainly not processed. doubt: an earlier one may have
// been, so this one's refusal settles nothing.
func (s *Scanner) submitFailed(ctx context.Context, job *ledger.Job, cause error, doubt bool) error {
	if fault.Is(cause, fault.Quota) {
		if err := s.CloseQuota(ctx, cause.Error()); err != nil {
			return err
		}
		until := s.now().Add(quotaPause)
		if doubt {
			return s.wait(ctx, job, ReasonQuota, until)
		}
		return s.settle(ctx, job, func(_ ledger.Tx, j *ledger.Job) error { return j.Move(ledger.JobWaiting, ReasonQuota, until) })
	}
	if doubt || inDoubt(cause) {
		return cause // stays submitting: looked up again before it is sent again
	}
	err := s.change(ctx, job, func(tx ledger.Tx, j *ledger.Job) error {
		if err := s.refund(tx, j); err != nil {
			return err
		}
		return j.Move(ledger.JobWanted, "", time.Time{})
	})
	if err != nil {
		return err
	}
	return cause
}

// settle gives the reservation back, moves the job, and releases the claim.
func (s *Scanner) settle(ctx context.Context, job *ledger.Job, move func(ledger.Tx, *ledger.Job) error) error {
	return s.change(ctx, job, func(tx ledger.Tx, j *ledger.Job) error {
		if err := s.refund(tx, j); err != nil {
			return err
		}
		j.Claim = j.Claim.Release()
		return move(tx, j)
	})
}

// order parks a job that has to let others go first.
func (s *Scanner) order(ctx context.Context, job *ledger.Job) error {
	return s.change(ctx, job, func(_ ledger.Tx, j *ledger.Job) error {
		j.Claim = j.Claim.Release()
		return s.putBehind(j)
	})
}

func (s *Scanner) putBehind(j *ledger.Job) error {
	err := j.Move(parked(j), ReasonOrder, s.now().Add(min(orderRetry, s.policy.PollBase)))
	j.Behind = true
	s.line.Lock()
	defer s.line.Unlock()
	s.inLine[j.Key] = j.Priority
	return err
}

// parked gives the state in which a job waits: one whose submit may have been
// accepted must not forget that.
func parked(j *ledger.Job) ledger.JobState {
	if j.State == ledger.JobSubmitting {
		return ledger.JobSubmitting
	}
	return ledger.JobWaiting
}
