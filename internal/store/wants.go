package store

import "edrc/internal/ledger"

// wantPrefix stands before the alerts that want a job.
func wantPrefix(k ledger.JobKey) key { return key(nil).str(k.Engine).str(string(k.Hash)) }

// Want records that an alert waits for a job. It is idempotent.
func (t *tx) Want(k ledger.JobKey, a ledger.AlertKey) error {
	at := wantPrefix(k).alert(a)
	if t.get(kWants, at) != nil {
		return nil
	}
	return t.put(kWants, at, present)
}

// Wanting gives at most n alerts that wanted the job, after the given one, in key order.
func (t *tx) Wanting(k ledger.JobKey, after ledger.AlertKey, n int) ([]ledger.AlertKey, error) {
	p := wantPrefix(k)
	from := p
	if !isZero(after) {
		from = wantPrefix(k).alert(after).after()
	}
	var out []ledger.AlertKey
	for at := range t.scan(kWants, p, from) {
		if len(out) >= n {
			break
		}
		a, err := cutAlert(at[len(p):])
		if err != nil {
			return nil, t.damaged(kWants, err)
		}
		out = append(out, a)
	}
	return out, nil
}

func isZero(k ledger.AlertKey) bool { return k.Source == "" && k.ID == "" && k.Created.IsZero() }

// PutFanout records how far the alerts of a judged job have been told. The value
// is the alert's key as bytes: exact for any id.
func (t *tx) PutFanout(k ledger.JobKey, after ledger.AlertKey) error {
	return t.put(kFanouts, jobKey(k.Engine, k.Hash), key(nil).alert(after))
}

// DeleteFanout forgets a finished one.
func (t *tx) DeleteFanout(k ledger.JobKey) error { return t.del(kFanouts, jobKey(k.Engine, k.Hash)) }

// Fanouts lists at most n that are unfinished, in the order of their job keys
// ("" for every engine).
func (t *tx) Fanouts(engine string, n int) ([]ledger.Fanout, error) {
	var out []ledger.Fanout
	for at, v := range t.scan(kFanouts, prefix(engine), nil) {
		if len(out) >= n {
			break
		}
		f, err := readFanout(at, v)
		if err != nil {
			return nil, t.damaged(kFanouts, err)
		}
		out = append(out, f)
	}
	return out, nil
}

func readFanout(at, v []byte) (f ledger.Fanout, err error) {
	if f.Job, err = cutJob(at); err != nil {
		return f, err
	}
	f.After, err = cutAlert(v)
	return f, err
}
