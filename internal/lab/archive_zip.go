package lab

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"unicode/utf8"
)

// entry is one file of an archive that the lab writes. The name goes in as it is, however hostile.
type entry struct {
	name    string
	content []byte
	stored  bool // do not compress; a 7z never does
}

// The methods of [writeEncryptedZip].
const (
	zipPlain  = "plain"     // no password is asked for
	zipCrypto = "zipcrypto" // the old cipher of PKWARE, what `zip -P` writes
	zipAES    = "aes"       // WinZip AES-256, AE-2
	zipAES1   = "ae1"       // WinZip AES-256, AE-1: with the CRC of the content
	zipAES128 = "aes128"    // WinZip AES-128, AE-2
)

const (
	flagEncrypted = 0x1
	flagUTF8      = 0x800
	methodAES     = 99 // the method that WinZip AES puts in place of the true one
	extraAES      = 0x9901
)

// writeEncryptedZip writes a zip whose entries are encrypted with the password by the method. The same arguments give the
// same bytes: salts come from the content. An unknown method is an error, so is a failing w.
func writeEncryptedZip(w io.Writer, method, password string, entries []entry) error {
	z := zip.NewWriter(w)
	for i, e := range entries {
		if err := writeZipEntry(z, method, password, i, e); err != nil {
			return fmt.Errorf("lab: zip entry %d: %w", i, err)
		}
	}
	return z.Close()
}

func writeZipEntry(z *zip.Writer, method, password string, i int, e entry) error {
	h := &zip.FileHeader{
		Name: e.name, CRC32: crc32.ChecksumIEEE(e.content), UncompressedSize64: uint64(len(e.content)),
	}
	if strings.ContainsFunc(e.name, func(r rune) bool { return r > '~' }) && utf8.ValidString(e.name) {
		h.Flags |= flagUTF8
	}
	if strings.HasSuffix(e.name, "/") { // a folder has nothing to encrypt
		_, err := z.CreateRaw(h)
		return err
	}
	body := e.content
	if !e.stored {
		var err error
		if body, err = deflate(body); err != nil {
			return err
		}
		h.Method = zip.Deflate
	}
	body, err := encryptEntry(h, method, password, saltOf(password, i, e), body)
	if err != nil {
		return err
	}
	h.CompressedSize64 = uint64(len(body))
	raw, err := z.CreateRaw(h)
	if err == nil {
		_, err = raw.Write(body)
	}
	return err
}

func deflate(content []byte) ([]byte, error) {
	var b bytes.Buffer
	f, err := flate.NewWriter(&b, flate.DefaultCompression)
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(content); err != nil {
		return nil, err
	}
	err = f.Close()
	return b.Bytes(), err
}

// saltOf is 32 bytes that differ from entry to entry.
func saltOf(password string, i int, e entry) []byte {
	m := hmac.New(sha256.New, []byte(password))
	fmt.Fprintf(m, "%d/%q/", i, e.name)
	_, _ = m.Write(e.content)
	return m.Sum(nil)
}

// encryptEntry gives the bytes that stand in the archive for body, and says in h how they are encrypted.
func encryptEntry(h *zip.FileHeader, method, password string, salt, body []byte) ([]byte, error) {
	strength, version := byte(3), uint16(2)
	switch method {
	case zipPlain:
		return body, nil
	case zipCrypto:
		h.Flags |= flagEncrypted
		return encryptZipCrypto(password, salt, byte(h.CRC32>>24), body), nil
	case zipAES:
	case zipAES1:
		version = 1
	case zipAES128:
		strength = 1
	default:
		return nil, fmt.Errorf("the method %q is unknown", method)
	}
	extra := binary.LittleEndian.AppendUint16(nil, extraAES)
	extra = binary.LittleEndian.AppendUint16(extra, 7)
	extra = binary.LittleEndian.AppendUint16(extra, version)
	extra = append(extra, 'A', 'E', strength)
	h.Extra = binary.LittleEndian.AppendUint16(extra, h.Method)
	h.Flags |= flagEncrypted
	h.Method = methodAES
	if version == 2 {
		h.CRC32 = 0
	}
	return encryptAES(password, salt[:4+4*int(strength)], body)
}
