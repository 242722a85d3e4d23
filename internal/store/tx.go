package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"edrc/internal/fault"
	"edrc/internal/ledger"
)

// errReadOnly is a write inside View.
var errReadOnly = errors.New("a write in a read-only view of the store")

// tx is one transaction. Without a bbolt transaction it is an empty, read-only
// store: what View shows before the first write.
type tx struct {
	ctx      context.Context
	bolt     *bbolt.Tx
	buckets  buckets
	writable bool
	// damage is the first record that could not be decoded; the store is repaired
	// once the transaction is over.
	damage error
	// drop gives back the memory that visits have mapped.
	drop    func()
	visited int // bytes, by scans
	touched int // keys, one by one
}

var _ ledger.Tx = (*tx)(nil)

func newTx(ctx context.Context, btx *bbolt.Tx) *tx {
	t := &tx{ctx: ctx, bolt: btx, drop: func() {}}
	if btx != nil {
		t.buckets, t.writable = openBuckets(btx), btx.Writable()
	}
	return t
}

// over ends the transaction for good: one that leaked out of its function reads
// as empty and refuses writes, instead of touching a closed file.
func (t *tx) over() { t.buckets, t.writable, t.drop = buckets{}, false, func() {} }

// present is the value of an entry that is all key. It is empty and not nil,
// which bbolt would take for an entry that is not there.
var present = []byte{}

// get gives the value of a key, nil when it is not there. It is valid inside the
// transaction only, and is decoded before it leaves this package.
func (t *tx) get(k kind, at key) []byte {
	t.touch()
	if b := t.buckets[k]; b != nil {
		return b.Get(at)
	}
	return nil
}

func (t *tx) put(k kind, at key, value []byte) error {
	b := t.buckets[k]
	if b == nil || !t.writable {
		return errReadOnly
	}
	t.touch()
	err := b.Put(at, value)
	if errors.Is(err, berrors.ErrKeyTooLarge) {
		return fault.New(fault.Invalid, "an id of %d bytes is too long to be remembered", len(at))
	}
	return err
}

func (t *tx) del(k kind, at key) error {
	b := t.buckets[k]
	if b == nil || !t.writable {
		return errReadOnly
	}
	return b.Delete(at)
}

// dropAfter is how many single keys are touched before their pages are given back:
// the kernel maps the 64 KiB around each, and keys that are hashes lie far apart.
const dropAfter = 32

func (t *tx) touch() {
	if t.touched++; t.touched >= dropAfter {
		t.touched = 0
		t.drop()
	}
}

// dropEvery is how many bytes a scan visits before it gives their pages back.
const dropEvery = 1 << 20

// scan visits the keys from the first one at or after from that have the prefix
// p, in order. Keys and values are valid until the next step.
func (t *tx) scan(k kind, p, from key) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		b := t.buckets[k]
		if b == nil {
			return
		}
		if bytes.Compare(from, p) < 0 {
			from = p
		}
		c := b.Cursor()
		var last []byte
		for at, v := c.Seek(from); at != nil && bytes.HasPrefix(at, p); at, v = c.Next() {
			if last != nil && bytes.Compare(last, at) >= 0 {
				outOfOrder(k)
			}
			last = at
			if !yield(at, v) {
				return
			}
			if t.visited += len(at) + len(v); t.visited >= dropEvery {
				t.visited = 0
				t.drop()
			}
		}
	}
}

// outOfOrder ends a transaction over keys that do not ascend, as those of a page
// that is linked twice: they would be visited for ever.
func outOfOrder(k kind) {
	panic(&damage{sure: true, cause: fmt.Errorf("the keys of %s are out of order", k.name())})
}

// putJSON encodes and stores a record.
func putJSON(t *tx, k kind, at key, record any) error {
	value, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return t.put(k, at, value)
}

// getJSON reads one record, nil when it is not there.
func getJSON[T any](t *tx, k kind, at key) (*T, error) {
	v := t.get(k, at)
	if v == nil {
		return nil, nil
	}
	return decode[T](t, k, v)
}

// decode reads a value. A value that is no JSON is damage: it was JSON once.
func decode[T any](t *tx, k kind, v []byte) (*T, error) {
	record := new(T)
	if err := json.Unmarshal(v, record); err != nil {
		return nil, t.damaged(k, err)
	}
	return record, nil
}

func (t *tx) damaged(k kind, cause error) error {
	err := fault.New(fault.Corrupt, "a record of %s cannot be read: %w", k.name(), cause)
	if t.damage == nil {
		t.damage = err
	}
	return err
}

// each visits decoded records in key order. fix, when not nil, restores from the
// key what JSON may not carry unchanged (ids that are not UTF-8). A record that
// cannot be read is yielded as an error and the visit goes on after it.
func each[T any](t *tx, k kind, p, from key, fix func(at []byte, record *T) error) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		n := 0
		for at, v := range t.scan(k, p, from) {
			if n++; n%64 == 0 && t.ctx.Err() != nil {
				yield(nil, t.ctx.Err())
				return
			}
			record, err := decode[T](t, k, v)
			if err == nil && fix != nil {
				if err = fix(at, record); err != nil {
					err = t.damaged(k, err)
				}
			}
			if err != nil {
				record = nil
			}
			if !yield(record, err) {
				return
			}
		}
	}
}

// collect gathers at most n records of a visit.
func collect[T any](seq iter.Seq2[*T, error], n int) ([]*T, error) {
	var out []*T
	if n <= 0 {
		return nil, nil
	}
	for record, err := range seq {
		if err != nil {
			return nil, err
		}
		if out = append(out, record); len(out) == n {
			break
		}
	}
	return out, nil
}
