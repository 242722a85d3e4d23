package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

// Stats says what is in the store.
type Stats struct {
	Path   string
	Schema string // "" before the first write
	Bytes  int64
	Counts []Count
}

// Count is the number of records of one kind.
type Count struct {
	Kind string
	N    int
}

// Stats counts the records. It reads the whole file.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	var out Stats
	err := s.view(ctx, func(t *tx, h *handle) error {
		out = Stats{Path: s.path}
		for k := range indexesFrom {
			c := Count{Kind: string(k.name())}
			if b := t.buckets[k]; b != nil {
				c.N = b.Stats().KeyN
				t.drop()
			}
			out.Counts = append(out.Counts, c)
		}
		if h != nil {
			out.Schema, out.Bytes = string(t.get(kMeta, key(schemaKey))), h.info.Size()
		}
		return nil
	})
	return out, err
}

// Check reads everything and reports the first thing that is wrong. It repairs
// nothing: the next command that meets the damage does.
func (s *Store) Check(ctx context.Context) error {
	leave, err := s.enter(ctx, 1, s.timeout)
	if err != nil {
		return err
	}
	defer leave()
	h, err := s.acquire(ctx, false, s.timeout)
	if errors.Is(err, errNone) {
		return nil
	}
	if err != nil {
		return s.explain("check", err)
	}
	defer func() { _ = h.close() }() // only read
	if err := s.admit(h, false); err != nil {
		if errors.Is(err, errBare) || errors.Is(err, errOld) {
			return nil
		}
		return s.explain("check", err)
	}
	w, err := inspect(h.file)
	if err == nil && !w.intact() {
		err = &damage{cause: w.cause()}
	}
	if err == nil { // bbolt's own check trusts pages; it runs over those that are pages
		err = boltCheck(h)
	}
	return s.explain("check", err)
}

func (w *wreck) cause() error {
	if w.first != nil {
		return w.first
	}
	return fmt.Errorf("%d records cannot be read", w.problems)
}

func boltCheck(h *handle) error {
	btx, err := h.begin(false)
	if err != nil {
		return err
	}
	defer h.rollback(btx)
	var first error
	for err := range btx.Check() { // to its end, or its goroutine stays
		if first == nil {
			first = &damage{cause: err}
		}
	}
	return first
}

// Compact writes the store anew without its free pages, and gives the file's size
// before and after. Other processes wait meanwhile.
func (s *Store) Compact(ctx context.Context) (before, after int64, err error) {
	leave, err := s.enter(ctx, gateAll, 5*s.timeout)
	if err != nil {
		return 0, 0, err
	}
	defer leave()
	if _, err := os.Stat(s.path); errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	h, err := s.open(ctx, true)
	if err != nil {
		return 0, 0, s.explain("compact", err)
	}
	defer func() { _ = h.close() }() // its contents were copied
	s.sweep()
	tmp, after, err := s.shrink(h)
	if err == nil {
		err = s.replace(h, tmp)
	}
	return h.info.Size(), after, s.explain("compact", err)
}

// shrink copies the open store into a temporary file.
func (s *Store) shrink(h *handle) (tmp string, size int64, err error) {
	const txSize = 1 << 20
	tmp, err = s.newFile(func(db *bbolt.DB) error {
		return guard(func() error { return bbolt.Compact(db, h.db, txSize) })
	})
	if err != nil {
		return "", 0, err
	}
	info, err := os.Stat(tmp)
	if err != nil {
		return "", 0, err
	}
	return tmp, info.Size(), nil
}

// replace puts the new file into the old one's place while that one is locked;
// who waits for it then finds out that it was replaced.
func (s *Store) replace(h *handle, tmp string) error {
	if !renameOpen {
		if err := h.close(); err != nil {
			return err
		}
	}
	if err := os.Rename(tmp, s.path); err != nil {
		_ = os.Remove(tmp)
		return err
	}
	syncDir(filepath.Dir(s.path))
	return nil
}

// sweep removes temporary files that a process left when it was killed.
func (s *Store) sweep() {
	left, _ := filepath.Glob(globQuote(s.path) + ".tmp-*") // the pattern is well-formed
	for _, name := range left {
		if info, err := os.Stat(name); err == nil && s.now().Sub(info.ModTime()) > time.Hour {
			_ = os.Remove(name)
		}
	}
}

// globQuote keeps a path from being read as a pattern.
func globQuote(path string) string {
	var out []byte
	for i := 0; i < len(path); i++ {
		if path[i] == '[' || path[i] == '*' || path[i] == '?' {
			out = append(out, '[', path[i], ']')
			continue
		}
		out = append(out, path[i])
	}
	return string(out)
}
