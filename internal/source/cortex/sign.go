package cortex

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"edrc/internal/httpx"
)

// apiKey proves who asks.
type apiKey struct {
	id       string
	secret   httpx.Secret
	advanced bool
	now      func() time.Time
}

// authorize sets the headers of one attempt. A standard key is sent as it is; an advanced
// one signs: SHA-256 over key, nonce and time, in hex. Each attempt has a nonce and a
// time of its own, or a repeated one would be refused as a replay.
func (k apiKey) authorize(ctx context.Context, h http.Header) error {
	secret, err := k.secret.Reveal(ctx)
	if err != nil {
		return err
	}
	secret = strings.TrimSpace(secret)
	h.Set("x-xdr-auth-id", k.id)
	if !k.advanced {
		h.Set("Authorization", secret)
		return nil
	}
	nonce := (rand.Text() + rand.Text() + rand.Text())[:64]
	at := strconv.FormatInt(k.now().UnixMilli(), 10)
	sum := sha256.Sum256([]byte(secret + nonce + at))
	h.Set("x-xdr-nonce", nonce)
	h.Set("x-xdr-timestamp", at)
	h.Set("Authorization", hex.EncodeToString(sum[:]))
	return nil
}
