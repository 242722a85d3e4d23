// Package sample handles malware so that it never stands in clear on a disk.
//
// A [Spool] is a private directory of archives on their way from a product to
// the engine. Whatever comes is veiled with a key that only this process has
// while it is written ([Spool.Take] for archives, [Spool.Wrap] for bare files);
// an [Archive] is then read as the encrypted zip or 7z it is. [Inspect] finds
// the one file in it, hashes it while it streams, within [Limits], and compares
// it with what the alert said, so that wrong bytes never cost a scan. What must
// wait for another day is kept ([Spool.Keep], [Spool.OpenKept]).
//
// Archives inside archives are bytes: nothing here looks into them. Every name
// that an archive carries was chosen by an attacker.
package sample

import (
	"fmt"
	"io"
	"os"
	"sync"

	"edrc/internal/alert"
)

// Format is the container of an archive.
type Format string

// The formats.
const (
	Zip   Format = "zip"
	Seven Format = "7z"
)

// Sniff tells the format by the first bytes of an archive, "" when it is neither.
// Six bytes suffice.
func Sniff(head []byte) Format {
	switch s := string(head); {
	case len(s) >= 4 && (s[:4] == "PK\x03\x04" || s[:4] == "PK\x05\x06"):
		return Zip
	case len(s) >= 6 && s[:6] == sevenMagic:
		return Seven
	}
	return ""
}

// Archive is one encrypted archive on the spool with one file of interest in it.
// Its methods may be used by several goroutines; its fields are set by
// [Spool.Wrap] and [Inspect].
type Archive struct {
	Name   string       // of the file inside, its last path element; hostile
	Hashes alert.Hashes // of the file inside, once it was hashed
	Size   int64        // of the file inside, in bytes

	format   Format
	password string
	size     int64
	file     *veiled
	spool    *Spool
	kept     string // its name on the spool, "" when no other process can see it
	once     sync.Once
	closeErr error
}

// Format gives the container: zip or 7z.
func (a *Archive) Format() Format { return a.format }

// Password gives the archive's own password.
func (a *Archive) Password() string { return a.password }

// RawSize is how many bytes [Archive.Open] gives.
func (a *Archive) RawSize() int64 { return a.size }

// Open gives the archive's bytes from the start, encrypted as an archive is; as
// often as it is asked, also at the same time. They end when the archive is closed.
func (a *Archive) Open() (io.ReadCloser, error) {
	if a.file.closed() {
		return nil, fmt.Errorf("open archive: %w", os.ErrClosed)
	}
	return io.NopCloser(io.NewSectionReader(a.file, 0, a.size)), nil
}

// Close gives the file back. An archive that is not kept is gone with it.
func (a *Archive) Close() error {
	a.once.Do(func() { a.closeErr = a.file.Close() })
	return a.closeErr
}

// Remove closes the archive and deletes it from the spool, kept or not.
func (a *Archive) Remove() error {
	err := a.Close()
	if a.kept == "" {
		return err
	}
	if rm := a.spool.root.Remove(a.kept); rm != nil && !os.IsNotExist(rm) {
		return fmt.Errorf("remove kept sample: %w", rm)
	}
	return err
}

// String describes the archive without its password.
func (a *Archive) String() string {
	return fmt.Sprintf("%s archive of %d bytes", a.format, a.size)
}

// GoString is String: %#v must not print the password either.
func (a *Archive) GoString() string { return a.String() }
