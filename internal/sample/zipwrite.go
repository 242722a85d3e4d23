package sample

import (
	"compress/flate"
	"crypto/rand"
	"encoding/binary"
	"hash"
	"io"
	"math"
)

// wrapInfo is how this program encrypts: AE-2, AES-256, deflated.
func wrapInfo() aesInfo { return aesInfo{ae2: true, strength: 3, method: 8} }

// Flags of an entry: encrypted, sizes after the data, UTF-8 name.
const wrapFlags = flagEncrypted | flagDescriptor | flagUTF8

// zipWriter writes an AES-256 zip as a stream: nothing is written twice, sizes
// follow the data, times are left out. archive/zip cannot encrypt, and its
// CreateRaw wants sizes first.
type zipWriter struct {
	w        io.Writer
	off      int64
	password string
	entries  []zipEntry
}

// zipEntry is what the directory says of one entry.
type zipEntry struct {
	name         string
	packed, size int64
	header       int64 // offset
}

func (z *zipWriter) Write(p []byte) (int, error) {
	n, err := z.w.Write(p)
	z.off += int64(n)
	return n, err
}

// le appends integers of 16 and 32 bits.
func le(b []byte, values ...any) []byte {
	for _, v := range values {
		switch v := v.(type) {
		case uint16:
			b = binary.LittleEndian.AppendUint16(b, v)
		case uint32:
			b = binary.LittleEndian.AppendUint32(b, v)
		}
	}
	return b
}

// extra is the field 0x9901.
func (i aesInfo) extra() []byte {
	b := le(nil, uint16(aesExtra), uint16(7), uint16(2))
	b = append(b, 'A', 'E', byte(i.strength))
	return le(b, i.method)
}

// dosEpoch is 1 January 1980, the earliest day that a zip can say.
const dosEpoch = uint16(1<<5 | 1)

// add writes one entry from r and gives its size.
func (z *zipWriter) add(name string, r io.Reader) error {
	e := zipEntry{name: name, header: z.off}
	info := wrapInfo()
	head := le(nil, uint32(0x04034b50), uint16(aesVersion), uint16(wrapFlags), uint16(aesMethod),
		uint16(0), dosEpoch, uint32(0), uint32(0), uint32(0), uint16(len(name)), uint16(len(info.extra())))
	head = append(append(head, name...), info.extra()...)
	if _, err := z.Write(head); err != nil {
		return err
	}
	start := z.off
	size, err := z.encrypt(r, info)
	if err != nil {
		return err
	}
	e.packed, e.size = z.off-start, size
	if e.packed >= math.MaxUint32 || e.size >= math.MaxUint32 {
		return TooLarge.fail("a file of 4 GiB or more is not wrapped")
	}
	if _, err := z.Write(le(nil, uint32(0x08074b50), uint32(0), uint32(e.packed), uint32(e.size))); err != nil {
		return err
	}
	z.entries = append(z.entries, e)
	return nil
}

// encrypt writes salt, check, data and HMAC.
func (z *zipWriter) encrypt(r io.Reader, info aesInfo) (int64, error) {
	salt := make([]byte, info.saltLen())
	_, _ = rand.Read(salt)
	ctr, mac, check, err := aesKeys(z.password, salt, info)
	if err != nil {
		return 0, err
	}
	if _, err := z.Write(append(salt, check...)); err != nil {
		return 0, err
	}
	fw, err := flate.NewWriter(&aesWriter{w: z, ctr: ctr, mac: mac}, flate.BestSpeed)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(fw, r)
	if err != nil {
		return n, err
	}
	if err := fw.Close(); err != nil {
		return n, err
	}
	_, err = z.Write(mac.Sum(nil)[:aesMAC])
	return n, err
}

// aesWriter encrypts what passes.
type aesWriter struct {
	w   io.Writer
	ctr *littleCTR
	mac hash.Hash
	buf [16 << 10]byte
}

func (a *aesWriter) Write(p []byte) (int, error) {
	n := 0
	for len(p) > 0 {
		c := min(len(p), len(a.buf))
		a.ctr.XORKeyStream(a.buf[:c], p[:c])
		a.mac.Write(a.buf[:c])
		if _, err := a.w.Write(a.buf[:c]); err != nil {
			return n, err
		}
		n, p = n+c, p[c:]
	}
	return n, nil
}

// close writes the directory.
func (z *zipWriter) close() error {
	start, extra := z.off, wrapInfo().extra()
	for _, e := range z.entries {
		b := le(nil, uint32(0x02014b50), uint16(aesVersion), uint16(aesVersion), uint16(wrapFlags), uint16(aesMethod),
			uint16(0), dosEpoch, uint32(0), uint32(e.packed), uint32(e.size), uint16(len(e.name)), uint16(len(extra)),
			uint16(0), uint16(0), uint16(0), uint32(0), uint32(e.header))
		b = append(append(b, e.name...), extra...)
		if _, err := z.Write(b); err != nil {
			return err
		}
	}
	if z.off >= math.MaxUint32 {
		return TooLarge.fail("an archive of 4 GiB or more is not written")
	}
	n := uint16(len(z.entries))
	_, err := z.Write(le(nil, uint32(0x06054b50), uint16(0), uint16(0), n, n,
		uint32(z.off-start), uint32(start), uint16(0)))
	return err
}
