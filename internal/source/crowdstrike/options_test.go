package crowdstrike

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"edrc/internal/alert"
	"edrc/internal/httpx"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

func TestNewSaysWhatIsMissingOrWrong(t *testing.T) {
	with := func(change func(*Options)) Options {
		o := Options{ClientID: "id", ClientSecret: httpx.Literal("a secret")}
		change(&o)
		return o
	}
	for name, tc := range map[string]struct {
		o    Options
		want []string
	}{
		"nothing":    {Options{}, []string{"client_id", "client_secret"}},
		"no secret":  {with(func(o *Options) { o.ClientSecret = httpx.Secret{} }), []string{"client_secret"}},
		"cloud":      {with(func(o *Options) { o.Cloud = "moon-1" }), []string{"moon-1", "us-gov-2"}},
		"both":       {with(func(o *Options) { o.Cloud, o.BaseURL = "us-1", "https://api.crowdstrike.com" }), []string{"exclude"}},
		"plain http": {with(func(o *Options) { o.BaseURL = "http://api.crowdstrike.com" }), []string{"https"}},
		"no scheme":  {with(func(o *Options) { o.BaseURL = "api.crowdstrike.com" }), []string{"https://"}},
		"a path":     {with(func(o *Options) { o.BaseURL = "https://api.crowdstrike.com/alerts" }), []string{"path"}},
		"member":     {with(func(o *Options) { o.MemberCID = "child" }), []string{"member_cid"}},
		"cid":        {with(func(o *Options) { o.CID = strings.Repeat("g", 32) }), []string{"cid"}},
		"rate":       {with(func(o *Options) { o.Rate = -1 }), []string{"rate"}},
	} {
		_, err := New(tc.o, Env{Name: "falcon"})
		sourcetest.WantUsage(t, name, err, "a secret", tc.want...)
	}
}

func TestACloudIsNamedInManyWays(t *testing.T) {
	for name, base := range map[string]string{
		"": "https://api.crowdstrike.com", "us-1": "https://api.crowdstrike.com", "US1": "https://api.crowdstrike.com",
		"us2": "https://api.us-2.crowdstrike.com", "us-3": "https://api.us-3.crowdstrike.com", "eu-1": "https://api.eu-1.crowdstrike.com",
		"gov1": "https://api.laggar.gcw.crowdstrike.com", "usgov1": "https://api.laggar.gcw.crowdstrike.com", "us-gov-1": "https://api.laggar.gcw.crowdstrike.com",
		"gov-2": "https://api.us-gov-2.crowdstrike.mil",
	} {
		o, err := Options{Cloud: name, ClientID: "id", ClientSecret: httpx.Literal("s")}.normalise()
		if err != nil || o.BaseURL != base {
			t.Errorf("%q: %q, %v", name, o.BaseURL, err)
		}
	}
	o, err := Options{BaseURL: " https://API.crowdstrike.com/ ", ClientID: "id", ClientSecret: httpx.Literal("s")}.normalise()
	if err != nil || o.BaseURL != "https://api.crowdstrike.com" {
		t.Errorf("%q, %v", o.BaseURL, err)
	}
}

func TestTraitsFollowTheConfiguration(t *testing.T) {
	for text, want := range map[string]source.Traits{
		"": {NoteMax: 1000, NoteBulk: 100, NoteSettle: 90 * time.Second, Settle: time.Minute, Overlap: 15 * time.Minute},
		"note_settle: 0s\nsettle: 0s\noverlap: 1h": {NoteMax: 1000, NoteBulk: 100, Overlap: time.Hour},
	} {
		var o Options
		if err := yaml.Unmarshal([]byte("cloud: us-1\nclient_id: id\nclient_secret: {env: X}\n"+text), &o); err != nil {
			t.Fatal(err)
		}
		c, err := New(o, Env{Name: "falcon"})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Traits(); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}

func TestTheTablesOfWordsAreTheMapping(t *testing.T) {
	for _, m := range Severities() {
		if got := severityOf(number{}, m.Vendor); got.String() != m.Ours {
			t.Errorf("%s is %s, want %s", m.Vendor, got, m.Ours)
		}
	}
	for n, want := range map[float64]alert.Severity{0: alert.Info, 1: alert.Info, 19: alert.Info, 20: alert.Low, 39.9: alert.Low, 40: alert.Medium,
		59: alert.Medium, 60: alert.High, 79: alert.High, 80: alert.Critical, 100: alert.Critical} {
		if got := severityOf(number{true, n}, "Low"); got != want {
			t.Errorf("%v is %s, want %s", n, got, want)
		}
	}
	if got := severityOf(number{}, ""); got != alert.Unrated {
		t.Errorf("no severity is %s", got)
	}
	for _, m := range Statuses() {
		if got := statusOf(m.Vendor); string(got) != m.Ours {
			t.Errorf("%s is %s, want %s", m.Vendor, got, m.Ours)
		}
	}
	if got := statusOf("postponed"); got.Closed() {
		t.Error("a status that nobody knows is closed")
	}
}
