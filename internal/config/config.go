// Package config turns a file, the environment and the command line into one
// typed [Config].
//
// It knows no product: the caller hands it a prototype of each product's
// options, and every mapping is decoded strictly into one. A typing mistake is
// met with the file, the line and the nearest name; no message ever repeats a
// value of the file, because the value may be a secret in the wrong place.
//
// Scalar settings are resolved flags > environment > file > default by viper, in
// this package only. Mappings (sources, engine options, lives) never pass
// through viper, which folds case and splits keys: they are decoded from YAML.
//
// Secrets are references (keyring, env, file, command) that are followed when a
// request needs them, never while loading: a broken reference of one source
// does not stop the work on another.
package config

import "time"

// Config is everything that was configured. It is read-only after [Load].
//
// A field with a yaml tag is a setting: its section and name make its key
// (http.timeout), its environment variable (EDRC_HTTP_TIMEOUT) and the flag
// that is bound to it when there is one of that name (--http-timeout).
type Config struct {
	Path    string   `yaml:"-"` // the file that was read; "" when there is none
	Sources []Source `yaml:"-"` // sorted by name

	// StateDir holds what edrc keeps between runs: the store, the journal of
	// actions, the audit. It need not exist yet.
	StateDir string `yaml:"state_dir" config:"path"`

	Scan   Scan   `yaml:"scan"`
	Fetch  Fetch  `yaml:"fetch"`
	Store  Store  `yaml:"store"`
	HTTP   HTTP   `yaml:"http"`
	Sync   Sync   `yaml:"sync"`
	Output Output `yaml:"output"`
	Notes  Notes  `yaml:"notes"`

	// Respond is what the prototype of respond returned, filled in: what containing
	// must never touch. nil when the caller has none.
	Respond any `yaml:"-"`
	// Environments are in the order of the file.
	Environments []Environment `yaml:"-"`
}

// Source is one configured detection product.
type Source struct {
	Name   string // [a-z0-9-]+, what refs start with
	Kind   string // which product
	Tenant string // a label for people; never part of an identity
	// Options is what the prototype of Kind returned, filled in and with its
	// secrets bound.
	Options any
	Line    int // where it stands in the file
}

// Scan says which engine judges files, and how much it may spend.
type Scan struct {
	Engine string `yaml:"engine"` // "" when none is configured
	// Options is the engine's prototype filled in from the keys of scan that are
	// not listed here; nil without an engine.
	Options     any                      `yaml:"-"`
	DailyBudget int                      `yaml:"daily_budget"`              // scans a day (UTC); 0 = the engine's own quota
	Reserve     int                      `yaml:"reserve" min:"0" max:"100"` // percent of the budget kept for high severity
	Life        map[string]time.Duration `yaml:"-"`                         // by verdict class; only what the file overrides
	MaxAge      time.Duration            `yaml:"max_age"`                   // no remembered verdict older than this is used; 0 = by class
	Upload      Upload                   `yaml:"-"`                         // which files may leave for the engine
}

// Fetch says how files are got that the engine does not hold.
type Fetch struct {
	Endpoint bool          `yaml:"endpoint"`            // allow ways that run something on the endpoint
	GiveUp   time.Duration `yaml:"give_up" min:"1"`     // how long a file is asked for
	Retry    time.Duration `yaml:"retry" min:"1"`       // the first wait for an endpoint that is offline; it doubles
	Poll     time.Duration `yaml:"poll"`                // between two looks; 0 = the product's own
	Spool    string        `yaml:"spool" config:"path"` // default: spool in the state directory
	SpoolMax Size          `yaml:"spool_max" min:"1"`   // bytes of the archives that wait
}

// Store says where edrc remembers.
type Store struct {
	Path string `yaml:"path" config:"path"` // default: edrc.db in the state directory
}

// HTTP is how edrc talks to every vendor.
type HTTP struct {
	Timeout   time.Duration `yaml:"timeout" min:"1"`       // of one try
	RetryBase time.Duration `yaml:"retry_base"`            // the first pause; it doubles
	Proxy     string        `yaml:"proxy"`                 // URL; "" = HTTPS_PROXY and NO_PROXY
	CAFile    string        `yaml:"ca_file" config:"path"` // PEM, trusted beside the system's
}

// Sync is how `edrc sync` reads and works.
type Sync struct {
	LookBack     time.Duration `yaml:"look_back" min:"1"`         // how far the first sync of a source reads back
	Overlap      time.Duration `yaml:"overlap"`                   // read again at each pass; 0 = what the product needs
	Wait         time.Duration `yaml:"wait"`                      // how long it waits for running analyses
	Workers      int           `yaml:"workers" min:"1" max:"256"` // files and notes worked on at a time
	Lease        time.Duration `yaml:"lease" min:"1"`             // without progress for so long, another process takes over
	Interval     time.Duration `yaml:"interval"`                  // between passes of a long-running sync; 0 = one pass
	StatusFilter []string      `yaml:"status_filter"`             // alert statuses to handle; empty = the open ones
}

// Output is how results are shown when the command line does not say.
type Output struct {
	Format string `yaml:"format" oneof:"table wide json ndjson yaml csv md"`
	Color  string `yaml:"color" oneof:"auto always never"`
}

// Notes says what sync writes back.
type Notes struct {
	Enabled   bool              `yaml:"enabled"` // false: judge, write nothing to the products
	Templates map[string]string `yaml:"-"`       // by name, for note add --template-name; nil when there is none
}

// defaults is the configuration of somebody who configured nothing. StateDir and
// Store.Path depend on the machine: Load fills them in.
func defaults() *Config {
	return &Config{
		Scan:   Scan{Reserve: 20},
		Fetch:  Fetch{GiveUp: 14 * 24 * time.Hour, Retry: 5 * time.Minute, SpoolMax: 2 << 30},
		HTTP:   HTTP{Timeout: 30 * time.Second, RetryBase: 500 * time.Millisecond},
		Sync:   Sync{LookBack: 72 * time.Hour, Wait: 2 * time.Minute, Workers: 8, Lease: 2 * time.Minute},
		Output: Output{Format: "table", Color: "auto"},
		Notes:  Notes{Enabled: true},
	}
}
