package awsconn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"edrc/internal/httpx"
	"edrc/internal/safe"
)

// transport is the HTTP client of every AWS service. It gives each attempt a time,
// bounds how many are on the wire, reads the answer whole so that a cut one is a failed
// attempt, and knows a proxy's page. It follows no redirects: none of these APIs has any.
// Repeating is the SDK's.
type transport struct {
	name    string
	under   http.RoundTripper
	timeout time.Duration
	maxBody int64
	slots   chan struct{}
	now     func() time.Time

	mu    sync.Mutex // of trace
	trace io.Writer
}

// maxOnWire is how many requests are under way at once, unless the caller says.
const maxOnWire = 16

func newTransport(name string, h httpx.Config, under http.RoundTripper) *transport {
	t := &transport{name: name, under: under, timeout: h.Timeout, maxBody: h.MaxBody, now: h.Now, trace: h.Trace}
	if t.timeout <= 0 {
		t.timeout = 30 * time.Second
	}
	if t.maxBody <= 0 {
		t.maxBody = 64 << 20
	}
	if t.now == nil {
		t.now = time.Now
	}
	n := h.Concurrency
	if n <= 0 {
		n = maxOnWire
	}
	t.slots = make(chan struct{}, n)
	return t
}

// failure is a request that got no usable answer.
type failure struct {
	msg   string
	err   error
	final bool // trying again is of no use
}

func (f *failure) Error() string { return f.msg }
func (f *failure) Unwrap() error { return f.err }

// RetryableError is what the SDK's retryer asks first.
func (f *failure) RetryableError() bool { return !f.final }

// Do implements the SDK's HTTPClient.
func (t *transport) Do(r *http.Request) (*http.Response, error) {
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if !secure(r.URL) {
		return nil, &failure{msg: "the endpoint of " + r.URL.Host + " is not https", final: true}
	}
	started := t.now()
	resp, err := t.attempt(r)
	t.line(r, resp, err, t.now().Sub(started))
	return resp, err
}

// errSlow is why an attempt's context ends when AWS took too long.
var errSlow = errors.New("no answer in time")

func (t *transport) attempt(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeoutCause(r.Context(), t.timeout, errSlow)
	defer cancel()
	resp, err := t.under.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, t.failed(ctx, r, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, t.maxBody+1))
	switch {
	case err != nil:
		return nil, t.failed(ctx, r, err)
	case int64(len(body)) < resp.ContentLength && r.Method != http.MethodHead:
		return nil, t.failed(ctx, r, io.ErrUnexpectedEOF)
	case int64(len(body)) > t.maxBody:
		return nil, &failure{msg: fmt.Sprintf("the answer of %s is larger than %d bytes", r.URL.Host, t.maxBody), final: true}
	case resp.StatusCode/100 == 2 && isPage(resp.Header, body):
		return nil, &failure{msg: r.URL.Host + " answered with an HTML page (a proxy or login page?)"}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// failed words what went wrong on the way.
func (t *transport) failed(ctx context.Context, r *http.Request, err error) error {
	if r.Context().Err() != nil {
		return r.Context().Err()
	}
	host := r.URL.Host
	switch {
	case errors.Is(context.Cause(ctx), errSlow):
		return &failure{msg: fmt.Sprintf("%s did not answer within %s", host, t.timeout), err: errSlow}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &failure{msg: host + " closed the connection before the answer was complete", err: io.ErrUnexpectedEOF}
	}
	if why, final := connection(err); why != "" {
		return &failure{msg: host + " cannot be reached: " + why, err: err, final: final}
	}
	return &failure{msg: "the connection to " + host + " failed: " + short(err), err: err}
}

// isPage reports an HTML page where data was expected. XML also starts with "<".
func isPage(h http.Header, body []byte) bool {
	start := bytes.ToLower(bytes.TrimLeft(body[:min(len(body), 512)], "\ufeff \t\r\n"))
	return bytes.HasPrefix(start, []byte("<!doctype html")) || bytes.HasPrefix(start, []byte("<html")) ||
		bytes.HasPrefix(start, []byte("<")) && strings.Contains(strings.ToLower(h.Get("Content-Type")), "html")
}

// line writes one line about one attempt: no header of the request, no body.
func (t *transport) line(r *http.Request, resp *http.Response, err error, took time.Duration) {
	if t.trace == nil {
		return
	}
	text := fmt.Sprintf("%s %s %s%s", t.name, r.Method, r.URL.Host, r.URL.EscapedPath())
	if resp != nil {
		text += fmt.Sprintf(" %d", resp.StatusCode)
	}
	text += fmt.Sprintf(" %dms", took.Milliseconds())
	if resp != nil {
		if id := resp.Header.Get("X-Amzn-Requestid"); id != "" {
			text += " x-amzn-requestid=" + clip(id, 80)
		}
	}
	if err != nil {
		text += " " + short(err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = fmt.Fprintln(t.trace, safe.Line(text))
}

func (t *transport) close() {
	if c, ok := t.under.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
