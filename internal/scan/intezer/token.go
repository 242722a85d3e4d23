package intezer

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
)

// renewAhead is how long before its end a token is no longer used.
const renewAhead = 90 * time.Second

// token is an access token and the moment, on our clock, from which it must not
// be used any more. A zero Until means that the server did not say: only a 401 does.
type token struct {
	Value string    `json:"token"`
	Until time.Time `json:"until,omitzero"`
}

func (t token) usable(now time.Time) bool {
	return t.Value != "" && (t.Until.IsZero() || now.Before(t.Until))
}

// tokens exchanges the API key for access tokens (1.2), and keeps the present one
// in memory and in a file.
type tokens struct {
	c   *Client
	key httpx.Secret
	dir string
	// turn holds one: who reads or gets a token. A mutex would not see ctx.
	turn chan struct{}
	// current is guarded by turn, as are looked and refused.
	current token
	looked  bool  // the file was read
	refused error // the key was refused: it is not tried again
	// secrets are what a server may echo and must not come back in a message.
	secrets atomic.Pointer[[]string]
}

func newTokens(c *Client, key httpx.Secret, dir string) tokens {
	return tokens{c: c, key: key, dir: dir, turn: make(chan struct{}, 1)}
}

// authorize sets the bearer token on h, and gets one first where there is none.
func (t *tokens) authorize(ctx context.Context, h http.Header) error {
	value, err := t.get(ctx, false)
	if err != nil {
		return err
	}
	h.Set("Authorization", "Bearer "+value)
	return nil
}

// renew replaces a token that was refused. It always asks the server: what another
// process left in the file meanwhile may be just as dead.
func (t *tokens) renew(ctx context.Context) error {
	_, err := t.get(ctx, true)
	return err
}

func (t *tokens) get(ctx context.Context, renew bool) (string, error) {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if t.refused != nil {
		return "", t.refused
	}
	if !renew && t.current.usable(t.c.now()) {
		return t.current.Value, nil
	}
	raw, err := t.key.Reveal(ctx)
	if err != nil {
		return "", err
	}
	key, isUUID := canonicalKey(raw)
	file := tokenFile(t.dir, t.c.site, key)
	if !renew && !t.looked {
		t.looked = true
		if saved := file.read(); saved.usable(t.c.now()) {
			t.keep(saved, key, raw)
			return saved.Value, nil
		}
	}
	fresh, err := t.request(ctx, key, raw, isUUID)
	if err != nil {
		if fault.Is(err, fault.Auth) {
			t.refused = err
			file.remove()
		}
		return "", err
	}
	t.keep(fresh, key, raw)
	file.write(fresh)
	return fresh.Value, nil
}

// keep makes tok the present token, and hides it and the key in messages.
func (t *tokens) keep(tok token, keys ...string) {
	t.current = tok
	t.hide(append(keys, tok.Value)...)
}

func (t *tokens) hide(values ...string) {
	for _, v := range values {
		values = append(values, strings.ReplaceAll(v, "-", ""))
	}
	t.secrets.Store(&values)
}

// request asks for a token: POST /get-access-token {"api_key"} (1.2). 401 and 400
// both say that the key is bad.
func (t *tokens) request(ctx context.Context, key, raw string, isUUID bool) (token, error) {
	const op = "get an access token"
	t.hide(key, raw)
	resp, err := t.c.http.Do(ctx, httpx.Request{
		Op: op, Method: http.MethodPost, Path: "/get-access-token", NoAuth: true, Class: httpx.Idempotent,
		JSON: map[string]string{"api_key": key},
		OK:   []int{http.StatusBadRequest, http.StatusUnauthorized},
	})
	if err != nil {
		return token{}, err
	}
	if resp.Status/100 != 2 {
		e := &fault.Error{Kind: fault.Auth, Source: name, Op: op, Status: resp.Status,
			Msg: "the API key was refused", Hint: keyHint(t.c.site)}
		if !isUUID {
			e.Hint = "it does not look like one: an API key is a UUID, 36 characters; " + e.Hint
		}
		return token{}, e
	}
	var body struct {
		Result text   `json:"result"`
		Expire number `json:"expire_at"` // unix seconds, maybe fractional, maybe absent
	}
	if err := decode(resp.Body, &body); err != nil || !sendable(body.Result.String()) {
		return token{}, &fault.Error{Kind: fault.Unavailable, Source: name, Op: op, Status: resp.Status,
			Msg:  "the answer holds no access token",
			Hint: "check that scan.url is the address of an Intezer server"}
	}
	return token{Value: body.Result.String(), Until: t.until(body.Expire, resp.Date)}, nil
}

// until gives the end of a token's use on our clock. Its life is measured on the
// vendor's, so that a clock that is off neither wastes tokens nor keeps dead ones.
// A life that is nonsense counts as not told.
func (t *tokens) until(expire number, vendorNow time.Time) time.Time {
	const longest = 366 * 24 * time.Hour
	now := t.c.now()
	if vendorNow.IsZero() {
		vendorNow = now
	}
	seconds := expire.value - float64(vendorNow.UnixMilli())/1000
	if !expire.set || seconds <= 0 || seconds > longest.Seconds() {
		return time.Time{}
	}
	life := time.Duration(seconds * float64(time.Second))
	return now.Add(life - min(renewAhead, life/2))
}

// sendable reports whether s can stand in a header.
func sendable(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// keyHint says where a key comes from.
func keyHint(site string) string {
	return "make a key at " + site + "/account-details, or ask your Intezer administrator"
}
