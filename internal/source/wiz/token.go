package wiz

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/safe"
)

const (
	// renewAhead is how long before its end a token is no longer used.
	renewAhead = time.Minute
	// refusedFor is how long a refused service account is not tried again.
	refusedFor = time.Minute
	// opToken marks the errors of a request that never left for want of a token.
	opToken = "get an access token"
)

// tokens exchanges the service account's secret for access tokens.
type tokens struct {
	source   string // its name in the configuration
	http     *httpx.Client
	audience string
	id       string
	secret   httpx.Secret
	now      func() time.Time
	// turn holds one: who gets a token. A mutex would not see ctx. It guards the rest.
	turn    chan struct{}
	value   string
	until   time.Time // from when value is no longer used
	refused error     // the service account was refused
	again   time.Time // and is not tried before
}

// authorize sets the credential on a request.
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

func (t *tokens) get(ctx context.Context, fresh bool) (string, error) {
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
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
	if !fresh && t.value != "" && now.Before(t.until) {
		return t.value, nil
	}
	value, life, err := t.request(ctx)
	if err != nil {
		if fault.Is(err, fault.Auth) {
			t.refused, t.again, t.value = err, now.Add(refusedFor), ""
		}
		return "", err
	}
	t.value, t.until, t.refused = value, now.Add(life-min(renewAhead, life/2)), nil
	return value, nil
}

// request asks for a token: a form, answered with {"access_token","expires_in"}.
func (t *tokens) request(ctx context.Context) (value string, life time.Duration, err error) {
	secret, err := t.secret.Reveal(ctx)
	if err != nil {
		return "", 0, err
	}
	secret = strings.TrimSpace(secret)
	body := url.Values{
		"grant_type": {"client_credentials"}, "audience": {t.audience}, "client_id": {t.id}, "client_secret": {secret},
	}.Encode()
	resp, err := t.http.Do(ctx, httpx.Request{
		Op: opToken, Method: http.MethodPost, Class: httpx.Idempotent, NoAuth: true,
		Body: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil },
		Size: int64(len(body)), ContentType: "application/x-www-form-urlencoded",
		OK: []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden},
	})
	if err != nil {
		return "", 0, t.explain(err)
	}
	if resp.Status/100 != 2 {
		return "", 0, t.refusal(resp, secret)
	}
	var reply struct {
		Value   text  `json:"access_token"`
		Expires count `json:"expires_in"` // seconds: 3600 and 86400 are seen
	}
	if err := resp.Decode(&reply); err != nil {
		return "", 0, err
	}
	if value = string(reply.Value); value == "" || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", 0, &fault.Error{Kind: fault.Unavailable, Source: t.source, Op: opToken, Status: resp.Status,
			Msg: "the answer holds no access token", Hint: "check auth_url, and proxies on the way to it"}
	}
	life = time.Hour
	if reply.Expires > 0 {
		life = time.Duration(min(reply.Expires, 24*3600)) * time.Second
	}
	return value, life, nil
}

// refusal is a 400, 401 or 403: an unknown service account, a wrong secret, or a token
// URL that is not the tenant's.
func (t *tokens) refusal(resp *httpx.Response, secret string) error {
	e := &fault.Error{Kind: fault.Auth, Source: t.source, Op: opToken, Status: resp.Status, Msg: "the service account was refused"}
	if m := decodeError(resp.Status, resp.Body); m != "" && secret != "" {
		e.Msg += ": " + safe.Line(strings.ReplaceAll(m, secret, "***"))
	}
	return e.WithHint("check client_id and client_secret of source %s (%s). The same is answered when the service account has "+
		"expired, and when auth_url or audience is not the tenant's", t.source, howToAccount)
}

// explain says what a token URL that is not there means: the vendor retires the old one.
func (t *tokens) explain(err error) error {
	e, ok := errors.AsType[*fault.Error](fault.At(err, t.source, opToken))
	if !ok || e.Kind != fault.NotFound && e.Kind != fault.Gone {
		return err
	}
	gone := *e
	gone.Kind = fault.Unsupported
	return gone.WithHint("there is no token endpoint at auth_url of source %s: the vendor retires auth.wiz.io and auth0.gov.wiz.io; "+
		"use https://auth.app.wiz.io/oauth/token, or the one of your government cloud", t.source)
}
