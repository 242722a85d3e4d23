package sample

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"edrc/internal/alert"
)

// Contents is the one file of interest of an archive.
type Contents struct {
	Name   string // last element of Path, at most 255 bytes; hostile
	Path   string // in the archive; hostile
	Size   int64  // bytes
	Hashes alert.Hashes
	Type   Type // by its name and first bytes
	// Files is how many files the archive has, its manifest not counted.
	Files int
	// Encrypted: every entry of the archive is. Only such an archive may leave
	// as it is; others came from a hostile hand, for [Spool.Take] re-wraps plain ones.
	Encrypted bool
	// Manifest: the archive has an agent's manifest beside the file.
	Manifest bool
}

// Inspect finds the one file in an archive, decompresses it through its hashes
// and compares them with those that are wanted (see [Compare]). Nothing is
// written anywhere; memory is a few buffers, and the window for a 7z, of which
// one at a time is read in a process. Of several files the wanted one is taken.
// The archive's Name, Hashes and Size are set. Errors about the archive have a
// [Problem]; [WrongBytes] and [Damaged] are fault.Corrupt and say fetch_corrupt.
func Inspect(ctx context.Context, a *Archive, lim Limits, want alert.Hashes) (Contents, error) {
	l, err := open(ctx, a, lim)
	if err != nil {
		return Contents{}, err
	}
	defer l.close()
	c, err := l.find(want)
	if err != nil {
		return Contents{}, err
	}
	a.Name, a.Hashes, a.Size = c.Name, c.Hashes, c.Size
	return c, nil
}

// OpenFile gives the clear bytes of the file that [Inspect] found. They are for
// a connection, never for a disk. A wrong CRC or HMAC comes instead of io.EOF.
// A 7z keeps the spool's one decoder until Close.
func OpenFile(ctx context.Context, a *Archive, lim Limits, c Contents) (io.ReadCloser, error) {
	l, err := open(ctx, a, lim)
	if err != nil {
		return nil, err
	}
	for _, e := range l.entries {
		if e.path != c.Path || e.dir {
			continue
		}
		r, err := l.read(e)
		if err != nil {
			l.close()
			return nil, err
		}
		return &fileReader{ReadCloser: r, l: l}, nil
	}
	l.close()
	return nil, NoFile.fail("the archive has no file %q", cut(c.Path, 80))
}

// fileReader gives the decoder's slot back when it is closed.
type fileReader struct {
	io.ReadCloser
	l *listing
}

func (f *fileReader) Close() error {
	defer f.l.close()
	return f.ReadCloser.Close()
}

// listing is an open archive.
type listing struct {
	entries []entry
	meter   *meter
	release func()
}

func (l *listing) close() {
	if l.release != nil {
		l.release()
		l.release = nil
	}
}

// ctxReaderAt ends with the context what a decoder reads.
type ctxReaderAt struct {
	ctx context.Context
	r   io.ReaderAt
}

func (c ctxReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.ReadAt(p, off)
}

// isInterrupt reports an error that is not about the archive at all.
func isInterrupt(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrClosed)
}

// open reads an archive's directory.
func open(ctx context.Context, a *Archive, lim Limits) (*listing, error) {
	lim = lim.orDefault()
	if a.size > lim.Raw {
		return nil, TooLarge.fail("the archive has %d bytes, more than %d", a.size, lim.Raw)
	}
	l := &listing{meter: &meter{ctx: ctx, lim: lim, raw: a.size}}
	r := ctxReaderAt{ctx, a.file}
	var err error
	switch a.format {
	case Zip:
		l.entries, err = zipEntries(r, a.size, a.password, lim)
	case Seven:
		select {
		case a.spool.lzma <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		l.release = func() { <-a.spool.lzma }
		l.entries, err = sevenEntries(r, a.size, a.password, lim)
	default:
		err = NotSupported.fail("the archive's format is not read here")
	}
	if err == nil {
		err = l.unique()
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// unique refuses two entries of one name: readers differ in which they take.
func (l *listing) unique() error {
	seen := make(map[string]struct{}, len(l.entries))
	for _, e := range l.entries {
		if _, dup := seen[e.path]; dup {
			return Hostile.fail("the archive has two entries named %q", cut(e.path, 80))
		}
		seen[e.path] = struct{}{}
	}
	return nil
}

// read gives one entry's bytes, counted against the limits.
func (l *listing) read(e entry) (io.ReadCloser, error) {
	if err := l.meter.declared(e.size); err != nil {
		return nil, err
	}
	r, err := e.open()
	if err != nil {
		if stop := l.meter.ctx.Err(); stop != nil {
			return nil, stop // whatever a decoder made of it
		}
		return nil, err
	}
	return &metered{r: r, m: l.meter}, nil
}

// metered counts what is read.
type metered struct {
	r io.ReadCloser
	m *meter
}

func (m *metered) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if over := m.m.add(n); over != nil {
		return n, over
	}
	return n, err
}

func (m *metered) Close() error { return m.r.Close() }

// hash reads one entry through the hashes.
func (l *listing) hash(e entry) (*hasher, error) {
	r, err := l.read(e)
	if err != nil {
		return nil, err
	}
	h := newHasher()
	buf := make([]byte, 64<<10)
	_, err = io.CopyBuffer(struct{ io.Writer }{h}, r, buf)
	if err = errors.Join(err, closeAfter(r, err)); err != nil {
		return nil, err
	}
	return h, nil
}

// closeAfter closes r; its complaint matters only when reading went well.
func closeAfter(r io.Closer, err error) error {
	if e := r.Close(); e != nil && err == nil {
		return fmt.Errorf("close archive entry: %w", e)
	}
	return nil
}
