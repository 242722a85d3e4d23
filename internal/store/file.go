package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

const (
	fileMode = 0o600
	dirMode  = 0o700
)

// errNone is what a view gets before the first write.
var errNone = errors.New("nothing has been written yet")

// handle is the store's file while it is open and locked.
type handle struct {
	db   *bbolt.DB
	file *os.File
	info os.FileInfo // as it was when the lock was taken
	// stuck: bbolt panicked and still holds locks of its own, so that closing it
	// would wait for ever.
	stuck bool
}

func (h *handle) close() error {
	switch {
	case h.db != nil && !h.stuck:
		return h.db.Close()
	case h.file != nil:
		// The mapping that bbolt leaves behind keeps the file open, and with it a lock
		// that is not given back.
		return errors.Join(unlock(h.file), h.file.Close())
	}
	return nil
}

// begin starts a transaction, and finds out whether the file has all its pages.
func (h *handle) begin(writable bool) (btx *bbolt.Tx, err error) {
	err = guard(func() (err error) {
		btx, err = h.db.Begin(writable)
		return err
	})
	if err != nil {
		h.stuck = true
		return nil, err
	}
	if !writable && btx.Size() > h.info.Size() {
		h.rollback(btx)
		return nil, &damage{sure: true, cause: errors.New("the file has been cut short")}
	}
	return btx, nil
}

// rollback ends a transaction without its changes. It may follow a panic inside
// bbolt, which can then panic again.
func (h *handle) rollback(btx *bbolt.Tx) {
	err := guard(btx.Rollback)
	if err != nil && !errors.Is(err, berrors.ErrTxClosed) {
		h.stuck = true
	}
}

// drop gives back the memory of the pages that were read so far. The mapping is never
// shorter than the file was when it was opened.
func (h *handle) drop() { dropPages(h.db.Info().Data, uintptr(h.info.Size())) }

// dropFrom is the size from which on it matters what a commit maps.
const dropFrom = 16 << 20

// dropMeanwhile drops every millisecond while bbolt commits: that touches each page
// which is replaced, and the kernel maps the 64 KiB around it. bbolt may map the file
// anew at the same time, but not while a reader is open, so each drop has one. enough
// ends it; after a panic inside bbolt it must not wait, since a lock may be held.
func (h *handle) dropMeanwhile() (enough func(wait bool)) {
	if h.info.Size() < dropFrom {
		return func(bool) {}
	}
	end, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
			}
			err := guard(func() error {
				reader, err := h.db.Begin(false)
				if err != nil {
					return err
				}
				h.drop()
				return reader.Rollback()
			})
			if err != nil {
				return
			}
		}
	}()
	return func(wait bool) {
		close(end)
		if wait {
			<-over
		}
	}
}

// tryOpen opens and locks the file, without waiting and without creating it.
func tryOpen(path string, write bool) (*handle, error) {
	h := &handle{}
	err := guard(func() (err error) {
		h.db, err = bbolt.Open(path, fileMode, &bbolt.Options{
			Timeout:      1, // one try: bbolt's own waiting is coarse and cannot be cancelled
			ReadOnly:     !write,
			FreelistType: bbolt.FreelistMapType,
			NoStatistics: true,
			OpenFile: func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
				if h.file != nil { // bbolt opens it again to copy it
					return os.OpenFile(name, flag, mode)
				}
				h.file, err = os.OpenFile(name, flag&^os.O_CREATE, mode)
				return h.file, err
			},
		})
		return err
	})
	if err == nil {
		if h.info, err = h.file.Stat(); err != nil {
			return nil, errors.Join(err, h.close())
		}
		return h, nil
	}
	return nil, h.failed(path, write, err)
}

// failed says why the file could not be opened, and lets go of it.
func (h *handle) failed(path string, write bool, err error) error {
	_ = h.close() // bbolt has closed it already, unless it panicked
	info, statErr := os.Stat(path)
	switch {
	case statErr == nil && !write && info.Size() == 0:
		return errNone
	case errors.Is(err, berrors.ErrTimeout), environmental(err):
		return err
	case statErr != nil:
		return statErr
	}
	if d, ok := errors.AsType[*damage](err); ok {
		err = d.cause
	}
	return &damage{info: info, sure: true, cause: err}
}

// acquire opens and locks the file, waiting for other processes. The file is
// created for the first write.
func (s *Store) acquire(ctx context.Context, write bool, timeout time.Duration) (*handle, error) {
	waited, step := time.Duration(0), 2*time.Millisecond
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		h, err := tryOpen(s.path, write)
		switch {
		case err == nil:
			if s.current(h) {
				return h, nil
			}
			_ = h.close() // it was replaced between opening and locking it
		case errors.Is(err, fs.ErrNotExist) && write:
			if err := s.create(); err != nil {
				return nil, err
			}
		case errors.Is(err, fs.ErrNotExist):
			return nil, errNone
		case !errors.Is(err, berrors.ErrTimeout):
			return nil, err
		case waited >= timeout:
			return nil, s.locked(timeout)
		default:
			if err := s.sleep(ctx, step); err != nil {
				return nil, err
			}
			waited += step
			step = min(2*step, 20*time.Millisecond)
		}
	}
}

// current reports whether the open file is still the one that the path names: a
// repair or a compaction replaces it, and what is written to the old one is lost.
func (s *Store) current(h *handle) bool {
	now, err := os.Stat(s.path)
	return err == nil && os.SameFile(h.info, now)
}

// create makes an empty store beside its place and links it there whole, so that
// nobody ever sees half of one.
func (s *Store) create() error {
	if err := os.MkdirAll(filepath.Dir(s.path), dirMode); err != nil {
		return err
	}
	tmp, err := s.build(func(*bbolt.DB) error { return nil })
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp) }()
	err = os.Link(tmp, s.path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		// A file system without links. Two processes may both get here; the loser's
		// next look at the path finds the winner's file.
		if _, statErr := os.Stat(s.path); statErr == nil {
			return nil
		}
		if err = os.Rename(tmp, s.path); err != nil {
			return err
		}
	}
	syncDir(filepath.Dir(s.path))
	return nil
}

// build makes a new store in a temporary file and gives its name.
func (s *Store) build(fill func(*bbolt.DB) error) (path string, err error) {
	return s.newFile(func(db *bbolt.DB) error {
		if err := db.Update(s.schema.stamp); err != nil {
			return err
		}
		return fill(db)
	})
}

// newFile makes a bbolt file beside the store. It is synced once, at its end.
func (s *Store) newFile(fill func(*bbolt.DB) error) (path string, err error) {
	f, err := os.CreateTemp(filepath.Dir(s.path), filepath.Base(s.path)+".tmp-*") // 0600
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if err := f.Close(); err != nil {
		return "", err
	}
	db, err := bbolt.Open(f.Name(), fileMode, &bbolt.Options{NoSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return "", err
	}
	if err = fill(db); err == nil {
		err = db.Sync()
	}
	return f.Name(), errors.Join(err, db.Close())
}

// syncDir makes a new name durable. Not every system can, and a lost name is a
// lost cache.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}
