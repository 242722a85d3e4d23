package store

import (
	"iter"

	"edrc/internal/alert"
	"edrc/internal/ledger"
)

func cursorKey(k ledger.CursorKey) key {
	return key(nil).str(string(k.Source)).str(k.Stream).raw(k.By)
}

// Cursor gives how far a feed has been read.
func (t *tx) Cursor(k ledger.CursorKey) (*ledger.Cursor, error) {
	return getJSON[ledger.Cursor](t, kCursors, cursorKey(k))
}

// PutCursor stores it.
func (t *tx) PutCursor(c *ledger.Cursor) error {
	return putJSON(t, kCursors, cursorKey(c.CursorKey), c)
}

// Cursors visits a source's ("" for all).
func (t *tx) Cursors(source alert.SourceID) iter.Seq2[*ledger.Cursor, error] {
	return each[ledger.Cursor](t, kCursors, prefix(string(source)), nil, nil)
}

// Lease finds a lease by its name.
func (t *tx) Lease(name string) (*ledger.Lease, error) {
	return getJSON[ledger.Lease](t, kLeases, key(nil).str(name))
}

// PutLease stores it.
func (t *tx) PutLease(l *ledger.Lease) error { return putJSON(t, kLeases, key(nil).str(l.Name), l) }

// Quota gives what an engine may still be paid for.
func (t *tx) Quota(engine string) (*ledger.Quota, error) {
	return getJSON[ledger.Quota](t, kQuotas, key(nil).str(engine))
}

// PutQuota stores it.
func (t *tx) PutQuota(q *ledger.Quota) error { return putJSON(t, kQuotas, key(nil).str(q.Engine), q) }

// PutQuarantined stores something set aside.
func (t *tx) PutQuarantined(q *ledger.Quarantined) error {
	return putJSON(t, kQuarantine, key(nil).str(q.ID), q)
}

// DeleteQuarantined forgets it.
func (t *tx) DeleteQuarantined(id string) error { return t.del(kQuarantine, key(nil).str(id)) }

// Quarantine visits what is set aside, by id.
func (t *tx) Quarantine() iter.Seq2[*ledger.Quarantined, error] {
	return each[ledger.Quarantined](t, kQuarantine, nil, nil, nil)
}

// Meta gives a small named string, "" when it was never put.
func (t *tx) Meta(name string) (string, error) {
	return string(t.get(kValues, key(nil).str(name))), nil
}

// PutMeta stores it.
func (t *tx) PutMeta(name, value string) error {
	return t.put(kValues, key(nil).str(name), []byte(value))
}
