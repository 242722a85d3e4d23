package config

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func TestAnEmptyFileIsTheDefaultsAndNoSources(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "~\n", "sources:\nscan:\nhttp:\n", "sources: {}\n"} {
		c := mustLoad(t, testOptions(t, text))
		if len(c.Sources) != 0 || c.HTTP.Timeout != 30*time.Second || c.Sync.Workers != 8 || c.Scan.Reserve != 20 || !c.Notes.Enabled {
			t.Errorf("%q gave %+v", text, c)
		}
		if c.StateDir != "/home/ana/.local/state/edrc" && c.StateDir != "/home/ana/Library/Application Support/edrc" || c.Store.Path != filepath.Join(c.StateDir, "edrc.db") {
			t.Errorf("%q keeps state in %s and %s", text, c.StateDir, c.Store.Path)
		}
	}
}

func TestSourcesAreDecodedIntoTheirPrototypesSortedByName(t *testing.T) {
	c := mustLoad(t, testOptions(t, `
sources:
  b: {kind: other}
  a:
    kind: acme
    tenant: ACME Corp
    token: {env: T}
    regions: [eu-west-1, us-east-1]
    accounts: [{id: 012345}, {id: "7"}]
    ratio: 0.5
    raw: true
    wait: 3
    any: {x: [1, two]}
`))
	if len(c.Sources) != 2 || c.Sources[0].Name != "a" || c.Sources[1].Name != "b" || c.Sources[1].Line != 3 {
		t.Fatalf("sources: %+v", c.Sources)
	}
	a := c.Sources[0]
	o := a.Options.(*acmeOptions)
	if a.Kind != "acme" || a.Tenant != "ACME Corp" || a.Line != 4 {
		t.Errorf("source: %+v", a)
	}
	if o.URL != "https://default.example" {
		t.Errorf("the prototype's default was lost: %q", o.URL)
	}
	if !slices.Equal(o.Regions, []region{"eu-west-1", "us-east-1"}) || o.Accounts[0].ID != "012345" || o.Period.Ratio != 0.5 || !o.Period.Raw || *o.Wait != 3 || o.Any == nil {
		t.Errorf("options: %+v", o)
	}
}

func TestKeysOfMappingsKeepCaseAndDots(t *testing.T) {
	c := mustLoad(t, testOptions(t, "sources:\n  a: {kind: acme, tags: {Site.ID: X, SiteName: Y, a::b: Z}}\n"))
	tags := c.Sources[0].Options.(*acmeOptions).Tags
	if tags["Site.ID"] != "X" || tags["SiteName"] != "Y" || tags["a::b"] != "Z" || len(tags) != 3 {
		t.Errorf("tags: %v", tags)
	}
}

func TestTheEngineReadsItsOwnKeysBesideOurs(t *testing.T) {
	c := mustLoad(t, testOptions(t, `
scan:
  engine: judge
  url: https://judge.example
  api_key: {env: KEY}
  daily_budget: 500
  max_age: 30d
  life: {malicious: 90d, unknown: 12h}
`))
	e := c.Scan.Options.(*engineOptions)
	if e.URL != "https://judge.example" || e.APIKey.scheme != "env" || c.Scan.DailyBudget != 500 || c.Scan.MaxAge != 30*24*time.Hour {
		t.Errorf("scan: %+v, engine %+v", c.Scan, e)
	}
	if c.Scan.Life["malicious"] != 90*24*time.Hour || c.Scan.Life["unknown"] != 12*time.Hour || len(c.Scan.Life) != 2 {
		t.Errorf("lives: %v", c.Scan.Life)
	}
}

func TestAVariableCanNameTheEngine(t *testing.T) {
	o := testOptions(t, "scan: {url: https://judge.example}\n")
	o.Env = environment{"EDRC_SCAN_ENGINE": "judge"}.lookup
	if c := mustLoad(t, o); c.Scan.Options.(*engineOptions).URL != "https://judge.example" {
		t.Errorf("scan: %+v", c.Scan)
	}
	o.Env = environment{"EDRC_SCAN_ENGINE": "jugde"}.lookup
	if got, _ := refused(t, o); !strings.Contains(got, "EDRC_SCAN_ENGINE") || !strings.Contains(got, `did you mean "judge"`) {
		t.Errorf("got %s", got)
	}
}

func TestFlagBeatsVariableBeatsFileBeatsDefault(t *testing.T) {
	flags := func(args ...string) *pflag.FlagSet {
		fs := pflag.NewFlagSet("edrc", pflag.ContinueOnError)
		fs.Duration("http-timeout", time.Hour, "")
		fs.StringP("output", "o", "wide", "")
		_ = fs.SetAnnotation("output", FlagKey, []string{"output.format"})
		fs.StringSlice("status", nil, "")
		_ = fs.SetAnnotation("status", FlagKey, []string{"sync.status_filter"})
		fs.Int("sync-workers", 0, "")
		if err := fs.Parse(args); err != nil {
			t.Fatal(err)
		}
		return fs
	}
	const text = "http: {timeout: 3s}\noutput: {format: csv}\nsync: {workers: 3, status_filter: [file]}\n"
	env := environment{"EDRC_HTTP_TIMEOUT": "2d", "EDRC_OUTPUT_FORMAT": "md", "EDRC_SYNC_WORKERS": "4", "EDRC_SYNC_STATUS_FILTER": "new, in progress"}
	for _, tc := range []struct {
		name, text string
		env        environment
		args       []string
		timeout    time.Duration
		format     string
		workers    int
		status     []string
	}{
		{"default", "", nil, nil, 30 * time.Second, "table", 8, nil},
		{"file", text, nil, nil, 3 * time.Second, "csv", 3, []string{"file"}},
		{"variable", text, env, nil, 48 * time.Hour, "md", 4, []string{"new", "in progress"}},
		{"an empty variable is none", text, environment{"EDRC_HTTP_TIMEOUT": "", "EDRC_SYNC_WORKERS": ""}, nil, 3 * time.Second, "csv", 3, []string{"file"}},
		{"flag", text, env, []string{"--http-timeout=1m", "-o", "json", "--sync-workers=5", "--status=a,b"}, time.Minute, "json", 5, []string{"a", "b"}},
	} {
		o := testOptions(t, tc.text)
		o.Env, o.Flags = tc.env.lookup, flags(tc.args...)
		c := mustLoad(t, o)
		if c.HTTP.Timeout != tc.timeout || c.Output.Format != tc.format || c.Sync.Workers != tc.workers || !slices.Equal(c.Sync.StatusFilter, tc.status) {
			t.Errorf("%s: %v %s %d %q", tc.name, c.HTTP.Timeout, c.Output.Format, c.Sync.Workers, c.Sync.StatusFilter)
		}
	}
}

func TestEveryScalarHasAVariable(t *testing.T) {
	samples := map[string]string{"Duration": "7m", "int": "11", "int64": "3MB", "bool": "true", "string": "/some/where", "slice": "p,q"}
	env := environment{}
	for _, s := range settings(defaults()) {
		sample := samples[s.value.Kind().String()]
		switch {
		case s.value.Type().Name() == "Duration":
			sample = samples["Duration"]
		case s.tag.Get("oneof") != "":
			sample = strings.Fields(s.tag.Get("oneof"))[1]
		case s.key() == "scan.engine":
			sample = "judge"
		}
		env[s.envName()] = sample
	}
	o := testOptions(t, "")
	o.Env = env.lookup
	c := mustLoad(t, o)
	for _, s := range settings(c) {
		want, err := s.parse(env[s.envName()])
		if err != nil {
			t.Fatal(err)
		}
		if got := s.value.Interface(); !s.value.IsZero() && s.value.Kind().String() != "slice" && got != want {
			t.Errorf("%s = %q gave %v", s.envName(), env[s.envName()], got)
		}
		if s.value.IsZero() {
			t.Errorf("%s = %q was ignored", s.envName(), env[s.envName()])
		}
	}
}

func TestAWrongVariableOrFlagIsNamed(t *testing.T) {
	o := testOptions(t, "")
	for env, want := range map[string]string{
		"EDRC_HTTP_TIMEOUT=fast":   "EDRC_HTTP_TIMEOUT: want a duration such as 300ms, 2m, 72h, 3d or 1w",
		"EDRC_SYNC_WORKERS=0":      "EDRC_SYNC_WORKERS: must be more than 0",
		"EDRC_SYNC_WORKERS=null":   "EDRC_SYNC_WORKERS: want a whole number",
		"EDRC_NOTES_ENABLED=maybe": "EDRC_NOTES_ENABLED: want true or false, got text",
		"EDRC_OUTPUT_COLOR=auot":   `EDRC_OUTPUT_COLOR: unknown value "auot"; did you mean "auto"?`,
	} {
		name, value, _ := strings.Cut(env, "=")
		o.Env = environment{name: value}.lookup
		if got, _ := refused(t, o); got != want {
			t.Errorf("%s:\n got %s\nwant %s", env, got, want)
		}
	}
	o.Env = environment{}.lookup
	o.Flags = pflag.NewFlagSet("edrc", pflag.ContinueOnError)
	o.Flags.String("sync-look-back", "", "")
	_ = o.Flags.Parse([]string{"--sync-look-back=0"})
	if got, _ := refused(t, o); got != "--sync-look-back: must be more than 0" {
		t.Errorf("got %s", got)
	}
}

func TestPathsOfTheFileStartAtTheFile(t *testing.T) {
	o := testOptions(t, "store: {path: data/e.db}\nhttp: {ca_file: ~/ca.pem}\n")
	c := mustLoad(t, o)
	if c.Store.Path != filepath.Join(filepath.Dir(o.Path), "data/e.db") || c.HTTP.CAFile != "/home/ana/ca.pem" {
		t.Errorf("%s, %s", c.Store.Path, c.HTTP.CAFile)
	}
	o.Env = environment{"EDRC_STORE_PATH": "here.db", "EDRC_STATE_DIR": "~/s"}.lookup
	c = mustLoad(t, o)
	if c.Store.Path != "here.db" || c.StateDir != "/home/ana/s" {
		t.Errorf("%s, %s", c.Store.Path, c.StateDir)
	}
}

func TestAnUnknownSourceIsMetWithTheNearestAndTheList(t *testing.T) {
	c := mustLoad(t, testOptions(t, "sources:\n  s1-prod: {kind: other}\n  falcon: {kind: other}\n"))
	if _, err := c.Source("falcno"); err == nil || err.Error() != `no source "falcno"; did you mean "falcon"?` {
		t.Errorf("got %v", err)
	}
	if s, err := c.Source("s1-prod"); err != nil || s.Name != "s1-prod" {
		t.Errorf("got %v, %v", s, err)
	}
	if _, err := new(Config).Source("x"); err == nil || err.Error() != `no source "x": none is configured` {
		t.Errorf("got %v", err)
	}
}

// everything takes each key that the example shows for any product.
type everything struct {
	URL     string     `yaml:"url"`
	Token   fakeSecret `yaml:"token"`
	Cloud   string     `yaml:"cloud"`
	Client  string     `yaml:"client_id"`
	Secret  fakeSecret `yaml:"client_secret"`
	Tenant  string     `yaml:"tenant_id"`
	Org     string     `yaml:"org_key"`
	API     string     `yaml:"api_id"`
	APISec  fakeSecret `yaml:"api_secret"`
	KeyID   string     `yaml:"key_id"`
	Key     fakeSecret `yaml:"key"`
	KeyType string     `yaml:"key_type"`
	Regions []string   `yaml:"regions"`
	Auth    string     `yaml:"auth_url"`
	Surface string     `yaml:"surface"`
	Sites   []string   `yaml:"sites"`
	Acc     []struct {
		ID   string `yaml:"id"`
		Role string `yaml:"role_arn"`
		Ext  string `yaml:"external_id"`
	} `yaml:"accounts"`
}

func TestTheExampleLoadsAsItIsAndWithEveryCommentTakenAway(t *testing.T) {
	for name, text := range map[string]string{
		"as it is":    Example(),
		"uncommented": regexp.MustCompile(`(?m)^( *)# ([a-z0-9_-]+: |(?:http|sync|fetch|respond|environments):$|  [a-z_]+: )`).ReplaceAllString(Example(), "$1$2"),
	} {
		// 0644: the example must hold no literal secret.
		o := testOptions(t, text)
		if err := os.Chmod(o.Path, 0o644); err != nil {
			t.Fatal(err)
		}
		o.Kinds, o.Classes = map[string]func() any{}, nil
		for _, kind := range []string{"sentinelone", "crowdstrike", "defender", "carbonblack", "cortex", "guardduty", "wiz"} {
			o.Kinds[kind] = func() any { return new(everything) }
		}
		o.Engines = map[string]func() any{"intezer": func() any { return new(engineOptions) }}
		o.Respond = func() any { return new(belts) }
		o.Environment = func() any { return new(part) }
		c := mustLoad(t, o)
		if want := map[string]int{"as it is": 1, "uncommented": 7}[name]; len(c.Sources) != want {
			t.Errorf("%s: %d sources, want %d", name, len(c.Sources), want)
		}
		if want := map[string]int{"uncommented": 2}[name]; len(c.Environments) != want {
			t.Errorf("%s: %d environments, want %d", name, len(c.Environments), want)
		}
		if name == "uncommented" && (c.Sync.Interval != 5*time.Minute || c.HTTP.Proxy == "" || c.Scan.Life["malicious"] == 0) {
			t.Errorf("the settings of the example were not uncommented: %+v %+v", c.Sync, c.Scan)
		}
	}
}
