package sample

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// The alphabets of derived passwords: every product and every shell takes them.
const (
	lowers  = "abcdefghijkmnopqrstuvwxyz"
	uppers  = "ABCDEFGHJKLMNPQRSTUVWXYZ"
	digits  = "23456789"
	symbols = "!#%+=@_-"
)

// Password derives the password of one attempt to fetch one threat's file: 24
// ASCII characters with an upper, a lower, a digit and a symbol among them, for
// SentinelOne refuses less. There is nothing to store, and a request that is
// repeated yields an archive that opens. secret is [InstallSecret]'s.
func Password(secret []byte, source, threat string, attempt int) string {
	m := hmac.New(sha256.New, secret)
	for _, s := range []string{"edrc archive password 1", source, threat} {
		_ = binary.Write(m, binary.BigEndian, uint64(len(s))) // or "a","bc" were "ab","c"
		m.Write([]byte(s))
	}
	_ = binary.Write(m, binary.BigEndian, int64(attempt))
	sum := m.Sum(nil)
	const all = lowers + uppers + digits
	out := make([]byte, 0, 24)
	for i, set := range []string{uppers, lowers, digits, symbols} {
		out = append(out, set[int(sum[i])%len(set)])
	}
	for _, b := range sum[4:24] {
		out = append(out, all[int(b)%len(all)])
	}
	return string(out)
}
