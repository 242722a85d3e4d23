package sentinelone

import (
	"context"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"edrc/internal/httpx"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

func TestNewSaysWhatIsMissingOrWrong(t *testing.T) {
	good := Options{URL: "https://acme.sentinelone.net", Token: httpx.Literal("t")}
	with := func(change func(*Options)) Options {
		o := good
		change(&o)
		return o
	}
	for name, tc := range map[string]struct {
		o    Options
		want []string
	}{
		"nothing":       {Options{}, []string{"url", "token"}},
		"no token":      {Options{URL: good.URL}, []string{"token"}},
		"plain http":    {with(func(o *Options) { o.URL = "http://acme.sentinelone.net" }), []string{"https"}},
		"no scheme":     {with(func(o *Options) { o.URL = "acme.sentinelone.net" }), []string{"https://"}},
		"a page":        {with(func(o *Options) { o.URL += "/dashboard" }), []string{"path"}},
		"a query":       {with(func(o *Options) { o.URL += "/?APIToken=secret" }), []string{"query"}},
		"surface":       {with(func(o *Options) { o.Surface = "star" }), []string{"star", "threats", "unified"}},
		"an account":    {with(func(o *Options) { o.Accounts = []string{"Acme"} }), []string{"accounts", "Acme"}},
		"rate":          {with(func(o *Options) { o.Rate = -1 }), []string{"rate"}},
		"no rate":       {with(func(o *Options) { o.Rate = math.NaN() }), []string{"rate"}},
		"unified scope": {with(func(o *Options) { o.Surface = "unified"; o.Accounts = ids("1"); o.Sites = ids("2") }), []string{"one of"}},
	} {
		_, err := New(tc.o, Env{Name: "s1"})
		sourcetest.WantUsage(t, name, err, "secret", tc.want...)
	}
}

func ids(digit string) []string { return []string{strings.Repeat(digit, 18)} }

func TestNewTakesThePastedAddressOfTheAPI(t *testing.T) {
	for url, tenant := range map[string]string{
		"https://ACME.sentinelone.net/":                  "acme.sentinelone.net",
		"https://acme.sentinelone.net/web/api/v2.1/":     "acme.sentinelone.net",
		" https://acme.sentinelone.net:443/web/api/v2.1": "acme.sentinelone.net",
		"https://acme.sentinelone.net:8443":              "acme.sentinelone.net:8443",
		"http://127.0.0.1:8080":                          "127.0.0.1:8080",
	} {
		c, err := New(Options{URL: url, Token: httpx.Literal("t")}, Env{Name: "s1"})
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if got, err := c.Tenant(context.Background()); got != tenant || err != nil {
			t.Errorf("%s: tenant %q, %v; want %q", url, got, err, tenant)
		}
		if !strings.HasSuffix(c.rest.http.Base(), "/web/api/v2.1") || strings.Count(c.rest.http.Base(), "/web") != 1 {
			t.Errorf("%s: base %q", url, c.rest.http.Base())
		}
	}
}

func TestTraitsFollowTheSurfaceAndTheConfiguration(t *testing.T) {
	const base = "url: https://acme.sentinelone.net\ntoken: t\n"
	for name, tc := range map[string]struct {
		yaml string
		want source.Traits
	}{
		"threats":       {"", source.Traits{NoteMax: 10000, NoteBulk: 100, NoteSettle: 30 * time.Second, Settle: 30 * time.Second, Overlap: 15 * time.Minute}},
		"unified":       {"surface: unified", source.Traits{NoteMax: 10000, NoteBulk: 1, NoteSettle: 2 * time.Minute, Settle: time.Minute, Overlap: 15 * time.Minute}},
		"zero is meant": {"note_settle: 0s\nsettle: 0s\noverlap: 1h", source.Traits{NoteMax: 10000, NoteBulk: 100, Overlap: time.Hour}},
	} {
		var o Options
		if err := yaml.Unmarshal([]byte(base+tc.yaml), &o); err != nil {
			t.Fatal(err)
		}
		c, err := New(o, Env{Name: "s1"})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Traits(); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestAnIDIsAPlainNumberOfThe63BitsThatTheVendorUses(t *testing.T) {
	for id, want := range map[string]bool{
		"225494730938493804": true, "2440104020909548527": true, "9223372036854775807": true,
		"9223372036854775808": false, "99999999999999999": false, "12345678901234567890": false,
		"": false, "22549473093849380,": false, "-22549473093849380": false, "019d114e-e4f4-7ad6-82c3-9829b6d0a801": false,
	} {
		if got := isID(id); got != want {
			t.Errorf("%q: %v", id, got)
		}
	}
}
