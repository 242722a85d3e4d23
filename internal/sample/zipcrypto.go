package sample

import (
	"hash/crc32"
	"io"
)

// cryptoHeader is what ZipCrypto puts before the data: eleven random bytes and a check.
const cryptoHeader = 12

// cryptoKeys is the state of PKWARE's traditional cipher (APPNOTE 6.1). It is
// broken as a cipher; it is read because agents still write it.
type cryptoKeys struct {
	k0, k1, k2 uint32
	table      *crc32.Table
}

func newCryptoKeys(password string) *cryptoKeys {
	k := &cryptoKeys{0x12345678, 0x23456789, 0x34567890, crc32.IEEETable}
	for i := range len(password) {
		k.update(password[i])
	}
	return k
}

// update stirs one byte of clear text in.
func (k *cryptoKeys) update(b byte) {
	k.k0 = k.table[byte(k.k0)^b] ^ k.k0>>8
	k.k1 = (k.k1+k.k0&0xff)*134775813 + 1
	k.k2 = k.table[byte(k.k2)^byte(k.k1>>24)] ^ k.k2>>8
}

// decrypt works in place.
func (k *cryptoKeys) decrypt(p []byte) {
	for i, c := range p {
		t := k.k2 | 2
		c ^= byte(t * (t ^ 1) >> 8)
		k.update(c)
		p[i] = c
	}
}

// cryptoReader decrypts one entry.
type cryptoReader struct {
	src  io.Reader
	keys *cryptoKeys
}

// newCryptoReader reads the header of an entry. One of the check bytes must
// fit; one wrong password in 256 passes too, which the CRC of the data finds.
func newCryptoReader(src io.Reader, password string, checks ...byte) (*cryptoReader, error) {
	var head [cryptoHeader]byte
	if _, err := io.ReadFull(src, head[:]); err != nil {
		return nil, truncated(err)
	}
	r := &cryptoReader{src: src, keys: newCryptoKeys(password)}
	r.keys.decrypt(head[:])
	for _, c := range checks {
		if head[cryptoHeader-1] == c {
			return r, nil
		}
	}
	return nil, WrongPassword.fail("the archive's password is another one")
}

func (r *cryptoReader) Read(p []byte) (int, error) {
	n, err := r.src.Read(p)
	r.keys.decrypt(p[:n])
	return n, err
}
