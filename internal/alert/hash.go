package alert

import (
	"fmt"
	"strings"
)

// Hash is a file hash in lower-case hex; its length says its algorithm.
type Hash string

// Algo is a hash algorithm's name.
type Algo string

// The algorithms that products report.
const (
	SHA256 Algo = "sha256"
	SHA1   Algo = "sha1"
	MD5    Algo = "md5"
)

// ParseHash reads a hash in hex of any case.
func ParseHash(s string) (Hash, error) {
	h := Hash(strings.ToLower(strings.TrimSpace(s)))
	if h.Algo() == "" || strings.Trim(string(h), "0123456789abcdef") != "" {
		return "", fmt.Errorf("%q is not a hash: MD5 has 32, SHA-1 40, SHA-256 64 hex digits", s)
	}
	return h, nil
}

// Algo gives the algorithm, "" when the length fits none.
func (h Hash) Algo() Algo {
	switch len(h) {
	case 64:
		return SHA256
	case 40:
		return SHA1
	case 32:
		return MD5
	}
	return ""
}

// Refused reports a hash that identifies no file: all zeros, or that of the
// empty file. Products send both (Falcon a zero SHA-1 beside a good SHA-256).
func (h Hash) Refused() bool {
	switch h {
	case "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"da39a3ee5e6b4b0d3255bfef95601890afd80709",
		"d41d8cd98f00b204e9800998ecf8427e":
		return true
	}
	return strings.Trim(string(h), "0") == ""
}

// Hashes are the hashes one product gives for one file. A pair that only an
// alert claims is a hint; what edrc or the engine hashed is a fact.
type Hashes struct {
	SHA256 Hash `json:"sha256,omitempty"`
	SHA1   Hash `json:"sha1,omitempty"`
	MD5    Hash `json:"md5,omitempty"`
}

// NewHashes keeps the usable ones of what a product sent: valid hex, not refused.
// They may come in any order and in the wrong field.
func NewHashes(values ...string) Hashes {
	var hs Hashes
	for _, v := range values {
		h, err := ParseHash(v)
		if err != nil || h.Refused() {
			continue
		}
		switch h.Algo() {
		case SHA256:
			hs.SHA256 = h
		case SHA1:
			hs.SHA1 = h
		case MD5:
			hs.MD5 = h
		}
	}
	return hs
}

// Best gives the strongest hash, "" when there is none.
func (hs Hashes) Best() Hash {
	for _, h := range hs.All() {
		return h
	}
	return ""
}

// All lists the hashes present, strongest first.
func (hs Hashes) All() []Hash {
	var out []Hash
	for _, h := range []Hash{hs.SHA256, hs.SHA1, hs.MD5} {
		if h != "" {
			out = append(out, h)
		}
	}
	return out
}

// Has reports whether h is one of the hashes.
func (hs Hashes) Has(h Hash) bool {
	return h != "" && (h == hs.SHA256 || h == hs.SHA1 || h == hs.MD5)
}
