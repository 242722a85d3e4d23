package config

import (
	"errors"
	"strings"
	"testing"

	"edrc/internal/fault"
)

// part is an environment as a caller might have it.
type part struct {
	Groups []struct {
		Accounts ids               `yaml:"accounts"`
		Regions  ids               `yaml:"regions"`
		Tags     map[string]string `yaml:"tags"`
	} `yaml:"groups"`
	Untagged bool `yaml:"include_untagged"`
}

type (
	ids []id
	id  string
)

func (ids) OneWord() string { return "all" }

func (i *id) UnmarshalText(b []byte) error {
	if len(b) < 3 {
		return errors.New("want three characters")
	}
	*i = id(b)
	return nil
}

func (p part) Valid() error {
	if len(p.Groups) == 0 {
		return fault.Usagef("it has no groups").WithHint("write one")
	}
	return nil
}

func environmentsOf(t *testing.T, text string) Options {
	o := testOptions(t, text)
	o.Environment = func() any { return new(part) }
	return o
}

func TestEnvironmentsAreReadInTheOrderOfTheFile(t *testing.T) {
	c := mustLoad(t, environmentsOf(t, `
environments:
  prod:
    groups:
      - {accounts: ["111122223333", 012345678901], tags: {env: prod, cost: 42}}
      - accounts: all
        regions: [us-east-1]
    include_untagged: true
  Dev.eu: {groups: [{accounts: [all]}]}
`))
	if len(c.Environments) != 2 || c.Environments[0].Name != "prod" || c.Environments[1].Name != "Dev.eu" || c.Environments[1].Line != 9 {
		t.Fatalf("%+v", c.Environments)
	}
	p := c.Environments[0].Rules.(*part)
	if g := p.Groups[0]; len(g.Accounts) != 2 || g.Accounts[1] != "012345678901" || g.Tags["cost"] != "42" || g.Regions != nil {
		t.Errorf("%+v", g)
	}
	if g := p.Groups[1]; len(g.Accounts) != 1 || g.Accounts[0] != "all" || len(g.Regions) != 1 || !p.Untagged {
		t.Errorf("%+v", p)
	}
}

func TestWhatIsWrongWithAnEnvironmentIsToldWithItsLine(t *testing.T) {
	for text, want := range map[string]string{
		"environments: [prod]\n":   "FILE:1: environments: want a mapping, got a list",
		"environments:\n  prod:\n": "FILE:2: environments.prod: it has no groups",
		"environments:\n  prod:\n    groups:\n      - accounts: all\n        tags:\n": "FILE:5: environments.prod: key \"tags\" has no value",
		"environments:\n  pr od: {}\n":                                                           "FILE:2: environment name",
		"environments:\n  prod:\n    grups: []\n":                                                "FILE:3: ",
		"environments:\n  prod:\n    groups:\n      - acounts: all\n":                            `did you mean "accounts"?`,
		"environments:\n  prod:\n    groups:\n      - accounts: [abc]\n      - accounts: [ab]\n": "FILE:5: environments.prod.groups[1].accounts[0]: want three characters",
		"environments:\n  prod:\n    groups:\n      - accounts: some\n":                          "FILE:4: environments.prod.groups[0].accounts: want a list",
		"environments:\n  prod:\n    groups:\n      - {accounts: all, tags: [a]}\n":              "FILE:4: environments.prod.groups[0].tags: want a mapping",
		"environments:\n  prod:\n    groups: []\n  prod: {}\n":                                   "is already set in line 2",
		"environment:\n  prod: {groups: []}\n":                                                   `did you mean "environments"?`,
	} {
		msg, hint := refused(t, environmentsOf(t, text))
		if !strings.Contains(msg+hint, want) {
			t.Errorf("%q: %s (%s), want %q", text, msg, hint, want)
		}
	}
	if msg, _ := refused(t, testOptions(t, "environments: {}\n")); !strings.Contains(msg, "environments") {
		t.Errorf("who knows no environments took the section: %s", msg)
	}
}

// spot is a struct that a word may stand for.
type spot struct {
	ID   string `yaml:"id"`
	Role string `yaml:"role"`
}

func (p *spot) UnmarshalText(b []byte) error { p.ID = string(b); return nil }

type spots []spot

func (spots) OneWord() string { return "all" }

func TestAListOfMappingsMayHoldWordsAndIsReadStrictlyNevertheless(t *testing.T) {
	type options struct {
		Places spots `yaml:"places"`
	}
	load := func(text string) Options {
		o := testOptions(t, "sources:\n  a: {kind: x, places: "+text+"}\n")
		o.Kinds = map[string]func() any{"x": func() any { return new(options) }}
		return o
	}
	for text, want := range map[string]spots{
		"all":                   {{ID: "all"}},
		"[all, 0123]":           {{ID: "all"}, {ID: "0123"}},
		"[{id: a, role: r}, b]": {{ID: "a", Role: "r"}, {ID: "b"}},
	} {
		got := mustLoad(t, load(text)).Sources[0].Options.(*options).Places
		if len(got) != len(want) || got[0] != want[0] || got[len(got)-1] != want[len(want)-1] {
			t.Errorf("%s: %+v", text, got)
		}
	}
	for text, want := range map[string]string{"[{id: a, rol: r}]": `did you mean "role"?`, "everything": "want a list or the word all", "[[a]]": "places[0]"} {
		if msg, hint := refused(t, load(text)); !strings.Contains(msg+hint, want) {
			t.Errorf("%s: %s (%s)", text, msg, hint)
		}
	}
}
