package sample

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/aes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"encoding/binary"
	"hash/crc32"
	"io/fs"
	"testing"
)

// crypt is how an entry of a made zip is encrypted.
type crypt int

const (
	plain crypt = iota
	legacy
	ae1x128
	ae1x192
	ae1x256
	ae2x128
	ae2x192
	ae2x256
)

// made is one entry; the writer below is on the test's side: it shares no code
// with the package.
type made struct {
	name   string
	data   []byte
	crypt  crypt
	store  bool
	stream bool                  // sizes follow the data
	mode   fs.FileMode           // a link, say
	change func(*zip.FileHeader) // lies
}

// makeZip writes entries with archive/zip's raw door.
func makeZip(t testing.TB, password string, entries ...made) []byte {
	t.Helper()
	var out bytes.Buffer
	zw := zip.NewWriter(&out)
	for _, e := range entries {
		packed, method := e.data, zip.Store
		if !e.store {
			var b bytes.Buffer
			fw, _ := flate.NewWriter(&b, 6)
			fw.Write(e.data)
			fw.Close()
			packed, method = b.Bytes(), zip.Deflate
		}
		fh := &zip.FileHeader{Name: e.name, Method: method, CRC32: crc32.ChecksumIEEE(e.data), UncompressedSize64: uint64(len(e.data))}
		//lint:ignore SA1019 CreateRaw writes this field and no other
		fh.ModifiedTime = 0x5a21
		if e.mode != 0 {
			fh.SetMode(e.mode)
		}
		if e.stream {
			fh.Flags |= 8
		}
		switch {
		case e.crypt == legacy:
			fh.Flags |= 1
			check := byte(fh.CRC32 >> 24)
			if e.stream {
				check = 0x5a
			}
			packed = legacyEncrypt(packed, password, check)
		case e.crypt > legacy:
			fh.Flags |= 1
			packed = aesEncrypt(t, fh, packed, password, e.crypt)
		}
		fh.CompressedSize64 = uint64(len(packed))
		if e.change != nil {
			e.change(fh)
		}
		w, err := zw.CreateRaw(fh)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(packed)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// legacyEncrypt is PKWARE's cipher, written from the appnote.
func legacyEncrypt(data []byte, password string, check byte) []byte {
	k := [3]uint32{305419896, 591751049, 878082192}
	step := func(b byte) {
		k[0] = crc32.IEEETable[(k[0]^uint32(b))&255] ^ (k[0] >> 8)
		k[1] = (k[1] + (k[0] & 255)) * 134775813
		k[1]++
		k[2] = crc32.IEEETable[(k[2]^(k[1]>>24))&255] ^ (k[2] >> 8)
	}
	for _, b := range []byte(password) {
		step(b)
	}
	head := make([]byte, 12)
	rand.Read(head)
	head[11] = check
	out := append(head, data...)
	for i, b := range out {
		t := uint16(k[2]) | 2
		out[i] = b ^ byte((t*(t^1))>>8)
		step(b)
	}
	return out
}

// aesEncrypt is WinZip's, one block at a time.
func aesEncrypt(t testing.TB, fh *zip.FileHeader, data []byte, password string, c crypt) []byte {
	t.Helper()
	strength, version := int(c-ae1x128)%3+1, 1
	if c >= ae2x128 {
		version, fh.CRC32 = 2, 0
	}
	key := 8 + 8*strength
	salt := make([]byte, key/2)
	rand.Read(salt)
	derived, err := pbkdf2.Key(sha1.New, password, salt, 1000, 2*key+2)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(derived[:key])
	if err != nil {
		t.Fatal(err)
	}
	enc := bytes.Clone(data)
	for i := 0; i < len(enc); i += 16 {
		var ctr [16]byte
		binary.LittleEndian.PutUint32(ctr[:], uint32(i/16+1))
		block.Encrypt(ctr[:], ctr[:])
		for j := i; j < min(i+16, len(enc)); j++ {
			enc[j] ^= ctr[j-i]
		}
	}
	mac := hmac.New(sha1.New, derived[key:2*key])
	mac.Write(enc)
	fh.Extra = append(fh.Extra, 0x01, 0x99, 7, 0, byte(version), 0, 'A', 'E', byte(strength), byte(fh.Method), 0)
	fh.Method = 99
	out := append(salt, derived[2*key:]...)
	return append(append(out, enc...), mac.Sum(nil)[:10]...)
}
