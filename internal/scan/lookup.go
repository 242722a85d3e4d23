package scan

import (
	"context"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
)

// lookup asks what costs nothing: what is remembered, then the engine's private
// analyses; then it goes on to submit. doubt says that an earlier submit may have
// been accepted: then an analysis that is there now is the one we paid for.
func (s *Scanner) lookup(ctx context.Context, job *ledger.Job, doubt bool) error {
	found, err := s.recall(ctx, job)
	if err != nil || found {
		return s.found(job, doubt, err)
	}
	behind, err := s.behind(ctx, job)
	if err != nil {
		return err
	}
	if behind && job.Behind && !doubt && !s.policy.DryRun { // looked up already
		return s.order(ctx, job)
	}
	a, err := s.engine.Lookup(ctx, job.Key.Hash)
	switch {
	case err == nil && !a.Private:
		if s.warned.CompareAndSwap(false, true) {
			s.warn("the engine answered a private look-up with a public analysis: a proxy may drop the body of GET requests, and then look-ups cost quota")
		}
	case fault.Is(err, fault.NotFound) || fault.Is(err, fault.Gone):
		return s.submit(ctx, job, doubt, behind)
	case fault.Is(err, fault.Quota) && !doubt:
		return s.submitFailed(context.WithoutCancel(ctx), job, err, false)
	case err != nil:
		return err
	}
	if a.State == Running { // a look-up that finds the running one joins it
		return s.found(job, doubt, s.analysing(ctx, job, a.ID, 0, doubt))
	}
	if a.State != Succeeded || s.stale(a, job.MaxAge) && !(doubt && s.sinceSubmit(a, job)) {
		return s.submit(ctx, job, doubt, behind)
	}
	from := ledger.LookedUp
	if doubt {
		from = ledger.Scanned
	}
	return s.found(job, doubt, s.judge(ctx, job, a, from))
}

// found counts a scan whose submit was in doubt, once its outcome is committed.
func (s *Scanner) found(job *ledger.Job, doubt bool, err error) error {
	if err == nil && doubt {
		s.taken.Delete(job.Key)
		s.spent.Add(1)
	}
	return err
}

// sinceSubmit reports whether an analysis is younger than the submit that is in
// doubt: then it is the one that was paid for, however fresh a verdict is wanted.
func (s *Scanner) sinceSubmit(a Analysis, job *ledger.Job) bool {
	return !job.Submitted.IsZero() && analysisAge(a) <= s.now().Sub(job.Submitted)
}

// stale compares the engine's times with each other.
func (s *Scanner) stale(a Analysis, maxAge time.Duration) bool {
	v := ledger.VerdictRecord{Verdict: a.Verdict, Learned: s.now(), AgeThen: analysisAge(a)}
	return !s.Fresh(&v, maxAge)
}

func analysisAge(a Analysis) time.Duration {
	if a.Date.IsZero() || a.Verdict.Analysed.IsZero() {
		return 0
	}
	return max(0, a.Date.Sub(a.Verdict.Analysed))
}

// recall judges the job by a verdict that another job or process has stored since,
// under its hash or, once the bytes are in hand, under any that they have.
func (s *Scanner) recall(ctx context.Context, job *ledger.Job) (bool, error) {
	hashes := []alert.Hash{job.Key.Hash}
	if job.Kept() {
		hashes = append(hashes, job.Claimed.All()...)
	}
	var v *ledger.VerdictRecord
	err := s.store.View(ctx, func(tx ledger.Tx) (err error) {
		for _, h := range hashes {
			if v, err = tx.Verdict(s.Scope(), h); err != nil || s.Fresh(v, job.MaxAge) {
				return err
			}
		}
		return nil
	})
	if err != nil || !s.Fresh(v, job.MaxAge) {
		return false, err
	}
	err = s.change(ctx, job, func(tx ledger.Tx, j *ledger.Job) error {
		if err := tx.PutVerdict(v, j.Key.Hash); err != nil { // the bytes are proof of the alias
			return err
		}
		return s.finish(tx, j, v, ledger.Remembered)
	})
	return err == nil, err
}
