package lab

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"strings"
)

// What is wrong with an archive.
var (
	errNeedsPassword = errors.New("the archive is encrypted")
	errCannotExtract = errors.New("the archive cannot be opened")
	errTooLarge      = errors.New("the file is too large")
)

// fingerprint is what tells one content from another.
type fingerprint struct {
	sha256, sha1, md5 string
	size              int
}

// fingerprintOf reads r to its end, at most limit bytes.
func fingerprintOf(r io.Reader, limit int64) (fingerprint, error) {
	h2, h1, h5 := sha256.New(), sha1.New(), md5.New()
	n, err := io.Copy(io.MultiWriter(h2, h1, h5), io.LimitReader(r, limit+1))
	if err == nil && n > limit {
		err = errTooLarge
	}
	hexOf := func(b []byte) string { return hex.EncodeToString(b) }
	return fingerprint{sha256: hexOf(h2.Sum(nil)), sha1: hexOf(h1.Sum(nil)), md5: hexOf(h5.Sum(nil)), size: int(n)}, err
}

// unpack gives the fingerprint of the file that was meant: the one in an archive that was sent with its password, else the bytes
// themselves. A zip that is not encrypted and came without a password is a file like any other: documents are zips.
func unpack(content []byte, password string, limit int64) (fingerprint, error) {
	if !bytes.HasPrefix(content, []byte("PK\x03\x04")) && !bytes.HasPrefix(content, []byte("PK\x05\x06")) {
		if password != "" {
			return fingerprint{}, errCannotExtract
		}
		return fingerprintOf(bytes.NewReader(content), limit)
	}
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return fingerprint{}, errCannotExtract
	}
	var files []*zip.File
	encrypted := false
	for _, f := range z.File {
		if !strings.HasSuffix(f.Name, "/") {
			files = append(files, f)
			encrypted = encrypted || f.Flags&flagEncrypted != 0
		}
	}
	switch {
	case password == "" && !encrypted:
		return fingerprintOf(bytes.NewReader(content), limit)
	case password == "":
		return fingerprint{}, errNeedsPassword
	case len(files) != 1:
		return fingerprint{}, errCannotExtract
	}
	return readZipEntry(files[0], password, limit)
}

// readZipEntry decrypts and inflates one entry, and believes it only if every check that it carries is met.
func readZipEntry(f *zip.File, password string, limit int64) (fingerprint, error) {
	r, err := f.OpenRaw()
	if err != nil {
		return fingerprint{}, errCannotExtract
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return fingerprint{}, errCannotExtract
	}
	method, checked := f.Method, true
	switch {
	case f.Flags&flagEncrypted == 0:
	case f.Method == methodAES:
		raw, method, checked, err = decryptAES(f.Extra, password, raw)
	default:
		raw, err = decryptZipCrypto(f, password, raw)
	}
	var content io.Reader = bytes.NewReader(raw)
	switch {
	case err != nil:
		return fingerprint{}, errCannotExtract
	case method == zip.Deflate:
		content = flate.NewReader(content)
	case method != zip.Store:
		return fingerprint{}, errCannotExtract
	}
	crc := crc32.NewIEEE()
	d, err := fingerprintOf(io.TeeReader(content, crc), limit)
	switch {
	case errors.Is(err, errTooLarge):
		return fingerprint{}, err
	case err != nil, checked && crc.Sum32() != f.CRC32, uint64(d.size) != f.UncompressedSize64:
		return fingerprint{}, errCannotExtract
	}
	return d, nil
}

// decryptZipCrypto takes the twelve bytes away. The last of them is of the CRC, or of the time when the writer did not know
// the CRC yet.
func decryptZipCrypto(f *zip.File, password string, raw []byte) ([]byte, error) {
	const hasDescriptor = 0x8
	if len(raw) < 12 {
		return nil, errCannotExtract
	}
	k := newZipKeys(password)
	k.decrypt(raw)
	check := byte(f.CRC32 >> 24)
	if f.Flags&hasDescriptor != 0 {
		check = byte(f.ModifiedTime >> 8)
	}
	if raw[11] != check {
		return nil, errCannotExtract
	}
	return raw[12:], nil
}

// decryptAES checks the authentication, and finds the true method. hasCRC is false for AE-2.
func decryptAES(extra []byte, password string, raw []byte) (content []byte, method uint16, hasCRC bool, err error) {
	for len(extra) >= 4 {
		id, n := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if len(extra) < 4+n {
			break
		}
		field := extra[4 : 4+n]
		extra = extra[4+n:]
		if id != extraAES || n != 7 || field[4] < 1 || field[4] > 3 {
			continue
		}
		salt := 4 + 4*int(field[4])
		if len(raw) < salt+2+aesMACSize {
			break
		}
		a, err := newAESEntry(password, raw[:salt])
		if err != nil {
			return nil, 0, false, err
		}
		body, sum := raw[salt+2:len(raw)-aesMACSize], raw[len(raw)-aesMACSize:]
		if !bytes.Equal(a.verify, raw[salt:salt+2]) || !hmac.Equal(a.sum(body), sum) {
			break
		}
		a.xor(body)
		return body, binary.LittleEndian.Uint16(field[5:]), binary.LittleEndian.Uint16(field) == 1, nil
	}
	return nil, 0, false, errCannotExtract
}
