package cortex

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxSkew is how wrong the clock of a client may be.
const maxSkew = 5 * time.Minute

// strange says what is wrong with the credential of a request, "" when it is good. A
// standard key comes as it is; an advanced one signs each request with a nonce of its own.
func (v *Vendor) strange(r *http.Request) string {
	h := r.Header
	given, nonce, at := h.Get("Authorization"), h.Get("X-Xdr-Nonce"), h.Get("X-Xdr-Timestamp")
	switch {
	case v.refused, h.Get("X-Xdr-Auth-Id") != v.keyID:
		return "unknown key"
	case v.standard:
		if given != v.key || nonce != "" || at != "" {
			return "wrong key, or wrong type of key"
		}
		return ""
	case len(nonce) != 64 || strings.Trim(nonce, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") != "":
		return "the nonce is not 64 letters and digits"
	case v.nonces[nonce]:
		return "the nonce was used before"
	}
	ms, err := strconv.ParseInt(at, 10, 64)
	if skew := v.opt.Now().Sub(time.UnixMilli(ms)).Abs(); err != nil || skew > maxSkew {
		return "the timestamp is not now"
	}
	sum := sha256.Sum256([]byte(v.key + nonce + at))
	if given != hex.EncodeToString(sum[:]) {
		return "the signature is wrong"
	}
	v.nonces[nonce] = true
	return ""
}
