package scan

import (
	"context"
	"strings"
	"time"

	"edrc/internal/ledger"
)

// wakeBatch bounds one transaction of Wake.
const wakeBatch = 100

// Wake makes every waiting job whose reason begins with prefix due at once.
func (s *Scanner) Wake(ctx context.Context, prefix string) error {
	return s.each(ctx, func(j *ledger.Job) bool {
		return j.State == ledger.JobWaiting && strings.HasPrefix(j.Reason, prefix)
	}, func(j *ledger.Job) error {
		j.NextTry = time.Time{}
		return nil
	})
}

// Reopen asks again for the files that a policy withheld and now allows.
func (s *Scanner) Reopen(ctx context.Context) error {
	return s.each(ctx, s.allowedNow, func(j *ledger.Job) error { return j.Move(ledger.JobWanted, "", time.Time{}) })
}

// each changes the jobs that match, a batch at a time.
func (s *Scanner) each(ctx context.Context, match func(*ledger.Job) bool, change func(*ledger.Job) error) error {
	var keys []ledger.JobKey
	err := s.store.View(ctx, func(tx ledger.Tx) error {
		keys = nil
		for j, err := range tx.Jobs(s.Scope()) {
			if err != nil {
				return err
			}
			if match(j) {
				keys = append(keys, j.Key)
			}
		}
		return nil
	})
	for err == nil && len(keys) > 0 {
		batch := keys[:min(wakeBatch, len(keys))]
		keys = keys[len(batch):]
		err = s.store.Update(ctx, len(batch), func(tx ledger.Tx) error {
			for _, k := range batch {
				j, err := tx.Job(k)
				if err != nil {
					return err
				}
				if j == nil || !match(j) {
					continue
				}
				if err := change(j); err != nil {
					return err
				}
				if err := tx.PutJob(j); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return err
}
