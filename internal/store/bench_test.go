package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/ledger"
)

func typicalAlert(i int) *ledger.Alert {
	return &ledger.Alert{
		Handle: alert.Handle{Source: "0123456789abcdef", ID: fmt.Sprintf("ldt:%032x:%d", i, i), Note: "x", Group: "g"},
		Name:   "falcon", Kind: "crowdstrike", State: ledger.AlertOpen, Digest: "0123456789abcdef", Title: "Malware prevented on host",
		Severity: alert.High, Status: alert.StatusNew, Created: time.Unix(int64(i), 0), Updated: time.Unix(int64(i), 5),
		Host: alert.Host{ID: "0123456789abcdef0123456789abcdef", Name: "host-0123", Platform: "windows"}, User: "user",
		Files: []alert.File{{Hashes: alert.Hashes{SHA256: spread(i)}, Path: `C:\Users\user\Downloads\invoice.exe`, Name: "invoice.exe", Role: alert.RoleThreat}},
		URL:   "https://falcon.example.com/activity-v2/detections/0123456789",
	}
}

// spread gives hashes that are as far apart as hashes are.
func spread(i int) alert.Hash {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(i)*0x9E3779B97F4A7C15)
	return alert.Hash(fmt.Sprintf("%x%048x", b, i+1))
}

func commit200(tx ledger.Tx, from int) error {
	for i := from; i < from+200; i++ {
		a := typicalAlert(i)
		j := &ledger.Job{Key: ledger.JobKey{Engine: "intezer https://analyze.intezer.com", Hash: spread(i)}, State: ledger.JobWanted, Priority: a.Severity, Created: a.Created}
		for _, err := range []error{tx.PutAlert(a), tx.PutJob(j), tx.Want(j.Key, a.Key())} {
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// BenchmarkCommit200 commits 200 alerts, each with a new file; "transaction" is
// what it takes besides opening the file and syncing it.
func BenchmarkCommit200(b *testing.B) {
	s, err := Open(Options{Path: filepath.Join(b.TempDir(), "edrc.db"), Pause: -1})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	var inside time.Duration
	n := 0
	for b.Loop() {
		err := s.Update(context.Background(), 200, func(tx ledger.Tx) error {
			start := time.Now()
			defer func() { inside += time.Since(start) }()
			return commit200(tx, n*200)
		})
		if err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(inside.Milliseconds())/float64(n), "ms-in-functions/op")
}

func BenchmarkVerdictLookupMillion(b *testing.B) {
	if testing.Short() {
		b.Skip("fills a large file")
	}
	s, err := Open(Options{Path: filepath.Join(b.TempDir(), "edrc.db"), Pause: -1})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	const million, step = 1_000_000, 20_000
	for from := 0; from < million; from += step {
		err := s.Update(context.Background(), step, func(tx ledger.Tx) error {
			for i := from; i < from+step; i++ {
				v := &ledger.VerdictRecord{Engine: "e", Learned: time.Unix(int64(i), 0), Verdict: alert.Verdict{Engine: "intezer", Class: alert.Trusted,
					Hashes: alert.Hashes{SHA256: spread(i)}, AnalysisID: "01234567-89ab-cdef-0123-456789abcdef"}}
				if err := tx.PutVerdict(v); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	i := 0
	b.Run("one view each", func(b *testing.B) {
		for b.Loop() {
			lookup(b, s, i*7919%million, 1)
			i++
		}
	})
	b.Run("hundred a view", func(b *testing.B) {
		for b.Loop() {
			lookup(b, s, i*7919%million, 100)
			i++
		}
	})
	b.Run("one commit each", func(b *testing.B) {
		for b.Loop() {
			if err := s.Update(context.Background(), 200, func(tx ledger.Tx) error { return commit200(tx, i*200) }); err != nil {
				b.Fatal(err)
			}
			i++
		}
	})
}

func lookup(b *testing.B, s *Store, from, n int) {
	err := s.View(context.Background(), func(tx ledger.Tx) error {
		for i := from; i < from+n; i++ {
			v, err := tx.Verdict("e", spread(i%1_000_000))
			if err != nil || v == nil {
				return fmt.Errorf("verdict %d: %v, %w", i, v, err)
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
