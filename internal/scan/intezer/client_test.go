package intezer

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
)

func TestTheSiteIsFoundFromWhatPeopleWrite(t *testing.T) {
	const own = "https://intezer.acme.local"
	for given, want := range map[string]string{
		"": cloudURL, " ": cloudURL, "us": cloudUS, "US": cloudUS,
		"https://analyze.intezer.com": cloudURL, "https://analyze.intezer.com/": cloudURL, "https://Analyze.Intezer.com:443/api/": cloudURL,
		"analyze.intezer.com/api/v2-0/": cloudURL, "https://us.app.intezer.com/api/v2-0": cloudUS,
		"intezer.acme.local": own, own + "/api": own, own + ":8443/": own + ":8443", own + "/scan/api/": own + "/scan",
		"http://127.0.0.1:8080/api/v2-0": "http://127.0.0.1:8080",
	} {
		if got, err := siteRoot(given); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", given, got, err, want)
		}
	}
}

func TestABadConfigurationIsAUsageErrorThatQuotesNothing(t *testing.T) {
	key := httpx.Literal(testKey)
	for name, o := range map[string]Options{
		"no key":               {},
		"a key in the URL":     {URL: "https://" + testKey + "@host", APIKey: key},
		"a query":              {URL: "https://host/?key=" + testKey, APIKey: key},
		"another scheme":       {URL: "ftp://host", APIKey: key},
		"no host":              {URL: "https://", APIKey: key},
		"not an address":       {URL: "https://a b", APIKey: key},
		"http beyond loopback": {URL: "http://intezer.acme.local", APIKey: key},
		"negative rate":        {Rate: -1, APIKey: key},
		"rate that is none":    {Rate: math.NaN(), APIKey: key},
		"negative concurrency": {Concurrency: -1, APIKey: key},
		"negative poll":        {Poll: -1, APIKey: key},
	} {
		_, err := New(o, Env{})
		if !fault.Is(err, fault.Usage) || !strings.HasPrefix(err.Error(), "intezer: ") {
			t.Errorf("%s: %v", name, err)
			continue
		}
		noSecret(t, err.Error())
	}
}

func TestNewResolvesNothing(t *testing.T) {
	var key httpx.Secret
	if err := key.UnmarshalYAML(func(v any) error {
		if m, ok := v.(*map[string]string); ok {
			*m = map[string]string{"keyring": "intezer"}
			return nil
		}
		return context.Canceled
	}); err != nil {
		t.Fatal(err)
	}
	key.Bind(func(context.Context) (string, error) { t.Error("asked for the key"); return "", nil })
	c, err := New(Options{APIKey: key}, Env{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Name() != "intezer" || c.Scope() != "intezer https://analyze.intezer.com" {
		t.Errorf("%q, %q", c.Name(), c.Scope())
	}
}

func TestScopeIsOneForEverySpellingOfAServer(t *testing.T) {
	scopes := map[string]bool{}
	for _, url := range []string{"h.example", "https://H.example/api/v2-0/", "https://h.example:443/api"} {
		c, err := New(Options{URL: url, APIKey: httpx.Literal(testKey)}, Env{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		scopes[c.Scope()] = true
	}
	if len(scopes) != 1 {
		t.Errorf("%v", scopes)
	}
}

func TestPollEveryHasADefault(t *testing.T) {
	if got := (Options{}).PollEvery(); got != 5*time.Second {
		t.Error(got)
	}
	if got := (Options{Poll: time.Second}).PollEvery(); got != time.Second {
		t.Error(got)
	}
}

func TestWithoutAnyWordOnRateRequestsArePaced(t *testing.T) {
	var waited time.Duration
	now := time.Unix(1e9, 0)
	s := newServer(t).on(quotaRoute, reply200(`{}`))
	c := s.client(func(o *Options, e *Env) {
		o.Rate = 0
		e.Now = func() time.Time { return now }
		e.HTTP.Sleep = func(_ context.Context, d time.Duration) error {
			waited += d
			now = now.Add(d)
			return nil
		}
	})
	for range 23 { // and one for the token: 4 at once, 20 at 2/s
		if _, err := c.Quota(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if waited < 9*time.Second || waited > 11*time.Second {
		t.Errorf("waited %v", waited)
	}
}
