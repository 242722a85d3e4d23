package defender

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"edrc/internal/fault"
)

const (
	// renewAhead is how long before its end a token is no longer used.
	renewAhead = 5 * time.Minute
	// refusedFor is how long a refused credential is not tried again: Entra locks
	// applications out that hammer it.
	refusedFor = time.Minute
)

// access is an access token. It must not be used from until on, on our clock.
type access struct {
	value string
	until time.Time
}

// issuer asks Entra for a new token for a scope. Each call asks: nothing is cached
// behind it.
type issuer func(ctx context.Context, scope string) (access, error)

// tokens are the tokens for one resource, one after the other. Entra gives one token
// for each resource, and no refresh token.
type tokens struct {
	issue issuer
	scope string
	now   func() time.Time
	// turn holds one: who asks for a token. A mutex would not see ctx.
	turn chan struct{}
	// current, refused and again are guarded by turn.
	current access
	refused error     // the credential was refused
	again   time.Time // and is not tried before
	// latest is the value of current, for those who only look.
	latest atomic.Pointer[string]
}

func newTokens(issue issuer, scope string, now func() time.Time) *tokens {
	return &tokens{issue: issue, scope: scope, now: now, turn: make(chan struct{}, 1)}
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

// renew replaces a token that was refused.
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
	now := t.now()
	if t.refused != nil && now.Before(t.again) {
		return "", t.refused
	}
	if !renew && t.current.value != "" && now.Before(t.current.until) {
		return t.current.value, nil
	}
	fresh, err := t.issue(ctx, t.scope)
	if err == nil && !sendable(fresh.value) {
		err = fault.New(fault.Unavailable, "the answer holds no access token").WithHint("check the authority, and proxies on the way to it")
	}
	if err != nil {
		if k := fault.KindOf(err); k == fault.Auth || k == fault.Denied {
			t.refused, t.again, t.current = err, now.Add(refusedFor), access{}
		}
		return "", err
	}
	t.refused, t.current = nil, fresh
	t.latest.Store(&fresh.value)
	return fresh.value, nil
}

// claims are those of a token for the resource.
func (t *tokens) claims(ctx context.Context) (claims, error) {
	value, err := t.get(ctx, false)
	return readClaims(value), err
}

// present gives the claims of the last token, without asking for one.
func (t *tokens) present() claims {
	if v := t.latest.Load(); v != nil {
		return readClaims(*v)
	}
	return claims{}
}

// mask takes the token out of a text: a server may quote what it was sent.
func (t *tokens) mask(s string) string {
	if v := t.latest.Load(); v != nil && *v != "" {
		return strings.ReplaceAll(s, *v, "***")
	}
	return s
}

// until is when a token with so many seconds to live is no longer used.
func until(now time.Time, seconds int64) time.Time {
	life := time.Duration(min(max(seconds, 0), 24*3600)) * time.Second
	return now.Add(life - min(renewAhead, life/2))
}

// sendable reports whether s can stand in a header.
func sendable(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}
