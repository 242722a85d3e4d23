package sample

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"

	"edrc/internal/alert"
)

// hasher makes the three hashes that products speak of in one pass, and keeps the
// first bytes, which tell the file's type.
type hasher struct {
	sha256, sha1, md5 hash.Hash
	size              int64
	head              []byte
}

func newHasher() *hasher {
	return &hasher{sha256: sha256.New(), sha1: sha1.New(), md5: md5.New()}
}

// Write never fails.
func (h *hasher) Write(p []byte) (int, error) {
	for _, w := range []hash.Hash{h.sha256, h.sha1, h.md5} {
		w.Write(p)
	}
	h.head = append(h.head, p[:min(len(p), headBytes-len(h.head))]...)
	h.size += int64(len(p))
	return len(p), nil
}

// sums gives the hashes of what was written.
func (h *hasher) sums() alert.Hashes {
	hex := func(w hash.Hash) alert.Hash { return alert.Hash(hex.EncodeToString(w.Sum(nil))) }
	return alert.Hashes{SHA256: hex(h.sha256), SHA1: hex(h.sha1), MD5: hex(h.md5)}
}

// wanted gives the hash that decides: the strongest that names a file.
func wanted(want alert.Hashes) alert.Hash {
	for _, h := range want.All() {
		if !h.Refused() {
			return h
		}
	}
	return ""
}

// Compare checks the hashes that bytes have against those that an alert gave:
// the strongest usable one decides, for weaker ones beside it are only hints.
// No usable hash is no objection. The error is [WrongBytes], fault.Corrupt.
func Compare(got, want alert.Hashes) error {
	h := wanted(want)
	if h == "" || got.Has(h) {
		return nil
	}
	have := got.SHA256
	switch h.Algo() {
	case alert.SHA1:
		have = got.SHA1
	case alert.MD5:
		have = got.MD5
	}
	return WrongBytes.fail("the file that came has %s %s, the alert says %s", h.Algo(), have, h)
}

// Sum hashes what r gives, and tells its size and, with the name, its type.
func Sum(ctx context.Context, r io.Reader, name string) (Contents, error) {
	h := newHasher()
	_, err := io.Copy(h, ctxReader{ctx, r})
	return Contents{Name: baseName(name), Size: h.size, Hashes: h.sums(), Type: TypeOf(name, h.head)}, err
}
