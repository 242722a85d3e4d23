package lab

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// zipKeys is the state of the old zip cipher (APPNOTE 6.1).
type zipKeys [3]uint32

func newZipKeys(password string) zipKeys {
	k := zipKeys{0x12345678, 0x23456789, 0x34567890}
	for i := range len(password) {
		k.update(password[i])
	}
	return k
}

// update takes in one byte of clear text.
func (k *zipKeys) update(b byte) {
	crc := func(c uint32, b byte) uint32 { return crc32.IEEETable[byte(c)^b] ^ c>>8 }
	k[0] = crc(k[0], b)
	k[1] = (k[1]+k[0]&0xff)*134775813 + 1
	k[2] = crc(k[2], byte(k[1]>>24))
}

// next is the byte of the key stream.
func (k *zipKeys) next() byte {
	t := k[2] | 2
	return byte(t * (t ^ 1) >> 8)
}

// encrypt encrypts b in place, the next piece of what these keys are for.
func (k *zipKeys) encrypt(b []byte) {
	keys := *k // a local copy is several times faster
	for i, c := range b {
		b[i] = c ^ keys.next()
		keys.update(c)
	}
	*k = keys
}

// decrypt is the other way.
func (k *zipKeys) decrypt(b []byte) {
	keys := *k
	for i, c := range b {
		b[i] = c ^ keys.next()
		keys.update(b[i])
	}
	*k = keys
}

// encryptZipCrypto puts twelve bytes before the body, the last of them the check, and encrypts it all.
func encryptZipCrypto(password string, salt []byte, check byte, body []byte) []byte {
	out := make([]byte, 0, 12+len(body))
	out = append(append(append(out, salt[:11]...), check), body...)
	k := newZipKeys(password)
	k.encrypt(out)
	return out
}

// aesEntry is the keys of one entry under WinZip AES.
type aesEntry struct {
	block  cipher.Block
	mac    []byte // the key of the HMAC
	verify []byte // two bytes that tell most wrong passwords
}

const aesMACSize = 10

// newAESEntry derives the keys: the length of the salt says which AES it is.
func newAESEntry(password string, salt []byte) (*aesEntry, error) {
	n := 2 * len(salt)
	keys, err := pbkdf2.Key(sha1.New, password, salt, 1000, 2*n+2)
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	block, err := aes.NewCipher(keys[:n])
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	return &aesEntry{block: block, mac: keys[n : 2*n], verify: keys[2*n:]}, nil
}

// xor encrypts or decrypts the whole body: counter mode, the counter little-endian from 1.
func (a *aesEntry) xor(body []byte) {
	var counter, stream [aes.BlockSize]byte
	for n := uint64(1); len(body) > 0; n++ {
		binary.LittleEndian.PutUint64(counter[:], n)
		a.block.Encrypt(stream[:], counter[:])
		for i := range min(len(body), len(stream)) {
			body[i] ^= stream[i]
		}
		body = body[min(len(body), len(stream)):]
	}
}

// sum is the authentication of the encrypted bytes.
func (a *aesEntry) sum(encrypted []byte) []byte {
	m := hmac.New(sha1.New, a.mac)
	_, _ = m.Write(encrypted)
	return m.Sum(nil)[:aesMACSize]
}

// encryptAES gives salt, verifier, encrypted body and authentication.
func encryptAES(password string, salt, body []byte) ([]byte, error) {
	a, err := newAESEntry(password, salt)
	if err != nil {
		return nil, err
	}
	out := append(append(append([]byte(nil), salt...), a.verify...), body...)
	encrypted := out[len(salt)+2:]
	a.xor(encrypted)
	return append(out, a.sum(encrypted)...), nil
}
