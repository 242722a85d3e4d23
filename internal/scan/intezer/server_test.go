package intezer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"edrc/internal/fault"
	"edrc/internal/httpx"
)

const (
	testKey   = "0a1b2c3d-1111-4222-8333-444455556666"
	testToken = "eyJhbGciOi.payload.signature"
	testSHA   = "e5b68ab68b12c3eaff612ada09eb2d4c403f923cdec8a5c8fe253c6773208baf"
	testSHA1  = "3361ee1c44d80fe3a6a6ff9ef1688c0d45b11b17"
	testMD5   = "3f022579f1927a747f95de120adf6829"
	testID    = "f010f718-8cea-4f00-9113-a3f6e346a164"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a fake Intezer: what it does not know is a test failure.
type server struct {
	t   *testing.T
	url string

	mu     sync.Mutex
	routes map[string][]http.HandlerFunc
	seen   []seen
}

// seen is one request that arrived.
type seen struct {
	route, body, auth string
}

// newServer serves a token route; add the others with on.
func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, routes: map[string][]http.HandlerFunc{}}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	s.url = web.URL
	s.on("POST /get-access-token", reply200(`{"result":"`+testToken+`"}`))
	return s
}

// on sets what a route answers, in order; the last answer stays.
func (s *server) on(route string, answers ...http.HandlerFunc) *server {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.routes[route] = answers
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	route := r.Method + " " + strings.TrimPrefix(r.URL.Path, apiPath)
	s.mu.Lock()
	s.seen = append(s.seen, seen{route, string(body), r.Header.Get("Authorization")})
	answers := s.routes[route]
	if len(answers) > 1 {
		s.routes[route] = answers[1:]
	}
	s.mu.Unlock()
	if len(answers) == 0 || !strings.HasPrefix(r.URL.Path, apiPath+"/") {
		s.t.Errorf("unexpected request %s %s", r.Method, r.URL.Path)
		w.WriteHeader(http.StatusTeapot)
		return
	}
	answers[0](w, r)
}

// of lists the requests to a route.
func (s *server) of(route string) []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []seen
	for _, r := range s.seen {
		if r.route == route {
			out = append(out, r)
		}
	}
	return out
}

// count checks how many requests a route got.
func (s *server) count(route string, want int) {
	s.t.Helper()
	if got := len(s.of(route)); got != want {
		s.t.Errorf("%s was asked %d times, want %d", route, got, want)
	}
}

// answer is a reply with a status, a JSON body ("" is empty) and headers in pairs.
func answer(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if body != "" {
			w.Header().Set("Content-Type", "application/json")
		}
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func reply200(body string) http.HandlerFunc { return answer(200, body) }

// page is what a proxy answers.
func page(status int) http.HandlerFunc {
	return answer(status, "<!DOCTYPE html><html><body>Blocked</body></html>", "Content-Type", "text/html")
}

// client makes an engine on the server that waits for nothing. Its trace must not
// show the key or the token, whatever the test does.
func (s *server) client(change ...func(*Options, *Env)) *Client {
	s.t.Helper()
	var trace bytes.Buffer
	o := Options{URL: s.url, APIKey: httpx.Literal(testKey), Rate: 1e6}
	e := Env{HTTP: httpx.Config{
		RetryBase: time.Millisecond, Trace: &trace,
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}}
	for _, f := range change {
		f(&o, &e)
	}
	c, err := New(o, e)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		c.Close()
		noSecret(s.t, trace.String())
	})
	return c
}

// noSecret fails when a text shows the key or a token.
func noSecret(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{testKey, strings.ReplaceAll(testKey, "-", ""), testToken} {
		if strings.Contains(text, secret) {
			t.Errorf("a secret is shown in: %s", text)
		}
	}
}

// wantKind checks the kind of an error, and that it is well formed.
func wantKind(t *testing.T, err error, k fault.Kind) *fault.Error {
	t.Helper()
	if !fault.Is(err, k) {
		t.Fatalf("error is %q of kind %q, want %q", err, fault.KindOf(err), k)
	}
	e, ok := fault.At(err, "", "").(*fault.Error)
	if !ok || e.Source != name || e.Op == "" || e.Msg == "" {
		t.Errorf("the error does not say where it comes from: %#v", e)
	}
	noSecret(t, fmt.Sprintf("%v %s", err, e.Hint))
	return e
}

// sent decodes the JSON body of a request.
func sent(t *testing.T, r seen) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(r.body), &m); err != nil {
		t.Fatalf("%s: body %q: %v", r.route, r.body, err)
	}
	return m
}
