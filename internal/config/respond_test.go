package config

import (
	"slices"
	"strings"
	"testing"

	"edrc/internal/fault"
)

// belts is a section respond as a caller might have it.
type belts struct {
	Roles     []string `yaml:"protected_roles"`
	Hosts     []string `yaml:"protected_hosts"`
	Instances []string `yaml:"protected_instances"`
	Tag       string   `yaml:"protected_tag"`
	Max       int      `yaml:"max_targets"`
}

func (b belts) Valid() error {
	if b.Max < 0 {
		return fault.Usagef("max_targets is negative").WithHint("from 1")
	}
	return nil
}

func TestTheBeltsAreReadStrictly(t *testing.T) {
	load := func(text string) (*Config, error) {
		o := testOptions(t, text)
		o.Respond = func() any { return new(belts) }
		return Load(o)
	}
	c, err := load("respond:\n  protected_roles: [admin-*]\n  protected_hosts: [dc-*, DC2]\n  max_targets: 2\n")
	if err != nil {
		t.Fatal(err)
	}
	if b := c.Respond.(*belts); !slices.Equal(b.Hosts, []string{"dc-*", "DC2"}) || b.Max != 2 {
		t.Errorf("%+v", b)
	}
	if c, err := load("http: {timeout: 3s}\n"); err != nil || c.Respond.(*belts) == nil {
		t.Errorf("without the section: %v", err)
	}
	for text, want := range map[string]string{
		"respond:\n  protected_hots: [a]\n":   "protected_hosts",
		"respond:\n  protected_hosts: a\n":    "want a list",
		"respond:\n  max_targets: -1\n":       "max_targets is negative",
		"respond: [a]\n":                      "mapping",
		"respnd: {protected_hosts: [dc-*]}\n": "respond",
	} {
		if _, err := load(text); !fault.Is(err, fault.Usage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestWhoHasNoBeltsTakesNoSectionForThem(t *testing.T) {
	if _, err := Load(testOptions(t, "respond: {protected_hosts: [dc-*]}\n")); err == nil || !strings.Contains(err.Error(), `"respond"`) {
		t.Errorf("it was taken and forgotten: %v", err)
	}
}
