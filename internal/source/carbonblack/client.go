package carbonblack

import (
	"context"
	"net/url"
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

// Client is one organisation. It is safe for use by many goroutines.
type Client struct {
	name    string
	options Options
	traits  source.Traits
	now     func() time.Time
	sleep   func(context.Context, time.Duration) error
	api     *api
}

// What Carbon Black Cloud can do.
var (
	_ source.Source      = (*Client)(nil)
	_ source.Identifier  = (*Client)(nil)
	_ source.Lister      = (*Client)(nil)
	_ source.Getter      = (*Client)(nil)
	_ source.Feeder      = (*Client)(nil)
	_ source.Incidents   = (*Client)(nil)
	_ source.Noter       = (*Client)(nil)
	_ source.NoteReader  = (*Client)(nil)
	_ source.NoteProber  = (*Client)(nil)
	_ source.NoteRemover = (*Client)(nil)
	_ source.Resolver    = (*Client)(nil)
	_ source.Fetcher     = (*Client)(nil)
	_ source.HostFinder  = (*Client)(nil)
	_ source.Isolator    = (*Client)(nil)
)

// New checks the options and makes a Client. It touches neither network nor disk.
// Every error is fault.Usage and says what to write instead.
func New(o Options, env Env) (*Client, error) {
	o, err := o.normalise()
	if err != nil {
		return nil, fault.At(err, env.Name, "")
	}
	a, err := newAPI(o, env)
	if err != nil {
		return nil, err
	}
	c := &Client{name: env.Name, options: o, traits: o.traits(), now: source.Clock(env.HTTP.Now), sleep: env.HTTP.Sleep, api: a}
	if c.sleep == nil {
		c.sleep = sleep
	}
	return c, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Name implements source.Source.
func (c *Client) Name() string { return c.name }

// Kind implements source.Source.
func (c *Client) Kind() string { return Kind }

// Traits implements source.Source.
func (c *Client) Traits() source.Traits { return c.traits }

// Tenant implements source.Identifier: the console's host and the organisation's key.
// Both are configured; whether they belong together, every request shows.
func (c *Client) Tenant(context.Context) (string, error) {
	u, err := url.Parse(c.options.URL)
	if err != nil {
		return "", fault.Usagef("url: not of the form https://defense.conferdeploy.net")
	}
	return u.Host + "/" + strings.ToUpper(c.options.OrgKey), nil
}

// Close releases idle connections.
func (c *Client) Close() { c.api.http.Close() }
