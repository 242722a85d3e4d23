package crowdstrike

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	falcon "edrc/internal/lab/crowdstrike"
	"edrc/internal/lab/world"
	"edrc/internal/source"
)

const emptyPage = `200 {"meta":{"pagination":{}},"resources":[]}`

func TestATokenLeadsToTheCloudOfTheTenant(t *testing.T) {
	c, s := scripted(t, map[string]string{combinedPath: emptyPage})
	s.header["POST /oauth2/token"] = http.Header{"X-Cs-Region": {"eu-1"}}
	if _, err := c.Streams(context.Background()); err != nil {
		t.Fatal(err)
	}
	var hosts []string
	for _, r := range s.asked {
		hosts = append(hosts, r.URL.Host)
	}
	if got := strings.Join(hosts, " "); got != "api.crowdstrike.com api.eu-1.crowdstrike.com api.eu-1.crowdstrike.com" {
		t.Errorf("asked %s", got)
	}
}

func TestA308LeadsToTheCloudOfTheTenant(t *testing.T) {
	for _, first := range []string{"POST api.crowdstrike.com/oauth2/token", "POST api.crowdstrike.com/alerts/combined/alerts/v1", "PATCH api.crowdstrike.com/alerts/entities/alerts/v3"} {
		c, s := scripted(t, map[string]string{
			combinedPath: emptyPage, patchPath: "200 " + affected("1", ""), first: `308 <html><head><title>308 Permanent Redirect</title></head></html>`,
		})
		_, path, _ := strings.Cut(first, "com/")
		s.header[first] = http.Header{"X-Cs-Region": {"us-2"}, "Location": {"https://api.us-2.crowdstrike.com/" + path}, "Content-Type": {"text/html"}}
		if _, err := c.Streams(context.Background()); err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		// A redirect says that nothing was done: this is sent again although it is sent once.
		rs, err := c.AddNote(context.Background(), "text", alert.Handle{ID: one})
		if err != nil || rs[0].Outcome != source.NoteDone {
			t.Errorf("%s: %+v, %v", first, rs, err)
		}
		if last := s.asked[len(s.asked)-1]; last.URL.Host != "api.us-2.crowdstrike.com" || last.Header.Get("Authorization") != "Bearer jwt" {
			t.Errorf("%s: the last request went to %s", first, last.URL.Host)
		}
	}
}

func TestTheSecretGoesToNoStrangersCloud(t *testing.T) {
	for name, h := range map[string]http.Header{
		"another host":   {"Location": {"https://api.crowdstrike.example/oauth2/token"}},
		"plain http":     {"Location": {"http://api.us-2.crowdstrike.com/oauth2/token"}},
		"this machine":   {"Location": {"http://127.0.0.1:9/oauth2/token"}},
		"no host":        {"Location": {"/oauth2/token"}},
		"no such region": {"X-Cs-Region": {"evil-1"}, "Location": {"https://evil.example"}},
		"a user":         {"Location": {"https://x@api.us-2.crowdstrike.com/oauth2/token"}},
		"nothing":        {},
	} {
		for _, at := range []string{"POST /oauth2/token", combinedPath} {
			c, s := scripted(t, map[string]string{at: `308 `})
			s.header[at] = h
			_, err := c.Streams(context.Background())
			e, ok := errors.AsType[*fault.Error](err)
			if !ok || e.Kind != fault.Invalid || !strings.Contains(e.Hint, "cloud") {
				t.Errorf("%s at %s: %v", name, at, err)
			}
			for _, r := range s.asked {
				if r.URL.Host != "api.crowdstrike.com" {
					t.Errorf("%s at %s: asked %s", name, at, r.URL.Host)
				}
			}
		}
	}
}

func TestARoundOfRedirectsEnds(t *testing.T) {
	const a, b = "POST api.crowdstrike.com/oauth2/token", "POST api.us-2.crowdstrike.com/oauth2/token"
	c, s := scripted(t, map[string]string{a: "308 ", b: "308 "})
	s.header[a] = http.Header{"X-Cs-Region": {"us-2"}}
	s.header[b] = http.Header{"X-Cs-Region": {"us-1"}}
	if _, err := c.Streams(context.Background()); !fault.Is(err, fault.Invalid) || len(s.asked) > 5 {
		t.Errorf("%v after %d requests", err, len(s.asked))
	}
}

func TestTheLabsTenantMovesInMidRun(t *testing.T) {
	v := newVendor(t, world.Options{})
	there := newVendor(t, world.Options{})
	want := there.falcon.Add(5, time.Hour, false)
	// The same API client, known in both places.
	v.options.ClientID = there.options.ClientID
	v.options.ClientSecret = there.options.ClientSecret
	v.Control(t, "place", map[string]any{"region": "us-2", "location": there.URL, "status": 308})
	c := v.client(t, time.Minute)
	n := 0
	for _, err := range c.List(context.Background(), alert.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != len(want) {
		t.Errorf("%d alerts, want %d", n, len(want))
	}
}

func TestAnAccessTokenThatEndsInMidRunIsRenewedOnce(t *testing.T) {
	v := newVendor(t, world.Options{})
	want := v.falcon.Add(2500, time.Hour, false)
	c := v.client(t, time.Minute)
	st := source.Stream{Name: streamName}
	w := source.Window{By: source.Created, From: time.Now().Add(-2 * time.Hour), To: time.Now()}
	n := 0
	for token := ""; ; {
		p, err := c.Page(context.Background(), st, w, token)
		if err != nil {
			t.Fatal(err)
		}
		n += len(p.Alerts)
		v.Control(t, "expire", map[string]any{})
		if token = p.Next; token == "" {
			break
		}
	}
	if n != len(want) {
		t.Errorf("%d alerts, want %d", n, len(want))
	}
	rs, err := c.AddNote(context.Background(), "after a renewal", alert.Handle{ID: want[0]})
	if err != nil || rs[0].Outcome != source.NoteDone || len(v.Notes(t, want[0])) != 1 {
		t.Errorf("%+v, %v", rs, err)
	}
	tokens := 0
	for _, asked := range v.Asked() {
		if asked == "POST /oauth2/token" {
			tokens++
		}
	}
	if tokens != 4 {
		t.Errorf("%d tokens for 3 pages and a note, want 4", tokens)
	}
}

func TestBothUnitsOfRetryafterAreWaited(t *testing.T) {
	for _, unit := range []string{"s", "ms"} {
		v := newVendor(t, world.Options{})
		var waits []time.Duration
		c, err := New(v.options, Env{Name: "falcon", HTTP: httpx.Config{Sleep: func(_ context.Context, d time.Duration) error {
			waits = append(waits, d)
			return nil
		}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		if _, err := c.Streams(context.Background()); err != nil {
			t.Fatal(err)
		}
		waits = nil
		v.Control(t, "throttle", map[string]any{"count": 1, "unit": unit, "wait": 40})
		if _, err := c.Streams(context.Background()); err != nil {
			t.Fatal(err)
		}
		if len(waits) != 1 || waits[0] < 39*time.Second || waits[0] > 42*time.Second {
			t.Errorf("%s: waited %v, want 40s", unit, waits)
		}
	}
}

func TestAChildTenantIsAskedForByItsCID(t *testing.T) {
	v := newVendor(t, world.Options{})
	v.options.MemberCID = v.falcon.Member()
	if _, err := v.client(t, time.Minute).Streams(context.Background()); err != nil {
		t.Error(err)
	}
	v.options.MemberCID = strings.Repeat("0", 32)
	if _, err := v.client(t, time.Minute).Streams(context.Background()); !fault.Is(err, fault.Auth) {
		t.Errorf("a child that is none: %v", err)
	}
}

var _ world.Vendor = (*falcon.Vendor)(nil)
