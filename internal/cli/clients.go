package cli

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"edrc/internal/alert"
	"edrc/internal/config"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/scan"
	"edrc/internal/scan/intezer"
	"edrc/internal/source"
	"edrc/internal/source/all"
)

// httpConfig is what all clients share; products and engines add their own.
func (a *app) httpConfig(cfg *config.Config, name string) (httpx.Config, error) {
	h := httpx.Config{Name: name, Timeout: cfg.HTTP.Timeout, RetryBase: cfg.HTTP.RetryBase,
		UserAgent: "edrc/" + buildVersion().Version, Now: a.Now, RateDir: filepath.Join(cfg.StateDir, "rates")}
	if a.trace {
		h.Trace = a.IO.Err
	}
	rt, err := transport(cfg.HTTP)
	if err != nil {
		return h, err
	}
	h.Transport = rt
	if a.Transport != nil {
		h.Transport = a.Transport(rt)
	}
	return h, nil
}

// transport adds the configured proxy and certificate authority to the default.
func transport(c config.HTTP) (*http.Transport, error) {
	t := httpx.NewTransport()
	if c.Proxy != "" {
		u, err := url.Parse(c.Proxy)
		if err != nil || u.Host == "" {
			return nil, fault.Usagef("http.proxy is not a URL").WithHint("for example http://proxy:3128")
		}
		t.Proxy = http.ProxyURL(u)
	}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fault.Usagef("http.ca_file: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fault.Usagef("http.ca_file: %s holds no PEM certificate", c.CAFile)
		}
		if t.TLSClientConfig == nil {
			t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		t.TLSClientConfig.RootCAs = pool
	}
	return t, nil
}

// buildSources makes every configured source; none is talked to.
func (a *app) buildSources(cfg *config.Config) ([]source.Source, error) {
	if a.sources != nil {
		return a.sources, nil
	}
	products := map[string]all.Product{}
	for _, p := range all.Products() {
		products[p.Kind] = p
	}
	var out []source.Source
	for _, sc := range cfg.Sources {
		h, err := a.httpConfig(cfg, sc.Name)
		if err != nil {
			return nil, err
		}
		src, err := products[sc.Kind].New(sc.Name, sc.Options, all.Env{HTTP: h, StateDir: cfg.StateDir})
		if err != nil {
			return nil, err
		}
		if c, ok := src.(interface{ Close() }); ok {
			a.closers = append(a.closers, c.Close)
		}
		out = append(out, src)
	}
	a.sources = out
	return out, nil
}

// theEngine makes the client of the scan engine, once.
func (a *app) theEngine(cfg *config.Config) (*intezer.Client, error) {
	if a.engine != nil {
		return a.engine, nil
	}
	h, err := a.httpConfig(cfg, cfg.Scan.Engine)
	if err != nil {
		return nil, err
	}
	opts := cfg.Scan.Options.(*intezer.Options)
	a.engine, err = intezer.New(*opts, intezer.Env{HTTP: h, TokenDir: filepath.Join(cfg.StateDir, "tokens"), Now: a.Now})
	if err != nil {
		return nil, err
	}
	a.closers = append(a.closers, a.engine.Close)
	return a.engine, nil
}

// scanner puts the ladder over the engine. It counts what it spends, so each run
// has its own.
func (a *app) scanner(cfg *config.Config, st scan.Store, holder string, o serviceOptions) (*scan.Scanner, error) {
	engine, err := a.theEngine(cfg)
	if err != nil {
		return nil, err
	}
	life := scan.DefaultLife()
	for class, d := range cfg.Scan.Life {
		life[alert.Class(class)] = d
	}
	if m := cfg.Scan.MaxAge; m > 0 {
		for c, d := range life {
			life[c] = min(d, m)
		}
	}
	policy := scan.Policy{Life: life, DailyBudget: cfg.Scan.DailyBudget, ReservePercent: cfg.Scan.Reserve,
		MaxScans: o.maxScans, PollBase: cfg.Scan.Options.(*intezer.Options).PollEvery(), RetryBase: 30 * cfg.HTTP.RetryBase,
		ClaimFor: cfg.Sync.Lease, DryRun: o.dryRun}
	return scan.New(engine, st, policy, holder, a.Now, a.warn), nil
}
