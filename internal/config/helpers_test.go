package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"edrc/internal/fault"
)

// fakeSecret stands in for httpx.Secret: it reads what that type reads, and
// complains with the value in its message, which config must not pass on.
type fakeSecret struct {
	scheme, arg string
	resolve     func(context.Context) (string, error)
}

func (s *fakeSecret) Reference() (scheme, arg string)                  { return s.scheme, s.arg }
func (s *fakeSecret) Bind(f func(ctx context.Context) (string, error)) { s.resolve = f }

func (s *fakeSecret) UnmarshalYAML(unmarshal func(any) error) error {
	var literal string
	if unmarshal(&literal) == nil {
		if literal == "refused-by-the-type-itself" {
			return errors.New("cannot use " + literal)
		}
		s.scheme, s.arg = "literal", ""
		s.resolve = func(context.Context) (string, error) { return literal, nil }
		return nil
	}
	ref := map[string]string{}
	if err := unmarshal(&ref); err != nil {
		return err
	}
	for k, v := range ref {
		s.scheme, s.arg = k, v
	}
	return nil
}

// region reads itself, as a product's own types do.
type region string

func (r *region) UnmarshalText(text []byte) error {
	if strings.Contains(string(text), " ") {
		return errors.New(`"` + string(text) + `" is not a region`)
	}
	*r = region(text)
	return nil
}

type acmeOptions struct {
	URL      string                `yaml:"url"`
	Token    fakeSecret            `yaml:"token"`
	Previous *fakeSecret           `yaml:"previous_token"`
	PerSite  map[string]fakeSecret `yaml:"per_site"`
	Regions  []region              `yaml:"regions"`
	Accounts []struct {
		ID     string     `yaml:"id"`
		Secret fakeSecret `yaml:"secret"`
	} `yaml:"accounts"`
	Tags   map[string]string `yaml:"tags"`
	Wait   *int              `yaml:"wait"`
	Period wait              `yaml:",inline"`
	Any    any               `yaml:"any"`
}

type wait struct {
	Ratio float64 `yaml:"ratio"`
	Raw   bool
}

type engineOptions struct {
	URL    string     `yaml:"url"`
	APIKey fakeSecret `yaml:"api_key"`
}

// environment is a closed one: nothing of the machine shines through.
type environment map[string]string

func (e environment) lookup(name string) (string, bool) { v, ok := e[name]; return v, ok }

// testOptions makes Options over a file with this text, and a home of its own.
func testOptions(t testing.TB, text string) Options {
	t.Helper()
	path := filepath.Join(t.TempDir(), "edrc.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Options{
		Path:    path,
		Home:    "/home/ana",
		Env:     environment{}.lookup,
		Kinds:   map[string]func() any{"acme": func() any { return &acmeOptions{URL: "https://default.example"} }, "other": func() any { return &struct{}{} }},
		Engines: map[string]func() any{"judge": func() any { return new(engineOptions) }},
		Classes: []string{"malicious", "trusted", "unknown"},
		keyring: func(string, string) (string, error) { return "", errors.New("dbus-launch not found") },
	}
}

func mustLoad(t testing.TB, o Options) *Config {
	t.Helper()
	c, err := Load(o)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return c
}

// refused loads, wants a Usage error, and gives it with FILE for the path.
func refused(t testing.TB, o Options) (msg, hint string) {
	t.Helper()
	c, err := Load(o)
	if err == nil || c != nil {
		t.Fatalf("Load gave (%v, %v), want an error alone", c, err)
	}
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || e.Kind != fault.Usage {
		t.Fatalf("want a usage fault, got %T %v", err, err)
	}
	if o.Path == "" {
		return e.Msg, e.Hint
	}
	return strings.ReplaceAll(e.Msg, o.Path, "FILE"), strings.ReplaceAll(e.Hint, o.Path, "FILE")
}

// reveal resolves a secret of the source "a".
func reveal(t testing.TB, c *Config, pick func(*acmeOptions) *fakeSecret) (string, error) {
	t.Helper()
	s, err := c.Source("a")
	if err != nil {
		t.Fatal(err)
	}
	return pick(s.Options.(*acmeOptions)).resolve(t.Context())
}

func token(o *acmeOptions) *fakeSecret { return &o.Token }
