package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/ledger"
)

func emptyStore(t *testing.T, b Backend) {
	view(t, b, func(tx ledger.Tx) error {
		a, err1 := tx.Alert("s", "x")
		j, err2 := tx.Job(ledger.JobKey{Engine: "e", Hash: "h"})
		v, err3 := tx.Verdict("e", "h")
		q, err4 := tx.Quota("e")
		due, err5 := tx.DueJobs("e", at(0), 5)
		next, err6 := tx.NextDue("e", at(0))
		if a != nil || j != nil || v != nil || q != nil || len(due) > 0 || !next.IsZero() {
			t.Errorf("found %v %v %v %v %v %v", a, j, v, q, due, next)
		}
		for a, err := range tx.Alerts("", time.Time{}, time.Time{}) {
			t.Errorf("visited %v, %v", a, err)
		}
		return errors.Join(err1, err2, err3, err4, err5, err6)
	})
}

func readYourWrites(t *testing.T, b Backend) {
	update(t, b, func(tx ledger.Tx) error {
		if err := tx.PutAlert(newAlert("s", "1", at(1))); err != nil {
			return err
		}
		a, err := tx.Alert("s", "1")
		if err == nil && a == nil {
			err = errors.New("a function does not see its own write")
		}
		return err
	})
	update(t, b, func(tx ledger.Tx) error {
		a, err := tx.AlertAt(ledger.AlertKey{Source: "s", Created: at(1), ID: "1"})
		if err == nil && a == nil {
			err = errors.New("a function does not see an earlier write")
		}
		return err
	})
}

// together runs functions so that a backend that groups commits may group them.
func together(b Backend, fns ...func(ledger.Tx) error) []error {
	errs := make([]error, len(fns))
	var wg sync.WaitGroup
	for i, fn := range fns {
		wg.Go(func() { errs[i] = b.Update(context.Background(), 1, fn) })
	}
	wg.Wait()
	return errs
}

var errWanted = errors.New("wanted")

func undoneAlone(t *testing.T, b Backend, bad func(ledger.Tx) error, isWanted func(error) bool) {
	var fns []func(ledger.Tx) error
	for i := range 20 {
		fns = append(fns, func(tx ledger.Tx) error {
			if err := tx.PutAlert(newAlert("s", strconv.Itoa(i), at(i))); err != nil {
				return err
			}
			if i%5 == 2 {
				return bad(tx)
			}
			return nil
		})
	}
	for i, err := range together(b, fns...) {
		switch {
		case i%5 == 2 && !isWanted(err):
			t.Errorf("function %d got %v, not its own error", i, err)
		case i%5 != 2 && err != nil:
			t.Errorf("function %d suffered from another one: %v", i, err)
		}
	}
	view(t, b, func(tx ledger.Tx) error {
		for i := range 20 {
			a, err := tx.Alert("s", strconv.Itoa(i))
			if err != nil {
				return err
			}
			if (a != nil) != (i%5 != 2) {
				t.Errorf("alert %d is there: %v", i, a != nil)
			}
		}
		return nil
	})
}

func failingAlone(t *testing.T, b Backend) {
	undoneAlone(t, b, func(ledger.Tx) error { return errWanted },
		func(err error) bool { return errors.Is(err, errWanted) })
}

func panicAlone(t *testing.T, b Backend) {
	undoneAlone(t, b, func(ledger.Tx) error { panic("wanted") }, func(err error) bool { return err != nil })
}

func cancelledNeverRuns(t *testing.T, b Backend) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := b.Update(ctx, 1, func(tx ledger.Tx) error { return tx.PutMeta("ran", "yes") })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	view(t, b, func(tx ledger.Tx) error {
		got, err := tx.Meta("ran")
		if got != "" {
			t.Error("it ran")
		}
		return err
	})
}

func viewCannotWrite(t *testing.T, b Backend) {
	for range 2 { // without a file, and with one
		if err := b.View(context.Background(), func(tx ledger.Tx) error { return tx.PutMeta("k", "v") }); err == nil {
			t.Error("a view wrote")
		}
		update(t, b, func(tx ledger.Tx) error { return tx.PutMeta("other", "v") })
	}
	view(t, b, func(tx ledger.Tx) error {
		got, err := tx.Meta("k")
		if got != "" {
			t.Error("the view's write is there")
		}
		return err
	})
}

func recordsAreCopies(t *testing.T, b Backend) {
	put := newAlert("s", "1", at(1))
	update(t, b, func(tx ledger.Tx) error { return tx.PutAlert(put) })
	put.Title = "changed after Put"
	var got *ledger.Alert
	view(t, b, func(tx ledger.Tx) (err error) { got, err = tx.Alert("s", "1"); return err })
	got.Title = "changed after Get"
	view(t, b, func(tx ledger.Tx) error {
		again, err := tx.Alert("s", "1")
		if err == nil && again.Title != "" {
			t.Errorf("title %q was never stored", again.Title)
		}
		return err
	})
}

func fencing(t *testing.T, b Backend) {
	k := ledger.JobKey{Engine: "e", Hash: hash(64, "1")}
	update(t, b, func(tx ledger.Tx) error { return tx.PutJob(newJob(k.Engine, k.Hash, alert.High, at(0))) })
	take := func(holder string, now time.Time) (token uint64) {
		update(t, b, func(tx ledger.Tx) error {
			js, err := tx.DueJobs("e", now, 1)
			if err != nil || len(js) == 0 {
				return fmt.Errorf("%d jobs are due, %w", len(js), err)
			}
			js[0].Claim = js[0].Claim.Take(holder, now.Add(5*time.Minute))
			token = js[0].Claim.Token
			return tx.PutJob(js[0])
		})
		return token
	}
	commit := func(token uint64) error {
		return b.Update(context.Background(), 1, func(tx ledger.Tx) error {
			j, err := tx.Job(k)
			if err != nil {
				return err
			}
			if j.Claim.Token != token {
				return ledger.ErrStale
			}
			j.Claim = j.Claim.Release()
			return tx.PutJob(j)
		})
	}
	slow := take("slow", at(0))
	quick := take("quick", at(6)) // the claim of slow has run out
	if err := commit(slow); !errors.Is(err, ledger.ErrStale) {
		t.Errorf("the former holder got %v", err)
	}
	if err := commit(quick); err != nil {
		t.Errorf("the holder got %v", err)
	}
	if err := commit(slow); !errors.Is(err, ledger.ErrStale) {
		t.Errorf("the former holder got %v after the release", err)
	}
}

// count adds one to a number in the store.
func count(b Backend) error {
	return b.Update(context.Background(), 1, func(tx ledger.Tx) error {
		s, err := tx.Meta("n")
		if err != nil {
			return err
		}
		n, _ := strconv.Atoi("0" + s)
		return tx.PutMeta("n", strconv.Itoa(n+1))
	})
}

func counted(t *testing.T, b Backend, want int) {
	t.Helper()
	view(t, b, func(tx ledger.Tx) error {
		got, err := tx.Meta("n")
		if got != strconv.Itoa(want) {
			t.Errorf("%s of %d updates are there", got, want)
		}
		return err
	})
}

func concurrent(t *testing.T, b Backend) {
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 10 {
				if err := count(b); err != nil {
					t.Errorf("update: %v", err)
				}
				if err := b.View(context.Background(), func(tx ledger.Tx) error { _, err := tx.Meta("n"); return err }); err != nil {
					t.Errorf("view: %v", err)
				}
			}
		})
	}
	wg.Wait()
	counted(t, b, 160)
}

func twoProcesses(t *testing.T, b Backend) {
	s, ok := b.(Sharer)
	if !ok {
		t.Skip("this backend cannot be shared")
	}
	other := s.Again(t)
	defer func() {
		if err := other.Close(); err != nil {
			t.Error(err)
		}
	}()
	var wg sync.WaitGroup
	for _, b := range []Backend{b, other, b, other} {
		wg.Go(func() {
			for range 15 {
				if err := count(b); err != nil {
					t.Errorf("update: %v", err)
				}
			}
		})
	}
	wg.Wait()
	counted(t, b, 60)
	counted(t, other, 60)
}
