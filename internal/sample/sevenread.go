package sample

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"

	"github.com/bodgit/sevenzip"
)

// sevenStart is the length of a 7z's start header.
const sevenStart = 32

// sevenView shows an archive with another header than its own, in clear: the
// library then parses exactly the bytes that were walked before.
//
//	start header | the packed streams as they are | header
type sevenView struct {
	r      io.ReaderAt
	start  [sevenStart]byte
	packed int64 // offset of the header behind the start header
	header []byte
}

func newSevenView(r io.ReaderAt, packed int64, header []byte) *sevenView {
	v := &sevenView{r: r, packed: packed, header: header}
	copy(v.start[:], sevenMagic)
	v.start[7] = 4 // version 0.4
	binary.LittleEndian.PutUint64(v.start[12:], uint64(packed))
	binary.LittleEndian.PutUint64(v.start[20:], uint64(len(header)))
	binary.LittleEndian.PutUint32(v.start[28:], crc32.ChecksumIEEE(header))
	binary.LittleEndian.PutUint32(v.start[8:], crc32.ChecksumIEEE(v.start[12:]))
	return v
}

func (v *sevenView) size() int64 { return sevenStart + v.packed + int64(len(v.header)) }

// ReadAt reads at most one of the three parts at a time, in a loop.
func (v *sevenView) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) {
		at := off + int64(n)
		switch tail := at - sevenStart - v.packed; {
		case at < 0 || tail >= int64(len(v.header)):
			return n, io.EOF
		case at < sevenStart:
			n += copy(p[n:], v.start[at:])
		case tail >= 0:
			n += copy(p[n:], v.header[tail:])
		default:
			c, err := v.r.ReadAt(p[n:n+int(min(int64(len(p)-n), -tail))], at)
			n += c
			if err != nil && (c == 0 || !errors.Is(err, io.EOF)) {
				return n, err
			}
		}
	}
	return n, nil
}

// sevenHeader reads the start header and what it points to.
func sevenHeader(r io.ReaderAt, size int64) (packed int64, header []byte, err error) {
	var b [sevenStart]byte
	if _, err := r.ReadAt(b[:], 0); err != nil {
		return 0, nil, truncated(err)
	}
	off, n := binary.LittleEndian.Uint64(b[12:]), binary.LittleEndian.Uint64(b[20:])
	switch {
	case string(b[:6]) != sevenMagic, binary.LittleEndian.Uint32(b[8:]) != crc32.ChecksumIEEE(b[12:]):
		return 0, nil, Damaged.fail("the 7z start header is altered")
	case n > maxSevenHeader:
		return 0, nil, TooLarge.fail("the 7z header has %d bytes", n)
	case off > uint64(size) || off+n+sevenStart > uint64(size):
		return 0, nil, Damaged.fail("the 7z ends too early")
	}
	header = make([]byte, n)
	if _, err := r.ReadAt(header, sevenStart+int64(off)); err != nil && n > 0 {
		if !errors.Is(err, io.EOF) || int64(off)+int64(n)+sevenStart != size {
			return 0, nil, truncated(err)
		}
	}
	if crc32.ChecksumIEEE(header) != binary.LittleEndian.Uint32(b[28:]) {
		return 0, nil, Damaged.fail("the 7z header is altered")
	}
	return int64(off), header, nil
}

// sevenEntries reads the directory of a 7z. Its entries must be read one after
// the other, each closed before the next: the caller holds the spool's slot.
func sevenEntries(r io.ReaderAt, size int64, password string, lim Limits) (out []entry, err error) {
	defer recovered(&err)
	packed, header, err := sevenHeader(r, size)
	if err != nil || len(header) == 0 {
		return nil, err
	}
	if header[0] == idEncodedHeader {
		if header, err = sevenDecode(r, packed, header[1:], password, lim); err != nil {
			return nil, err
		}
	}
	w := &sevenWalk{b: header, lim: lim}
	if w.header(); w.err != nil {
		return nil, w.err
	}
	view := newSevenView(r, packed, header)
	zr, err := sevenzip.NewReaderWithPassword(view, view.size(), password)
	if err != nil {
		return nil, sevenProblem(err, w.info.encrypted > 0)
	}
	for _, f := range zr.File {
		e, err := sevenEntryOf(f, w.info)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// sevenDecode decodes a compressed or encrypted header. The library does not
// give it, but it gives files: a header is shown to it in which the encoded one
// is the only file.
func sevenDecode(r io.ReaderAt, packed int64, streams []byte, password string, lim Limits) ([]byte, error) {
	lim.Bytes, lim.Entries = maxSevenHeader, 1
	w := &sevenWalk{b: streams, lim: lim}
	if w.streams(); w.err != nil {
		return nil, w.err
	}
	header := append([]byte{idHeader, idMainStreams}, streams[:len(streams)-len(w.b)]...)
	header = append(header, idFiles, 1, idNames, 5, 0, 'h', 0, 0, 0, idEnd, idEnd)
	view := newSevenView(r, packed, header)
	zr, err := sevenzip.NewReaderWithPassword(view, view.size(), password)
	if err != nil {
		return nil, sevenProblem(err, w.info.encrypted > 0)
	}
	if len(zr.File) != 1 {
		return nil, Damaged.fail("the 7z header is altered")
	}
	rc, err := openSeven(zr.File[0], w.info.encrypted > 0)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	return io.ReadAll(rc)
}

// sevenEntryOf checks what the header says of one entry.
func sevenEntryOf(f *sevenzip.File, info sevenInfo) (entry, error) {
	if err := checkPath(f.Name); err != nil {
		return entry{}, err
	}
	mode := f.Mode()
	if mode&fs.ModeSymlink != 0 {
		return entry{}, Hostile.fail("the archive has a link in it: %q", cut(f.Name, 80))
	}
	const maxInt63 = 1<<63 - 1
	if f.UncompressedSize > maxInt63 {
		return entry{}, Damaged.fail("an entry of the 7z has an impossible size")
	}
	// Which folders are encrypted is known as a number only: all or not all.
	crypt := info.encrypted == info.folders
	e := entry{path: f.Name, dir: mode.IsDir(), size: int64(f.UncompressedSize), encrypted: crypt}
	e.open = func() (io.ReadCloser, error) { return openSeven(f, info.encrypted > 0) }
	return e, nil
}

// openSeven gives the bytes of one entry, checked at their end.
func openSeven(f *sevenzip.File, crypt bool) (rc io.ReadCloser, err error) {
	defer recovered(&err)
	r, err := f.Open()
	if err != nil {
		return nil, sevenProblem(err, crypt)
	}
	return &sevenReader{r: r, left: int64(f.UncompressedSize), crc: f.CRC32, crypt: crypt}, nil
}

// sevenReader checks size and CRC, which the library leaves to its caller.
type sevenReader struct {
	r     io.ReadCloser
	left  int64
	crc   uint32 // 0: the archive has none
	sum   uint32
	crypt bool
	err   error
}

func (s *sevenReader) Read(p []byte) (n int, err error) {
	if s.err != nil {
		return 0, s.err
	}
	defer func() { s.err = err }()
	defer recovered(&err)
	n, err = s.r.Read(p)
	s.left -= int64(n)
	s.sum = crc32.Update(s.sum, crc32.IEEETable, p[:n])
	switch {
	case err == nil:
		return n, nil
	case !errors.Is(err, io.EOF):
		return n, sevenProblem(err, s.crypt)
	case s.left != 0, s.crc != 0 && s.sum != s.crc:
		return n, sevenDamaged(s.crypt)
	}
	return n, io.EOF
}

func (s *sevenReader) Close() (err error) {
	defer recovered(&err)
	return s.r.Close()
}

// sevenDamaged is what data that makes no sense means: in an encrypted 7z a wrong
// password looks the same as an altered byte.
func sevenDamaged(crypt bool) error {
	if crypt {
		return WrongPassword.fail("the 7z's password is another one, or its data was altered: its format cannot tell")
	}
	return Damaged.fail("the 7z is altered: its data does not fit its checksum")
}

// sevenProblem sorts the library's errors: ours and the context's pass, as they
// came through its reader; the rest is the data's fault.
func sevenProblem(err error, crypt bool) error {
	if ProblemOf(err) != "" || isInterrupt(err) {
		return err
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return err // the disk's
	}
	return sevenDamaged(crypt)
}

// recovered turns a panic of the library over a hostile header into an error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = Damaged.fail("the 7z makes no sense: %s", cut(fmt.Sprint(p), 120))
	}
}
