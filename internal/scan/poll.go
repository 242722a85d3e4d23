package scan

import (
	"context"
	"fmt"
	"time"

	"edrc/internal/ledger"
)

// analysing records a running analysis and gives the claim back: whoever has time
// at the next try polls it. paid says that the reservation was spent on it.
func (s *Scanner) analysing(ctx context.Context, job *ledger.Job, id string, wait time.Duration, paid bool) error {
	return s.change(ctx, job, func(tx ledger.Tx, j *ledger.Job) error {
		if j.State != ledger.JobSubmitting { // joined, not paid
			if err := j.Move(ledger.JobLookedUp, "", time.Time{}); err != nil {
				return err
			}
			if err := j.Move(ledger.JobSubmitting, "", time.Time{}); err != nil {
				return err
			}
		}
		if !paid {
			if err := s.refund(tx, j); err != nil {
				return err
			}
		}
		now := s.now()
		j.Reserved, j.AnalysisID, j.Submitted, j.Attempts = "", id, now, 0
		j.Paid, j.Fetch = paid, nil
		j.Claim = j.Claim.Release()
		return j.Move(ledger.JobAnalysing, ReasonRunning, now.Add(wait))
	})
}

// poll reads the running analysis once.
func (s *Scanner) poll(ctx context.Context, job *ledger.Job) error {
	a, err := s.engine.Poll(ctx, job.AnalysisID)
	if err != nil {
		return err
	}
	switch a.State {
	case Succeeded:
		if job.Paid {
			return s.judge(ctx, job, a, ledger.Scanned)
		}
		return s.judge(ctx, job, a, ledger.LookedUp)
	case Vanished:
		return s.again(ctx, job, "the analysis is gone")
	case Failed:
		return s.again(ctx, job, "the analysis failed: "+a.Reason)
	}
	if s.now().Sub(job.Submitted) > s.policy.GiveUp {
		return s.again(ctx, job, fmt.Sprintf("the analysis did not end within %v", s.policy.GiveUp))
	}
	return s.change(ctx, job, func(_ ledger.Tx, j *ledger.Job) error {
		wait := max(s.pollWait(j), a.RetryAfter)
		j.Attempts++
		j.Claim = j.Claim.Release()
		j.NextTry = s.now().Add(wait)
		return nil
	})
}

// pollWait grows by half from PollBase to PollMax; attempts counts the polls.
func (s *Scanner) pollWait(j *ledger.Job) time.Duration {
	d := s.policy.PollBase
	for range min(j.Attempts, 20) {
		d = min(d*3/2, s.policy.PollMax)
	}
	return d
}

// again tries a failed analysis once more, or gives up.
func (s *Scanner) again(ctx context.Context, job *ledger.Job, reason string) error {
	return s.change(ctx, job, func(tx ledger.Tx, j *ledger.Job) error {
		j.Failures++
		j.Claim = j.Claim.Release()
		j.AnalysisID, j.Attempts = "", 0
		if j.Failures < maxAttempts {
			return j.Move(ledger.JobWanted, reason, s.now().Add(s.policy.PollBase))
		}
		if err := j.Move(ledger.JobFailed, reason, time.Time{}); err != nil {
			return err
		}
		return tx.PutFanout(j.Key, ledger.AlertKey{})
	})
}
