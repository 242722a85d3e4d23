package wiz

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"edrc/internal/httpx"
	"edrc/internal/source/sourcetest"
)

func with(change func(*Options)) Options {
	o := Options{URL: "https://api.us17.app.wiz.io/graphql", ClientID: "id", ClientSecret: httpx.Literal("a secret")}
	change(&o)
	return o
}

func TestNewSaysWhatIsMissingOrWrong(t *testing.T) {
	for name, tc := range map[string]struct {
		o    Options
		want []string
	}{
		"nothing":      {Options{}, []string{"url", "client_id", "client_secret"}},
		"no secret":    {with(func(o *Options) { o.ClientSecret = httpx.Secret{} }), []string{"client_secret"}},
		"plain http":   {with(func(o *Options) { o.URL = "http://api.us17.app.wiz.io" }), []string{"https"}},
		"no scheme":    {with(func(o *Options) { o.URL = "api.us17.app.wiz.io" }), []string{"url", "https://"}},
		"unknown host": {with(func(o *Options) { o.URL = "https://wiz.example" }), []string{"auth_url"}},
		"auth":         {with(func(o *Options) { o.AuthURL = "auth" }), []string{"auth_url"}},
		"auth http":    {with(func(o *Options) { o.AuthURL = "http://auth.app.wiz.io/oauth/token" }), []string{"https"}},
		"a password":   {with(func(o *Options) { o.URL = "https://u:a secret@api.us17.app.wiz.io" }), nil},
		"rate":         {with(func(o *Options) { o.Rate = -1 }), []string{"rate"}},
	} {
		_, err := New(tc.o, Env{Name: "wiz"})
		sourcetest.WantUsage(t, name, err, "a secret", tc.want...)
	}
}

func TestAddressesMayBeWrittenInManyWays(t *testing.T) {
	for url, want := range map[string][4]string{
		"https://api.us17.app.wiz.io/graphql": {"https://api.us17.app.wiz.io/graphql", "https://auth.app.wiz.io/oauth/token", "wiz-api", "https://app.wiz.io"},
		" https://API.us17.app.wiz.io/ ":      {"https://api.us17.app.wiz.io/graphql", "https://auth.app.wiz.io/oauth/token", "wiz-api", "https://app.wiz.io"},
		"https://api.us1.app.wiz.us":          {"https://api.us1.app.wiz.us/graphql", "https://auth.app.wiz.us/oauth/token", "wiz-api", "https://app.wiz.us"},
		"https://api.x.gov.wiz.io":            {"https://api.x.gov.wiz.io/graphql", "https://auth.gov.wiz.io/oauth/token", "wiz-api", "https://gov.wiz.io"},
	} {
		o, err := with(func(o *Options) { o.URL = url }).normalise()
		if got := [4]string{o.URL, o.AuthURL, o.Audience, consoleOf(o.URL)}; err != nil || got != want {
			t.Errorf("%s: %v, %v", url, got, err)
		}
	}
	for auth, want := range map[string]string{
		"https://auth.wiz.io/oauth/token": "beyond-api", "https://auth0.gov.wiz.io": "beyond-api", "https://auth.app.wiz.io": "wiz-api", "https://auth.gov.wiz.us/oauth/token": "wiz-api",
	} {
		o, err := with(func(o *Options) { o.AuthURL = auth }).normalise()
		if err != nil || o.Audience != want || !strings.HasSuffix(o.AuthURL, "/oauth/token") {
			t.Errorf("%s: %s, %s, %v", auth, o.Audience, o.AuthURL, err)
		}
	}
	if o, err := with(func(o *Options) { o.Audience = "own" }).normalise(); err != nil || o.Audience != "own" {
		t.Errorf("%q, %v", o.Audience, err)
	}
}

func TestTwoTenantsOfOneDataCentreHaveMemoriesOfTheirOwn(t *testing.T) {
	seen := map[string]string{}
	for name, change := range map[string]func(*Options){
		"one": func(*Options) {}, "another account": func(o *Options) { o.ClientID = "other" },
		"another host": func(o *Options) { o.URL = "https://api.eu1.app.wiz.io" }, "an id": func(o *Options) { o.TenantID = "T-1" },
	} {
		c, err := New(with(change), Env{Name: "wiz"})
		if err != nil {
			t.Fatal(err)
		}
		tenant, err := c.Tenant(context.Background())
		c.Close()
		if other, twice := seen[tenant]; twice || err != nil || tenant == "" {
			t.Errorf("%s and %s share %q, %v", name, other, tenant, err)
		}
		seen[tenant] = name
	}
	a := with(func(o *Options) { o.TenantID, o.ClientID = "T-1", "a" })
	b := with(func(o *Options) { o.TenantID, o.ClientID = " t-1", "b" })
	if a.tenant() != b.tenant() {
		t.Errorf("a new service account forgets the tenant: %q, %q", a.tenant(), b.tenant())
	}
}

func TestTheConfigurationReplacesFactsOfTheProduct(t *testing.T) {
	var o Options
	if err := yaml.Unmarshal([]byte("{note_settle: 0s, settle: 5s, overlap: 1h, rate: 7, tenant_id: t, audience: a}"), &o); err != nil {
		t.Fatal(err)
	}
	tr := o.traits()
	if tr.NoteSettle != 0 || tr.Settle != 5*time.Second || tr.Overlap != time.Hour || o.Rate != 7 || o.TenantID != "t" || o.Audience != "a" {
		t.Errorf("%+v", tr)
	}
	tr = Options{}.traits()
	if tr.NoteSettle != time.Minute || tr.Settle != 2*time.Minute || tr.Overlap != 30*time.Minute || tr.MaxWindow != 48*time.Hour || tr.NoteBulk != 1 || tr.NoteMax != noteMax {
		t.Errorf("%+v", tr)
	}
}
