package config

import (
	"cmp"
	"path/filepath"
	"reflect"

	"github.com/spf13/pflag"
	"github.com/zalando/go-keyring"

	"edrc/internal/fault"
)

// Options is what [Load] works from. The zero value reads the process's own
// environment and knows no product.
type Options struct {
	Path  string         // --config; "" = EDRC_CONFIG, else the user's own file
	Flags *pflag.FlagSet // flags that were given win over everything; see FlagKey
	// Env looks up a variable; nil is os.LookupEnv.
	Env  func(string) (string, bool)
	Home string // the home directory; "" = HOME, or USERPROFILE on Windows

	// Kinds and Engines make an empty options struct, by product and by engine:
	// a pointer to a struct with yaml tags, perhaps holding defaults. A field
	// whose pointer has Reference and Bind is a secret.
	Kinds, Engines map[string]func() any
	// Respond makes the empty struct of the section respond, as Kinds does; nil: there
	// is no such section. A method Valid() error checks what was read.
	Respond func() any
	// Environment makes the empty struct of one entry of the section environments, as
	// Kinds does, and is checked as Respond is; nil: there is no such section.
	Environment func() any
	// Classes are the verdict classes that scan.life may name; empty = any.
	Classes []string
	// FileTypes are what scan.upload may name; empty = any. UploadNames are names that
	// its sources may have beside the configured ones.
	FileTypes, UploadNames []string

	// keyring replaces the operating system's keyring in tests.
	keyring func(service, user string) (string, error)
}

// Load reads the configuration. Without a file (and none asked for by name) it is
// the defaults, and no sources. Every error is a [*fault.Error] of kind Usage
// that starts with FILE:LINE when it is about the file; several mistakes are
// told in one error, a line each. Load follows no secret reference.
func Load(o Options) (*Config, error) {
	l := newLoader(o)
	if err := l.read(); err != nil {
		return nil, err
	}
	l.respondPrototype()
	file := l.sections()
	home := func(path string) string { return l.machine.expand(path, "") }
	// A wrong variable or flag is told after what is wrong in the file: until
	// then the rest of the file is read all the same.
	settled := settle(l.settings, file, o, home)
	l.sources()
	l.uploadSources()
	l.engine(file)
	l.guardLiterals()
	if err := cmp.Or(l.problems.err(), settled); err != nil {
		return nil, err
	}
	if err := l.settleState(); err != nil {
		return nil, err
	}
	return l.config, nil
}

// loader is one Load under way.
type loader struct {
	decoder
	Options
	machine  machine
	config   *Config
	settings []setting
	doc      *document
	// Found by sections, decoded later: which engine reads the rest of scan is
	// known only when the settings are settled.
	sourcePairs, enginePairs []pair
	engineLine               int
	uploadNames              []pair
}

func newLoader(o Options) *loader {
	l := &loader{Options: o, machine: o.machine(), config: defaults(), doc: &document{}}
	l.settings = settings(l.config)
	l.problems = &problems{}
	l.resolver = resolver{env: o.env, keyring: o.keyring, expand: l.expand}
	if l.resolver.keyring == nil {
		l.resolver.keyring = keyring.Get
	}
	return l
}

// expand makes a path of the file usable from anywhere.
func (l *loader) expand(path string) string {
	return l.machine.expand(path, filepath.Dir(l.doc.path))
}

// read finds and parses the file. That there is none is an error only when
// somebody named it.
func (l *loader) read() error {
	path, exists := Find(l.Options)
	if path == "" || !exists && l.explicitPath() == "" {
		return nil
	}
	doc, err := readDocument(path)
	if err != nil {
		return err
	}
	l.doc, l.config.Path, l.problems.file = doc, path, path
	check(doc.root, l.problems)
	return l.problems.err()
}

// guardLiterals refuses secrets in a file that others can read. One message is
// enough: one chmod mends them all.
func (l *loader) guardLiterals() {
	if !l.doc.open || len(l.literals) == 0 {
		return
	}
	l.addHint(l.literals[0], "chmod 600 "+quotePath(l.doc.path)+"; or keep the secret elsewhere: keyring:, env:, file: or command:",
		"a secret stands in a file that others than you can read or change")
}

// settleState fills in where things are kept, which depends on the machine.
func (l *loader) settleState() error {
	c := l.config
	if c.StateDir == "" {
		dir, err := stateDir(l.machine)
		if err != nil {
			return err
		}
		c.StateDir = dir
	}
	if c.Store.Path == "" {
		c.Store.Path = filepath.Join(c.StateDir, "edrc.db")
	}
	if c.Fetch.Spool == "" {
		c.Fetch.Spool = filepath.Join(c.StateDir, "spool")
	}
	return nil
}

// prototype makes the options of a product or an engine.
func prototype(make func() any) (any, reflect.Value, error) {
	options := make()
	v := reflect.ValueOf(options)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil, v, fault.New(fault.Other, "a prototype must be a pointer to a struct, not %T: this is a bug in edrc", options)
	}
	return options, v.Elem(), nil
}
