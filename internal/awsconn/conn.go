package awsconn

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"edrc/internal/fault"
	"edrc/internal/httpx"
)

// Env is what a Conn needs beside its options.
type Env struct {
	Name string // of the source in the configuration
	// HTTP holds the caller's settings. Timeout, Attempts, RetryBase, RetryMax, MaxBody,
	// Concurrency, Transport, Trace and Now count; base and authorization are AWS's own.
	HTTP httpx.Config
}

// Conn reaches the configured accounts. It is safe for use by many goroutines.
type Conn struct {
	name string
	opt  Options
	http httpx.Config
	now  func() time.Time

	loading gate
	base    *aws.Config // with the credential's own account; nil until first used
	wire    *transport

	mu       sync.Mutex
	accounts map[string]*account // by id; "" is the credential's own

	organisation discovery
	regions      map[string]*discovery // by account
}

// New checks the options and makes a Conn. It touches neither network nor disk. Every
// error is fault.Usage and says what to write instead.
func New(o Options, env Env) (*Conn, error) {
	if err := o.check(); err != nil {
		return nil, fault.At(err, env.Name, "")
	}
	c := &Conn{name: env.Name, opt: o, http: env.HTTP, now: env.HTTP.Now, loading: newGate(), accounts: map[string]*account{},
		organisation: discovery{turn: newGate()}, regions: map[string]*discovery{}}
	if c.now == nil {
		c.now = time.Now
	}
	return c, nil
}

// For gives the SDK configuration for one account and region, with its credentials
// retrieved and their account checked. account "" is the credential's own.
func (c *Conn) For(ctx context.Context, account, region string) (aws.Config, error) {
	base, err := c.config(ctx)
	if err != nil {
		return aws.Config{}, err
	}
	a, err := c.enter(ctx, base, account)
	if err != nil {
		return aws.Config{}, err
	}
	cfg := base.Copy()
	cfg.Region, cfg.Credentials = region, a.credentials
	return cfg, nil
}

// Tenant names the AWS that is reached: its partition. What answers on this machine is
// a simulation, and another tenant with its own name.
func (c *Conn) Tenant(ctx context.Context) (string, error) {
	region := c.opt.Regions.first()
	if region == "" {
		base, err := c.config(ctx)
		if err != nil {
			return "", err
		}
		region = base.Region
	}
	tenant := Partition(region)
	if u, err := url.Parse(c.opt.EndpointURL); err == nil && loopback(u) {
		tenant += "@" + u.Host
	}
	return tenant, nil
}

// Close releases idle connections.
func (c *Conn) Close() {
	c.loading <- struct{}{}
	defer c.loading.leave()
	if c.wire != nil {
		c.wire.close()
	}
}

// config loads the AWS environment, once.
func (c *Conn) config(ctx context.Context) (*aws.Config, error) {
	if err := c.loading.enter(ctx); err != nil {
		return nil, c.Explain(err, "", "")
	}
	defer c.loading.leave()
	if c.base != nil {
		return c.base, nil
	}
	// A BuildableClient is what AWS_CA_BUNDLE needs; what it made is taken out of it below.
	load := []func(*config.LoadOptions) error{
		config.WithHTTPClient(awshttp.NewBuildableClient()), config.WithLogger(logging.Nop{}),
	}
	if c.opt.Profile != "" {
		load = append(load, config.WithSharedConfigProfile(c.opt.Profile))
	}
	if c.opt.AccessKeyID != "" {
		load = append(load, config.WithCredentialsProvider(aws.CredentialsProviderFunc(c.opt.staticKeys)))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, c.loadError(err)
	}
	if cfg.Region == "" {
		cfg.Region = c.opt.Regions.first()
	}
	if cfg.Region == "" {
		hint := "set `regions` of source %s, or AWS_REGION"
		if c.opt.Regions.all() {
			hint = "the regions are asked for in one of them: set AWS_REGION, or name it in source %s: regions: [all, us-east-1]"
		}
		return nil, fault.At(fault.Usagef("no region is configured").WithHint(hint, c.name), c.name, "")
	}
	c.adapt(&cfg)
	c.base = &cfg
	return c.base, nil
}

// adapt puts our transport, retryer and endpoint into what the SDK loaded.
func (c *Conn) adapt(cfg *aws.Config) {
	var under http.RoundTripper = c.http.Transport
	if built, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok && under == nil {
		t := built.GetTransport()
		t.MaxIdleConnsPerHost = 16
		under = t
	}
	if under == nil {
		under = httpx.NewTransport()
	}
	c.wire = newTransport(c.name, c.http, under)
	cfg.HTTPClient = c.wire
	cfg.Retryer = retryer(c.http, cfg.RetryMode, cfg.RetryMaxAttempts)
	if cfg.AppID == "" {
		cfg.AppID = "edrc"
	}
	if c.opt.EndpointURL != "" {
		cfg.BaseEndpoint = aws.String(c.opt.EndpointURL)
		cfg.ConfigSources = nil // or AWS_ENDPOINT_URL_<SERVICE> would win over what was written for this source
	}
}

func (c *Conn) loadError(err error) error {
	e := fault.Usagef("the AWS configuration cannot be read: %s", short(err))
	e.Err = err
	return fault.At(e.WithHint("check ~/.aws/config, AWS_PROFILE, and `profile` of source %s", c.name), c.name, "")
}

// staticKeys is the key pair of the configuration.
func (o Options) staticKeys(ctx context.Context) (aws.Credentials, error) {
	out := aws.Credentials{AccessKeyID: o.AccessKeyID, Source: "edrc configuration"}
	var err error
	if out.SecretAccessKey, err = o.SecretAccessKey.Reveal(ctx); err != nil {
		return out, err
	}
	if o.SessionToken.IsSet() {
		out.SessionToken, err = o.SessionToken.Reveal(ctx)
	}
	return out, err
}

// gate lets one goroutine through at a time, and sees a context end while it waits.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

func (g gate) enter(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g gate) leave() { <-g }
