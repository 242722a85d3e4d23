package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"edrc/internal/alert"
	"edrc/internal/config"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/report"
	"edrc/internal/safe"
	"edrc/internal/scan"
	"edrc/internal/scan/intezer"
	"edrc/internal/source"
	"edrc/internal/source/all"
	"edrc/internal/store"
	"edrc/internal/term"
	"edrc/internal/triage"
)

// app holds what the global flags said, and builds the rest when a command first
// needs it.
type app struct {
	Env
	configPath string
	format     string
	color      string
	trace      bool
	verbose    bool
	output     report.Options

	cfg     *config.Config
	db      *store.Store
	sources []source.Source
	engine  *intezer.Client
	closers []func()
}

func trim(s string) string { return strings.TrimSpace(s) }

// close gives back whatever was opened, newest first.
func (a *app) close() {
	for i := len(a.closers) - 1; i >= 0; i-- {
		a.closers[i]()
	}
	a.closers = nil
}

// warn tells a person something on stderr that is no failure.
func (a *app) warn(msg string) {
	_, _ = a.IO.Err.Write([]byte("edrc: " + safe.Text(msg) + "\n"))
}

// options checks the output flags before any work is done; columns is nil for
// what is no list. The configuration's default format needs the configuration,
// so commands that have none skip it.
func (a *app) options(columns []string) (report.Options, error) {
	color, err := term.ParseColor(a.color)
	if err != nil {
		return a.output, fault.Usagef("--color: %v", err)
	}
	a.IO.Color = color
	a.output.Format = a.format
	if a.output.Format == "" && a.cfg != nil {
		a.output.Format = a.cfg.Output.Format
	}
	return a.output, a.output.Validate(columns)
}

// config reads the configuration, once.
func (a *app) config(cmdFlags flagSet) (*config.Config, error) {
	if a.cfg != nil {
		return a.cfg, nil
	}
	kinds := map[string]func() any{}
	for _, p := range all.Products() {
		kinds[p.Kind] = p.Options
	}
	classes := make([]string, 0, len(alert.Classes()))
	for _, c := range alert.Classes() {
		classes = append(classes, string(c))
	}
	o := config.Options{Path: a.configPath, Flags: cmdFlags, Env: a.LookupEnv, Kinds: kinds, Classes: classes,
		Engines: map[string]func() any{"intezer": func() any { return new(intezer.Options) }}}
	if path, exists := config.Find(o); !exists {
		return nil, noConfig(path, a.configPath != "")
	}
	cfg, err := config.Load(o)
	if err != nil {
		return nil, err
	}
	a.cfg = cfg
	return cfg, nil
}

// noConfig says in three lines what to do next.
func noConfig(path string, asked bool) error {
	if asked {
		return fault.Usagef("there is no configuration file %s", path).WithHint("`edrc config example` prints one to start from")
	}
	if path == "" {
		path = "FILE (and name it with --config or EDRC_CONFIG)"
	}
	return fault.Usagef("there is no configuration yet").WithHint(
		"try it without any account:   edrc demo\nor describe your sources in:  %s\nbeginning with:               edrc config example", path)
}

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
		src, err := products[sc.Kind].New(sc.Name, sc.Options, h)
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

// openStore opens the store at a path; nothing is created before the first write.
func (a *app) openStore(path string) (*store.Store, error) {
	s, err := store.Open(store.Options{Path: path, Now: a.Now, Warn: a.warn})
	if err != nil {
		return nil, err
	}
	a.closers = append(a.closers, func() { _ = s.Close() })
	return s, nil
}

// theStore opens the configured store, once.
func (a *app) theStore(cfg *config.Config) (*store.Store, error) {
	if a.db != nil {
		return a.db, nil
	}
	s, err := a.openStore(cfg.Store.Path)
	a.db = s
	return s, err
}

// serviceOptions vary a service from command to command.
type serviceOptions struct {
	maxScans int
	dryRun   bool
	observe  func(triage.Event)
}

// service builds the use cases over the configured sources, engine and store. A
// dry run gets a scratch copy of the store, so that the real one stays as it is.
func (a *app) service(cmdFlags flagSet, o serviceOptions) (*triage.Service, error) {
	cfg, err := a.config(cmdFlags)
	if err != nil {
		return nil, err
	}
	sources, err := a.buildSources(cfg)
	if err != nil {
		return nil, err
	}
	db, err := a.theStore(cfg)
	if err != nil {
		return nil, err
	}
	if o.dryRun {
		if db, err = a.scratch(db, cfg.Store.Path); err != nil {
			return nil, err
		}
	}
	var st scan.Store = db
	if a.Store != nil {
		st = a.Store(db)
	}
	host, _ := os.Hostname()
	holder := triage.NewHolder(host, os.Getpid())
	svc := &triage.Service{Sources: sources, Store: st, Holder: holder, Now: a.Now, Sleep: sleep, Observe: o.observe,
		Settings: triage.Settings{LookBack: cfg.Sync.LookBack, Overlap: cfg.Sync.Overlap, Wait: cfg.Sync.Wait,
			Workers: cfg.Sync.Workers, Lease: cfg.Sync.Lease, NotesOff: !cfg.Notes.Enabled, NoteRetry: 10 * cfg.HTTP.RetryBase}}
	if cfg.Scan.Engine == "" {
		return svc, nil
	}
	svc.Scanner, err = a.scanner(cfg, st, holder, o)
	return svc, err
}

// scanner builds the engine and the ladder over it.
func (a *app) scanner(cfg *config.Config, st scan.Store, holder string, o serviceOptions) (*scan.Scanner, error) {
	h, err := a.httpConfig(cfg, cfg.Scan.Engine)
	if err != nil {
		return nil, err
	}
	opts := cfg.Scan.Options.(*intezer.Options)
	engine, err := intezer.New(*opts, intezer.Env{HTTP: h, TokenDir: filepath.Join(cfg.StateDir, "tokens"), Now: a.Now})
	if err != nil {
		return nil, err
	}
	a.engine = engine
	a.closers = append(a.closers, engine.Close)
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
		MaxScans: o.maxScans, PollBase: opts.PollEvery(), RetryBase: 30 * cfg.HTTP.RetryBase,
		ClaimFor: cfg.Sync.Lease, DryRun: o.dryRun}
	return scan.New(engine, st, policy, holder, a.Now, a.warn), nil
}

// scratch copies the store into a file that goes away with the process.
func (a *app) scratch(db *store.Store, path string) (*store.Store, error) {
	dir, err := os.MkdirTemp("", "edrc-dry-run-")
	if err != nil {
		return nil, fault.New(fault.Unavailable, "dry run: %w", err)
	}
	a.closers = append(a.closers, func() { _ = os.RemoveAll(dir) })
	copied := filepath.Join(dir, "scratch.db")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		if err := db.CopyTo(context.Background(), copied); err != nil {
			return nil, err
		}
	}
	return a.openStore(copied)
}

// sleep waits, or ends with the context.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
