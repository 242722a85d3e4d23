package cortex

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/lab/world"
)

func TestAnAdvancedKeySignsEachAttemptAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{replies: map[string][]string{alertsCall: {`503 {}`, `503 {}`, `200 {"reply":{"alerts":[]}}`}}}
		c, err := New(Options{URL: "acme.xdr.us.paloaltonetworks.com", KeyID: "7", Key: httpx.Literal(" key\n"), Version: version3},
			Env{Name: "cortex", HTTP: httpx.Config{Transport: s}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Get(context.Background(), handle()); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, r := range s.asked {
			nonce, at := r.Header.Get("x-xdr-nonce"), r.Header.Get("x-xdr-timestamp")
			sum := sha256.Sum256([]byte("key" + nonce + at))
			ms, err := strconv.ParseInt(at, 10, 64)
			switch {
			case len(nonce) != 64 || seen[nonce]:
				t.Errorf("nonce %q", nonce)
			case err != nil || time.Since(time.UnixMilli(ms)).Abs() > time.Minute:
				t.Errorf("timestamp %q", at)
			case r.Header.Get("Authorization") != hex.EncodeToString(sum[:]) || r.Header.Get("x-xdr-auth-id") != "7":
				t.Errorf("headers %v", r.Header)
			}
			seen[nonce] = true
		}
		if len(seen) != 3 {
			t.Errorf("%d attempts", len(seen))
		}
		c.Close()
	})
}

func TestAStandardKeyIsSentAsItIs(t *testing.T) {
	h := http.Header{}
	if err := (apiKey{id: "7", secret: httpx.Literal("key")}).authorize(context.Background(), h); err != nil {
		t.Fatal(err)
	}
	if h.Get("Authorization") != "key" || h.Get("x-xdr-auth-id") != "7" || len(h) != 2 {
		t.Errorf("%v", h)
	}
}

func TestAKeyOfTheOtherTypeIsSaidToBe(t *testing.T) {
	v := newVendor(t, world.Options{Alerts: 3})
	v.options.KeyType = keyStandard
	_, err := v.client(t, time.Minute).Get(context.Background(), alert.Handle{ID: "1"})
	e, ok := err.(*fault.Error)
	if !ok || e.Kind != fault.Auth || !strings.Contains(e.Hint, "a standard key") || !strings.Contains(e.Hint, "clock") {
		t.Errorf("%+v", err)
	}
	// A clock that is wrong is refused in the same way.
	v = newVendor(t, world.Options{Alerts: 3, Now: func() time.Time { return time.Now().Add(time.Hour) }})
	if _, err := v.client(t, time.Minute).Get(context.Background(), alert.Handle{ID: "1"}); !fault.Is(err, fault.Auth) {
		t.Errorf("%+v", err)
	}
}

func TestTheKeyNeverComesOut(t *testing.T) {
	s := &script{replies: map[string][]string{alertsCall: {`401 {"reply":{"err_code":401,"err_msg":"bad key: the-very-secret-key"}}`}}}
	var trace strings.Builder
	c, err := New(Options{URL: "acme.xdr.us.paloaltonetworks.com", KeyID: "7", Key: httpx.Literal("the-very-secret-key"), KeyType: keyStandard, Version: version3},
		Env{Name: "cortex", HTTP: httpx.Config{Transport: s, Trace: &trace}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Get(context.Background(), handle())
	if !fault.Is(err, fault.Auth) || strings.Contains(err.Error()+trace.String(), "the-very-secret-key") {
		t.Errorf("%v\n%s", err, trace.String())
	}
}
