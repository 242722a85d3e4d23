package sample

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// sniffAt tells the format of what is on the spool.
func sniffAt(v *veiled) (Format, error) {
	var head [64]byte
	n, err := v.ReadAt(head[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if f := Sniff(head[:n]); f != "" {
		return f, nil
	}
	return "", Damaged.fail("what came is no archive: %s", describe(head[:n]))
}

// describe tells people what some first bytes look like: error pages are frequent.
func describe(head []byte) string {
	text := bytes.TrimLeftFunc(head, unicode.IsSpace)
	switch {
	case len(head) == 0:
		return "it is empty"
	case len(text) > 0 && text[0] == '<':
		return "it looks like a web page"
	case len(text) > 0 && (text[0] == '{' || text[0] == '['):
		return "it looks like JSON"
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return "it is gzip"
	}
	return fmt.Sprintf("it starts with % x", head[:min(8, len(head))])
}

// Take puts an archive on the spool: zip or 7z, told by its bytes. What is
// encrypted throughout is copied as it is; in an archive with anything in clear
// every file is encrypted anew with the password, as an AES-256 zip. A reading
// error of r comes back as it is; the archive's own problems are found by
// [Inspect], but what is no archive at all is refused here ([Damaged]).
//
// A file that happens to be an archive, such as a .docx, is not for Take but for
// [Spool.Wrap].
func (s *Spool) Take(ctx context.Context, r io.Reader, password string) (*Archive, error) {
	lim := s.Limits.orDefault()
	v, err := s.scratch()
	if err != nil {
		return nil, err
	}
	w, err := s.writer(ctx, v)
	if err == nil {
		_, err = io.Copy(w, &capped{r: ctxReader{ctx, r}, left: lim.Raw, lim: lim.Raw})
	}
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	a := &Archive{password: password, size: v.size, file: v, spool: s}
	if a.format, err = sniffAt(v); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return s.encrypted(ctx, a, lim)
}

// encrypted gives a, or its re-wrapped copy when anything in it is in clear.
// An archive whose directory cannot be read stays what it is, for Inspect to tell.
func (s *Spool) encrypted(ctx context.Context, a *Archive, lim Limits) (*Archive, error) {
	l, err := open(ctx, a, lim)
	if err != nil {
		if ProblemOf(err) != "" {
			return a, nil
		}
		return nil, errors.Join(err, a.Close())
	}
	defer l.close()
	if l.encrypted() {
		return a, nil
	}
	out, err := s.write(ctx, a.password, func(z *zipWriter) error {
		for _, e := range l.entries {
			if e.dir {
				continue
			}
			r, err := l.read(e)
			if err != nil {
				return err
			}
			err = z.add(strings.ToValidUTF8(e.path, "_"), r)
			if err = errors.Join(err, closeAfter(r, err)); err != nil {
				return err
			}
		}
		return nil
	})
	if err = errors.Join(err, a.Close()); err != nil && out != nil {
		err, out = errors.Join(err, out.Close()), nil
	}
	return out, err
}

// Wrap puts the bytes of one file on the spool as an AES-256 zip while they
// stream, and hashes them on the way: Name, Hashes and Size are set. The entry
// is called name's last element. At most Limits.Bytes are read ([TooLarge]); a
// reading error of r comes back as it is.
func (s *Spool) Wrap(ctx context.Context, r io.Reader, name, password string) (*Archive, error) {
	lim, h := s.Limits.orDefault(), newHasher()
	name = baseName(name)
	a, err := s.write(ctx, password, func(z *zipWriter) error {
		in := &capped{r: ctxReader{ctx, r}, left: lim.Bytes, lim: lim.Bytes}
		return z.add(name, io.TeeReader(in, h))
	})
	if err != nil {
		return nil, err
	}
	a.Name, a.Hashes, a.Size = name, h.sums(), h.size
	return a, nil
}

// Single puts the one file that [Inspect] found on the spool again, as an AES-256
// zip of its own with the same password: for an engine that takes zips of one
// file, where the archive is a 7z or has a manifest. The archive stays open.
func (s *Spool) Single(ctx context.Context, a *Archive, lim Limits, c Contents) (*Archive, error) {
	r, err := OpenFile(ctx, a, lim, c)
	if err != nil {
		return nil, err
	}
	out, err := s.Wrap(ctx, r, c.Name, a.password)
	if err = errors.Join(err, closeAfter(r, err)); err != nil && out != nil {
		err, out = errors.Join(err, out.Close()), nil
	}
	return out, err
}

// write makes a new zip on the spool.
func (s *Spool) write(ctx context.Context, password string, fill func(*zipWriter) error) (*Archive, error) {
	v, err := s.scratch()
	if err != nil {
		return nil, err
	}
	w, err := s.writer(ctx, v)
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	z := &zipWriter{w: w, password: password}
	err = fill(z)
	if err == nil {
		err = z.close()
	}
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return &Archive{format: Zip, password: password, size: v.size, file: v, spool: s}, nil
}

// capped refuses what is longer than a limit.
type capped struct {
	r         io.Reader
	left, lim int64
}

func (c *capped) Read(p []byte) (int, error) {
	n, err := c.r.Read(p[:min(int64(len(p)), c.left+1)])
	if c.left -= int64(n); c.left < 0 {
		return 0, TooLarge.fail("more than %d bytes came", c.lim)
	}
	return n, err
}
