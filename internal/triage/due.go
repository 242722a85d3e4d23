package triage

import (
	"context"
	"time"

	"edrc/internal/ledger"
)

// nextDue gives when there is something to do again: an analysis to poll, a note
// to read again. Zero: nothing that this run should wait for.
func (r *syncer) nextDue(ctx context.Context) (time.Time, error) {
	if r.o.DryRun {
		return time.Time{}, nil
	}
	var next time.Time
	if !r.refused() {
		var err error
		if next, err = r.Scanner.NextDue(ctx); err != nil {
			return next, err
		}
	}
	err := r.Store.View(ctx, func(tx ledger.Tx) error {
		for _, t := range r.targets {
			if t.sid == "" || t.failures >= giveUpAfter {
				continue
			}
			at, err := r.nextNote(tx, t)
			if err != nil {
				return err
			}
			if !at.IsZero() && (next.IsZero() || at.Before(next)) {
				next = at
			}
		}
		return nil
	})
	return next, err
}

// nextNote gives when the source's next queued note may be tried, by its effect.
func (r *syncer) nextNote(tx ledger.Tx, t *target) (time.Time, error) {
	var next time.Time
	var after *ledger.Outgoing
	for {
		outs, err := tx.Outgoing(t.sid, after, chunk)
		if err != nil || len(outs) == 0 {
			return next, err
		}
		for _, o := range outs {
			at := t.notSoon
			rec, err := tx.AlertAt(o.Alert)
			if err != nil {
				return next, err
			}
			if rec != nil && !r.o.Environment.remembers(rec) {
				continue
			}
			if rec != nil {
				e, err := tx.Effect(ledger.EffectKey{Source: t.sid, Container: rec.Note, Marker: o.Marker})
				if err != nil {
					return next, err
				}
				if e != nil && e.NextCheck.After(at) {
					at = e.NextCheck
				}
				if e != nil && e.Claim.Held(r.Now()) && e.Claim.Until.After(at) {
					at = e.Claim.Until
				}
			}
			if at.IsZero() {
				at = r.Now()
			}
			if next.IsZero() || at.Before(next) {
				next = at
			}
		}
		after = outs[len(outs)-1]
	}
}
