package store

import (
	"bytes"
	"iter"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
)

// alertFill packs pages of alerts densely: their keys grow with time.
const alertFill = 0.9

func alertID(source alert.SourceID, id string) key { return key(nil).str(string(source)).raw(id) }

// fixAlert restores an alert's identity from its key.
func fixAlert(at []byte, a *ledger.Alert) error {
	k, err := cutAlert(at)
	if err != nil {
		return err
	}
	a.Handle.Source, a.ID = k.Source, k.ID
	if !a.Created.Equal(k.Created) {
		a.Created = k.Created
	}
	return nil
}

// Alert finds an alert by its immutable ID.
func (t *tx) Alert(source alert.SourceID, id string) (*ledger.Alert, error) {
	created := t.get(kAlertIDs, alertID(source, id))
	if created == nil {
		return nil, nil
	}
	return t.alertAt(key(nil).str(string(source)).bytes(created).raw(id))
}

// AlertAt finds an alert by its key. A key whose time is not the one stored finds
// the alert by its ID all the same: the ID is the identity.
func (t *tx) AlertAt(k ledger.AlertKey) (*ledger.Alert, error) {
	a, err := t.alertAt(key(nil).alert(k))
	if a == nil && err == nil {
		return t.Alert(k.Source, k.ID)
	}
	return a, err
}

func (t *tx) alertAt(at key) (*ledger.Alert, error) {
	a, err := getJSON[ledger.Alert](t, kAlerts, at)
	if a == nil || err != nil {
		return nil, err
	}
	return a, fixAlert(at, a)
}

// PutAlert stores the alert where its ID was first stored: a Created that differs
// from the stored one is set back to it, in a too, so that a.Key() is right after.
func (t *tx) PutAlert(a *ledger.Alert) error {
	source := a.Handle.Source
	if source == "" || a.ID == "" {
		return fault.New(fault.Invalid, "an alert without a source or an id cannot be remembered")
	}
	id := alertID(source, a.ID)
	if stored := t.get(kAlertIDs, id); stored != nil {
		created, _, err := cutTime(stored)
		if err != nil {
			return t.damaged(kAlertIDs, err)
		}
		if !created.Equal(a.Created) {
			a.Created = created
		}
	} else if err := t.put(kAlertIDs, id, key(nil).time(a.Created)); err != nil {
		return err
	}
	if b := t.buckets[kAlerts]; b != nil {
		b.FillPercent = alertFill
	}
	return putJSON(t, kAlerts, key(nil).alert(a.Key()), a)
}

// Alerts visits a source's alerts created in [from, to], oldest first; an empty
// source visits all, source by source. Memory stays flat.
func (t *tx) Alerts(source alert.SourceID, from, to time.Time) iter.Seq2[*ledger.Alert, error] {
	return func(yield func(*ledger.Alert, error) bool) {
		for s, ok := t.nextSource(source, nil); ok; s, ok = t.nextSource(source, &s) {
			if !t.sourceAlerts(s, from, to, yield) {
				return
			}
		}
	}
}

// nextSource gives the next source to visit after the given one: only the named
// one, or each in the store when none is named.
func (t *tx) nextSource(only alert.SourceID, after *alert.SourceID) (alert.SourceID, bool) {
	if only != "" {
		return only, after == nil
	}
	var from key
	if after != nil {
		from = key(nil).str(string(*after)).past()
	}
	for at := range t.scan(kAlerts, nil, from) {
		s, _, err := cutStr(at)
		if err != nil {
			_ = t.damaged(kAlerts, err)
		}
		if after != nil && s <= string(*after) {
			outOfOrder(kAlerts)
		}
		return alert.SourceID(s), err == nil
	}
	return "", false
}

func (t *tx) sourceAlerts(s alert.SourceID, from, to time.Time, yield func(*ledger.Alert, error) bool) bool {
	p := key(nil).str(string(s))
	var first, end key
	if !from.IsZero() {
		first = key(nil).str(string(s)).time(from)
	}
	if !to.IsZero() {
		end = key(nil).str(string(s)).time(to)
	}
	past := func(at []byte) bool {
		return end != nil && len(at) >= len(end) && bytes.Compare(at[:len(end)], end) > 0
	}
	for at, v := range t.bounded(kAlerts, p, first, past) {
		a, err := decode[ledger.Alert](t, kAlerts, v)
		if err == nil {
			if err = fixAlert(at, a); err != nil {
				err = t.damaged(kAlerts, err)
			}
		}
		if err != nil {
			a = nil
		}
		if !yield(a, err) {
			return false
		}
	}
	if err := t.ctx.Err(); err != nil {
		yield(nil, err)
		return false
	}
	return true
}

// bounded is scan that stops at the first key that is past its end, or when the
// caller has been cancelled.
func (t *tx) bounded(k kind, p, from key, past func([]byte) bool) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		n := 0
		for at, v := range t.scan(k, p, from) {
			if n++; past(at) || n%64 == 0 && t.ctx.Err() != nil || !yield(at, v) {
				return
			}
		}
	}
}
