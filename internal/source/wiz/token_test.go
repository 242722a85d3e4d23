package wiz

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"edrc/internal/fault"
)

func TestARefusedServiceAccountIsNotTriedAgainAndItsSecretIsNotShown(t *testing.T) {
	c, s := scripted(t, map[string]string{"token": `401 {"error":"access_denied","error_description":"no such client the secret"}`})
	for range 3 {
		_, err := c.Streams(context.Background())
		e, ok := err.(*fault.Error)
		if !ok || e.Kind != fault.Auth || strings.Contains(err.Error(), "the secret") || !strings.Contains(err.Error(), "no such client") || !strings.Contains(e.Hint, "source wiz") {
			t.Fatalf("%+v", err)
		}
	}
	if len(s.forms) != 1 {
		t.Errorf("asked %d times for a token", len(s.forms))
	}
}

func TestTheTokenRequestIsAFormWithTheAudience(t *testing.T) {
	c, s := scripted(t, map[string]string{"detections": `200 {"data":{"detections":{"nodes":[],"pageInfo":{"hasNextPage":false,"endCursor":null}}}}`})
	for range 3 {
		if _, err := c.Streams(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	want := url.Values{"grant_type": {"client_credentials"}, "audience": {"wiz-api"}, "client_id": {"client"}, "client_secret": {"the secret"}}
	if len(s.forms) != 1 || s.forms[0].Encode() != want.Encode() {
		t.Errorf("forms %v", s.forms)
	}
	if s.headers[0].Get("Authorization") != "Bearer jwt" || s.headers[0].Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", s.headers[0])
	}
}

func TestATokenIsRenewedAMinuteBeforeItsEnd(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	c, s := scripted(t, map[string]string{"token": `200 {"access_token":"one","expires_in":600}` + "\n" + `200 {"access_token":"two","expires_in":2}`})
	c.api.tokens.now = func() time.Time { return now }
	for _, tc := range []struct {
		after time.Duration
		want  string
	}{{0, "one"}, {9*time.Minute - time.Second, "one"}, {time.Second, "two"}, {500 * time.Millisecond, "two"}, {time.Second, "two"}} {
		now = now.Add(tc.after)
		if got, err := c.api.tokens.get(context.Background(), false); err != nil || got != tc.want {
			t.Errorf("%q, %v, want %q", got, err, tc.want)
		}
	}
	if len(s.forms) != 3 {
		t.Errorf("%d tokens", len(s.forms))
	}
}

func TestATokenThatWasRefusedIsRenewedOnceHoweverItIsTold(t *testing.T) {
	const page = `200 {"data":{"detections":{"nodes":[],"pageInfo":{"hasNextPage":false}}}}`
	for _, told := range []string{`401 {}`, failed("UNAUTHENTICATED", "x"), failed("", "the token has expired")} {
		c, s := scripted(t, map[string]string{"detections": told + "\n" + page})
		if _, err := c.Streams(context.Background()); err != nil || len(s.forms) != 2 || s.count("detections") != 2 {
			t.Errorf("%s: %v, %d tokens, %d requests", told, err, len(s.forms), s.count("detections"))
		}
	}
}
