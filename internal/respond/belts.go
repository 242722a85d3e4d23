package respond

import (
	"path"
	"strings"

	"edrc/internal/fault"
)

// DefaultTag is the key of the tag that protects what carries it, with any value but
// "false".
const DefaultTag = "edrc:protected"

// DefaultMaxTargets is how many targets one run may have.
const DefaultMaxTargets = 5

// Belts say what is never touched. The zero value is safe: the tag and the number of
// targets have defaults. Names may hold * and ?, and ignore case.
type Belts struct {
	Roles      []string `yaml:"protected_roles"`
	Hosts      []string `yaml:"protected_hosts"` // by name or id
	Instances  []string `yaml:"protected_instances"`
	Keys       []string `yaml:"protected_keys"`
	Accounts   []string `yaml:"protected_accounts"`
	Tag        string   `yaml:"protected_tag"`         // "": edrc:protected
	MaxTargets int      `yaml:"max_targets,omitempty"` // of one run; 0: 5
	// File is where the configuration stands, for messages; "" when that is not known.
	File string `yaml:"-"`
}

// Valid says which pattern cannot be read.
func (b Belts) Valid() error {
	for _, list := range [][]string{b.Roles, b.Hosts, b.Instances, b.Keys, b.Accounts} {
		for _, p := range list {
			if _, err := path.Match(p, ""); err != nil {
				return fault.Usagef("%q is not a pattern: %w", p, err).WithHint("* stands for any characters, ? for one")
			}
		}
	}
	if b.MaxTargets < 0 {
		return fault.Usagef("max_targets is %d: it is a number of targets, from 1", b.MaxTargets)
	}
	return nil
}

func (b Belts) limit() int {
	if b.MaxTargets == 0 {
		return DefaultMaxTargets
	}
	return b.MaxTargets
}

func (b Belts) tag() string {
	if b.Tag == "" {
		return DefaultTag
	}
	return b.Tag
}

// check refuses a plan that touches what is protected.
func (b Belts) check(p Plan) error {
	if p.Target.Sample || p.Request.Target.Sample {
		return fault.New(fault.Denied, "%s comes from a sample finding: there is nothing real to contain", p.Target.Label())
	}
	self := Touched{Kind: p.Target.Kind, ID: p.Target.ID, Name: p.Target.Name, Account: p.Target.Account}
	for _, t := range append([]Touched{self}, p.Touched...) {
		if why := b.protects(t); why != "" {
			return fault.New(fault.Denied, "%s %s is protected: %s", t.Kind, Target{ID: t.ID, Name: t.Name}.Label(), why).
				WithHint("if it must be done, take it off the list or remove the tag first; no flag overrides it")
		}
	}
	return nil
}

// protects says why t must not be touched; "" when it may.
func (b Belts) protects(t Touched) string {
	lists := map[TargetKind]struct {
		name     string
		patterns []string
	}{
		Role: {"protected_roles", b.Roles}, HostKind: {"protected_hosts", b.Hosts},
		Instance: {"protected_instances", b.Instances}, Key: {"protected_keys", b.Keys},
	}
	l := lists[t.Kind]
	for _, p := range l.patterns {
		if matches(p, t.ID) || matches(p, t.Name) {
			return "it matches " + p + " in " + b.line(l.name)
		}
	}
	for _, p := range b.Accounts {
		if matches(p, t.Account) {
			return "account " + t.Account + " matches " + p + " in " + b.line("protected_accounts")
		}
	}
	for k, v := range t.Tags {
		if strings.EqualFold(k, b.tag()) && !strings.EqualFold(v, "false") {
			return "it has the tag " + b.tag() + ", " + b.line("protected_tag")
		}
	}
	return ""
}

// line names a setting, and the file that has it.
func (b Belts) line(setting string) string {
	if b.File == "" {
		return "respond." + setting
	}
	return "respond." + setting + " of " + b.File
}

// matches ignores case. A pattern that cannot be read protects: it is refused when
// the configuration is checked.
func matches(pattern, name string) bool {
	if name == "" {
		return false
	}
	// For path.Match a slash ends what * stands for; here it is a character.
	plain := func(s string) string { return strings.ReplaceAll(strings.ToLower(s), "/", "\x00") }
	ok, err := path.Match(plain(pattern), plain(name))
	return ok || err != nil
}
