package intezer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
)

const quotaRoute = "GET /current-quota-usage"

func TestTheTokenIsGotOnceAndSentAsBearer(t *testing.T) {
	s := newServer(t).on(quotaRoute, reply200(`{}`))
	c := s.client()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := c.Quota(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s.count("POST /get-access-token", 1)
	if got := s.of("POST /get-access-token")[0]; got.body != `{"api_key":"`+testKey+`"}` || got.auth != "" {
		t.Errorf("token request %+v", got)
	}
	for _, r := range s.of(quotaRoute) {
		if r.auth != "Bearer "+testToken {
			t.Errorf("Authorization %q", r.auth)
		}
	}
}

func TestABadKeyIsAnAuthErrorWithAHintAndIsTriedOnce(t *testing.T) {
	for _, status := range []int{400, 401} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			s := newServer(t).on("POST /get-access-token", answer(status, `{"error":"bad key `+testKey+`"}`))
			c := s.client()
			for range 3 {
				_, err := c.Quota(t.Context())
				if e := wantKind(t, err, fault.Auth); !strings.Contains(e.Hint, "/account-details") {
					t.Errorf("hint %q", e.Hint)
				}
			}
			s.count("POST /get-access-token", 1)
		})
	}
}

func TestAKeyThatIsNoUUIDIsSaidWhenItIsRefused(t *testing.T) {
	s := newServer(t).on("POST /get-access-token", answer(401, ``))
	c := s.client(func(o *Options, _ *Env) { o.APIKey = httpx.Literal("not-a-uuid") })
	_, err := c.Quota(t.Context())
	if e := wantKind(t, err, fault.Auth); !strings.Contains(e.Hint, "UUID") {
		t.Errorf("hint %q", e.Hint)
	}
	if got := s.of("POST /get-access-token")[0].body; got != `{"api_key":"not-a-uuid"}` {
		t.Errorf("sent %s", got)
	}
}

func TestTheKeyIsSentAsTheCanonicalUUID(t *testing.T) {
	for _, given := range []string{
		testKey, strings.ToUpper(testKey), strings.ReplaceAll(testKey, "-", ""), "{" + testKey + "}", " " + testKey + "\n",
	} {
		if got, ok := canonicalKey(given); got != testKey || !ok {
			t.Errorf("%q gives %q, %t", given, got, ok)
		}
	}
	if got, ok := canonicalKey(" secret "); got != "secret" || ok {
		t.Errorf("no UUID gives %q, %t", got, ok)
	}
}

func TestAnErrorOfTheTokenRouteDoesNotEchoTheKey(t *testing.T) {
	s := newServer(t).on("POST /get-access-token",
		answer(422, `{"error":"api_key `+testKey+` or `+strings.ReplaceAll(testKey, "-", "")+`"}`))
	_, err := s.client().Quota(t.Context())
	wantKind(t, err, fault.Invalid)
	if !strings.Contains(err.Error(), "***") {
		t.Errorf("not masked: %v", err)
	}
}

func TestATokenExpiredMidRunIsRenewedOnceAndTheRequestReplayed(t *testing.T) {
	s := newServer(t).
		on("POST /get-access-token", reply200(`{"result":"first"}`), reply200(`{"result":"second"}`)).
		on("POST /analyze-by-hash", answer(401, ``), answer(201, `{"result_url":"/analyses/`+testID+`"}`))
	got, err := s.client().Submit(t.Context(), testSHA)
	if err != nil || got.ID != testID {
		t.Fatalf("%+v, %v", got, err)
	}
	posts := s.of("POST /analyze-by-hash")
	if len(posts) != 2 || posts[0].body != posts[1].body || posts[0].auth != "Bearer first" || posts[1].auth != "Bearer second" {
		t.Errorf("%+v", posts)
	}
}

func TestASecond401IsAnAuthError(t *testing.T) {
	s := newServer(t).on(quotaRoute, answer(401, `{"error":"token `+testToken+` is bad"}`))
	_, err := s.client().Quota(t.Context())
	wantKind(t, err, fault.Auth)
	s.count(quotaRoute, 2)
	s.count("POST /get-access-token", 2)
}

func TestTheTokenIsRenewedAheadOfItsEndOnTheVendorsClock(t *testing.T) {
	vendor := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	now := vendor.Add(-17 * time.Hour) // our clock is far off
	token := func(value string) http.HandlerFunc {
		body := fmt.Sprintf(`{"result":%q,"expire_at":%d.5}`, value, vendor.Add(time.Hour).Unix())
		return answer(200, body, "Date", vendor.Format(http.TimeFormat))
	}
	s := newServer(t).on("POST /get-access-token", token("one"), token("two")).on(quotaRoute, reply200(`{}`))
	c := s.client(func(_ *Options, e *Env) { e.Now = func() time.Time { return now } })
	for _, step := range []struct {
		after time.Duration
		want  string
	}{{0, "one"}, {58 * time.Minute, "one"}, {time.Minute, "two"}} {
		now = now.Add(step.after)
		if _, err := c.Quota(t.Context()); err != nil {
			t.Fatal(err)
		}
		all := s.of(quotaRoute)
		if got := all[len(all)-1].auth; got != "Bearer "+step.want {
			t.Errorf("after %v more: %s, want %s", step.after, got, step.want)
		}
	}
}

func TestAnExpiryThatIsNonsenseCountsAsNotTold(t *testing.T) {
	for _, expire := range []string{"0", "-5", `"soon"`, "null", "1e300", "1763800000000", `{"at":1}`} {
		s := newServer(t).on(quotaRoute, reply200(`{}`)).
			on("POST /get-access-token", reply200(`{"result":"`+testToken+`","expire_at":`+expire+`}`))
		c := s.client()
		for range 2 {
			if _, err := c.Quota(t.Context()); err != nil {
				t.Fatalf("%s: %v", expire, err)
			}
		}
		s.count("POST /get-access-token", 1)
	}
}

func TestAnAnswerWithoutAUsableTokenIsUnavailable(t *testing.T) {
	for _, body := range []string{`{}`, `{"result":""}`, `{"result":"a\r\nX-Evil: 1"}`, `null`, `[]`, `no json`} {
		s := newServer(t).on("POST /get-access-token", reply200(body))
		_, err := s.client().Quota(t.Context())
		wantKind(t, err, fault.Unavailable)
	}
}

func TestATokenRequestEndsWithItsContext(t *testing.T) {
	s := newServer(t)
	c := s.client()
	c.tokens.turn <- struct{}{} // somebody else is at it, for long
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Quota(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-c.tokens.turn
}
