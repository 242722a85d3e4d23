package sample

import (
	"archive/zip"
	"bufio"
	"compress/flate"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"sync/atomic"
)

// Flags of a zip entry (APPNOTE 4.4.4).
const (
	flagEncrypted  = 1 << 0
	flagDescriptor = 1 << 3
	flagStrong     = 1 << 6
	flagUTF8       = 1 << 11
	flagMasked     = 1 << 13
)

// directoryBudget is how many bytes archive/zip may read to find and parse the
// directory: it reads as many entries as there are, whatever the end record says.
const directoryBudget = 2 << 20

// budgetReader bounds what is read through it while it is on.
type budgetReader struct {
	r    io.ReaderAt
	left atomic.Int64
	on   atomic.Bool
}

func (b *budgetReader) ReadAt(p []byte, off int64) (int, error) {
	if b.on.Load() && b.left.Add(-int64(len(p))) < 0 {
		return 0, TooLarge.fail("the zip's directory has more than %d bytes", directoryBudget)
	}
	return b.r.ReadAt(p, off)
}

// entry is one entry of an archive, whatever its format.
type entry struct {
	path      string
	dir       bool
	encrypted bool
	size      int64 // as the archive says
	open      func() (io.ReadCloser, error)
}

// zipEntries reads the directory of a zip.
func zipEntries(r io.ReaderAt, size int64, password string, lim Limits) ([]entry, error) {
	if err := refuseStrong(r); err != nil {
		return nil, err
	}
	b := &budgetReader{r: r}
	b.left.Store(directoryBudget)
	b.on.Store(true)
	zr, err := zip.NewReader(b, size)
	b.on.Store(false)
	switch {
	case errors.Is(err, zip.ErrInsecurePath), err == nil: // checkPath is the judge of names
	case errors.Is(err, zip.ErrFormat), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, Damaged.fail("the zip's directory cannot be read: it was cut off or altered")
	default:
		return nil, err
	}
	if len(zr.File) > lim.Entries {
		return nil, TooLarge.fail("the zip has %d entries, more than %d", len(zr.File), lim.Entries)
	}
	out := make([]entry, 0, len(zr.File))
	for _, f := range zr.File {
		e, err := zipEntryOf(f, password)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// refuseStrong tells PKWARE's strong encryption, whose directory may be
// encrypted as well, from a damaged file.
func refuseStrong(r io.ReaderAt) error {
	var head [8]byte
	if _, err := r.ReadAt(head[:], 0); err != nil || string(head[:4]) != "PK\x03\x04" {
		return nil // what is wrong with it is found when the directory is read
	}
	return strong(uint16(head[6]) | uint16(head[7])<<8)
}

// strong refuses the flags of PKWARE's strong encryption.
func strong(flags uint16) error {
	if flags&(flagStrong|flagMasked) != 0 {
		return NotSupported.fail("the zip has PKWARE's strong encryption or an encrypted directory, which is not read here")
	}
	return nil
}

// zipEntryOf checks what the directory says of one entry.
func zipEntryOf(f *zip.File, password string) (entry, error) {
	if err := checkPath(f.Name); err != nil {
		return entry{}, err
	}
	if err := strong(f.Flags); err != nil {
		return entry{}, err
	}
	mode := f.Mode() // of what an archiver read from a pipe, that of a pipe
	if mode&fs.ModeSymlink != 0 {
		return entry{}, Hostile.fail("the archive has a link in it: %q", cut(f.Name, 80))
	}
	const maxInt63 = 1<<63 - 1
	if f.CompressedSize64 > maxInt63 || f.UncompressedSize64 > maxInt63 {
		return entry{}, Damaged.fail("an entry of the zip has an impossible size")
	}
	e := entry{path: f.Name, dir: mode.IsDir(), size: int64(f.UncompressedSize64), encrypted: f.Flags&flagEncrypted != 0}
	e.open = func() (io.ReadCloser, error) { return openZipEntry(f, password) }
	return e, nil
}

// openZipEntry gives the clear bytes of one entry: decrypted, inflated, and
// checked at their end, where a wrong CRC, HMAC or size comes instead of io.EOF.
func openZipEntry(f *zip.File, password string) (io.ReadCloser, error) {
	raw, err := f.OpenRaw()
	if err != nil {
		return nil, zipProblem(err)
	}
	c := &checked{size: int64(f.UncompressedSize64), crc: f.CRC32, crypt: f.Flags&flagEncrypted != 0}
	method := f.Method
	c.packed = bufio.NewReaderSize(raw, 32<<10)
	switch {
	case method == aesMethod:
		info, err := parseAES(f.Extra)
		if err != nil {
			return nil, err
		}
		r, err := newAESReader(c.packed, int64(f.CompressedSize64), info, password)
		if err != nil {
			return nil, err
		}
		c.packed, method, c.noCRC = bufio.NewReaderSize(r, 32<<10), info.method, info.ae2
	case c.crypt:
		checks := []byte{byte(f.CRC32 >> 24)}
		if f.Flags&flagDescriptor != 0 {
			// The CRC was not known when the header was written.
			checks = append(checks, byte(f.ModifiedTime>>8))
		}
		r, err := newCryptoReader(c.packed, password, checks...)
		if err != nil {
			return nil, err
		}
		c.packed = bufio.NewReaderSize(r, 32<<10)
	}
	switch method {
	case zip.Store:
		c.plain = io.NopCloser(c.packed)
	case zip.Deflate:
		c.plain = flate.NewReader(c.packed)
	default:
		return nil, NotSupported.fail("the zip's compression method %d is not read here", method)
	}
	return c, nil
}

// zipProblem sorts the errors of archive/zip.
func zipProblem(err error) error {
	if errors.Is(err, zip.ErrFormat) {
		return Damaged.fail("the zip is altered: a header is not where its directory says")
	}
	return truncated(err)
}

// checked verifies what an entry's bytes must be.
type checked struct {
	plain  io.ReadCloser
	packed io.Reader // decrypted, still compressed
	size   int64     // that must come
	crc    uint32
	noCRC  bool // AE-2: the HMAC is all there is
	crypt  bool

	got int64
	sum uint32
	err error
}

func (c *checked) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.plain.Read(p)
	c.got += int64(n)
	c.sum = crc32.Update(c.sum, crc32.IEEETable, p[:n])
	switch {
	case c.got > c.size:
		c.err = c.damaged("more bytes than the %d that its directory says", c.size)
	case errors.Is(err, io.EOF):
		c.err = c.finish()
	case err != nil:
		c.err = c.sort(err)
	}
	return n, c.err
}

// finish is called where the data ends.
func (c *checked) finish() error {
	// What stands behind the compressed data is under the HMAC too.
	if n, err := io.Copy(io.Discard, c.packed); err != nil {
		return c.sort(err)
	} else if n > 0 {
		return c.damaged("%d bytes behind its data", n)
	}
	if c.got != c.size {
		return c.damaged("%d bytes instead of the %d that its directory says", c.got, c.size)
	}
	if !c.noCRC && c.sum != c.crc {
		return c.damaged("a CRC that does not fit")
	}
	return io.EOF
}

// sort tells damage from faults of the disk or the context.
func (c *checked) sort(err error) error {
	if _, ok := errors.AsType[flate.CorruptInputError](err); ok {
		return c.damaged("compressed data that makes no sense")
	}
	return truncated(err)
}

// damaged says what an entry has, and that the password may be why.
func (c *checked) damaged(format string, args ...any) error {
	why := ""
	if c.crypt {
		why = " (one wrong password in 256 looks right until here)"
	}
	return Damaged.fail("the archive's file has %s%s", fmt.Sprintf(format, args...), why)
}

func (c *checked) Close() error { return c.plain.Close() }
