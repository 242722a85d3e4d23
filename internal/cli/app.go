package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"edrc/internal/alert"
	"edrc/internal/config"
	"edrc/internal/fault"
	"edrc/internal/policy"
	"edrc/internal/report"
	"edrc/internal/respond"
	"edrc/internal/safe"
	"edrc/internal/sample"
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

// options checks the output flags; columns is nil for what is no list. The
// configuration's default format is taken once the configuration is read.
func (a *app) options(columns []string) (report.Options, error) {
	color, err := term.ParseColor(a.color)
	if err != nil {
		return a.output, fault.Usagef("--color: %v", err)
	}
	a.IO.Color = color
	a.output.Format = a.format
	if columns == nil && slices.Contains([]string{report.Wide, report.CSV, report.MD}, a.format) {
		return a.output, fault.Usagef("-o %s is for lists; this is one thing: table, json, ndjson or yaml", a.format)
	}
	if a.output.Format == "" && a.cfg != nil {
		a.output.Format = a.cfg.Output.Format
	}
	return a.output, a.output.Validate(columns)
}

// begin is how most commands begin: the output flags are checked before anything
// is read, then the use cases are built. columns is nil for what is no list.
func (a *app) begin(cmd *cobra.Command, columns []string, o serviceOptions) (*triage.Service, report.Options, error) {
	if _, err := a.options(columns); err != nil {
		return nil, a.output, err
	}
	svc, err := a.service(cmd.Flags(), o)
	if err != nil {
		return nil, a.output, err
	}
	if !o.finishes {
		ctx, stop := a.interruptible(cmd.Context())
		a.closers = append(a.closers, stop)
		cmd.SetContext(ctx)
	}
	out, err := a.options(columns)
	return svc, out, err
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
	types := make([]string, 0, len(sample.Types()))
	for _, t := range sample.Types() {
		types = append(types, string(t))
	}
	o := config.Options{Path: a.configPath, Flags: cmdFlags, Env: a.LookupEnv, Kinds: kinds, Classes: classes,
		FileTypes: types, UploadNames: []string{scan.LocalFiles},
		Engines: map[string]func() any{"intezer": func() any { return new(intezer.Options) }}, Respond: func() any { return new(respond.Belts) },
		Environment: func() any { return new(policy.Environment) }}
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

// storeOnly is how a command begins that needs the store and nothing else.
func (a *app) storeOnly(cmd *cobra.Command) (*store.Store, report.Options, error) {
	if _, err := a.options(nil); err != nil {
		return nil, a.output, err
	}
	cfg, err := a.config(cmd.Flags())
	if err != nil {
		return nil, a.output, err
	}
	out, err := a.options(nil)
	if err != nil {
		return nil, out, err
	}
	db, err := a.theStore(cfg)
	return db, out, err
}

// serviceOptions vary a service from command to command.
type serviceOptions struct {
	maxScans int
	dryRun   bool
	observe  func(triage.Event)
	// judges says that the command is nothing without a scan engine.
	judges bool
	// endpoint allows ways to get a file that run something on the endpoint, whatever
	// the configuration says: somebody asked for it.
	endpoint bool
	// finishes says that the first Ctrl-C does not end the command: it stops by
	// itself, at the next boundary.
	finishes bool
}

// service builds the use cases over the configured sources, engine and store. A
// dry run gets a scratch copy of the store, so that the real one stays as it is.
func (a *app) service(cmdFlags flagSet, o serviceOptions) (*triage.Service, error) {
	cfg, err := a.config(cmdFlags)
	if err != nil {
		return nil, err
	}
	if o.judges && cfg.Scan.Engine == "" {
		return nil, fault.Usagef("no scan engine is configured").WithHint("add `scan: {engine: intezer, api_key: …}` to %s", cfg.Path)
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
	if svc.Scanner, err = a.scanner(cfg, st, holder, o); err == nil {
		svc.Scanner.Fetch(a.fetching(cfg, svc, o))
	}
	return svc, err
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
