package triage

import (
	"context"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/source"
)

// byText groups items with the same text: one request can carry them.
func byText(items []*item) [][]*item {
	var order []string
	groups := map[string][]*item{}
	for _, it := range items {
		if groups[it.text] == nil {
			order = append(order, it.text)
		}
		groups[it.text] = append(groups[it.text], it)
	}
	out := make([][]*item, 0, len(order))
	for _, t := range order {
		out = append(out, groups[t])
	}
	return out
}

// send commits the intent, sends once, and commits the outcome.
func (d *deliverer) send(ctx context.Context, items []*item) (int, error) {
	items, err := d.intend(ctx, items)
	if err != nil || len(items) == 0 {
		return 0, err
	}
	hs := make([]alert.Handle, len(items))
	for i, it := range items {
		hs[i] = it.rec.Handle
	}
	ctx, cancel := context.WithTimeout(ctx, d.claimFor())
	defer cancel()
	if !items[0].effect.Claim.Held(d.Now()) { // stopped for longer than the claim
		return 0, nil
	}
	results, err := d.noter.AddNote(ctx, items[0].text, hs...)
	if err != nil || len(results) != len(items) {
		return 0, fault.At(err, d.src.Name(), "add note")
	}
	// Whatever happened must be written down, also when the run was interrupted.
	return d.outcome(context.WithoutCancel(ctx), items, results)
}

// intend commits `sending` for the items that nobody else has taken meanwhile.
func (d *deliverer) intend(ctx context.Context, items []*item) ([]*item, error) {
	var mine []*item
	err := d.Store.Update(ctx, len(items), func(tx ledger.Tx) error {
		mine = mine[:0]
		now := d.Now()
		for _, it := range items {
			e, err := tx.Effect(it.key())
			if err != nil {
				return err
			}
			if e == nil {
				e = &ledger.Effect{EffectKey: it.key(), Purpose: it.purpose}
			}
			if it.effect != nil && !e.Changed.Equal(it.effect.Changed) || it.effect == nil && e.State != "" || e.Claim.Held(now) && e.Claim.Holder != d.Holder {
				continue // another process was faster
			}
			if err := e.Move(ledger.EffectSending, ""); err != nil {
				return err
			}
			e.Attempt++
			e.Checks, e.NextCheck, e.Changed = 0, time.Time{}, now
			e.Claim = e.Claim.Take(d.Holder, now.Add(d.claimFor()))
			if err := tx.PutEffect(e); err != nil {
				return err
			}
			c := *it
			c.effect = e
			mine = append(mine, &c)
		}
		return nil
	})
	return mine, err
}

// claimFor is how long a send may take before another process may look after it.
func (d *deliverer) claimFor() time.Duration { return d.Settings.withDefaults().Lease }

// outcome commits what became of each note, and gives how many that moved: a note
// that was certainly not sent stands where it stood, or a console that refuses
// everything for now would keep a run busy for ever.
func (d *deliverer) outcome(ctx context.Context, items []*item, results []source.NoteResult) (int, error) {
	var firstErr error
	posted, doubts, refused := 0, 0, 0
	err := d.Store.Update(ctx, len(items), func(tx ledger.Tx) error {
		posted, doubts, refused, firstErr = 0, 0, 0, nil
		for i, it := range items {
			e, err := tx.Effect(it.key())
			if err != nil {
				return err
			}
			if e == nil || e.Claim.Token != it.effect.Claim.Token {
				continue // taken over: the new holder reads before it does anything
			}
			r := results[i]
			switch r.Outcome {
			case source.NoteDone:
				posted++
				err = d.settle(tx, it, e, r.NoteID, false)
			case source.NoteRefused:
				refused++
				err = d.refuse(tx, it, e, r.Err)
			case source.NoteNotSent:
				err = d.later(tx, it, e, r.Err)
			default:
				doubts++
				err = d.doubt(tx, it, e, r.Err)
			}
			if err != nil {
				return err
			}
			if r.Err != nil && firstErr == nil && r.Outcome != source.NoteUnknown {
				firstErr = r.Err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	total := 0
	d.sum.add(func(s *SourceSummary) {
		s.Notes += posted
		s.Refused += refused
		s.Doubts += doubts
		total = s.Notes
	})
	d.observe(Event{Source: d.src.Name(), What: "notes", Done: total})
	if firstErr != nil {
		firstErr = fault.At(firstErr, d.src.Name(), "add note")
	}
	return posted + doubts + refused, firstErr
}
