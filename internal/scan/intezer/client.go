// Package intezer is the Intezer engine: the file part of the Intezer Analyze API
// v2-0, cloud and on-prem, behind scan.Engine. Lookup, Poll, Detail, Quota and
// Check are free; Submit and SubmitFile cost one file scan when they are accepted.
//
// Two habits of the API shape the code. The parameters of a GET travel in a JSON
// body, and schemas are strict: a field that the server does not know is a 400.
// And almost every key of a reply is optional, so decoding never fails for one
// odd value (lenient.go); a verdict word that nobody knows is "unknown".
//
// The wire contract is contracts/intezer.md; the numbers in comments are its
// sections. It was made from the vendor's Python SDK, not from a live service.
package intezer

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/scan"
)

// name is what errors, notes and the scope call the engine.
const name = "intezer"

// Options configure the engine, as the user writes them under "scan:".
type Options struct {
	// URL is "" for the cloud, "us" for its US region, or the host or URL of an
	// own server, with or without /api or /api/v2-0.
	URL string `yaml:"url"`
	// APIKey is a UUID; dashes and braces do not matter.
	APIKey httpx.Secret `yaml:"api_key"`
	// Requester is the tag that Intezer's history shows as the source of a scan. ""
	// sends none: whether the server takes any word is not known (2.7).
	Requester string `yaml:"requester"`
	// Rate is requests per second; 2 when 0. The vendor's own limit is not public.
	Rate float64 `yaml:"rate"`
	// Concurrency is requests at once; 4 when 0.
	Concurrency int `yaml:"concurrency"`
	// Poll is the wait before the first poll of an analysis; 5 s when 0. The caller
	// stretches it from poll to poll; see [Options.PollEvery].
	Poll time.Duration `yaml:"poll"`
	// MaxUpload is the most bytes of a file that is uploaded; 157286400 (150 MiB) when
	// 0. What the vendor takes is not public, and sources disagree (2.4).
	MaxUpload int64 `yaml:"max_upload"`
}

// PollEvery is Poll, or its default.
func (o Options) PollEvery() time.Duration {
	if o.Poll <= 0 {
		return 5 * time.Second
	}
	return o.Poll
}

// Env is what the engine needs of its surroundings.
type Env struct {
	// HTTP is the stack's configuration, without what the engine sets itself: Name,
	// Base, Authorize, Renew, Limits, Concurrency, DecodeError.
	HTTP httpx.Config
	// TokenDir is where the access token waits for the next process; "": nowhere.
	TokenDir string
	Now      func() time.Time // nil: the wall clock
}

// Client is the engine. It is safe for use by many goroutines.
type Client struct {
	http      *httpx.Client
	site      string // root of the web pages: https://analyze.intezer.com
	requester string
	maxUpload int64
	now       func() time.Time
	tokens    tokens
	features  switches
	// noPrivate: the server does not know the private-only flag (on-prem 21.11).
	noPrivate atomic.Bool
	// noRequester: the server refused our tag once.
	noRequester atomic.Bool
	// noVerify: the server does not know verify_file_support (old on-prem).
	noVerify atomic.Bool
	// passwords are those of the archives under way: no message repeats them.
	passwords passwords
}

var _ scan.Engine = (*Client)(nil)

// New checks o and makes the engine. It touches neither network nor disk, and
// does not resolve the key. The error is fault.Usage.
func New(o Options, env Env) (*Client, error) {
	site, err := siteRoot(o.URL)
	if err != nil {
		return nil, fault.At(err, name, "")
	}
	switch {
	case !o.APIKey.IsSet():
		return nil, fault.At(fault.Usagef("no API key is configured").WithHint("set scan.api_key; %s", keyHint(site)), name, "")
	case !(o.Rate >= 0) || o.Concurrency < 0 || o.Poll < 0 || o.MaxUpload < 0: // also refuses NaN
		return nil, fault.At(fault.Usagef("rate, concurrency, poll and max_upload cannot be negative"), name, "")
	}
	c := &Client{site: site, requester: o.Requester, maxUpload: cmp.Or(o.MaxUpload, defaultMaxUpload), now: env.Now}
	if c.now == nil {
		c.now = time.Now
	}
	c.tokens = newTokens(c, o.APIKey, env.TokenDir)
	c.http, err = httpx.New(c.stack(o, env.HTTP))
	if err != nil {
		return nil, err
	}
	return c, nil
}

// stack completes the configuration of the HTTP stack.
func (c *Client) stack(o Options, cfg httpx.Config) httpx.Config {
	const defaultRate, defaultConcurrency = 2, 4
	if o.Rate == 0 {
		o.Rate = defaultRate
	}
	if o.Concurrency == 0 {
		o.Concurrency = defaultConcurrency
	}
	cfg.Name = name
	cfg.Base = c.site + apiPath
	cfg.Authorize = c.tokens.authorize
	cfg.Renew = c.tokens.renew
	cfg.DecodeError = func(_ int, body []byte) string { return c.said(body) }
	cfg.Concurrency = o.Concurrency
	cfg.Limits = map[string]httpx.Limit{"": {PerSecond: o.Rate, Burst: o.Concurrency}}
	if cfg.Now == nil {
		cfg.Now = c.now
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = 16 << 20 // a report with every call of a sandbox run is a few MiB
	}
	if cfg.RateKey == "" {
		// The reference is enough to tell credentials apart; the value of a literal is
		// at hand, and one that must be fetched first is not asked for here.
		scheme, arg := o.APIKey.Reference()
		if scheme == "literal" {
			arg, _ = o.APIKey.Reveal(context.Background())
		}
		cfg.RateKey = cfg.Base + "\x00" + scheme + "\x00" + arg
	}
	return cfg
}

// Name is "intezer".
func (c *Client) Name() string { return name }

// Scope is the name and the root of the site: "intezer https://analyze.intezer.com".
func (c *Client) Scope() string { return name + " " + c.site }

// Close ends background work of the HTTP stack.
func (c *Client) Close() { c.http.Close() }
