package guardduty

import (
	"context"
	"sync"
	"time"

	"edrc/internal/alert"
	"edrc/internal/awsconn"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// Env is what a Client needs beside its options.
type Env struct {
	Name string // of the source in the configuration
	// HTTP holds the caller's settings: timeouts, tries, transport, trace.
	HTTP httpx.Config

	// Notes gives our copies of the comments on a finding, the oldest first; KeepNote
	// adds one. The API never gives a comment back, and a new one replaces it: without
	// the copies the earlier ones are lost with each new note. finding is the alert's id.
	// Either may be nil. KeepNote is called before the comment is sent, and is not told
	// when AWS refuses it.
	Notes    func(ctx context.Context, finding string) ([]alert.Note, error)
	KeepNote func(ctx context.Context, finding string, n alert.Note) error
}

// Client is GuardDuty in every configured account and region. It is safe for use by many
// goroutines.
type Client struct {
	name   string
	env    Env
	traits source.Traits
	conn   *awsconn.Conn
	now    func() time.Time

	mu       sync.Mutex
	sites    []*site // as last surveyed
	surveyed time.Time
	partly   bool             // sites are those of some scopes
	walks    map[string]*walk // of the feed, by stream
}

// What GuardDuty can do. It gives no comments back and finds no hosts.
var (
	_ source.Source     = (*Client)(nil)
	_ source.Identifier = (*Client)(nil)
	_ source.Lister     = (*Client)(nil)
	_ source.Getter     = (*Client)(nil)
	_ source.Feeder     = (*Client)(nil)
	_ source.Incidents  = (*Client)(nil)
	_ source.Noter      = (*Client)(nil)
	_ source.NoteCopier = (*Client)(nil)
	_ source.Resolver   = (*Client)(nil)
	_ source.Scoper     = (*Client)(nil)
)

// New checks the options and makes a Client. It touches neither network nor disk. Every
// error is fault.Usage and says what to write instead.
func New(o Options, env Env) (*Client, error) {
	conn, err := awsconn.New(o.Options, awsconn.Env{Name: env.Name, HTTP: env.HTTP})
	if err != nil {
		return nil, err
	}
	c := &Client{name: env.Name, env: env, traits: o.traits(), conn: conn, now: source.Clock(env.HTTP.Now), walks: map[string]*walk{}}
	return c, nil
}

// Name implements source.Source.
func (c *Client) Name() string { return c.name }

// Kind implements source.Source.
func (c *Client) Kind() string { return Kind }

// Traits implements source.Source.
func (c *Client) Traits() source.Traits { return c.traits }

// Tenant implements source.Identifier: the partition of AWS, since ids of findings and
// regions are unique in it. It asks nobody.
func (c *Client) Tenant(ctx context.Context) (string, error) { return c.conn.Tenant(ctx) }

// Close releases idle connections.
func (c *Client) Close() { c.conn.Close() }
