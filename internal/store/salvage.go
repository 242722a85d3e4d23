package store

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"time"

	"go.etcd.io/bbolt"

	"edrc/internal/ledger"
)

// rewind is how far cursors go back when anything was lost: as far as the daily
// comparison with the vendor looks.
const rewind = 7 * 24 * time.Hour

// wreck is a damaged file as far as it can be read.
type wreck struct {
	r     io.ReaderAt
	meta  *boltMeta // nil when there is nothing to read
	first error
	found schema
	// lost: records are missing or unreadable; problems counts those and the
	// file's own, such as a free list that is wrong.
	lost     bool
	problems int
}

func (w *wreck) intact() bool { return w.meta != nil && w.problems == 0 }

// inspect reads the whole file and keeps none of it. The error is the disk's.
func inspect(r io.ReaderAt) (*wreck, error) {
	w := &wreck{r: r, lost: true, problems: 1}
	found, err := metas(r)
	if err != nil {
		return nil, err
	}
	for i := range found {
		p := &pages{r: r, meta: found[i], seen: map[uint64]bool{}}
		roots := p.roots()
		if p.io != nil {
			return nil, p.io
		}
		if p.problems > 0 && len(roots) < int(kinds) && i+1 < len(found) {
			continue // the commit before it can still be read
		}
		w.meta, w.lost = &found[i], p.problems > 0 || i > 0
		bad := 0
		for k := range kinds {
			before := p.problems
			p.bucket(roots[k], func(at, v []byte) {
				if k < indexesFrom && check(k, at, v) != nil {
					bad++
				}
				if k == kMeta && string(at) == schemaKey {
					w.found, _ = parseSchema(v) // unreadable: salvaged as ours
				}
			})
			w.lost = w.lost || k < indexesFrom && p.problems > before
		}
		p.freelist()
		w.lost = w.lost || bad > 0
		w.first, w.problems = p.first, p.problems+bad+i // i: the newest commit is lost
		return w, p.io
	}
	return w, nil
}

// roots gives each bucket's value in the root bucket.
func (p *pages) roots() map[kind][]byte {
	out := map[kind][]byte{}
	p.walk(p.meta.root, func(name, value []byte, nested bool) {
		for k := range kinds {
			if nested && bytes.Equal(name, k.name()) {
				out[k] = value
			}
		}
	})
	return out
}

// salvageBatch is how many records go into one transaction of the new store.
const salvageBatch = 2000

// salvage puts every record that can be read into a new store, and says how many.
func (w *wreck) salvage(db *bbolt.DB) (kept int, err error) {
	if w.meta == nil {
		return 0, nil
	}
	p := &pages{r: w.r, meta: *w.meta, seen: map[uint64]bool{}}
	roots := p.roots()
	var btx *bbolt.Tx
	var t *tx
	commit := func() {
		if btx != nil && err == nil {
			err = btx.Commit()
		}
		btx = nil
	}
	for k := range indexesFrom {
		p.bucket(roots[k], func(at, v []byte) {
			if err == nil && btx == nil {
				if btx, err = db.Begin(true); err == nil {
					t = newTx(context.Background(), btx)
				}
			}
			if err != nil || check(k, at, v) != nil {
				return
			}
			if err = w.keep(t, k, bytes.Clone(at), bytes.Clone(v)); err != nil {
				return
			}
			if kept++; kept%salvageBatch == 0 {
				commit()
			}
		})
	}
	if err != nil && btx != nil {
		_ = btx.Rollback() // the error is on its way
		return kept, err
	}
	commit()
	return kept, err
}

// keep stores one record; those with indexes by way of their own put. When
// anything was lost, what was read from the vendors before may be what is missing:
// cursors go back, and alerts in work are judged again when they are next read.
func (w *wreck) keep(t *tx, k kind, at, v []byte) error {
	switch k {
	case kAlerts:
		a := new(ledger.Alert)
		if err := unmarshal(v, a, fixAlert, at); err != nil {
			return err
		}
		if w.lost && (a.State == ledger.AlertOpen || a.State == ledger.AlertSeen) {
			a.Digest = ""
		}
		return t.PutAlert(a)
	case kJobs:
		j := new(ledger.Job)
		if err := unmarshal(v, j, fixJob, at); err != nil {
			return err
		}
		return t.PutJob(j)
	case kCursors:
		c := new(ledger.Cursor)
		if err := json.Unmarshal(v, c); err != nil {
			return err
		}
		if w.lost && !c.Watermark.IsZero() {
			c.Watermark, c.Pass = c.Watermark.Add(-rewind), nil
		}
		return t.PutCursor(c)
	}
	return t.put(k, at, v)
}

// check tells whether a record can be read.
func check(k kind, at, v []byte) error {
	switch k {
	case kVerdicts:
		return unmarshal(v, new(ledger.VerdictRecord), nil, at)
	case kAlerts:
		return unmarshal(v, new(ledger.Alert), fixAlert, at)
	case kJobs:
		return unmarshal(v, new(ledger.Job), fixJob, at)
	case kEffects:
		return unmarshal(v, new(ledger.Effect), fixEffect, at)
	case kOutgoing:
		return unmarshal(v, new(ledger.Outgoing), fixOutgoing, at)
	case kQuotas:
		return unmarshal(v, new(ledger.Quota), nil, at)
	case kQuarantine:
		return unmarshal(v, new(ledger.Quarantined), nil, at)
	case kLeases:
		return unmarshal(v, new(ledger.Lease), nil, at)
	case kCursors:
		return unmarshal(v, new(ledger.Cursor), nil, at)
	case kFanouts:
		_, err := readFanout(at, v)
		return err
	case kWants:
		return checkWant(at)
	}
	return nil
}

func checkWant(at []byte) error {
	_, at, err := cutStr(at)
	if err == nil {
		_, at, err = cutStr(at)
	}
	if err == nil {
		_, err = cutAlert(at)
	}
	return err
}

// unmarshal reads a record and makes sure that it can be written again: a harmed
// key can hold a time that JSON has no form for.
func unmarshal[T any](v []byte, record *T, fix func([]byte, *T) error, at []byte) error {
	if err := json.Unmarshal(v, record); err != nil {
		return err
	}
	if fix == nil {
		return nil
	}
	if err := fix(at, record); err != nil {
		return err
	}
	_, err := json.Marshal(record)
	return err
}
