package scan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
)

// Reasons a job waits for, as users read them.
const (
	ReasonFile    = "file needed: the engine does not hold it"
	ReasonQuota   = "quota"
	ReasonDryRun  = "dry run: a scan would be spent"
	ReasonRunning = "analysis running"
	ReasonOrder   = "stronger hashes first"
	ReasonEngine  = "engine trouble"

	ReasonFetching     = "file being fetched"
	ReasonOffline      = "endpoint offline"
	ReasonFetchTrouble = "fetch trouble"
	ReasonPolicy       = "not uploaded" // of a job that is withheld
	NoFile             = "no file came" // of a job that failed for want of its file
)

const (
	fileRetry    = 12 * time.Hour // somebody else may have uploaded it meanwhile
	maxAttempts  = 3              // failed analyses before giving up
	orderRetry   = 2 * time.Second
	troubleMax   = 30 * time.Minute
	runPause     = 4 * time.Minute  // longer than a run waits for what is due, shorter than cron's five
	unknownRetry = 15 * time.Second // "already running", but not which analysis
)

// Step carries a claimed job as far as it goes without waiting, and gives the
// claim back. When it returns, the job's state says what is next. The error is
// for what stops everything (the store, a cancelled context); trouble with one
// file is in its state, and reported as Trouble.
func (s *Scanner) Step(ctx context.Context, job *ledger.Job) error {
	run := ctx
	ctx, done := s.during(ctx, job)
	defer done()
	defer s.outOfLine(job)
	had := job.Kept()
	defer func() { s.dropKept(job, had) }()
	var err error
	switch job.State {
	case ledger.JobAnalysing:
		err = s.poll(ctx, job)
	case ledger.JobFetching:
		err = s.fetch(ctx, job)
	default: // a submit in doubt begins with the free look-up again
		err = s.lookup(ctx, job, job.State == ledger.JobSubmitting)
	}
	switch {
	case err == nil || errors.Is(err, ledger.ErrStale):
		return nil // whoever took over carries on
	case (fault.Is(err, fault.Interrupted) || errors.Is(err, context.Canceled)) && run.Err() == nil:
		return nil // the claim was lost in the middle of a transfer
	case fault.Is(err, fault.Interrupted):
		s.giveBack(job)
		return err
	}
	if f, ok := errors.AsType[*fetchError](err); ok {
		return s.fetchTrouble(context.WithoutCancel(ctx), job, f)
	}
	return s.trouble(context.WithoutCancel(ctx), job, err)
}

// giveBack releases the claim when the run was interrupted; if that fails the
// claim expires by itself.
func (s *Scanner) giveBack(job *ledger.Job) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = s.change(ctx, job, func(_ ledger.Tx, j *ledger.Job) error {
		j.Claim = j.Claim.Release()
		return nil
	})
}

// PutBack gives a claimed job back without a step; it is due again after wait.
func (s *Scanner) PutBack(ctx context.Context, job *ledger.Job, wait time.Duration) error {
	err := s.change(ctx, job, func(_ ledger.Tx, j *ledger.Job) error {
		j.Claim, j.NextTry = j.Claim.Release(), s.now().Add(wait)
		return nil
	})
	if errors.Is(err, ledger.ErrStale) {
		return nil
	}
	return err
}

// Trouble is a failure on one file; the job waits and is tried again. It is the
// engine's, or with Fetch that of the product that was asked for the file; Source
// is the product's name, "" when the trouble is on this side.
type Trouble struct {
	Hash   alert.Hash
	Fetch  bool
	Source string
	Err    error
}

// Error gives the failure.
func (t *Trouble) Error() string { return t.Err.Error() }

// Unwrap gives the cause.
func (t *Trouble) Unwrap() error { return t.Err }

// trouble makes the job wait, longer each time. A refused key or an unreachable
// engine is everybody's trouble, so the caller hears of it.
func (s *Scanner) trouble(ctx context.Context, job *ledger.Job, cause error) error {
	err := s.change(ctx, job, func(_ ledger.Tx, j *ledger.Job) error {
		j.Claim = j.Claim.Release()
		wait := min(troubleMax, s.policy.RetryBase<<min(j.Attempts, 10))
		if j.State == ledger.JobAnalysing {
			wait = s.policy.PollMax // attempts counts polls there
		}
		if f, ok := errors.AsType[*fault.Error](cause); ok && f.RetryAfter > wait {
			wait = f.RetryAfter
		}
		j.Attempts++
		// A submit that may have happened stays a submit in doubt.
		if j.State == ledger.JobSubmitting || j.State == ledger.JobAnalysing {
			j.Reason, j.NextTry = ReasonEngine, s.now().Add(wait)
			return nil
		}
		return j.Move(ledger.JobWaiting, fmt.Sprintf("%s: %v", ReasonEngine, cause), s.now().Add(wait))
	})
	if err != nil && !errors.Is(err, ledger.ErrStale) {
		return err
	}
	return &Trouble{Hash: job.Key.Hash, Err: cause}
}

// wait parks the job. A submit in doubt stays one.
func (s *Scanner) wait(ctx context.Context, job *ledger.Job, reason string, until time.Time) error {
	return s.change(ctx, job, func(_ ledger.Tx, j *ledger.Job) error {
		j.Claim = j.Claim.Release()
		return j.Move(parked(j), reason, until)
	})
}

// outOfLine forgets a job that is through.
func (s *Scanner) outOfLine(job *ledger.Job) {
	if !job.Behind {
		s.line.Lock()
		defer s.line.Unlock()
		delete(s.inLine, job.Key)
	}
}
