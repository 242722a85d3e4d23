package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/ledger"
)

func putJobs(t testing.TB, b Backend, js ...*ledger.Job) {
	t.Helper()
	update(t, b, func(tx ledger.Tx) error {
		for _, j := range js {
			if err := tx.PutJob(j); err != nil {
				return err
			}
		}
		return nil
	})
}

// due gives the last digits of the due jobs' hashes, seen by a view and by an
// update, which must agree.
func due(t testing.TB, b Backend, now time.Time, n int) (out []string) {
	t.Helper()
	read := func(tx ledger.Tx) ([]string, error) {
		js, err := tx.DueJobs("e", now, n)
		var out []string
		for _, j := range js {
			out = append(out, string(j.Key.Hash[len(j.Key.Hash)-1:]))
		}
		return out, err
	}
	var again []string
	view(t, b, func(tx ledger.Tx) (err error) { out, err = read(tx); return err })
	update(t, b, func(tx ledger.Tx) (err error) { again, err = read(tx); return err })
	if !slices.Equal(out, again) {
		t.Errorf("a view says that %v are due, an update %v", out, again)
	}
	view(t, b, func(tx ledger.Tx) (err error) { again, err = read(tx); return err })
	if !slices.Equal(out, again) {
		t.Errorf("looking changed what is due: %v, then %v", out, again)
	}
	return out
}

func wantDue(t testing.TB, b Backend, now time.Time, n int, want ...string) {
	t.Helper()
	if got := due(t, b, now, n); !slices.Equal(got, want) {
		t.Errorf("due at %v: %v, want %v", now, got, want)
	}
}

func dueOrder(t *testing.T, b Backend) {
	other := newJob("e2", hash(64, "9"), alert.Critical, at(0))
	putJobs(t, b, other,
		newJob("e", hash(64, "1"), alert.Low, at(0)),
		newJob("e", hash(32, "2"), alert.High, at(0)),
		newJob("e", hash(64, "3"), alert.High, at(5)),
		newJob("e", hash(64, "4"), alert.High, at(2)),
		newJob("e", hash(40, "5"), alert.High, at(1)),
		newJob("e", hash(64, "6"), alert.Unrated, at(0)),
		newJob("e", hash(64, "7"), alert.Critical, at(9)))
	wantDue(t, b, at(0), 100, "7", "4", "3", "5", "2", "1", "6")
	wantDue(t, b, at(0), 3, "7", "4", "3")
	wantDue(t, b, at(0), 0)
	raised := newJob("e", hash(64, "6"), alert.Critical, at(0))
	putJobs(t, b, raised)
	wantDue(t, b, at(0), 2, "6", "7")
}

func dueTimes(t *testing.T, b Backend) {
	waits := newJob("e", hash(64, "1"), alert.Low, at(0))
	waits.State, waits.NextTry = ledger.JobWaiting, at(10)
	held := newJob("e", hash(64, "2"), alert.High, at(0))
	held.Claim = held.Claim.Take("h", at(5))
	free := newJob("e", hash(64, "3"), alert.Info, at(0))
	putJobs(t, b, waits, held, free)
	next := func(now, want time.Time) {
		t.Helper()
		view(t, b, func(tx ledger.Tx) error {
			got, err := tx.NextDue("e", now)
			if !got.Equal(want) {
				t.Errorf("next after %v: %v, want %v", now, got, want)
			}
			return err
		})
	}
	next(at(0), at(5))
	wantDue(t, b, at(0), 9, "3")
	wantDue(t, b, at(5).Add(-1), 9, "3")
	next(at(5).Add(-1), at(5))
	wantDue(t, b, at(5), 9, "2", "3")
	next(at(5), at(10))
	wantDue(t, b, at(10), 9, "2", "1", "3")
	next(at(10), time.Time{})
	held.Claim = held.Claim.Take("h2", at(30))
	putJobs(t, b, held)
	wantDue(t, b, at(10), 9, "1", "3")
	held.Claim = held.Claim.Release()
	putJobs(t, b, held)
	wantDue(t, b, at(10), 9, "2", "1", "3")
	wantDue(t, b, at(4), 9, "2", "3") // the clock was set back
	wantDue(t, b, at(10), 9, "2", "1", "3")
}

func dueMerge(t *testing.T, b Backend) {
	const jobs = 600 // more than a backend may care to move in one go
	update(t, b, func(tx ledger.Tx) error {
		for i := range jobs {
			j := newJob("e", hash(64, fmt.Sprintf("%04d", i)), alert.Severity(i%5), at(i))
			if i%3 > 0 {
				j.State, j.NextTry = ledger.JobWaiting, at(i%7)
			}
			if err := tx.PutJob(j); err != nil {
				return err
			}
		}
		return nil
	})
	for range 2 {
		update(t, b, func(tx ledger.Tx) error {
			js, err := tx.DueJobs("e", at(6), jobs+1)
			if len(js) != jobs || !slices.IsSortedFunc(js, byDue) {
				t.Errorf("%d of %d are due, sorted %v", len(js), jobs, slices.IsSortedFunc(js, byDue))
			}
			few, err2 := tx.DueJobs("e", at(6), 7)
			if len(few) != 7 || !slices.IsSortedFunc(few, byDue) || few[6].Key != js[6].Key {
				t.Errorf("the first few are not the first of all")
			}
			return errors.Join(err, err2)
		})
	}
}

func activeBelow(t *testing.T, b Backend) {
	is := func(rank int, want bool) {
		t.Helper()
		view(t, b, func(tx ledger.Tx) error {
			got, err := tx.ActiveBelow("e", rank)
			if got != want {
				t.Errorf("active below %d: %v, want %v", rank, got, want)
			}
			return err
		})
	}
	is(2, false)
	weak, strong := newJob("e", hash(40, "1"), alert.Low, at(0)), newJob("e", hash(64, "2"), alert.Low, at(0))
	putJobs(t, b, weak, newJob("e2", hash(64, "3"), alert.Low, at(0)))
	is(2, true)
	is(1, false)
	putJobs(t, b, strong)
	is(1, true)
	is(0, false)
	strong.State = ledger.JobJudged
	putJobs(t, b, strong)
	is(1, false)
	wantDue(t, b, at(0), 9, "1")
	strong.State = ledger.JobWanted
	putJobs(t, b, strong)
	is(1, true)
	wantDue(t, b, at(0), 9, "2", "1")
}

func alertKeys(n int) (out []ledger.AlertKey) {
	for i := range n {
		out = append(out, ledger.AlertKey{Source: "s", Created: at(i / 2), ID: fmt.Sprintf("id-%03d", i)})
	}
	return out
}

func wants(t *testing.T, b Backend) {
	k, other := ledger.JobKey{Engine: "e", Hash: hash(64, "1")}, ledger.JobKey{Engine: "e", Hash: hash(40, "1")}
	keys := alertKeys(10)
	update(t, b, func(tx ledger.Tx) error {
		for _, i := range []int{3, 9, 1, 0, 5, 7, 8, 2, 4, 6, 3, 3} {
			if err := errors.Join(tx.Want(k, keys[i]), tx.Want(other, keys[0])); err != nil {
				return err
			}
		}
		return nil
	})
	view(t, b, func(tx ledger.Tx) error {
		var got []ledger.AlertKey
		for after := (ledger.AlertKey{}); ; after = got[len(got)-1] {
			page, err := tx.Wanting(k, after, 4)
			if err != nil {
				return err
			}
			if got = append(got, page...); len(page) < 4 {
				break
			}
		}
		if !slices.EqualFunc(got, keys, sameKey) {
			t.Errorf("paged %v", got)
		}
		page, err := tx.Wanting(other, keys[0], 4)
		if len(page) != 0 {
			t.Errorf("after the last one there is %v", page)
		}
		return err
	})
}

func sameKey(a, b ledger.AlertKey) bool {
	return a.Source == b.Source && a.ID == b.ID && a.Created.Equal(b.Created)
}

func fanouts(t *testing.T, b Backend) {
	k := []ledger.JobKey{{Engine: "e", Hash: hash(64, "1")}, {Engine: "e", Hash: hash(64, "2")}, {Engine: "f", Hash: hash(64, "0")}}
	list := func(engine string, n int, want ...ledger.Fanout) {
		t.Helper()
		view(t, b, func(tx ledger.Tx) error {
			got, err := tx.Fanouts(engine, n)
			if !slices.EqualFunc(got, want, func(a, b ledger.Fanout) bool { return a.Job == b.Job && sameKey(a.After, b.After) }) {
				t.Errorf("fan-outs of %q: %v, want %v", engine, got, want)
			}
			return err
		})
	}
	zero, some := ledger.AlertKey{}, alertKeys(1)[0]
	update(t, b, func(tx ledger.Tx) error {
		return errors.Join(tx.PutFanout(k[1], zero), tx.PutFanout(k[2], zero), tx.PutFanout(k[0], zero))
	})
	update(t, b, func(tx ledger.Tx) error { return tx.PutFanout(k[1], some) })
	list("e", 9, ledger.Fanout{Job: k[0]}, ledger.Fanout{Job: k[1], After: some})
	list("e", 1, ledger.Fanout{Job: k[0]})
	list("", 9, ledger.Fanout{Job: k[0]}, ledger.Fanout{Job: k[1], After: some}, ledger.Fanout{Job: k[2]})
	update(t, b, func(tx ledger.Tx) error { return tx.DeleteFanout(k[0]) })
	list("e", 9, ledger.Fanout{Job: k[1], After: some})
}

// byDue is the order of due jobs.
func byDue(a, b *ledger.Job) int {
	switch {
	case a.Urgency() != b.Urgency():
		return b.Urgency() - a.Urgency()
	case a.Key.Rank() != b.Key.Rank():
		return a.Key.Rank() - b.Key.Rank()
	}
	return a.Created.Compare(b.Created)
}
