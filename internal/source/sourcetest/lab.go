package sourcetest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"edrc/internal/httpx"
	"edrc/internal/lab/world"
)

// Lab is a vendor of package lab behind a [Front], on a loopback port, and what of
// [Vendor] is the same with each of them. A product's vendor embeds it.
type Lab struct {
	*Front
	URL  string
	Wrap func(http.RoundTripper) http.RoundTripper // if set, sees what the clients send and get

	vendor world.Vendor
}

// NewLab serves a vendor until the test ends, and reads the configuration that it writes
// into options, a pointer to the product's. What cut is, [NewFront] says.
func NewLab(t testing.TB, vendor world.Vendor, cut, kind string, options any) Lab {
	t.Helper()
	l := Lab{Front: NewFront(vendor, cut), vendor: vendor}
	srv := httptest.NewServer(l.Front)
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	l.URL = srv.URL
	l.Configure(t, kind, options)
	return l
}

// Configure reads the vendor's configuration into options, and fails when it is for
// another kind of product.
func (l *Lab) Configure(t testing.TB, kind string, options any) {
	t.Helper()
	text := []byte(l.vendor.Config(l.URL))
	var of struct {
		Kind string `yaml:"kind"`
	}
	err := yaml.Unmarshal(text, &of)
	if err == nil {
		err = yaml.Unmarshal(text, options)
	}
	if err != nil || of.Kind != kind {
		t.Fatalf("the lab's configuration: kind %q, %v", of.Kind, err)
	}
}

// HTTP is how a client reaches the vendor: see the function HTTP.
func (l *Lab) HTTP(t testing.TB, timeout time.Duration) httpx.Config { return HTTP(t, timeout, l.Wrap) }

// HTTP is a stack that tries often and waits little, as [Vendor] wants it of a client.
// wrap, if not nil, goes around its transport.
func HTTP(t testing.TB, timeout time.Duration, wrap func(http.RoundTripper) http.RoundTripper) httpx.Config {
	idle := httpx.NewTransport()
	t.Cleanup(idle.CloseIdleConnections)
	var transport http.RoundTripper = idle
	if wrap != nil {
		transport = wrap(transport)
	}
	return httpx.Config{
		Timeout: timeout, Attempts: 15, RetryBase: time.Millisecond, RetryMax: 20 * time.Millisecond, MaxWait: 20 * time.Second, Transport: transport,
		// The limits are real time, and the lab has none.
		Sleep: func(ctx context.Context, d time.Duration) error {
			select {
			case <-time.After(min(d, time.Millisecond)):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	}
}

// Control gives the vendor a command.
func (l *Lab) Control(t testing.TB, verb string, in any) {
	t.Helper()
	body, err := json.Marshal(in)
	if err == nil {
		err = l.vendor.Control(verb, body)
	}
	if err != nil {
		t.Fatalf("%s: %v", verb, err)
	}
}

// Plant implements [Vendor].
func (l *Lab) Plant(t *testing.T, id, text string) {
	t.Helper()
	l.Control(t, "note", map[string]any{"id": id, "text": text})
}

// Notes implements [Vendor] where notes stand on the alert itself.
func (l *Lab) Notes(_ *testing.T, id string) []string { return l.vendor.State().Notes[id] }

// Purge implements [Vendor].
func (l *Lab) Purge(t *testing.T, ids ...string) {
	t.Helper()
	l.Control(t, "purge", map[string]any{"ids": ids})
}

// Revoke implements [Vendor].
func (l *Lab) Revoke(t *testing.T) {
	t.Helper()
	l.Control(t, "token", map[string]any{"valid": false})
}

// Faults implements [Vendor].
func (l *Lab) Faults(t *testing.T, spec string) {
	t.Helper()
	l.Set(t, spec)
}

// FetchTime implements [FetchVendor].
func (l *Lab) FetchTime(t *testing.T, d time.Duration) {
	t.Helper()
	l.Control(t, "fetch", map[string]any{"time": d.String()})
}
