package sentinelone

import (
	"context"
	"iter"
	"net/url"
	"strings"
	"time"

	"edrc/internal/alert"
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

// Client is one console. It is safe for use by many goroutines.
type Client struct {
	name    string
	tenant  string
	traits  source.Traits
	token   httpx.Secret
	now     func() time.Time
	rest    *api
	surface surface
}

// What a console can do. It groups nothing: an alert is its own incident.
var (
	_ source.Source      = (*Client)(nil)
	_ source.Identifier  = (*Client)(nil)
	_ source.Lister      = (*Client)(nil)
	_ source.Getter      = (*Client)(nil)
	_ source.Feeder      = (*Client)(nil)
	_ source.Noter       = (*Client)(nil)
	_ source.NoteReader  = (*Client)(nil)
	_ source.NoteProber  = (*Client)(nil)
	_ source.NoteRemover = (*Client)(nil)
	_ source.Resolver    = (*Client)(nil)
	_ source.HostFinder  = (*Client)(nil)
)

// surface is what differs between the two: how alerts are read and changed.
type surface interface {
	name() string
	// probe is one cheap read of alerts, which tells whether the token may.
	probe(ctx context.Context) error
	list(ctx context.Context, q alert.Query) iter.Seq2[alert.Alert, error]
	get(ctx context.Context, hs []alert.Handle) ([]alert.Alert, error)
	page(ctx context.Context, w source.Window, token string) (source.Page, error)
	addNote(ctx context.Context, body string, to []alert.Handle) []source.NoteResult
	notes(ctx context.Context, h alert.Handle) iter.Seq2[alert.Note, error]
	probeNotes(ctx context.Context, hs []alert.Handle) (map[string]alert.Has, error)
	removeNote(ctx context.Context, h alert.Handle, noteID string) error
	verdict(v string) (string, bool)
	resolve(ctx context.Context, h alert.Handle, r alert.Resolution) (source.Applied, error)
}

// New checks the options and makes a Client. It touches neither network nor disk.
// Every error is fault.Usage and says what to write instead.
func New(o Options, env Env) (*Client, error) {
	o, err := o.normalise()
	if err != nil {
		return nil, fault.At(err, env.Name, "")
	}
	rest, err := newAPI(o, env, "ApiToken")
	if err != nil {
		return nil, err
	}
	c := &Client{
		name: env.Name, tenant: tenantOf(o.URL), traits: o.traits(),
		token: o.Token, now: source.Clock(env.HTTP.Now), rest: rest, surface: &threats{rest},
	}
	if o.Surface == surfaceUnified {
		graph, err := newAPI(o, env, "Bearer")
		if err != nil {
			return nil, err
		}
		c.surface = &unified{graph}
	}
	return c, nil
}

// tenantOf is the console's host, lower-case, with the port unless it is the
// scheme's own.
func tenantOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	host := strings.ToLower(u.Host)
	return strings.TrimSuffix(host, map[string]string{"https": ":443", "http": ":80"}[u.Scheme])
}

// Name implements source.Source.
func (c *Client) Name() string { return c.name }

// Kind implements source.Source.
func (c *Client) Kind() string { return Kind }

// Traits implements source.Source.
func (c *Client) Traits() source.Traits { return c.traits }

// Tenant implements source.Identifier. It asks nobody: the console's host is its
// identity.
func (c *Client) Tenant(context.Context) (string, error) { return c.tenant, nil }

// Get implements source.Getter, 100 alerts a request. An alert that cannot be read is
// a *source.BadItem in the error, and the others are returned nevertheless. The unified surface tells
// more of an alert that is asked for alone: its techniques, user and file size.
func (c *Client) Get(ctx context.Context, hs ...alert.Handle) ([]alert.Alert, error) {
	return c.surface.get(ctx, hs)
}

// List implements source.Lister, newest first.
func (c *Client) List(ctx context.Context, q alert.Query) iter.Seq2[alert.Alert, error] {
	return c.surface.list(ctx, q)
}

// Close releases idle connections.
func (c *Client) Close() {
	c.rest.http.Close()
	if u, ok := c.surface.(*unified); ok {
		u.http.Close()
	}
}
