package cortex

import (
	"context"
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
	traits  source.Traits
	now     func() time.Time
	api     *api
	spoken  *spoken
}

// What Cortex XDR can do. A comment cannot be removed.
var (
	_ source.Source     = (*Client)(nil)
	_ source.Identifier = (*Client)(nil)
	_ source.Lister     = (*Client)(nil)
	_ source.Getter     = (*Client)(nil)
	_ source.Feeder     = (*Client)(nil)
	_ source.Incidents  = (*Client)(nil)
	_ source.Noter      = (*Client)(nil)
	_ source.NoteReader = (*Client)(nil)
	_ source.Resolver   = (*Client)(nil)
	_ source.Fetcher    = (*Client)(nil)
	_ source.HostFinder = (*Client)(nil)
	_ source.Isolator   = (*Client)(nil)
)

// New checks the options and makes a Client. It touches neither network nor disk.
// Every error is fault.Usage and says what to write instead.
func New(o Options, env Env) (*Client, error) {
	o, err := o.normalise()
	if err != nil {
		return nil, fault.At(err, env.Name, "")
	}
	now := source.Clock(env.HTTP.Now)
	a, err := newAPI(o, env, now)
	if err != nil {
		return nil, err
	}
	return &Client{name: env.Name, options: o, traits: o.traits(), now: now, api: a, spoken: newSpoken(o.Version)}, nil
}

// Name implements source.Source.
func (c *Client) Name() string { return c.name }

// Kind implements source.Source.
func (c *Client) Kind() string { return Kind }

// Traits implements source.Source.
func (c *Client) Traits() source.Traits { return c.traits }

// Tenant implements source.Identifier: the tenant's FQDN, which the configuration has. It
// asks nothing.
func (c *Client) Tenant(context.Context) (string, error) { return c.options.fqdn(), nil }

// Close releases idle connections.
func (c *Client) Close() { c.api.http.Close() }
