package triage

import (
	"context"
	"errors"
	"sync"
	"time"

	"edrc/internal/alert"
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
