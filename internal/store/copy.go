package store

import (
	"context"
	"errors"
	"os"
)

// CopyTo writes one moment of the store to another file, of mode 0600: a dry run
// works on such a copy. Before the first write there is nothing to copy, and no
// file is made.
func (s *Store) CopyTo(ctx context.Context, path string) error {
	var failed error
	err := s.view(ctx, func(_ *tx, h *handle) error {
		if h == nil {
			return nil
		}
		failed = h.copy(path)
		return failed
	})
	if failed != nil {
		return s.explain("copy", err)
	}
	return err
}

// copy writes the open file's contents to another file, durably.
func (h *handle) copy(to string) error {
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	btx, err := h.begin(false)
	if err == nil {
		_, err = btx.WriteTo(f)
		h.rollback(btx)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
