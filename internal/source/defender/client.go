package defender

import (
	"context"
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// Env is what a Client needs beside its options.
type Env struct {
	Name string // of the source in the configuration
	// HTTP holds the caller's settings: timeouts, transport, trace, the directory of
	// shared rates. New adds what belongs to the product.
	HTTP httpx.Config
}

// Client is one tenant. It is safe for use by many goroutines.
type Client struct {
	name    string
	options Options
	portal  string
	traits  source.Traits
	now     func() time.Time
	graph   *api
	mde     *api
	login   *httpx.Client
	top     int // alerts asked for at once
}

// What a tenant can do. Comments cannot be removed.
var (
	_ source.Source     = (*Client)(nil)
	_ source.Identifier = (*Client)(nil)
	_ source.Lister     = (*Client)(nil)
	_ source.Getter     = (*Client)(nil)
	_ source.Feeder     = (*Client)(nil)
	_ source.Incidents  = (*Client)(nil)
	_ source.Noter      = (*Client)(nil)
	_ source.NoteReader = (*Client)(nil)
	_ source.NoteProber = (*Client)(nil)
	_ source.Resolver   = (*Client)(nil)
	_ source.Fetcher    = (*Client)(nil)
	_ source.HostFinder = (*Client)(nil)
	_ source.Isolator   = (*Client)(nil)
)

// The names under which Entra lists the permissions of the two APIs.
const (
	graphName = "Microsoft Graph"
	mdeName   = "WindowsDefenderATP"
)

// New checks the options and makes a Client. It touches neither network nor disk.
// Every error is fault.Usage and says what to write instead.
func New(o Options, env Env) (*Client, error) {
	o, where, err := o.normalise()
	if err != nil {
		return nil, fault.At(err, env.Name, "")
	}
	c := &Client{name: env.Name, options: o, portal: where.portal, traits: o.traits(), now: source.Clock(env.HTTP.Now), top: alertsTop}
	issue, err := c.issuer(where, env)
	if err != nil {
		return nil, err
	}
	official, _ := findCloud(o.Cloud) // checked above; a Graph behind another address has the same audience
	key := strings.ToLower(o.TenantID) + " " + strings.ToLower(o.ClientID)
	c.graph, err = newAPI(&api{
		source: env.Name, product: "Microsoft Graph", apiName: graphName, licence: "a Microsoft Defender licence that has alerts",
		tokens: newTokens(issue, official.graph+"/.default", c.now),
	}, where.graph+"/v1.0", key, graphLimits(o.Rate), env.HTTP)
	if err != nil {
		return nil, err
	}
	c.mde, err = newAPI(&api{
		source: env.Name, product: "the Defender for Endpoint API", apiName: mdeName, licence: "Microsoft Defender for Endpoint Plan 2",
		tokens: newTokens(issue, o.MDEScope, c.now),
	}, where.mde+"/api", key, mdeLimits(o.Rate), env.HTTP)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// issuer chooses how tokens are asked for.
func (c *Client) issuer(where cloud, env Env) (issuer, error) {
	cfg := env.HTTP
	cfg.Name, cfg.Base, cfg.RateDir = env.Name, where.login, ""
	login, err := httpx.New(cfg)
	if err != nil {
		return nil, err
	}
	c.login = login
	if c.options.ClientSecret.IsSet() {
		return bySecret(c.options, login, c.now), nil
	}
	transport := cfg.Transport
	if transport == nil {
		transport = httpx.NewTransport()
	}
	if c.options.ManagedIdentity {
		return byAzure(c.options.identity, where.login, transport, c.now), nil
	}
	return byAzure(c.options.certificate, where.login, transport, c.now), nil
}

// Name implements source.Source.
func (c *Client) Name() string { return c.name }

// Kind implements source.Source.
func (c *Client) Kind() string { return Kind }

// Traits implements source.Source.
func (c *Client) Traits() source.Traits { return c.traits }

// Tenant implements source.Identifier: the id of the Entra tenant. Where the options
// name it by a domain, or not at all, a token tells it.
func (c *Client) Tenant(ctx context.Context) (string, error) {
	if isGUID(c.options.TenantID) {
		return strings.ToLower(c.options.TenantID), nil
	}
	claims, err := c.graph.tokens.claims(ctx)
	if err == nil && claims.Tenant == "" {
		err = fault.New(fault.Unavailable, "the access token does not name its tenant").WithHint("set tenant_id to the tenant's GUID")
	}
	if err != nil {
		return "", fault.At(err, c.name, "learn the tenant")
	}
	return strings.ToLower(string(claims.Tenant)), nil
}

func isGUID(s string) bool {
	return len(s) == 36 && strings.Count(s, "-") == 4 && strings.Trim(strings.ToLower(s), "0123456789abcdef-") == ""
}

// Close releases idle connections.
func (c *Client) Close() {
	c.graph.http.Close()
	c.mde.http.Close()
	c.login.Close()
}
