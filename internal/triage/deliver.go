package triage

import (
	"context"
	"errors"
	"sync"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/source"
)

// The note protocol, in the order of this file: look before every first send;
// commit the intent; send once; commit what is known; read again when in doubt.
// docs/architecture.md, "Notes", says why each step is there.

const (
	maxAttempts = 5 // sends of one note before a person must look
	readRetry   = 10 * time.Second
)

// item is one note that is due.
type item struct {
	out    *ledger.Outgoing
	rec    *ledger.Alert
	effect *ledger.Effect // nil: never tried
	text   string
	// purpose of what has yet to be tried.
	purpose ledger.Purpose
}

func (i *item) key() ledger.EffectKey {
	return ledger.EffectKey{Source: i.rec.Handle.Source, Container: i.rec.Note, Marker: i.out.Marker}
}

// deliverer writes one source's due notes.
type deliverer struct {
	*Service
	src    source.Source
	sid    alert.SourceID
	noter  source.Noter
	traits source.Traits
	sum    *SourceSummary
	stop   func() bool
	part   Environment
}

// deliver works through the notes that are due now, several at a time, and gives
// how many it moved forward. limit bounds the groups, so that judging goes on
// beside it.
func (d *deliverer) deliver(ctx context.Context, limit int) (int, error) {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		errs  []error
		moved int
		slots = make(chan struct{}, d.Settings.withDefaults().Senders)
		after *ledger.Outgoing
	)
	for groups := 0; groups < limit && !d.stop(); {
		batch, last, err := d.next(ctx, after)
		if err != nil {
			mu.Lock()
			errs = append(errs, err)
			mu.Unlock()
			break
		}
		if last == nil {
			break
		}
		after = last
		if len(batch) == 0 {
			continue
		}
		groups++
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			n, err := d.group(ctx, batch)
			mu.Lock()
			defer mu.Unlock()
			moved += n
			if err != nil {
				errs = append(errs, err)
			}
		})
	}
	wg.Wait()
	return moved, errors.Join(errs...)
}

// next reads the following notes of one marker that are due; last is where to go
// on from, nil at the end. A container appears at most once in a batch.
func (d *deliverer) next(ctx context.Context, after *ledger.Outgoing) (batch []*item, last *ledger.Outgoing, err error) {
	err = d.Store.View(ctx, func(tx ledger.Tx) error {
		batch, last = nil, nil
		outs, err := tx.Outgoing(d.sid, after, max(1, d.traits.NoteBulk))
		if err != nil {
			return err
		}
		containers := map[string]bool{}
		for _, o := range outs {
			if len(outs) > 0 && o.Marker != outs[0].Marker {
				break
			}
			last = o
			it, err := d.item(tx, o)
			if err != nil {
				return err
			}
			if d.sort(it) == toSkip {
				continue // a batch of nothing but these would take another one's turn
			}
			if containers[it.rec.Note] && it.rec.Note != "" {
				continue // the same note on the same incident: once is enough
			}
			containers[it.rec.Note] = true
			batch = append(batch, it)
		}
		return nil
	})
	return batch, last, err
}

func (d *deliverer) item(tx ledger.Tx, o *ledger.Outgoing) (*item, error) {
	rec, err := tx.AlertAt(o.Alert)
	if err != nil {
		return nil, err
	}
	it := &item{out: o, rec: rec, purpose: ledger.PurposeVerdict}
	if rec == nil {
		it.rec = &ledger.Alert{}
		return it, nil
	}
	if it.effect, err = tx.Effect(it.key()); err != nil {
		return nil, err
	}
	if it.effect == nil { // what it repeats may have been read after it
		if direct, err := d.teller(tx, rec); err != nil || direct != nil {
			return it, err
		}
	}
	files, err := d.files(tx, rec)
	if err != nil {
		return nil, err
	}
	// A note says what its marker names, or is not sent: the verdict may be on the
	// way to being another one.
	w, awaited := worst(files)
	f := withoutFile(files)
	switch {
	case w != nil && verdictMarker(w.Verdict.Verdict) == o.Marker:
		it.text = noteText(rec, files, d.traits)
	case w == nil && !awaited && f != nil && noFileMarker(d.Scanner.Engine(), f) == o.Marker:
		it.text, it.purpose = noFileText(d.Scanner.Engine(), f, rec.Marker, d.traits), ledger.PurposeNoFile
	}
	return it, nil
}

// group carries a batch of notes with one marker as far as it goes, and gives how
// many it moved.
func (d *deliverer) group(ctx context.Context, batch []*item) (int, error) {
	var send, read, settled, outdated []*item
	for _, it := range batch {
		switch d.sort(it) {
		case toSend:
			send = append(send, it)
		case toRead:
			read = append(read, it)
		case toClose:
			settled = append(settled, it)
		case toEvaluate:
			outdated = append(outdated, it)
		}
	}
	moved := 0
	if len(outdated) > 0 {
		if err := d.again(ctx, outdated); err != nil {
			return moved, err
		}
		moved += len(outdated)
	}
	if len(settled) > 0 {
		if err := d.closeAll(ctx, settled); err != nil {
			return moved, err
		}
		moved += len(settled)
	}
	for _, it := range read {
		if err := d.resolveDoubt(ctx, it); err != nil {
			return moved, err
		}
		moved++
	}
	send, found, err := d.look(ctx, send)
	moved += found
	if err != nil {
		return moved, err
	}
	for _, same := range byText(send) {
		n, err := d.send(ctx, same)
		moved += n
		if err != nil {
			return moved, err
		}
	}
	return moved, nil
}

// decision is what a due note needs next.
type decision int

const (
	toSkip     decision = iota // somebody else is at it, or its time has not come
	toSend                     // look, then send
	toRead                     // in doubt: read
	toClose                    // the effect is settled, or the alert needs no note any more
	toEvaluate                 // the verdict is being refreshed, or is another one by now
)

func (d *deliverer) sort(it *item) decision {
	e, now := it.effect, d.Now()
	switch {
	case it.rec.ID != "" && !d.part.remembers(it.rec):
		return toSkip // a sync of everything has it
	case it.rec.ID == "", it.rec.State != ledger.AlertOpen && it.rec.State != ledger.AlertDone, it.rec.Marker != it.out.Marker:
		return toClose
	case e != nil && (e.State == ledger.EffectDone || e.State == ledger.EffectRefused):
		return toClose
	case it.text == "":
		return toEvaluate
	case e == nil || e.State == "":
		return toSend
	case e.Claim.Held(now) && e.Claim.Holder != d.Holder:
		return toSkip
	case e.NextCheck.After(now):
		return toSkip
	case e.State == ledger.EffectSending && e.Claim.Holder == "":
		return toSend // certainly not sent: the commit of that said so
	}
	return toRead // in doubt, or its sender died between intent and outcome
}

// sight is a note that was found.
type sight struct {
	id      string
	foreign bool
}

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
