package sample

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
)

// A spool file is veiled as a whole with AES-256-CTR below the archive's own
// encryption. Products send plain archives, archives with one plain entry, and
// error pages: none of that may touch a disk as it is, and whether a zip is
// encrypted throughout is known only when its directory, its end, has come.
//
//	magic (8) | nonce (16) | key check (8) | AES-256-CTR(archive)
const (
	veilMagic  = "EDRCSPL1"
	veilHeader = 8 + 16 + 8
)

// veiled is a veiled file. Reading is for many goroutines, writing for one.
type veiled struct {
	f       *os.File
	block   cipher.Block
	nonce   [aes.BlockSize]byte
	size    int64         // of the content
	account *atomic.Int64 // the spool's, nil when this file is not counted
	done    atomic.Bool
	mu      sync.Mutex
	cleanup func() error // removes the file when closing it did not
}

// veilKey derives the key of one file from a secret and the file's nonce.
func veilKey(secret, nonce []byte, use string) []byte {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte("edrc spool " + use))
	m.Write(nonce)
	return m.Sum(nil)
}

// newVeiled starts an empty veiled file on f, which it owns from here on.
func newVeiled(f *os.File, secret []byte) (*veiled, error) {
	v := &veiled{f: f}
	// Since Go 1.24 this cannot fail: the program is stopped instead.
	_, _ = rand.Read(v.nonce[:])
	block, err := aes.NewCipher(veilKey(secret, v.nonce[:], "key"))
	if err != nil {
		return nil, err
	}
	v.block = block
	head := append([]byte(veilMagic), v.nonce[:]...)
	head = append(head, veilKey(secret, v.nonce[:], "check")[:8]...)
	if _, err := f.Write(head); err != nil {
		return nil, fmt.Errorf("write spool file: %w", err)
	}
	return v, nil
}

// openVeiled opens a veiled file that another process wrote.
func openVeiled(f *os.File, secret []byte) (*veiled, error) {
	var head [veilHeader]byte
	if _, err := io.ReadFull(f, head[:]); err != nil || string(head[:8]) != veilMagic {
		return nil, Damaged.fail("a kept sample is not what this program wrote")
	}
	v := &veiled{f: f}
	copy(v.nonce[:], head[8:24])
	if !hmac.Equal(head[24:], veilKey(secret, v.nonce[:], "check")[:8]) {
		return nil, WrongPassword.fail("the kept sample was stored with another password")
	}
	fi, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open kept sample: %w", err)
	}
	v.size = fi.Size() - veilHeader
	v.block, err = aes.NewCipher(veilKey(secret, v.nonce[:], "key"))
	return v, err
}

// stream gives the key stream from offset off of the content.
func (v *veiled) stream(off int64) cipher.Stream {
	ctr := v.nonce
	lo := binary.BigEndian.Uint64(ctr[8:])
	sum := lo + uint64(off/aes.BlockSize)
	binary.BigEndian.PutUint64(ctr[8:], sum)
	if sum < lo {
		binary.BigEndian.PutUint64(ctr[:8], binary.BigEndian.Uint64(ctr[:8])+1)
	}
	s := cipher.NewCTR(v.block, ctr[:])
	var skip [aes.BlockSize]byte
	s.XORKeyStream(skip[:off%aes.BlockSize], skip[:off%aes.BlockSize])
	return s
}

// ReadAt reads the content in clear.
func (v *veiled) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= v.size {
		return 0, io.EOF
	}
	whole := len(p)
	p = p[:min(int64(len(p)), v.size-off)]
	n, err := v.f.ReadAt(p, veilHeader+off)
	v.stream(off).XORKeyStream(p[:n], p[:n])
	if err == nil && n < whole {
		err = io.EOF
	}
	return n, err
}

// append adds p to the end of the content; p is overwritten.
func (v *veiled) append(p []byte) error {
	v.stream(v.size).XORKeyStream(p, p)
	n, err := v.f.WriteAt(p, veilHeader+v.size)
	v.size += int64(n)
	if v.account != nil {
		v.account.Add(int64(n))
	}
	if err != nil {
		return fmt.Errorf("write spool file: %w", err)
	}
	return nil
}

func (v *veiled) closed() bool { return v.done.Load() }

// Close closes the file, once.
func (v *veiled) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.done.Swap(true) {
		return nil
	}
	if v.account != nil {
		v.account.Add(-v.size)
	}
	err := v.f.Close()
	if v.cleanup != nil {
		if e := v.cleanup(); e != nil && !os.IsNotExist(e) && err == nil {
			err = e
		}
	}
	return err
}
