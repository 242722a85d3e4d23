package scan

import (
	"context"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
)

// quotaPause is how long submits stop after the engine said that the quota is
// used up, unless the engine's own figure says otherwise earlier.
const quotaPause = time.Hour

// today gives the quota day: UTC, as Intezer resets at 00:00 UTC.
func (s *Scanner) today() string { return s.now().UTC().Format(time.DateOnly) }

// tomorrow gives the start of the next quota day.
func (s *Scanner) tomorrow() time.Time {
	return s.now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
}

// quota reads the engine's record, rolled to today.
func (s *Scanner) quota(tx ledger.Tx) (*ledger.Quota, error) {
	q, err := tx.Quota(s.Scope())
	if err != nil {
		return nil, err
	}
	if q == nil {
		q = &ledger.Quota{Engine: s.Scope()}
	}
	if day := s.today(); q.Day != day {
		q.Day, q.Spent = day, 0
	}
	return q, nil
}

// reserve writes the intent to submit and takes a scan from the quota, in one
// transaction. When it may not, the job waits with the reason: false.
func (s *Scanner) reserve(ctx context.Context, job *ledger.Job) (bool, error) {
	granted := false
	err := s.change(ctx, job, func(tx ledger.Tx, j *ledger.Job) error {
		granted = false
		// The same file may have been judged under another hash since the look-up.
		v, err := tx.Verdict(s.Scope(), j.Key.Hash)
		if err != nil {
			return err
		}
		if s.Fresh(v, j.MaxAge) {
			return s.finish(tx, j, v, ledger.Remembered)
		}
		if j.State != ledger.JobSubmitting { // a submit in doubt goes on as one
			if err := j.Move(ledger.JobLookedUp, "", time.Time{}); err != nil {
				return err
			}
		}
		reason, until, err := s.mayNot(tx, j)
		if err != nil {
			return err
		}
		if reason != "" {
			j.Claim = j.Claim.Release()
			if reason == ReasonOrder {
				return s.putBehind(j)
			}
			return j.Move(parked(j), reason, until)
		}
		granted = true
		if j.Reserved == "" {
			q, err := s.quota(tx)
			if err != nil {
				return err
			}
			q.Spent, q.Since = q.Spent+1, q.Since+1
			j.Reserved, j.Submitted = q.Day, s.now()
			if err := tx.PutQuota(q); err != nil {
				return err
			}
		}
		return j.Move(ledger.JobSubmitting, "", time.Time{})
	})
	return granted, err
}

// mayNot gives why a job may not be submitted now and when to ask again; "" when it may.
func (s *Scanner) mayNot(tx ledger.Tx, j *ledger.Job) (string, time.Time, error) {
	now := s.now()
	behind, err := s.mustLetGo(tx, j)
	if err != nil {
		return "", now, err
	}
	if behind {
		return ReasonOrder, now, nil
	}
	if j.Reserved != "" { // paid for already, perhaps
		return "", now, nil
	}
	q, err := s.quota(tx)
	if err != nil {
		return "", now, err
	}
	left, limited := q.Left(s.policy.DailyBudget)
	switch {
	case q.ClosedUntil.After(now):
		return ReasonQuota + ": " + q.Reason, q.ClosedUntil, nil
	case limited && left <= 0:
		return ReasonQuota + ": nothing left today", s.tomorrow(), nil
	case limited && j.Priority < alert.High && left <= (left+q.Spent)*s.policy.ReservePercent/100:
		return ReasonQuota + ": what is left is kept for high severity", s.tomorrow(), nil
	case limited:
		if kept, err := s.keptForWorse(tx, j, left); err != nil || kept {
			return ReasonOrder, now, err
		}
	}
	return "", now, nil
}

// keptForWorse reports whether all that is left of the quota belongs to worse
// alerts, whose files let stronger hashes go first and would find nothing left.
func (s *Scanner) keptForWorse(tx ledger.Tx, j *ledger.Job, left int) (bool, error) {
	s.line.Lock()
	defer s.line.Unlock()
	if len(s.inLine) < left {
		return false, nil
	}
	ahead := 0
	for k, priority := range s.inLine {
		if priority <= j.Priority {
			continue
		}
		waits, err := tx.Job(k)
		switch {
		case err != nil:
			return false, err
		case waits == nil || !waits.Behind || waits.Terminal():
			delete(s.inLine, k)
		default:
			ahead++
		}
		if ahead >= left {
			return true, nil
		}
	}
	return false, nil
}

// behind is mustLetGo in a view.
func (s *Scanner) behind(ctx context.Context, job *ledger.Job) (bool, error) {
	var must bool
	err := s.store.View(ctx, func(tx ledger.Tx) (err error) {
		must, err = s.mustLetGo(tx, job)
		return err
	})
	return must, err
}

// mustLetGo reports whether other jobs have to be through before this one may be
// submitted: any file with a stronger hash, which may turn out to be this one, and
// this file under a weaker hash that is being paid for. A submit in doubt does not
// wait for the weaker one: two in doubt would wait for each other.
func (s *Scanner) mustLetGo(tx ledger.Tx, j *ledger.Job) (bool, error) {
	if j.State != ledger.JobSubmitting {
		busy, err := s.sameFileBusy(tx, j)
		if err != nil || busy {
			return busy, err
		}
	}
	return tx.ActiveBelow(s.Scope(), j.Key.Rank())
}

// sameFileBusy reports whether a weaker hash that an alert claims for this file is
// being submitted or analysed: its reply will judge this job too, for nothing.
func (s *Scanner) sameFileBusy(tx ledger.Tx, j *ledger.Job) (bool, error) {
	for _, h := range j.Claimed.All() {
		if h == j.Key.Hash {
			continue
		}
		twin, err := tx.Job(ledger.JobKey{Engine: s.Scope(), Hash: h})
		if err != nil {
			return false, err
		}
		if twin != nil && (twin.State == ledger.JobSubmitting || twin.State == ledger.JobAnalysing) {
			return true, nil
		}
	}
	return false, nil
}

// refund gives an unsettled reservation back.
func (s *Scanner) refund(tx ledger.Tx, j *ledger.Job) error {
	if j.Reserved == "" {
		return nil
	}
	q, err := s.quota(tx)
	if err != nil {
		return err
	}
	if q.Day == j.Reserved {
		q.Spent = max(0, q.Spent-1)
	}
	q.Since = max(0, q.Since-1)
	j.Reserved = ""
	return tx.PutQuota(q)
}

// CloseQuota opens the breaker: no submits until it is over, or until
// [Scanner.RefreshQuota] finds something left.
func (s *Scanner) CloseQuota(ctx context.Context, reason string) error {
	return s.store.Update(ctx, 1, func(tx ledger.Tx) error {
		q, err := s.quota(tx)
		if err != nil {
			return err
		}
		q.ClosedUntil, q.Reason = s.now().Add(quotaPause), reason
		return tx.PutQuota(q)
	})
}

// RefreshQuota asks the engine what is left. When there is something again, the
// breaker closes and the jobs that wait for quota are due at once. A plan or key
// that may not ask is no error.
func (s *Scanner) RefreshQuota(ctx context.Context) (*ledger.Quota, error) {
	a, err := s.engine.Quota(ctx)
	if fault.Is(err, fault.Denied) || fault.Is(err, fault.NotFound) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	var out *ledger.Quota
	reopened := false
	err = s.store.Update(ctx, 1, func(tx ledger.Tx) error {
		q, err := s.quota(tx)
		if err != nil {
			return err
		}
		wasShort := !q.ClosedUntil.IsZero()
		if !q.ClosedUntil.After(s.now()) {
			q.ClosedUntil, q.Reason = time.Time{}, ""
		}
		if left, limited := q.Left(s.policy.DailyBudget); limited && left <= 0 {
			wasShort = true
		}
		if a.Known {
			q.Known, q.Limit, q.Usage, q.Type, q.At, q.Since = true, a.Limit, a.Usage, a.Type, s.now(), 0
			if left, limited := a.Left(); !limited || left > 0 {
				q.ClosedUntil, q.Reason = time.Time{}, ""
			}
		}
		left, limited := q.Left(s.policy.DailyBudget)
		reopened = wasShort && !q.ClosedUntil.After(s.now()) && (!limited || left > 0)
		out = q
		return tx.PutQuota(q)
	})
	if err == nil && reopened {
		err = s.Wake(ctx, ReasonQuota)
	}
	return out, err
}

// QuotaNow gives the remembered figures without asking the engine; nil when there are none.
func (s *Scanner) QuotaNow(ctx context.Context) (*ledger.Quota, error) {
	var q *ledger.Quota
	err := s.store.View(ctx, func(tx ledger.Tx) (err error) {
		q, err = s.quota(tx)
		return err
	})
	return q, err
}
