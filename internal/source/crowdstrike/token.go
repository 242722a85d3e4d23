package crowdstrike

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

// renewAhead is how long before its end a token is no longer used.
const renewAhead = 2 * time.Minute

// errMoved ends a request to a cloud that turned out not to be the tenant's; nothing
// was sent.
var errMoved = errors.New("the tenant lives in another cloud")

// opToken marks the errors of a request that never left for want of a token.
const opToken = "get an access token"

// token is an access token, and the moment from which it is not used any more.
type token struct {
	value string
	until time.Time
}

// tokens exchanges the API client's secret for access tokens, and learns on the way
// which cloud the tenant lives in. A token is good at the place it came from.
type tokens struct {
	api    *api
	id     string
	secret httpx.Secret
	member string
	now    func() time.Time
	// turn holds one: who gets a token. A mutex would not see ctx. It guards the rest.
	turn    chan struct{}
	base    string // where the tenant lives, as far as is known
	current token
	refused error // the API client was refused: it is not tried again
}

// get gives a token and the place where it is good; fresh replaces the present one.
func (t *tokens) get(ctx context.Context, fresh bool) (value, base string, err error) {
	if err := t.lock(ctx); err != nil {
		return "", "", err
	}
	defer t.unlock()
	if t.refused != nil {
		return "", "", t.refused
	}
	if !fresh && t.current.value != "" && t.now().Before(t.current.until) {
		return t.current.value, t.base, nil
	}
	got, base, err := t.request(ctx)
	if err != nil {
		if fault.Is(err, fault.Auth) {
			t.refused = err
		}
		return "", "", err
	}
	t.current, t.base = got, base
	return got.value, base, nil
}

func (t *tokens) lock(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	select {
	case t.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *tokens) unlock() { <-t.turn }

// move is told by a redirect that the tenant lives elsewhere.
func (t *tokens) move(ctx context.Context, base string) error {
	if err := t.lock(ctx); err != nil {
		return err
	}
	defer t.unlock()
	t.base, t.current = base, token{}
	return nil
}

// authorizer sets the credential on requests to one place.
func (t *tokens) authorizer(base string) func(context.Context, http.Header) error {
	return func(ctx context.Context, h http.Header) error {
		value, at, err := t.get(ctx, false)
		if err == nil && at != base {
			err = errMoved
		}
		if err != nil {
			return err
		}
		h.Set("Authorization", "Bearer "+value)
		return nil
	}
}

// renewer replaces a token that was refused at one place.
func (t *tokens) renewer(base string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, at, err := t.get(ctx, true)
		if err == nil && at != base {
			err = errMoved
		}
		return err
	}
}

// maxMoves bounds how often one request is sent to another cloud.
const maxMoves = 2

// request asks for a token, POST /oauth2/token, and follows the vendor to the cloud
// that the tenant lives in. A token of the wrong cloud is not used.
func (t *tokens) request(ctx context.Context) (token, string, error) {
	const op = opToken
	secret, err := t.secret.Reveal(ctx)
	if err != nil {
		return token{}, "", err
	}
	secret = strings.TrimSpace(secret)
	form := url.Values{"client_id": {t.id}, "client_secret": {secret}}
	if t.member != "" {
		form.Set("member_cid", t.member)
	}
	body := form.Encode()
	base := t.base
	for moves := 0; ; moves++ {
		client, err := t.api.at(base)
		if err != nil {
			return token{}, "", err
		}
		resp, err := client.Do(ctx, httpx.Request{
			Op: op, Method: http.MethodPost, Path: "/oauth2/token", Class: httpx.Idempotent, NoAuth: true, Rate: rateToken,
			Body: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil },
			Size: int64(len(body)), ContentType: "application/x-www-form-urlencoded",
			OK: []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusTemporaryRedirect, http.StatusPermanentRedirect},
		})
		if err != nil {
			return token{}, "", explainToken(err)
		}
		next, moved := elsewhere(base, resp.Status, resp.Header)
		switch {
		case moved && moves < maxMoves:
			base = next
		case resp.Status/100 == 3 || moved:
			return token{}, "", strayed(op, resp)
		case resp.Status/100 != 2:
			return token{}, "", t.refusal(op, resp, secret)
		default:
			got, err := t.read(op, resp)
			return got, base, err
		}
	}
}

// read takes the token out of the reply: {"access_token","expires_in"}, 201.
func (t *tokens) read(op string, resp *httpx.Response) (token, error) {
	var reply struct {
		Value   text  `json:"access_token"`
		Expires count `json:"expires_in"` // seconds
	}
	if err := resp.Decode(&reply); err != nil {
		return token{}, err
	}
	if value := string(reply.Value); value == "" || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return token{}, &fault.Error{Kind: fault.Unavailable, Op: op, Status: resp.Status, Msg: "the answer holds no access token"}
	}
	life := 30 * time.Minute // what the vendor gives
	if s := time.Duration(reply.Expires) * time.Second; s > 0 && s < 24*time.Hour {
		life = s
	}
	return token{string(reply.Value), t.now().Add(life - min(renewAhead, life/2))}, nil
}

// refusal is a 400, 401 or 403: an unknown client, a wrong secret, an address that is
// not on the allow-list, or the wrong cloud.
func (t *tokens) refusal(op string, resp *httpx.Response, secret string) error {
	e := &fault.Error{Kind: fault.Auth, Op: op, Status: resp.Status, Msg: "the API client was refused"}
	if m := decodeError(resp.Status, resp.Body); m != "" {
		e.Msg += ": " + safe.Line(strings.ReplaceAll(m, secret, "***"))
	}
	return e.WithHint("check client_id and client_secret of source %s (Support and resources > API clients and keys). "+
		"The same is answered when this machine is not on the API client's list of addresses, and by the wrong cloud: "+
		"a tenant in a government cloud must have it named by `cloud`", t.api.source)
}

// explainToken adds what a 500 may mean here: it is also the answer to a client id that
// is not one.
func explainToken(err error) error {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || e.Status != http.StatusInternalServerError {
		return err
	}
	return e.WithHint("the vendor also answers like this when client_id is not an id of an API client")
}

// strayed is a redirect that leads to no cloud of the vendor, or round in circles.
func strayed(op string, resp *httpx.Response) error {
	e := &fault.Error{Kind: fault.Invalid, Op: op, Status: resp.Status, Msg: "redirected to an address that is no cloud of the vendor"}
	if to, err := url.Parse(resp.Header.Get("Location")); err == nil && to.Host != "" {
		e.Msg += ": " + safe.Line(to.Host)
	}
	return e.WithHint("set `cloud` or `base_url` to where the tenant lives")
}
