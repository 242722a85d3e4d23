package triage

import (
	"context"
	"iter"

	"edrc/internal/ledger"
)

// lookPage is how many records are looked at in one view of the store: others may
// commit between two, however many records there are.
const lookPage = 500

// kind is how the records of one kind are gone through.
type kind[R any, K comparable] struct {
	after func(ledger.Tx, K) iter.Seq2[*R, error]
	key   func(*R) K
}

func alertKind() kind[ledger.Alert, ledger.AlertKey] {
	return kind[ledger.Alert, ledger.AlertKey]{ledger.Tx.AlertsAfter, (*ledger.Alert).Key}
}

func verdictKind() kind[ledger.VerdictRecord, ledger.JobKey] {
	return kind[ledger.VerdictRecord, ledger.JobKey]{ledger.Tx.VerdictsAfter, (*ledger.VerdictRecord).Key}
}

// page reads the records behind a key that are wanted; last is where the next page
// begins, and more is false at the end.
func page[R any, K comparable](ctx context.Context, s *Service, k kind[R, K], from K, want func(ledger.Tx, *R) (bool, error)) (found []*R, last K, more bool, err error) {
	err = s.Store.View(ctx, func(tx ledger.Tx) error {
		n := 0
		found, last, more = nil, from, false
		for r, err := range k.after(tx, from) {
			if err != nil {
				return err
			}
			last = k.key(r)
			ok, err := want(tx, r)
			if err != nil {
				return err
			}
			if ok {
				found = append(found, r)
			}
			if n++; n == lookPage {
				more = true
				return nil
			}
		}
		return nil
	})
	return found, last, more, err
}

// wanted goes through all records of a kind and gives those that are wanted, in key
// order and in little memory. An error is the last thing it gives.
func wanted[R any, K comparable](ctx context.Context, s *Service, k kind[R, K], want func(*R) bool) iter.Seq2[*R, error] {
	return func(yield func(*R, error) bool) {
		var from K
		for more := true; more; {
			found, last, further, err := page(ctx, s, k, from, func(_ ledger.Tx, r *R) (bool, error) { return want(r), nil })
			for _, r := range found {
				if !yield(r, nil) {
					return
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
			from, more = last, further
		}
	}
}
