package scan

import (
	"context"
	"errors"
	"time"

	"edrc/internal/ledger"
)

// transferMost bounds one transfer of a file; the connection's own silence ends
// most of those that hang much earlier.
const transferMost = time.Hour

// MovesFile reports a job whose next step may move a file, and so may take as long as
// the file does.
func MovesFile(job *ledger.Job) bool {
	return job.State == ledger.JobFetching || job.Fetch != nil && job.Fetch.Handle.ID != ""
}

// during gives the context of one step. A step asks questions, and must be through
// before its claim runs out; but one that moves a file takes as long as the file
// does, and its claim is renewed meanwhile. When the claim is lost the step ends.
func (s *Scanner) during(ctx context.Context, job *ledger.Job) (context.Context, func()) {
	if !MovesFile(job) {
		return context.WithTimeout(ctx, s.policy.ClaimFor)
	}
	ctx, cancel := context.WithTimeout(ctx, transferMost)
	ended := make(chan struct{})
	held := *job // its claim is what is renewed; the step's own copy moves on
	go func() {
		defer close(ended)
		tick := time.NewTicker(max(s.policy.ClaimFor/3, time.Millisecond))
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if s.renew(ctx, &held) != nil {
					cancel()
					return
				}
			}
		}
	}()
	return ctx, func() {
		cancel()
		<-ended
	}
}

// renew extends a claim that is still ours. One that was given back needs no
// extension. An error means that somebody else has it; trouble with the store is
// no such thing, and the claim runs out by itself.
func (s *Scanner) renew(ctx context.Context, job *ledger.Job) error {
	err := s.store.Update(ctx, 1, func(tx ledger.Tx) error {
		j, err := tx.Job(job.Key)
		if err != nil || j == nil {
			return err
		}
		if j.Claim.Token != job.Claim.Token {
			return ledger.ErrStale
		}
		if j.Claim.Holder == "" {
			return nil
		}
		j.Claim.Until = s.now().Add(s.policy.ClaimFor)
		return tx.PutJob(j)
	})
	if errors.Is(err, ledger.ErrStale) {
		return err
	}
	return nil
}

// stillOurs fails when a claim has run out: this process was stopped for longer than
// it, and the job may be somebody else's now. A step that moves a file had its claim
// renewed in the store.
func (s *Scanner) stillOurs(ctx context.Context, job *ledger.Job) error {
	if job.Claim.Held(s.now()) {
		return nil
	}
	return s.store.View(ctx, func(tx ledger.Tx) error {
		j, err := tx.Job(job.Key)
		if err == nil && (j == nil || j.Claim.Token != job.Claim.Token || !j.Claim.Held(s.now())) {
			err = ledger.ErrStale
		}
		return err
	})
}
