package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"edrc/internal/alert"
	"edrc/internal/ledger"
	"edrc/internal/store"
)

// useStore uses the store like a second edrc would, while a sync runs: this process
// is that second one. Each access opens the file anew, as a command does.
func (r *result) useStore(path string, done <-chan struct{}) {
	s, err := store.Open(store.Options{Path: path, Pause: -1})
	if err != nil {
		r.lookFail++
		return
	}
	defer func() { _ = s.Close() }()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		start := time.Now()
		if n%10 == 9 {
			err = s.Update(context.Background(), 1, func(tx ledger.Tx) error { return tx.PutMeta("bench", fmt.Sprint(n)) })
			r.updates = append(r.updates, time.Since(start))
		} else {
			err = s.View(context.Background(), func(tx ledger.Tx) error {
				_, err := tx.Verdict("none", hashOf(n))
				return err
			})
			r.views = append(r.views, time.Since(start))
		}
		if err != nil {
			r.lookFail++
		}
	}
}

// hashOf gives hashes in ascending order, so that a store fills fast.
func hashOf(i int) alert.Hash { return alert.Hash(fmt.Sprintf("%016x%048x", uint64(i)<<40, i)) }

// lookups asks a store of a million verdicts.
func (b *bench) lookups() error {
	million, step := 1_000_000, 20_000
	if b.quick {
		million = 100_000
	}
	s, err := store.Open(store.Options{Path: filepath.Join(b.dir, "million.db"), Pause: -1, MaxRecords: step})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	ctx := context.Background()
	filled := time.Now()
	for from := 0; from < million; from += step {
		err := s.Update(ctx, step, func(tx ledger.Tx) error { return putVerdicts(tx, from, from+step) })
		if err != nil {
			return err
		}
	}
	b.report.add("filling it", fmt.Sprintf("%.0f s", time.Since(filled).Seconds()), "", 0, true)
	one, err := timeViews(ctx, s, 3000, 1, million)
	if err != nil {
		return err
	}
	hundred, err := timeViews(ctx, s, 200, 100, million)
	if err != nil {
		return err
	}
	b.report.add(fmt.Sprintf("one look-up in %d verdicts, file opened for it", million),
		fmt.Sprintf("median %d µs, p95 %d µs", median(one).Microseconds(), percentile(one, 95).Microseconds()), "", 0, true)
	b.report.add("one look-up of a hundred in one view", fmt.Sprintf("median %.1f µs", float64(median(hundred).Nanoseconds())/100/1000), "", 0, true)
	return nil
}

func putVerdicts(tx ledger.Tx, from, to int) error {
	for i := from; i < to; i++ {
		v := &ledger.VerdictRecord{Engine: "e", Learned: time.Unix(int64(i), 0), Verdict: alert.Verdict{Engine: "intezer", Class: alert.Trusted,
			Hashes: alert.Hashes{SHA256: hashOf(i + 1)}, AnalysisID: "01234567-89ab-cdef-0123-456789abcdef"}}
		if err := tx.PutVerdict(v); err != nil {
			return err
		}
	}
	return nil
}

func timeViews(ctx context.Context, s *store.Store, views, each, million int) ([]time.Duration, error) {
	var took []time.Duration
	for range views {
		start := time.Now()
		err := s.View(ctx, func(tx ledger.Tx) error {
			for range each {
				v, err := tx.Verdict("e", hashOf(1+rand.IntN(million)))
				if err == nil && v == nil {
					err = errors.New("a verdict is missing")
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		took = append(took, time.Since(start))
	}
	return took, nil
}
