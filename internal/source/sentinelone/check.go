package sentinelone

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

// Check implements source.Source. What a role may write cannot be asked without
// writing, so Missing holds what reading showed: alerts and notes, hosts, fetch.
func (c *Client) Check(ctx context.Context) (source.Health, error) {
	version, date, err := c.system(ctx)
	if err != nil {
		return source.Health{}, err
	}
	h := source.Health{Tenant: c.tenant, Version: version, Missing: map[string]string{}}
	if !date.IsZero() {
		h.Skew = date.Sub(c.now()).Round(time.Second) // the header has whole seconds
	}
	who, err := c.whoami(ctx)
	if err != nil {
		return h, err
	}
	h.Identity, h.Expires = who.name, who.expires
	return h, c.permissions(ctx, h.Missing)
}

// permissions tries one small read for each capability. A refusal fills missing;
// any other failure is the result.
func (c *Client) permissions(ctx context.Context, missing map[string]string) error {
	small := func(path, rate string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := c.rest.list(ctx, call{Request: httpx.Request{
				Op: "check the permissions", Path: path, Query: c.rest.scoped(1), Rate: rate}}, "")
			return err
		}
	}
	for _, try := range []struct {
		permission   string
		capabilities []string
		read         func(context.Context) error
	}{
		{permThreats, []string{"alerts", "notes"}, c.surface.probe},
		{permAgents, []string{"hosts"}, small("/agents", rateAgents)},
		{permActive, []string{"fetch"}, small("/activities", rateActivities)},
	} {
		err := try.read(ctx)
		if fault.Is(err, fault.Denied) || fault.Is(err, fault.NotFound) {
			for _, capability := range try.capabilities {
				missing[capability] = try.permission
			}
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// identity is what the console, or the token itself, says about the token.
type identity struct {
	name    string // "" when nobody tells
	expires time.Time
}

// whoami asks for the token's end and its owner. A service user may not see either:
// then the token is read, which is a JWT. Only a refused token is an error.
func (c *Client) whoami(ctx context.Context) (identity, error) {
	token, err := c.token.Reveal(ctx)
	if err != nil {
		return identity{}, fault.At(err, c.name, "check the token")
	}
	token = strings.TrimSpace(token)
	who := readJWT(token)
	var details struct {
		Data struct {
			ExpiresAt stamp `json:"expiresAt"`
		} `json:"data"`
	}
	err = c.ask(ctx, httpx.Request{
		Op: "check the token", Method: http.MethodPost, Path: "/users/api-token-details", Class: httpx.Read,
		JSON: map[string]any{"data": map[string]string{"apiToken": token}},
	}, &details)
	if err != nil {
		return identity{}, err
	}
	var user struct {
		Data struct {
			Email    text `json:"email"`
			FullName text `json:"fullName"`
			APIToken struct {
				ExpiresAt stamp `json:"expiresAt"`
			} `json:"apiToken"`
		} `json:"data"`
	}
	if err := c.ask(ctx, httpx.Request{Op: "check the token's user", Path: "/user"}, &user); err != nil {
		return identity{}, err
	}
	if name := lenient.FirstText(user.Data.Email, user.Data.FullName); name != "" {
		who.name = name
	}
	if at := lenient.First(details.Data.ExpiresAt, user.Data.APIToken.ExpiresAt); !at.IsZero() {
		who.expires = at
	}
	return who, nil
}

// ask reads what may not be available: only a refused token and an interruption are
// errors. That the console is down, the next request says.
func (c *Client) ask(ctx context.Context, r httpx.Request, into any) error {
	resp, err := c.rest.do(ctx, call{Request: r})
	switch fault.KindOf(err) {
	case fault.Auth, fault.Interrupted, fault.Usage:
		return err
	}
	if err == nil {
		_ = json.Unmarshal(resp.Body, into) // another shape says nothing
	}
	return nil
}

// readJWT takes subject and end out of a token, without trust in either: they are
// shown, nothing rests on them.
func readJWT(token string) identity {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return identity{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return identity{}
	}
	var claims struct {
		Sub text  `json:"sub"`
		Exp count `json:"exp"` // seconds since 1970
	}
	_ = json.Unmarshal(payload, &claims)
	who := identity{name: string(claims.Sub)}
	if claims.Exp > 0 && claims.Exp < 1<<40 {
		who.expires = time.Unix(int64(claims.Exp), 0).UTC()
	}
	return who
}
