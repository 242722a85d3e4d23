package store

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"edrc/internal/ledger"
	"edrc/internal/store/storetest"
)

// shared is a store that the conformance suite may open a second time.
type shared struct{ *Store }

func (s shared) Again(t *testing.T) storetest.Backend { return open(t, s.path) }

// open gives a store without pauses: what it promises does not depend on them.
func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(Options{Path: path, Pause: -1, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fresh(t testing.TB) *Store {
	t.Helper()
	s := open(t, filepath.Join(t.TempDir(), "state", "edrc.db"))
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	defer goleak.VerifyNone(t)
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		return shared{open(t, filepath.Join(t.TempDir(), "state", "edrc.db"))}
	})
}

func put(t testing.TB, s *Store, name, value string) {
	t.Helper()
	if err := s.Update(context.Background(), 1, func(tx ledger.Tx) error { return tx.PutMeta(name, value) }); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, s *Store, name string) (value string) {
	t.Helper()
	if err := s.View(context.Background(), func(tx ledger.Tx) (err error) { value, err = tx.Meta(name); return err }); err != nil {
		t.Fatal(err)
	}
	return value
}
