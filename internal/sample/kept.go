package sample

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// Kept is an archive that waits on the spool for another day.
type Kept struct {
	Digest string // of its key: [KeyDigest]
	Size   int64  // bytes on disk
	Since  time.Time
	name   string
}

// KeyDigest is what stands for a key in a kept file's name: 32 hex digits.
func KeyDigest(key string) string {
	sum := sha256.Sum256([]byte("edrc kept\x00" + key))
	return hex.EncodeToString(sum[:16])
}

// Keep stores a copy of the archive under a key, for later processes; the archive
// itself stays as it is. What was kept under the same key before is replaced.
// The copy is veiled with a key made of the archive's password: whoever opens it
// must derive the password again.
func (s *Spool) Keep(ctx context.Context, a *Archive, key string) error {
	name := keptPrefix + KeyDigest(key) + "-" + random(8)
	if err := s.store(ctx, a, name); err != nil {
		return fmt.Errorf("keep sample: %w", err)
	}
	return s.drop(key, name)
}

// store writes a's copy under a temporary name and gives it its own.
func (s *Spool) store(ctx context.Context, a *Archive, name string) (err error) {
	temp, f, err := s.temp()
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, ignore(f.Close(), os.ErrClosed))
		if err != nil {
			err = errors.Join(err, ignore(s.root.Remove(temp), fs.ErrNotExist))
		}
	}()
	v, err := newVeiled(f, []byte(a.password))
	if err != nil {
		return err
	}
	w, err := s.writer(ctx, v)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, ctxReader{ctx, io.NewSectionReader(a.file, 0, a.size)}); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if !unlinkOpen {
		if err := f.Close(); err != nil {
			return err
		}
	}
	return s.root.Rename(temp, name)
}

// temp makes a temporary file that no sweep takes while this process lives.
func (s *Spool) temp() (string, *os.File, error) {
	for range 8 {
		name := tempPrefix + random(8)
		f, err := s.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		if err != nil {
			return "", nil, fmt.Errorf("create spool file: %w", err)
		}
		held, err := hold(f)
		if err != nil {
			return "", nil, errors.Join(fmt.Errorf("lock spool file: %w", err), f.Close(), s.root.Remove(name))
		}
		// A sweep between the two calls has the lock, or has removed the file.
		if _, err := s.root.Lstat(name); held && err == nil {
			return name, f, nil
		}
		_ = f.Close()
		_ = s.root.Remove(name)
	}
	return "", nil, Full.fail("the spool is being swept again and again")
}

// ignore drops an error that is expected.
func ignore(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// List gives what is kept, oldest first.
func (s *Spool) List() ([]Kept, error) {
	files, err := s.names(keptPrefix)
	if err != nil {
		return nil, err
	}
	var out []Kept
	for _, fi := range files {
		digest, rest, ok := strings.Cut(strings.TrimPrefix(fi.Name(), keptPrefix), "-")
		if !ok || len(digest) != 32 || len(rest) != 16 {
			continue
		}
		out = append(out, Kept{Digest: digest, Size: fi.Size(), Since: fi.ModTime(), name: fi.Name()})
	}
	sortByAge(out)
	return out, nil
}

// OpenKept opens what is kept under a key; password is the archive's own, derived
// again. Its Name, Hashes and Size are known after [Inspect]. [NotKept] when
// there is nothing.
func (s *Spool) OpenKept(key, password string) (*Archive, error) {
	list, err := s.List()
	if err != nil {
		return nil, err
	}
	digest := KeyDigest(key)
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Digest != digest {
			continue
		}
		a, err := s.openKept(list[i].name, password)
		if errors.Is(err, fs.ErrNotExist) {
			continue // dropped in between
		}
		return a, err
	}
	return nil, NotKept.fail("no sample is kept for this file")
}

// openKept opens one kept file.
func (s *Spool) openKept(name, password string) (*Archive, error) {
	f, err := s.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open kept sample: %w", err)
	}
	v, err := openVeiled(f, []byte(password))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	a := &Archive{password: password, size: v.size, file: v, spool: s, kept: name}
	if a.format, err = sniffAt(v); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return a, nil
}

// Drop removes what is kept under a key; nothing is fine.
func (s *Spool) Drop(key string) error { return s.drop(key, "") }

// drop removes what is kept under a key but for one file.
func (s *Spool) drop(key, but string) error {
	list, err := s.List()
	if err != nil {
		return err
	}
	digest := KeyDigest(key)
	for _, k := range list {
		if k.Digest != digest || k.name == but {
			continue
		}
		if err := s.root.Remove(k.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("drop kept sample: %w", err)
		}
	}
	return nil
}
