package httpx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"edrc/internal/fault"
)

var isolate = Request{Op: "isolate", Method: "POST", Path: "/isolate", JSON: map[string]int{"id": 1}, Class: Once}

func TestOnceIsSentOnceWhenTheOutcomeIsUnclear(t *testing.T) {
	short := func(r *http.Request) (*http.Response, error) {
		resp, _ := answer(200, `{"ok":`)(r)
		resp.ContentLength = 11
		return resp, nil
	}
	for name, bad := range map[string]func(*http.Request) (*http.Response, error){
		"500": answer(500, ""), "503": answer(503, "", "Retry-After", "1"), "501": answer(501, ""), "408": answer(408, ""), "302": answer(302, "", "Location", "/x"),
		"reset": failure(syscall.ECONNRESET), "eof": failure(io.ErrUnexpectedEOF),
		"read error": failure(&net.OpError{Op: "read", Err: syscall.ECONNRESET}),
		"truncated":  short, "page": answer(200, "<html>log in", "Content-Type", "text/html"), "too large": answer(200, strings.Repeat("x", 200)),
	} {
		w := script(bad)
		c, _ := newClient(t, w, func(cfg *Config) { cfg.MaxBody = 100 })
		_, err := c.Do(t.Context(), isolate)
		if !fault.Is(err, fault.InDoubt) || w.count() != 1 {
			t.Errorf("%s: %d sent, %v", name, w.count(), err)
		}
	}
}

func TestOnceIsInDoubtAfterATimeoutOrACancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := script(silence)
		c, _ := newClient(t, w)
		_, err := c.Do(t.Context(), isolate)
		wantKind(t, err, fault.InDoubt)

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err = c.Do(ctx, isolate)
		wantKind(t, err, fault.InDoubt)
		if !errors.Is(err, context.Canceled) || w.count() != 2 {
			t.Fatalf("%v, %d sent", err, w.count())
		}
	})
}

func TestOnceThatAClearAnswerRefusesIsNotInDoubt(t *testing.T) {
	for status, kind := range map[int]fault.Kind{400: fault.Invalid, 403: fault.Denied, 404: fault.NotFound, 409: fault.Conflict, 308: fault.Invalid} {
		w := script(answer(status, ""))
		c, _ := newClient(t, w)
		_, err := c.Do(t.Context(), isolate)
		wantKind(t, err, kind)
		if w.count() != 1 {
			t.Errorf("%d: %d sent", status, w.count())
		}
	}
}

func TestOnceIsRepeatedWhenItWasProvablyNotProcessed(t *testing.T) {
	for name, bad := range map[string]func(*http.Request) (*http.Response, error){
		"429":   answer(429, "", "Retry-After", "1"),
		"dial":  failure(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}),
		"proxy": failure(&net.OpError{Op: "proxyconnect", Err: syscall.ECONNREFUSED}),
	} {
		w := script(bad, bad, answer(200, "{}"))
		c, _ := newClient(t, w)
		if _, err := c.Do(t.Context(), isolate); err != nil || w.count() != 3 || w.bodies[2] != `{"id":1}` {
			t.Errorf("%s: %d sent, %v", name, w.count(), err)
		}
	}
}

func TestOnceThatCouldNotConnectIsUnavailable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody listens there now
	c, k := newClient(t, nil, func(cfg *Config) { cfg.Base = "http://" + l.Addr().String() })
	_, err = c.Do(t.Context(), isolate)
	e := wantKind(t, err, fault.Unavailable)
	if len(k.sleeps) != 3 || !strings.Contains(e.Msg, "cannot connect to "+l.Addr().String()) || !strings.Contains(e.Hint, "HTTPS_PROXY") {
		t.Fatalf("%d waits, %+v", len(k.sleeps), e)
	}
}

func TestOnceIsSentOnceOverARealConnectionThatBreaks(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%v", h2), func(t *testing.T) {
			var reads, posts atomic.Int32
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == "GET" {
					reads.Add(1)
					return
				}
				_, _ = io.Copy(io.Discard, r.Body)
				posts.Add(1)
				panic(http.ErrAbortHandler)
			}))
			srv.EnableHTTP2 = h2
			srv.StartTLS()
			defer srv.Close()
			c, _ := newClient(t, srv.Client().Transport, func(cfg *Config) { cfg.Base = srv.URL })
			defer c.Close()
			for i := range 3 { // the GET leaves a connection that the POST uses again
				if _, err := c.Do(t.Context(), Request{}); err != nil {
					t.Fatal(err)
				}
				_, err := c.Do(t.Context(), isolate)
				wantKind(t, err, fault.InDoubt)
				if posts.Load() != int32(i+1) {
					t.Fatalf("the POST number %d arrived %d times", i+1, posts.Load())
				}
			}
		})
	}
}

func TestAForgottenClassIsSafe(t *testing.T) {
	w := script(answer(503, ""))
	c, _ := newClient(t, w)
	_, err := c.Do(t.Context(), Request{Method: "POST"})
	wantKind(t, err, fault.InDoubt)
	if w.count() != 1 {
		t.Fatalf("%d sent", w.count())
	}
	_, err = c.Do(t.Context(), Request{Method: "GET", Class: Once})
	wantKind(t, err, fault.Invalid)
}

func TestAnUndecodableAnswerToOnceIsInDoubt(t *testing.T) {
	c, _ := newClient(t, script(answer(200, `{"a":`)))
	r, err := c.Do(t.Context(), isolate)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	wantKind(t, r.Decode(&v), fault.InDoubt)
}
