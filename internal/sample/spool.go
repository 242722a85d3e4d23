package sample

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
)

// Names on the spool. What is neither is somebody else's and left alone.
const (
	tempPrefix = "tmp-"  // in the making; swept when no process holds it
	keptPrefix = "kept-" // + digest of the key + "-" + random
)

// Spool is where archives wait, encrypted, in 0600 files of a 0700 directory.
// What only this process needs has no name there (Windows: a name that the next
// start sweeps); what is kept has one.
type Spool struct {
	// Max bounds the bytes of what is kept and of what this process holds, 2 GiB
	// unless it is set before the first use.
	Max int64
	// Limits bound each archive that comes in; see [Limits].
	Limits Limits

	root *os.Root
	key  []byte        // of this process' own files; dies with it
	live atomic.Int64  // bytes of this process' own files
	lzma chan struct{} // one decoder at a time: each may take Limits.Dictionary
}

// OpenSpool opens or creates the spool in dir and sweeps what a killed process
// left there. A directory that belongs to another user is refused.
func OpenSpool(dir string) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create spool: %w", err)
	}
	if err := private(dir); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	s := &Spool{Max: 2 << 30, Limits: DefaultLimits(), root: root,
		key: make([]byte, 32), lzma: make(chan struct{}, 1)}
	_, _ = rand.Read(s.key)
	if err := s.sweepTemps(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return s, nil
}

// Close gives the directory back. Archives that are open stay readable.
func (s *Spool) Close() error { return s.root.Close() }

// names lists the regular files of the spool whose name starts with prefix.
func (s *Spool) names(prefix string) ([]fs.FileInfo, error) {
	list, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("read spool: %w", err)
	}
	var out []fs.FileInfo
	for _, e := range list {
		if !strings.HasPrefix(e.Name(), prefix) || !e.Type().IsRegular() {
			continue
		}
		fi, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // another process was faster
		}
		if err != nil {
			return nil, fmt.Errorf("read spool: %w", err)
		}
		out = append(out, fi)
	}
	return out, nil
}

// room gives how many bytes may still be written.
func (s *Spool) room() (int64, error) {
	kept, err := s.names(keptPrefix)
	if err != nil {
		return 0, err
	}
	room := s.Max - s.live.Load()
	for _, fi := range kept {
		room -= fi.Size()
	}
	return room, nil
}

// random gives n random bytes in hex, for names.
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

// scratch makes a file that only this process can read, and only while it lives.
func (s *Spool) scratch() (*veiled, error) {
	name := tempPrefix + random(8)
	f, err := s.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create spool file: %w", err)
	}
	remove := func() error { return s.root.Remove(name) }
	if unlinkOpen {
		err, remove = remove(), nil
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a sweep may have been faster
			return nil, errors.Join(fmt.Errorf("unlink spool file: %w", err), f.Close())
		}
	}
	v, err := newVeiled(f, s.key)
	if err != nil {
		err = errors.Join(err, f.Close())
		if remove != nil {
			err = errors.Join(err, remove())
		}
		return nil, err
	}
	v.account, v.cleanup = &s.live, remove
	return v, nil
}

// spoolWriter appends to a veiled file within the spool's size.
type spoolWriter struct {
	ctx  context.Context
	s    *Spool
	v    *veiled
	room int64
	buf  []byte
}

// writer makes the writer of v. It asks once how much room there is: another
// process may take some at the same time, and Max is no exact science.
func (s *Spool) writer(ctx context.Context, v *veiled) (*spoolWriter, error) {
	room, err := s.room()
	if err != nil {
		return nil, err
	}
	return &spoolWriter{ctx: ctx, s: s, v: v, room: room, buf: make([]byte, 64<<10)}, nil
}

// Write appends p, leaving p as it is.
func (w *spoolWriter) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n := 0
	for len(p) > 0 {
		c := copy(w.buf, p)
		if w.room -= int64(c); w.room < 0 {
			return n, Full.fail("the spool holds its %d bytes already", w.s.Max)
		}
		if err := w.v.append(w.buf[:c]); err != nil {
			return n, err
		}
		n, p = n+c, p[c:]
	}
	return n, nil
}

// ctxReader stops a copy when its context ends; what blocks in Read is its owner's.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
