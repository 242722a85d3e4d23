package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"edrc/internal/fault"
)

// repair replaces a damaged file: it is set aside under another name, what can be
// read of it goes into a new store, and the user is told. It does nothing when
// another process has done it already, and gives the cause back when the file
// turns out to be in order.
func (s *Store) repair(ctx context.Context, d *damage) error {
	s.repairs.Lock()
	defer s.repairs.Unlock()
	f, err := os.Open(s.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	if err := s.lockOld(ctx, f); err != nil {
		return err
	}
	now, err := os.Stat(s.path)
	if err == nil && !os.SameFile(now, d.info) {
		return nil
	}
	old, err := inspect(f)
	if err != nil {
		return fmt.Errorf("read the damaged store: %w", err)
	}
	if old.intact() && !d.sure {
		return fmt.Errorf("the store is in order, yet a transaction failed: %w", d.cause)
	}
	if old.found.major > s.schema.major {
		return s.schema.newer(old.found)
	}
	kept := 0
	tmp, err := s.build(func(db *bbolt.DB) error {
		kept, err = old.salvage(db)
		return err
	})
	if err != nil {
		return fault.New(fault.Corrupt, "the store %s is damaged (%w) and cannot be rebuilt: %w", s.path, d.cause, err).
			WithHint("make room and permissions in %s, or move the file away: edrc then starts a new one", filepath.Dir(s.path))
	}
	aside, err := s.setAside(f, tmp)
	if err != nil {
		_ = os.Remove(tmp)
		return err
	}
	s.warn(fmt.Sprintf("the store was damaged (%v): %d records were saved into a new one, the old file is %s", d.cause, kept, aside))
	return nil
}

// lockOld takes the lock on the damaged file, so that nobody commits to it while
// it is being read.
func (s *Store) lockOld(ctx context.Context, f *os.File) error {
	for waited, step := time.Duration(0), 10*time.Millisecond; ; waited += step {
		ok, err := tryLock(f)
		switch {
		case ok || err != nil:
			return err
		case waited >= s.timeout:
			return s.locked(waited)
		}
		if err := s.sleep(ctx, step); err != nil {
			return err
		}
	}
}

// setAside gives the damaged file its second name and puts the new one into its
// place, with no moment in which there is none.
func (s *Store) setAside(f *os.File, tmp string) (aside string, err error) {
	aside = s.path + ".corrupt-" + s.now().UTC().Format("20060102T150405Z")
	for i := 2; ; i++ {
		if _, err := os.Lstat(aside); err != nil {
			break
		}
		aside = fmt.Sprintf("%s.corrupt-%s-%d", s.path, s.now().UTC().Format("20060102T150405Z"), i)
	}
	if !renameOpen {
		_ = f.Close() // only read
	}
	if err := os.Link(s.path, aside); err != nil { // a file system without links
		if err := os.Rename(s.path, aside); err != nil {
			return "", err
		}
	}
	if err := os.Rename(tmp, s.path); err != nil {
		return "", err
	}
	syncDir(filepath.Dir(s.path))
	return aside, nil
}
