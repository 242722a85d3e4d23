package httpx

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"edrc/internal/fault"
)

func TestReadAndIdempotentAreRepeatedAfterTransientFailures(t *testing.T) {
	for name, bad := range map[string]func(*http.Request) (*http.Response, error){
		"429": answer(429, ""), "408": answer(408, ""), "500": answer(500, ""), "502": answer(502, "<html>"),
		"503": answer(503, ""), "504": answer(504, ""), "reset": failure(syscall.ECONNRESET), "eof": failure(io.ErrUnexpectedEOF),
	} {
		for _, r := range []Request{{}, {Method: "POST", Class: Read, JSON: 1}, {Method: "PUT", Class: Idempotent, JSON: 1}} {
			w := script(bad, bad, answer(200, `{}`))
			c, _ := newClient(t, w)
			if _, err := c.Do(t.Context(), r); err != nil || w.count() != 3 {
				t.Errorf("%s, %s: %d tries, %v", name, r.Method, w.count(), err)
			}
		}
	}
}

func TestWhatIsNotTransientIsSentOnce(t *testing.T) {
	for status, kind := range map[int]fault.Kind{
		400: fault.Invalid, 401: fault.Auth, 403: fault.Denied, 404: fault.NotFound, 405: fault.Invalid, 409: fault.Conflict,
		410: fault.Gone, 413: fault.Invalid, 415: fault.Invalid, 422: fault.Invalid, 501: fault.Unavailable,
	} {
		w := script(answer(status, `{"error":"because"}`))
		c, _ := newClient(t, w, func(cfg *Config) { cfg.DecodeError = func(int, []byte) string { return "because\x1b" } })
		_, err := c.Do(t.Context(), Request{Op: "list threats"})
		e := wantKind(t, err, kind)
		if w.count() != 1 || e.Status != status || e.Source != "s1" || e.Op != "list threats" || !strings.Contains(e.Msg, `: because\x1b`) {
			t.Errorf("%d: %d tries, %+v", status, w.count(), e)
		}
	}
}

func TestTheLastErrorBodyIsDecoded(t *testing.T) {
	w := script(answer(500, "first"), answer(503, "last", "Retry-After", "7"))
	c, _ := newClient(t, w, func(cfg *Config) { cfg.DecodeError = func(_ int, b []byte) string { return string(b) } })
	_, err := c.Do(t.Context(), Request{})
	e := wantKind(t, err, fault.Unavailable)
	if w.count() != 4 || e.Status != 503 || e.RetryAfter != 7*time.Second || !strings.HasSuffix(e.Msg, ": last") {
		t.Fatalf("%d tries, %+v", w.count(), e)
	}
}

func TestAStatusThatIsExpectedIsAnAnswer(t *testing.T) {
	for _, status := range []int{404, 409, 503} {
		w := script(answer(status, `{"x":1}`))
		c, _ := newClient(t, w)
		r, err := c.Do(t.Context(), Request{OK: []int{404, 409, 503}})
		if err != nil || r.Status != status || w.count() != 1 {
			t.Errorf("%d: %+v, %v after %d tries", status, r, err, w.count())
		}
	}
}

func TestBackoffDoublesUnderFullJitter(t *testing.T) {
	w := script(answer(502, ""))
	c, k := newClient(t, w, func(cfg *Config) { cfg.Attempts = 6; cfg.RetryMax = 3 * time.Second })
	_, err := c.Do(t.Context(), Request{})
	wantKind(t, err, fault.Unavailable)
	want := []time.Duration{250, 500, 1000, 1500, 1500} // half of 500, 1000, 2000, 3000, 3000 ms
	for i := range want {
		want[i] *= time.Millisecond
	}
	if !slices.Equal(k.sleeps, want) {
		t.Fatalf("slept %v, want %v", k.sleeps, want)
	}
}

func TestA429WithoutATimeIsWaitedForLonger(t *testing.T) {
	w := script(answer(429, ""), answer(200, ""))
	c, k := newClient(t, w)
	if _, err := c.Do(t.Context(), Request{}); err != nil || k.slept() != 3750*time.Millisecond {
		t.Fatalf("slept %v, %v", k.sleeps, err)
	}
}

func TestRetryAfterIsObeyed(t *testing.T) {
	w := script(answer(429, "", "Retry-After", "17"), answer(200, ""))
	c, k := newClient(t, w)
	if _, err := c.Do(t.Context(), Request{}); err != nil || k.slept() != 17*time.Second {
		t.Fatalf("slept %v, %v", k.sleeps, err)
	}
}

func TestARetryAfterBeyondWhatMayBeWaitedIsReportedAtOnce(t *testing.T) {
	w := script(answer(429, "", "Retry-After", "121"))
	c, k := newClient(t, w)
	_, err := c.Do(t.Context(), Request{})
	if e := wantKind(t, err, fault.RateLimited); e.RetryAfter != 121*time.Second || w.count() != 1 || k.slept() != 0 {
		t.Fatalf("%+v after %d tries, slept %v", e, w.count(), k.sleeps)
	}
	// And nobody else of this client asks before the time.
	_, err = c.Do(t.Context(), Request{})
	if e := wantKind(t, err, fault.RateLimited); e.RetryAfter != 121*time.Second || w.count() != 1 {
		t.Fatalf("%+v after %d tries", e, w.count())
	}
}

func TestTheSumOfWaitsIsBounded(t *testing.T) {
	w := script(answer(503, "", "Retry-After", "50"))
	c, k := newClient(t, w, func(cfg *Config) { cfg.Attempts = 10 })
	_, err := c.Do(t.Context(), Request{})
	wantKind(t, err, fault.Unavailable)
	if w.count() != 3 || k.slept() != 100*time.Second {
		t.Fatalf("%d tries, slept %v", w.count(), k.sleeps)
	}
}

func TestAWaitBeyondTheDeadlineIsNotBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		begin := time.Now()
		c, _ := newClient(t, script(answer(429, "", "Retry-After", "11")), func(cfg *Config) { cfg.Now, cfg.Sleep = nil, nil })
		_, err := c.Do(ctx, Request{})
		if e := wantKind(t, err, fault.RateLimited); e.RetryAfter != 11*time.Second || time.Since(begin) != 0 {
			t.Fatalf("%+v after %v", e, time.Since(begin))
		}
	})
}

func TestCancellationEndsAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		c, _ := newClient(t, script(answer(503, "", "Retry-After", "20")), func(cfg *Config) { cfg.Now, cfg.Sleep = nil, nil })
		_, err := c.Do(ctx, Request{})
		wantKind(t, err, fault.Interrupted)
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("%v is not context.Canceled", err)
		}
	})
}

func TestCancellationEndsAnAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		w := script(silence)
		c, _ := newClient(t, w)
		_, err := c.Do(ctx, Request{})
		wantKind(t, err, fault.Interrupted)
		if !errors.Is(err, context.Canceled) || w.count() != 1 {
			t.Fatalf("%v after %d tries", err, w.count())
		}
	})
}

func TestEachAttemptHasItsOwnTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := script(silence, silence, answer(200, "{}"))
		begin := time.Now()
		c, _ := newClient(t, w, func(cfg *Config) { cfg.Timeout = 5 * time.Second })
		if _, err := c.Do(t.Context(), Request{}); err != nil || time.Since(begin) != 10*time.Second {
			t.Fatalf("%v after %v", err, time.Since(begin))
		}
		c, _ = newClient(t, script(silence))
		_, err := c.Do(t.Context(), Request{})
		if e := wantKind(t, err, fault.Unavailable); !strings.Contains(e.Msg, "vendor.example did not answer within 30s") {
			t.Fatal(e)
		}
	})
}
