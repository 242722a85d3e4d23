package httpx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"edrc/internal/fault"
)

// tokens is a credential that can be renewed, and a vendor that accepts the newest.
type tokens struct {
	issued   atomic.Int32
	renewals atomic.Int32
}

func (k *tokens) authorize(_ context.Context, h http.Header) error {
	h.Set("Authorization", fmt.Sprintf("Bearer token-%d", k.issued.Load()))
	return nil
}

func (k *tokens) renew(context.Context) error {
	k.renewals.Add(1)
	k.issued.Add(1)
	return nil
}

func TestARefusedTokenIsRenewedOnceForManyAndTheRequestsRepeated(t *testing.T) {
	var k tokens
	var mu sync.Mutex
	bodies := map[string]int{}
	refused := make(chan struct{})
	var waiting atomic.Int32
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		bodies[string(body)]++
		mu.Unlock()
		if r.Header.Get("Authorization") != "Bearer token-1" {
			if waiting.Add(1) == 20 { // all are refused before any may renew
				close(refused)
			}
			<-refused
			w.WriteHeader(401)
			return
		}
		_, _ = w.Write([]byte(`{}`))
	}, func(cfg *Config) { cfg.Authorize, cfg.Renew = k.authorize, k.renew })
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if _, err := c.Do(t.Context(), Request{Method: "POST", Class: Once, JSON: i}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := k.renewals.Load(); n != 1 {
		t.Errorf("renewed %d times", n)
	}
	if len(bodies) != 20 {
		t.Errorf("%d distinct bodies", len(bodies))
	}
	for body, n := range bodies {
		if n != 2 {
			t.Errorf("body %s came %d times", body, n)
		}
	}
}

func TestASecond401IsFinal(t *testing.T) {
	var k tokens
	w := script(answer(401, ""))
	c, _ := newClient(t, w, func(cfg *Config) { cfg.Authorize, cfg.Renew = k.authorize, k.renew })
	_, err := c.Do(t.Context(), Request{})
	wantKind(t, err, fault.Auth)
	if w.count() != 2 || k.renewals.Load() != 1 {
		t.Fatalf("%d sent, %d renewals", w.count(), k.renewals.Load())
	}
}

func TestA401IsFinalWithoutACredentialToRenew(t *testing.T) {
	var k tokens
	for name, r := range map[string]Request{"no auth": {NoAuth: true}, "another host": {Path: "https://other.example/x"}} {
		w := script(answer(401, ""))
		c, _ := newClient(t, w, func(cfg *Config) { cfg.Authorize, cfg.Renew = k.authorize, k.renew })
		_, err := c.Do(t.Context(), r)
		wantKind(t, err, fault.Auth)
		if w.count() != 1 || k.renewals.Load() != 0 || w.sent[0].Header.Get("Authorization") != "" {
			t.Errorf("%s: %d sent, %d renewals, %v", name, w.count(), k.renewals.Load(), w.sent[0].Header)
		}
	}
}

func TestAFailedRenewalIsTheError(t *testing.T) {
	var k tokens
	c, _ := newClient(t, script(answer(401, "")), func(cfg *Config) {
		cfg.Authorize = k.authorize
		cfg.Renew = func(context.Context) error { return fault.New(fault.Denied, "the client is disabled") }
	})
	_, err := c.Do(t.Context(), Request{Op: "list"})
	if e := wantKind(t, err, fault.Denied); e.Source != "s1" || e.Op != "renew the credential" {
		t.Fatalf("%+v", e)
	}
}

func TestAuthorizeMayUseTheClientItself(t *testing.T) {
	var c *Client
	w := script(answer(200, `"abc"`), answer(200, "{}"))
	c, _ = newClient(t, w, func(cfg *Config) {
		cfg.Concurrency = 1 // the token request must not wait for the request that needs it
		cfg.Authorize = func(ctx context.Context, h http.Header) error {
			r, err := c.Do(ctx, Request{Path: "/token", NoAuth: true})
			if err != nil {
				return err
			}
			h.Set("Authorization", strings.Trim(string(r.Body), `"`))
			return nil
		}
	})
	if _, err := c.Do(t.Context(), Request{}); err != nil || w.sent[1].Header.Get("Authorization") != "abc" {
		t.Fatalf("%v, %v", err, w.sent)
	}
}

func TestAnAuthorizeErrorSendsNothing(t *testing.T) {
	w := script(answer(200, ""))
	c, _ := newClient(t, w, func(cfg *Config) {
		cfg.Authorize = func(context.Context, http.Header) error { return fault.Usagef("no token") }
	})
	_, err := c.Do(t.Context(), Request{Op: "list"})
	if e := wantKind(t, err, fault.Usage); w.count() != 0 || e.Source != "s1" {
		t.Fatalf("%d sent, %+v", w.count(), e)
	}
}

func TestACallerWhoGivesUpLeavesTheRenewalToTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k tokens
		renewing, finish := make(chan struct{}), make(chan struct{})
		vendor := func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("Authorization") == "Bearer token-1" {
				return answer(200, "")(r)
			}
			return answer(401, "")(r)
		}
		c, _ := newClient(t, script(vendor), func(cfg *Config) {
			cfg.Authorize = k.authorize
			cfg.Renew = func(ctx context.Context) error {
				close(renewing)
				<-finish
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return k.renew(ctx)
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { _, err := c.Do(ctx, Request{}); first <- err }()
		<-renewing
		go func() { _, err := c.Do(t.Context(), Request{}); second <- err }()
		synctest.Wait()
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("the one who gave up: %v", err)
		}
		close(finish)
		if err := <-second; err != nil {
			t.Errorf("the other: %v", err)
		}
	})
}

func TestCloseEndsARenewal(t *testing.T) {
	var k tokens
	var c *Client
	c, _ = newClient(t, script(answer(401, "")), func(cfg *Config) {
		cfg.Authorize = k.authorize
		cfg.Renew = func(ctx context.Context) error { c.Close(); <-ctx.Done(); return ctx.Err() }
	})
	if _, err := c.Do(t.Context(), Request{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}
