package triage

import (
	"context"
	"fmt"
	"time"

	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/source"
)

// settle records a note that is proved to be there, and finishes its alert.
func (d *deliverer) settle(tx ledger.Tx, it *item, e *ledger.Effect, noteID string, foreign bool) error {
	if err := e.Move(ledger.EffectDone, ""); err != nil {
		return err
	}
	e.NoteID, e.Foreign, e.Changed, e.NextCheck = noteID, foreign, d.Now(), time.Time{}
	e.Claim = e.Claim.Release()
	if err := tx.PutEffect(e); err != nil {
		return err
	}
	return d.finish(tx, it, e)
}

// finish takes the note off the queue and moves the alert on, in the caller's
// transaction. The alert is read anew: it may have changed since.
func (d *deliverer) finish(tx ledger.Tx, it *item, e *ledger.Effect) error {
	if err := tx.DeleteOutgoing(it.out); err != nil {
		return err
	}
	rec, err := tx.AlertAt(it.out.Alert)
	if err != nil || rec == nil || rec.Marker != it.out.Marker || rec.State != ledger.AlertOpen && rec.State != ledger.AlertDone {
		return err
	}
	reason := ""
	if it.out.Class == "" {
		reason = rec.Reason // why there is no verdict
	}
	switch {
	case e == nil:
	case e.State == ledger.EffectRefused:
		reason = "note refused: " + e.Reason
	case e.Foreign:
		reason = "told already by Intezer EDR Connect"
	}
	if e != nil && e.State == ledger.EffectDone {
		rec.Noted, rec.NoteID, rec.NoteAt = it.out.Class, e.NoteID, e.Changed
	}
	if err := rec.Move(ledger.AlertDone, reason); err != nil {
		return err
	}
	return tx.PutAlert(rec)
}

func (d *deliverer) refuse(tx ledger.Tx, it *item, e *ledger.Effect, cause error) error {
	reason := "the product said no"
	if cause != nil {
		reason = cause.Error()
	}
	if err := e.Move(ledger.EffectRefused, reason); err != nil {
		return err
	}
	e.Changed, e.Claim = d.Now(), e.Claim.Release()
	if err := tx.PutEffect(e); err != nil {
		return err
	}
	return d.finish(tx, it, e)
}

// later records that the note was certainly not sent; the attempt does not count.
func (d *deliverer) later(tx ledger.Tx, it *item, e *ledger.Effect, cause error) error {
	reason := "not sent"
	if cause != nil {
		reason += ": " + cause.Error()
	}
	now := d.Now()
	e.Attempt--
	e.State, e.Reason, e.Changed = ledger.EffectSending, reason, now
	e.NextCheck = now.Add(d.Settings.withDefaults().NoteRetry)
	e.Claim = e.Claim.Release()
	return tx.PutEffect(e)
}

// doubt records an unknown outcome: read once after the settle time, and again
// after twice that.
func (d *deliverer) doubt(tx ledger.Tx, _ *item, e *ledger.Effect, cause error) error {
	reason := "the outcome is unknown"
	if cause != nil {
		reason = cause.Error()
	}
	if err := e.Move(ledger.EffectDoubt, reason); err != nil {
		return err
	}
	wait := d.traits.NoteSettle
	if d.traits.NoteRepeatable { // what comes next is not a look, but a request like the one that failed
		wait = max(wait, d.Settings.withDefaults().NoteRetry)
	}
	now := d.Now()
	e.Checks, e.Changed, e.NextCheck = 0, now, now.Add(wait)
	e.Claim = e.Claim.Release()
	return tx.PutEffect(e)
}

// resolveDoubt reads the container's notes: seen is done; absent twice, a settle
// time apart, is sent again. A note that may be repeated is, without being looked for.
func (d *deliverer) resolveDoubt(ctx context.Context, it *item) error {
	if it.effect.State == ledger.EffectSending { // its sender died; the clock starts when it meant to send
		return d.update(ctx, it, func(tx ledger.Tx, e *ledger.Effect) error {
			if err := e.Move(ledger.EffectDoubt, "its sender stopped before it told the outcome"); err != nil {
				return err
			}
			e.NextCheck = e.Changed.Add(d.traits.NoteSettle)
			e.Checks, e.Claim = 0, e.Claim.Release()
			return tx.PutEffect(e)
		})
	}
	if d.traits.NoteRepeatable {
		return d.sendAgain(ctx, it)
	}
	reader, ok := d.src.(source.NoteReader)
	if !ok {
		return d.setAside(ctx, it, "the outcome is unknown, and the product cannot be asked")
	}
	seen, err := d.findNote(ctx, reader, it)
	switch {
	case fault.Is(err, fault.NotFound):
		return d.gone(ctx, it)
	case err != nil:
		return d.postpone(ctx, it, err)
	case seen != nil && !seen.foreign:
		return d.done(ctx, []*item{it}, func(*item) (string, bool) { return seen.id, false })
	case it.effect.Checks < 1:
		return d.update(ctx, it, func(tx ledger.Tx, e *ledger.Effect) error {
			e.Checks++
			e.NextCheck = d.Now().Add(d.traits.NoteSettle)
			e.Changed = d.Now()
			return tx.PutEffect(e)
		})
	}
	return d.sendAgain(ctx, it)
}

// sendAgain repeats a note that is not there, or that may be repeated; after maxAttempts
// a person must look.
func (d *deliverer) sendAgain(ctx context.Context, it *item) error {
	if it.effect.Attempt >= maxAttempts {
		return d.setAside(ctx, it, fmt.Sprintf("note in doubt after %d attempts", it.effect.Attempt))
	}
	_, err := d.send(ctx, []*item{it})
	return err
}

// postpone waits before reading again; the error goes to the caller's summary.
func (d *deliverer) postpone(ctx context.Context, it *item, cause error) error {
	err := d.update(context.WithoutCancel(ctx), it, func(tx ledger.Tx, e *ledger.Effect) error {
		e.NextCheck = d.Now().Add(min(readRetry, d.Settings.withDefaults().NoteRetry))
		return tx.PutEffect(e)
	})
	if err != nil {
		return err
	}
	return fault.At(cause, d.src.Name(), "read notes")
}

// update changes an effect unless somebody else has.
func (d *deliverer) update(ctx context.Context, it *item, fn func(ledger.Tx, *ledger.Effect) error) error {
	return d.Store.Update(ctx, 1, func(tx ledger.Tx) error {
		e, err := tx.Effect(it.key())
		if err != nil || e == nil || e.Claim.Token != it.effect.Claim.Token || e.State != it.effect.State {
			return err
		}
		return fn(tx, e)
	})
}

// done records notes that were found.
func (d *deliverer) done(ctx context.Context, items []*item, which func(*item) (string, bool)) error {
	found := 0
	err := d.Store.Update(ctx, len(items), func(tx ledger.Tx) error {
		found = 0
		for _, it := range items {
			e, err := tx.Effect(it.key())
			if err != nil {
				return err
			}
			if e == nil {
				e = &ledger.Effect{EffectKey: it.key(), Purpose: it.purpose}
			}
			id, foreign := which(it)
			if err := d.settle(tx, it, e, id, foreign); err != nil {
				return err
			}
			found++
		}
		return nil
	})
	if err == nil {
		d.sum.add(func(s *SourceSummary) { s.Found += found })
	}
	return err
}

// closeAll takes notes off the queue whose effect is settled or whose alert needs
// none any more.
func (d *deliverer) closeAll(ctx context.Context, items []*item) error {
	return d.Store.Update(ctx, len(items), func(tx ledger.Tx) error {
		for _, it := range items {
			var e *ledger.Effect
			if it.rec.ID != "" {
				var err error
				if e, err = tx.Effect(it.key()); err != nil {
					return err
				}
			}
			if err := d.finish(tx, it, e); err != nil {
				return err
			}
		}
		return nil
	})
}

// again decides anew what alerts wait for whose note has been overtaken by their
// verdict.
func (d *deliverer) again(ctx context.Context, items []*item) error {
	return d.Store.Update(ctx, len(items), func(tx ledger.Tx) error {
		for _, it := range items {
			if err := tx.DeleteOutgoing(it.out); err != nil {
				return err
			}
			rec, err := tx.AlertAt(it.out.Alert)
			if err != nil {
				return err
			}
			if rec == nil || rec.State != ledger.AlertOpen && rec.State != ledger.AlertDone {
				continue
			}
			if err := d.evaluate(tx, rec); err != nil {
				return err
			}
			if err := tx.PutAlert(rec); err != nil {
				return err
			}
		}
		return nil
	})
}

// gone records that the product no longer has the alert.
func (d *deliverer) gone(ctx context.Context, it *item) error {
	return d.Store.Update(ctx, 1, func(tx ledger.Tx) error {
		if err := tx.DeleteOutgoing(it.out); err != nil {
			return err
		}
		rec, err := tx.AlertAt(it.out.Alert)
		if err != nil || rec == nil {
			return err
		}
		if err := rec.Move(ledger.AlertGone, "the product no longer has it"); err != nil {
			return err
		}
		return tx.PutAlert(rec)
	})
}

// setAside quarantines a note for a person.
func (d *deliverer) setAside(ctx context.Context, it *item, reason string) error {
	err := d.Store.Update(ctx, 2, func(tx ledger.Tx) error {
		if err := tx.DeleteOutgoing(it.out); err != nil {
			return err
		}
		rec, err := tx.AlertAt(it.out.Alert)
		if err != nil || rec == nil {
			return err
		}
		if err := rec.Move(ledger.AlertOpen, ""); err != nil {
			return err
		}
		if err := rec.Move(ledger.AlertQuarantined, reason); err != nil {
			return err
		}
		if err := tx.PutAlert(rec); err != nil {
			return err
		}
		return putQuarantined(tx, &ledger.Quarantined{ID: quarantineID(d.sid, "note", rec.ID+it.out.Marker),
			Source: d.sid, Name: d.src.Name(), What: "note", Alert: rec.ID, Reason: reason, At: d.Now()})
	})
	if err == nil {
		d.sum.add(func(s *SourceSummary) { s.Quarantined++ })
	}
	return err
}
