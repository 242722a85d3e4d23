package httpx

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"edrc/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wire is a transport in memory: it gives the scripted replies in order, the last
// one for ever, and remembers what was sent.
type wire struct {
	mu      sync.Mutex
	replies []func(*http.Request) (*http.Response, error)
	sent    []*http.Request
	bodies  []string
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		_ = r.Body.Close()
	}
	w.mu.Lock()
	reply := w.replies[min(len(w.sent), len(w.replies)-1)]
	w.sent = append(w.sent, r)
	w.bodies = append(w.bodies, string(body))
	w.mu.Unlock()
	return reply(r)
}

func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.sent)
}

func script(replies ...func(*http.Request) (*http.Response, error)) *wire {
	return &wire{replies: replies}
}

// answer is a reply with a status, a body and header pairs.
func answer(status int, body string, header ...string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{}
		for i := 0; i+1 < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1, Request: r}, nil
	}
}

func failure(err error) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// silence answers when the request is given up, as a vendor that hangs does.
func silence(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// clock is a time that moves only when somebody sleeps; it remembers the sleeps.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	sleeps []time.Duration
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.sleeps = append(c.sleeps, d)
	return ctx.Err()
}

func (c *clock) slept() (sum time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.sleeps {
		sum += d
	}
	return sum
}

// newClient makes a client over rt with a clock of its own and no jitter removed:
// Rand gives 0.5.
func newClient(t *testing.T, rt http.RoundTripper, change ...func(*Config)) (*Client, *clock) {
	t.Helper()
	k := newClock()
	cfg := Config{
		Name: "s1", Base: "https://vendor.example/api", Transport: rt,
		Now: k.Now, Sleep: k.Sleep, Rand: func() float64 { return 0.5 },
	}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, k
}

// serve makes a client of a real server on loopback.
func serve(t *testing.T, h http.HandlerFunc, change ...func(*Config)) (*Client, *httptest.Server) {
	t.Helper()
	srv := httptest.NewServer(h)
	c, _ := newClient(t, nil, append([]func(*Config){func(cfg *Config) { cfg.Base = srv.URL }}, change...)...)
	t.Cleanup(func() { c.Close(); srv.Close() })
	return c, srv
}

func wantKind(t *testing.T, err error, kind fault.Kind) *fault.Error {
	t.Helper()
	e, ok := err.(*fault.Error)
	if !ok || e.Kind != kind {
		t.Fatalf("got %v (kind %q), want kind %q", err, fault.KindOf(err), kind)
	}
	return e
}

func mustParse(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
