package sample

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// sortByAge puts the oldest first.
func sortByAge(list []Kept) {
	slices.SortStableFunc(list, func(a, b Kept) int { return a.Since.Compare(b.Since) })
}

// Sweep removes what is kept and useless says is needed no more, and what killed
// processes left, and tells how many samples it removed. A file that another process
// has open on Windows stays for the next time.
func (s *Spool) Sweep(useless func(Kept) bool) (int, error) {
	if err := s.sweepTemps(); err != nil {
		return 0, err
	}
	list, err := s.List()
	if err != nil {
		return 0, err
	}
	n := 0
	for _, k := range list {
		if !useless(k) {
			continue
		}
		switch err := s.root.Remove(k.name); {
		case err == nil:
			n++
		case errors.Is(err, fs.ErrNotExist) || !unlinkOpen:
		default:
			return n, fmt.Errorf("sweep spool: %w", err)
		}
	}
	return n, nil
}

// sweepTemps removes temporary files whose owner is dead. They are veiled with a
// key that died with it, so this is about space, not secrecy.
func (s *Spool) sweepTemps() error {
	temps, err := s.names(tempPrefix)
	if err != nil {
		return err
	}
	for _, fi := range temps {
		if err := s.sweepTemp(fi.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("sweep spool: %w", err)
		}
	}
	return nil
}

// sweepTemp removes one temporary file unless it is held.
func (s *Spool) sweepTemp(name string) error {
	if !unlinkOpen {
		_ = s.root.Remove(name) // refused when it is held
		return nil
	}
	f, err := s.root.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	held, err := hold(f)
	if err != nil || !held {
		return err
	}
	return s.root.Remove(name)
}
