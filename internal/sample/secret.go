package sample

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"edrc/internal/fault"
)

// secretName is the install secret's file, secretLen its bytes.
const (
	secretName = "install.secret"
	secretLen  = 32
)

// InstallSecret gives the 32 random bytes that passwords are derived from, made
// at the first call in the file install.secret of dir, mode 0600. Processes that
// start at the same time get the same one. A file that others may read, or that
// has another length, is refused: archives that wait would not open any more.
func InstallSecret(dir string) ([]byte, error) {
	path := filepath.Join(dir, secretName)
	b, err := readSecret(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create install secret: %w", err)
	}
	if err := writeSecret(dir, path); err != nil {
		return nil, fmt.Errorf("create install secret: %w", err)
	}
	return readSecret(path) // the winner's
}

// writeSecret creates the file whole or not at all. A hard link never replaces
// what is there, which a rename would.
func writeSecret(dir, path string) (err error) {
	f, err := os.CreateTemp(dir, secretName+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	b := make([]byte, secretLen)
	_, _ = rand.Read(b)
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// readSecret reads and checks the file.
func readSecret(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	hint := "restore it, or remove it: samples that wait for their file are then asked for again"
	switch {
	case len(b) != secretLen:
		return nil, fault.New(fault.Corrupt, "%s has %d bytes instead of %d", path, len(b), secretLen).WithHint("%s", hint)
	case othersMayRead(fi):
		return nil, fault.New(fault.Denied, "%s may be read by others (mode %o)", path, fi.Mode().Perm()).
			WithHint("chmod 600 %s", path)
	}
	return b, nil
}
