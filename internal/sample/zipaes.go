package sample

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"hash"
	"io"
)

// WinZip's AES (https://www.winzip.com/en/support/aes-encryption/): an entry is
//
//	salt (8, 12 or 16) | check (2) | AES-CTR(data) | HMAC-SHA1-80 of the middle
//
// under method 99, with the true method in extra field 0x9901. AE-1 has the CRC
// of the data in its directory, AE-2 has zero there.
const (
	aesMethod  = 99
	aesExtra   = 0x9901
	aesCheck   = 2
	aesMAC     = 10
	aesRounds  = 1000
	aesVersion = 51 // needed to extract: 5.1
)

// aesInfo is the extra field 0x9901.
type aesInfo struct {
	ae2      bool
	strength int // 1, 2, 3: 128, 192, 256 bits
	method   uint16
}

func (i aesInfo) keyLen() int  { return 8 * (i.strength + 1) }
func (i aesInfo) saltLen() int { return i.keyLen() / 2 }

// overhead is what the encryption adds to the compressed data.
func (i aesInfo) overhead() int64 { return int64(i.saltLen() + aesCheck + aesMAC) }

// parseAES finds the field in an entry's extra data.
func parseAES(extra []byte) (aesInfo, error) {
	for len(extra) >= 4 {
		id, n := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if len(extra) < 4+n {
			break
		}
		if f := extra[4 : 4+n]; id == aesExtra && n >= 7 && string(f[2:4]) == "AE" {
			i := aesInfo{strength: int(f[4]), method: binary.LittleEndian.Uint16(f[5:])}
			version := binary.LittleEndian.Uint16(f)
			i.ae2 = version == 2
			if version < 1 || version > 2 || i.strength < 1 || i.strength > 3 {
				return i, NotSupported.fail("the zip's AES variant (version %d, strength %d) is not read here", version, i.strength)
			}
			return i, nil
		}
		extra = extra[4+n:]
	}
	return aesInfo{}, Damaged.fail("an AES entry of the zip does not tell its key size")
}

// aesKeys derives cipher, HMAC and the two check bytes from a password and a salt.
func aesKeys(password string, salt []byte, i aesInfo) (*littleCTR, hash.Hash, []byte, error) {
	n := i.keyLen()
	k, err := pbkdf2.Key(sha1.New, password, salt, aesRounds, 2*n+aesCheck)
	if err != nil {
		return nil, nil, nil, err
	}
	block, err := aes.NewCipher(k[:n])
	if err != nil {
		return nil, nil, nil, err
	}
	return &littleCTR{block: block}, hmac.New(sha1.New, k[n:2*n]), k[2*n:], nil
}

// littleCTR is CTR with a little-endian counter from 1, as WinZip has it; the
// standard library's is big-endian.
type littleCTR struct {
	block cipher.Block
	n     uint64
	pad   [64 * aes.BlockSize]byte
	left  int // unused bytes at the end of pad
}

// XORKeyStream is cipher.Stream's.
func (c *littleCTR) XORKeyStream(dst, src []byte) {
	for len(src) > 0 {
		if c.left == 0 {
			for b := c.pad[:]; len(b) > 0; b = b[aes.BlockSize:] {
				c.n++
				binary.LittleEndian.PutUint64(b, c.n)
				clear(b[8:aes.BlockSize])
				c.block.Encrypt(b, b)
			}
			c.left = len(c.pad)
		}
		n := subtle.XORBytes(dst, src, c.pad[len(c.pad)-c.left:])
		c.left -= n
		dst, src = dst[n:], src[n:]
	}
}

// aesReader decrypts one entry and checks its HMAC when all of it was read.
type aesReader struct {
	src  io.Reader // salt and check are read already
	left int64     // of the encrypted data
	ctr  *littleCTR
	mac  hash.Hash
	err  error
}

// newAESReader reads salt and check of an entry with packed bytes in all.
func newAESReader(src io.Reader, packed int64, i aesInfo, password string) (*aesReader, error) {
	if packed < i.overhead() {
		return nil, Damaged.fail("an AES entry of the zip has %d bytes only", packed)
	}
	head := make([]byte, i.saltLen()+aesCheck)
	if _, err := io.ReadFull(src, head); err != nil {
		return nil, truncated(err)
	}
	ctr, mac, check, err := aesKeys(password, head[:i.saltLen()], i)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(check, head[i.saltLen():]) != 1 {
		return nil, WrongPassword.fail("the archive's password is another one")
	}
	return &aesReader{src: src, left: packed - i.overhead(), ctr: ctr, mac: mac}, nil
}

// Read gives io.EOF only once the HMAC was right.
func (r *aesReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if r.left == 0 {
		r.err = r.verify()
		return 0, r.err
	}
	p = p[:min(int64(len(p)), r.left)]
	n, err := r.src.Read(p)
	r.left -= int64(n)
	r.mac.Write(p[:n])
	r.ctr.XORKeyStream(p[:n], p[:n])
	if err != nil && (r.left > 0 || !errors.Is(err, io.EOF)) {
		r.err = truncated(err)
		return n, r.err
	}
	return n, nil
}

// verify reads the HMAC that ends the entry.
func (r *aesReader) verify() error {
	var want [aesMAC]byte
	if _, err := io.ReadFull(r.src, want[:]); err != nil {
		return truncated(err)
	}
	if !hmac.Equal(want[:], r.mac.Sum(nil)[:aesMAC]) {
		return Damaged.fail("the zip's authentication code does not fit: it was altered, or the password is wrong by coincidence")
	}
	return io.EOF
}

// truncated tells a file that ends too early from a disk or a context that failed.
func truncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return Damaged.fail("the archive ends too early")
	}
	return err
}
