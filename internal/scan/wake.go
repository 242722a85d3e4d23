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
	var keys []ledger.JobKey
	err := s.store.View(ctx, func(tx ledger.Tx) error {
		keys = nil
		for j, err := range tx.Jobs(s.Scope()) {
			if err != nil {
				return err
			}
			if j.State == ledger.JobWaiting && strings.HasPrefix(j.Reason, prefix) {
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
				if j == nil || j.State != ledger.JobWaiting {
					continue
				}
				j.NextTry = time.Time{}
				if err := tx.PutJob(j); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return err
}
