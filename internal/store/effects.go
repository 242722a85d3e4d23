package store

import (
	"iter"

	"edrc/internal/alert"
	"edrc/internal/ledger"
)

func effectKey(k ledger.EffectKey) key {
	return key(nil).str(string(k.Source)).str(k.Container).raw(k.Marker)
}

func fixEffect(at []byte, e *ledger.Effect) error {
	source, at, err := cutStr(at)
	if err != nil {
		return err
	}
	container, at, err := cutStr(at)
	e.EffectKey = ledger.EffectKey{Source: alert.SourceID(source), Container: container, Marker: string(at)}
	return err
}

// Effect finds a note that was or is to be sent.
func (t *tx) Effect(k ledger.EffectKey) (*ledger.Effect, error) {
	at := effectKey(k)
	e, err := getJSON[ledger.Effect](t, kEffects, at)
	if e == nil || err != nil {
		return nil, err
	}
	return e, fixEffect(at, e)
}

// PutEffect stores it.
func (t *tx) PutEffect(e *ledger.Effect) error {
	return putJSON(t, kEffects, effectKey(e.EffectKey), e)
}

// Effects visits a source's ("" for all), by container, then marker.
func (t *tx) Effects(source alert.SourceID) iter.Seq2[*ledger.Effect, error] {
	return each(t, kEffects, prefix(string(source)), nil, fixEffect)
}

// outgoingKey has the marker before the alert, so that alerts to be told the same
// stand together. The alert's own source is not repeated: it is the first element.
func outgoingKey(o *ledger.Outgoing) key {
	return key(nil).str(string(o.Alert.Source)).str(o.Marker).time(o.Alert.Created).raw(o.Alert.ID)
}

func fixOutgoing(at []byte, o *ledger.Outgoing) error {
	source, at, err := cutStr(at)
	if err != nil {
		return err
	}
	if o.Marker, at, err = cutStr(at); err != nil {
		return err
	}
	created, at, err := cutTime(at)
	o.Alert = ledger.AlertKey{Source: alert.SourceID(source), Created: created, ID: string(at)}
	return err
}

// PutOutgoing queues a note.
func (t *tx) PutOutgoing(o *ledger.Outgoing) error { return putJSON(t, kOutgoing, outgoingKey(o), o) }

// DeleteOutgoing takes it off the queue.
func (t *tx) DeleteOutgoing(o *ledger.Outgoing) error { return t.del(kOutgoing, outgoingKey(o)) }

// Outgoing gives at most n of a source after the given one, by marker, then alert.
func (t *tx) Outgoing(source alert.SourceID, after *ledger.Outgoing, n int) ([]*ledger.Outgoing, error) {
	p := prefix(string(source))
	from := p
	if after != nil {
		from = outgoingKey(after).after()
	}
	return collect(each(t, kOutgoing, p, from, fixOutgoing), n)
}
