package triage

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/source"
)

// NoteReceipt is what became of a note that a person wrote.
type NoteReceipt struct {
	Ref     alert.Ref
	NoteID  string
	Key     string // repeats this note safely
	Already bool   // it was there
	Err     error
}

// AddNote writes a person's text on an alert, once. key "" draws a new one; the
// same key on the same alert never posts twice. An outcome that stays unknown is
// fault.InDoubt, with the key in its hint.
func (s *Service) AddNote(ctx context.Context, ref alert.Ref, text, key string) (*NoteReceipt, error) {
	src, sid, err := s.locate(ctx, ref)
	if err != nil {
		return nil, err
	}
	noter, ok := src.(source.Noter)
	if !ok {
		return nil, source.Unsupported(src, "take a note")
	}
	repeat := key != ""
	if !repeat {
		key = newKey()
	}
	a, err := s.read(ctx, src, sid, ref, false)
	if err != nil {
		return nil, err
	}
	a.Handle.Source = sid
	if a.Note == "" {
		return nil, source.Cannot(src, "take a note on this alert", *a)
	}
	rec := &ledger.Alert{Handle: a.Handle, Created: a.Created, Marker: ledger.Marker(ledger.PurposeManual, key)}
	d := &deliverer{Service: s, src: src, sid: sid, noter: noter, traits: src.Traits(), sum: newSourceSummary(src.Name()),
		stop: func() bool { return false }}
	it := &item{out: &ledger.Outgoing{Alert: rec.Key(), Marker: rec.Marker}, rec: rec, text: finishNote(text, rec.Marker, d.traits), purpose: ledger.PurposeManual}
	receipt := &NoteReceipt{Ref: ref, Key: key}
	if repeat {
		seen, err := d.repeated(ctx, it)
		if err != nil {
			return nil, err
		}
		if seen != nil {
			receipt.Already, receipt.NoteID = true, seen.id
			return receipt, nil
		}
	}
	return receipt, d.once(ctx, it, receipt)
}

// newKey draws what makes a person's note its own: the same words twice on
// purpose are two notes.
func newKey() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return hex.EncodeToString(b[:])
}

// repeated finds out what became of an earlier try of the same note: nil when it may
// be sent. Absent is not unsent before twice the settle time has passed.
func (d *deliverer) repeated(ctx context.Context, it *item) (*sight, error) {
	err := d.Store.View(ctx, func(tx ledger.Tx) (err error) {
		it.effect, err = tx.Effect(it.key())
		return err
	})
	e := it.effect
	if err != nil || e != nil && e.Claim.Held(d.Now()) && e.Claim.Holder != d.Holder {
		return nil, err // the intent will say whose it is
	}
	if e != nil && e.State == ledger.EffectDone {
		return &sight{id: e.NoteID}, nil
	}
	unknown := e != nil && (e.State == ledger.EffectDoubt || e.State == ledger.EffectSending && e.Claim.Holder != "")
	switch {
	case unknown && d.traits.NoteRepeatable && e.Attempt >= maxAttempts:
		return nil, fault.New(fault.InDoubt, "it was sent %d times, and no answer said what became of it", e.Attempt).
			WithHint("it may be there: look in the console")
	case unknown && d.traits.NoteRepeatable:
		return nil, nil
	case unknown:
		if _, ok := d.src.(source.NoteReader); !ok {
			return nil, fault.New(fault.InDoubt, "an earlier try may have written it, and %s cannot be asked", d.src.Kind())
		}
		if wait := e.Changed.Add(2 * d.traits.NoteSettle).Sub(d.Now()); wait > 0 {
			if err := d.Sleep(ctx, wait); err != nil {
				return nil, err
			}
		}
	}
	seen, err := d.find(ctx, it)
	if err != nil || seen == nil {
		return nil, err
	}
	return seen, d.done(ctx, []*item{it}, func(*item) (string, bool) { return seen.id, false })
}

// find reads all notes for the item's marker.
func (d *deliverer) find(ctx context.Context, it *item) (*sight, error) {
	reader, ok := d.src.(source.NoteReader)
	if !ok {
		return nil, nil
	}
	seen, err := d.findNote(ctx, reader, it)
	return seen, fault.At(err, d.src.Name(), "read notes")
}

// once sends a note now and waits out a doubt.
func (d *deliverer) once(ctx context.Context, it *item, r *NoteReceipt) error {
	items, err := d.intend(ctx, []*item{it})
	if err != nil {
		return err
	}
	if len(items) == 0 {
		return fault.New(fault.Conflict, "another edrc is writing this note now")
	}
	it = items[0]
	results, err := d.noter.AddNote(ctx, it.text, it.rec.Handle)
	if err == nil && len(results) != 1 {
		err = fault.New(fault.InDoubt, "the product did not say what became of the note")
	}
	if err != nil {
		return fault.At(err, d.src.Name(), "add note")
	}
	// What became of it must be written down; waiting out a doubt may be interrupted.
	if _, err := d.outcome(context.WithoutCancel(ctx), items, results); err != nil {
		return err
	}
	switch results[0].Outcome {
	case source.NoteDone:
		r.NoteID = results[0].NoteID
		return nil
	case source.NoteUnknown:
		return d.waitOut(ctx, it, r, results[0].Err)
	}
	return fault.At(results[0].Err, d.src.Name(), "add note")
}

// waitOut reads twice, a settle time apart, before it reports a doubt.
func (d *deliverer) waitOut(ctx context.Context, it *item, r *NoteReceipt, cause error) error {
	for range 2 {
		if err := d.Sleep(ctx, d.traits.NoteSettle); err != nil {
			break
		}
		seen, err := d.find(ctx, it)
		if err == nil && seen != nil {
			r.NoteID = seen.id
			return d.done(context.WithoutCancel(ctx), []*item{it}, func(*item) (string, bool) { return seen.id, false })
		}
	}
	return &fault.Error{Kind: fault.InDoubt, Source: d.src.Name(), Op: "add note", Err: cause,
		Msg:  "it is not known whether the note was written: " + cause.Error(),
		Hint: "look with `edrc note list " + r.Ref.String() + "`; to repeat it safely add --key " + r.Key}
}

// Notes reads every note on an alert, oldest first. Of a product that gives none back,
// own is true, and they are edrc's copies of what it wrote there itself.
func (s *Service) Notes(ctx context.Context, ref alert.Ref) (notes []alert.Note, own bool, err error) {
	src, sid, err := s.locate(ctx, ref)
	if err != nil {
		return nil, false, err
	}
	reader, ok := src.(source.NoteReader)
	copier, own := src.(source.NoteCopier)
	if !ok && own {
		notes, err := copier.NoteCopies(ctx, ref.ID)
		return notes, true, fault.At(err, src.Name(), "list notes")
	}
	if !ok {
		return nil, false, source.Unsupported(src, "give its notes back")
	}
	h, _, err := s.handle(ctx, sid, ref)
	if err != nil {
		return nil, false, err
	}
	for n, err := range reader.Notes(ctx, h) {
		if err != nil {
			return nil, false, fault.At(err, src.Name(), "list notes")
		}
		notes = append(notes, n)
	}
	slices.SortStableFunc(notes, func(a, b alert.Note) int { return a.Created.Compare(b.Created) })
	return notes, false, nil
}

// PostVerdicts writes the verdict note on alerts that were just scanned, by the
// same protocol as sync; closed alerts are told too, since a person asked.
func (s *Service) PostVerdicts(ctx context.Context, refs []alert.Ref) []NoteReceipt {
	var out []NoteReceipt
	for _, ref := range refs {
		r := NoteReceipt{Ref: ref}
		r.NoteID, r.Already, r.Err = s.postVerdict(ctx, ref)
		out = append(out, r)
	}
	return out
}

func (s *Service) postVerdict(ctx context.Context, ref alert.Ref) (noteID string, already bool, err error) {
	src, sid, err := s.locate(ctx, ref)
	if err != nil {
		return "", false, err
	}
	noter, ok := src.(source.Noter)
	if !ok {
		return "", false, source.Unsupported(src, "take a note")
	}
	a, err := s.read(ctx, src, sid, ref, false)
	if err != nil {
		return "", false, err
	}
	a.Handle.Source = sid
	var rec *ledger.Alert
	err = s.Store.Update(ctx, 3, func(tx ledger.Tx) error {
		if _, err := s.ingest(tx, src, a, nil); err != nil {
			return err
		}
		if rec, err = tx.Alert(sid, a.ID); err != nil || rec.State == ledger.AlertOpen {
			return err
		}
		if err := rec.Move(ledger.AlertOpen, ""); err != nil {
			return err
		}
		return s.judgeFiles(tx, rec, nil)
	})
	if err != nil {
		return "", false, err
	}
	d := &deliverer{Service: s, src: src, sid: sid, noter: noter, traits: src.Traits(), sum: newSourceSummary(src.Name()),
		stop: func() bool { return ctx.Err() != nil }}
	if rec.State == ledger.AlertDone && rec.Noted != "" {
		if err := d.repost(ctx, rec); err != nil {
			return "", false, err
		}
	}
	return d.now(ctx, rec.Key())
}

// repost makes a note due again that was there and has been removed from the product.
func (d *deliverer) repost(ctx context.Context, rec *ledger.Alert) error {
	reader, ok := d.src.(source.NoteReader)
	if !ok || d.Now().Sub(rec.NoteAt) < 2*d.traits.NoteSettle {
		return nil
	}
	it := &item{out: &ledger.Outgoing{Alert: rec.Key(), Marker: rec.Marker, Class: rec.Noted}, rec: rec, purpose: ledger.PurposeVerdict}
	seen, err := d.findNote(ctx, reader, it)
	if err != nil || seen != nil {
		return fault.At(err, d.src.Name(), "read notes")
	}
	return d.Store.Update(ctx, 3, func(tx ledger.Tx) error {
		e, err := tx.Effect(it.key())
		if err != nil || e == nil || e.State != ledger.EffectDone {
			return err
		}
		if err := tx.PutEffect(&ledger.Effect{EffectKey: e.EffectKey, Purpose: e.Purpose, Claim: e.Claim, Changed: d.Now()}); err != nil {
			return err
		}
		rec, err := tx.AlertAt(it.out.Alert)
		if err != nil || rec == nil || rec.Marker != it.out.Marker {
			return err
		}
		rec.Noted, rec.NoteID = "", ""
		if err := rec.Move(ledger.AlertOpen, ""); err != nil {
			return err
		}
		return d.judgeFiles(tx, rec, nil)
	})
}

// now carries the verdict note of one alert to its end, waiting out a doubt.
func (d *deliverer) now(ctx context.Context, key ledger.AlertKey) (noteID string, already bool, err error) {
	for range 4 * maxAttempts {
		var rec *ledger.Alert
		var it *item
		err := d.Store.View(ctx, func(tx ledger.Tx) (err error) {
			rec, it = nil, nil
			if rec, err = tx.AlertAt(key); err != nil || rec == nil || rec.State != ledger.AlertOpen || rec.Marker == "" || rec.Verdict == rec.Noted {
				return err
			}
			it, err = d.item(tx, &ledger.Outgoing{Alert: key, Marker: rec.Marker, Class: rec.Verdict})
			if it != nil && it.text == "" { // its verdict is being refreshed
				it = nil
			}
			return err
		})
		if err != nil {
			return "", false, err
		}
		if it == nil {
			return receiptOf(rec, d.sum)
		}
		if _, err := d.group(ctx, []*item{it}); err != nil {
			return "", false, err
		}
		if err := d.untilDue(ctx, it.key()); err != nil {
			return "", false, err
		}
	}
	return "", false, fault.New(fault.InDoubt, "the note is still in doubt; `edrc sync` carries on with it")
}

func receiptOf(rec *ledger.Alert, sum *SourceSummary) (string, bool, error) {
	switch {
	case rec == nil:
		return "", false, fault.New(fault.NotFound, "the alert is gone")
	case rec.Noted != "":
		return rec.NoteID, sum.Notes == 0, nil
	case rec.Reason != "":
		return "", false, fault.New(fault.Other, "no note was posted: %s", rec.Reason)
	}
	return "", false, fault.New(fault.Other, "no note was posted: there is no verdict yet")
}

// untilDue sleeps until the effect may be looked at again.
func (d *deliverer) untilDue(ctx context.Context, k ledger.EffectKey) error {
	var at time.Time
	err := d.Store.View(ctx, func(tx ledger.Tx) error {
		e, err := tx.Effect(k)
		if e != nil {
			at = e.NextCheck
		}
		return err
	})
	if wait := at.Sub(d.Now()); err == nil && wait > 0 {
		return d.Sleep(ctx, wait)
	}
	return err
}
