// Package httpx is edrc's one HTTP stack. A product client describes what it
// wants as a [Request]; [Client.Do] and [Client.Open] authorise it, pace it, send
// it, repeat it where that is safe, follow downloads to where they are, and turn
// every failure into a [fault.Error] that says what happened and what to do.
//
// Three rules carry the rest:
//
//   - What may be repeated is decided by the request's [Class], not by its method.
//     A request of class [Once] is sent again only when it was provably not
//     processed; otherwise the failure is fault.InDoubt and the caller finds out.
//   - Waiting is bounded. The sum of the waits that failures cause is at most
//     Config.MaxWait, and never passes the context's deadline: an answer that asks
//     for more is reported at once, with RetryAfter set.
//   - A credential goes to Config.Base and nowhere else: not to another host by a
//     redirect, not into the trace, not into an error.
package httpx

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"edrc/internal/fault"
)

// Limit is how fast requests of one rate class may start. PerSecond 0 is no limit;
// Burst (at least 1) is how many may start at once after a pause.
type Limit struct {
	PerSecond float64
	Burst     int
}

// Config is what a Client is made from. Name and Base are needed; the zero value
// of everything else has a default.
type Config struct {
	Name string // the source in errors and trace
	Base string // https://host[/prefix]; http only for loopback

	Timeout     time.Duration // one attempt, headers and body; for a Stream, and while a Request.Body is sent, each silence; 30 s
	Attempts    int           // tries in all; 4
	RetryBase   time.Duration // ceiling of the first, fully jittered wait, doubled each time; 500 ms
	RetryMax    time.Duration // ceiling of that doubling; 30 s
	MaxWait     time.Duration // sum of the waits that failures may cause in one call; 2 min
	MaxBody     int64         // bytes that Do reads; 64 MiB
	Concurrency int           // attempts on the wire at once; 0 is no bound

	// Authorize sets the credential on h. It is called for every attempt, after the
	// waiting, so that a signature is fresh. It may call Do with NoAuth.
	Authorize func(ctx context.Context, h http.Header) error
	// Renew gets a new credential after a 401. However many goroutines were
	// refused, it runs once, and each of them repeats its request once. nil, or no
	// Authorize: a 401 is final. It may call Do with NoAuth.
	Renew func(ctx context.Context) error

	Limits map[string]Limit // by Request.Rate; "" is for requests of no listed class
	// RateDir and RateKey, when both are set, share the limits with every process
	// that has the same two: RateKey names the credential, and only its digest is
	// written. A directory that cannot be used costs the sharing, never a request.
	RateDir, RateKey string

	// DecodeError takes the vendor's message out of an error body. "" is "none".
	DecodeError func(status int, body []byte) string

	Transport http.RoundTripper // nil: a clean one, see NewTransport
	Trace     io.Writer         // one line a hop, in one Write; nil: none
	UserAgent string

	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error
	Rand  func() float64 // in [0,1)
}

// Client sends requests to one product. It is safe for use by many goroutines.
type Client struct {
	cfg      Config
	base     *url.URL
	limits   map[string]*limiter
	slots    chan struct{} // nil: no bound
	traceMu  sync.Mutex
	endsMu   sync.Mutex
	ends     map[string]string // calls whose end was announced, see Retiring
	renewing singleflight.Group
	renewals atomic.Uint64 // how often the credential was renewed
	life     context.Context
	end      context.CancelFunc
}

// New checks cfg and makes a Client. It touches neither network nor disk. The
// error is fault.Usage.
func New(cfg Config) (*Client, error) {
	base, err := parseBase(cfg.Base)
	if err != nil {
		return nil, fault.At(err, cfg.Name, "")
	}
	cfg.setDefaults()
	c := &Client{cfg: cfg, base: base, limits: map[string]*limiter{}}
	c.life, c.end = context.WithCancel(context.Background())
	if cfg.Concurrency > 0 {
		c.slots = make(chan struct{}, cfg.Concurrency)
	}
	c.limits[""] = c.newLimiter("", cfg.Limits[""])
	for class, l := range cfg.Limits {
		if class != "" {
			c.limits[class] = c.newLimiter(class, l)
		}
	}
	return c, nil
}

func (cfg *Config) setDefaults() {
	orDuration(&cfg.Timeout, 30*time.Second)
	orDuration(&cfg.RetryBase, 500*time.Millisecond)
	orDuration(&cfg.RetryMax, 30*time.Second)
	orDuration(&cfg.MaxWait, 2*time.Minute)
	if cfg.Attempts <= 0 {
		cfg.Attempts = 4
	}
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = 64 << 20
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "edrc"
	}
	if cfg.Transport == nil {
		cfg.Transport = NewTransport()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Sleep == nil {
		cfg.Sleep = sleep
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Float64
	}
}

func orDuration(d *time.Duration, def time.Duration) {
	if *d <= 0 {
		*d = def
	}
}

// sleep waits for d, or until ctx is done, whose error it then returns.
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

// Base gives the URL that paths are joined to, without a trailing slash.
func (c *Client) Base() string { return c.base.String() }

// Close ends a renewal under way and closes idle connections. Requests under way
// are not disturbed.
func (c *Client) Close() {
	c.end()
	if t, ok := c.cfg.Transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// limiter gives the limiter of a rate class; one that is not listed shares the
// default's.
func (c *Client) limiter(class string) *limiter {
	if l, ok := c.limits[class]; ok {
		return l
	}
	return c.limits[""]
}

// enter takes a place on the wire, leave gives it back.
func (c *Client) enter(ctx context.Context) error {
	if c.slots == nil {
		return ctx.Err()
	}
	select {
	case c.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Client) leave() {
	if c.slots != nil {
		<-c.slots
	}
}
