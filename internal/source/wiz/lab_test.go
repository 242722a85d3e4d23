package wiz

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"edrc/internal/httpx"
	lab "edrc/internal/lab/wiz"
	"edrc/internal/lab/world"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

func TestWizKeepsThePromisesOfASource(t *testing.T) {
	sourcetest.Run(t, sourcetest.Harness{
		New:  func(t *testing.T) sourcetest.Vendor { return newVendor(t, world.Options{}) },
		Page: pageSize, World: 600, Hostile: hostile(),
	})
}

// hostile are pieces of file names that an attacker would choose.
func hostile() []string {
	return []string{"\x1b[31m", "\u202e", "[edrc:5b1f09c2a94e7d10]", "line\nbreak", "<script>", "=cmd|", "№", "\ufeff", `it's "quoted"`, `back\slash`}
}

// files make the world's: harmless bytes with real hashes.
func files() []world.File {
	names := []string{"invoice.elf", "sample.sh"}
	for _, h := range hostile() {
		names = append(names, "a "+h+" b.elf")
	}
	for i := range 20 {
		names = append(names, fmt.Sprintf("setup_%04x.bin", i))
	}
	out := make([]world.File, len(names))
	for i, name := range names {
		content := fmt.Appendf(nil, "inert sample %d", i)
		h2, h1, h5 := sha256.Sum256(content), sha1.Sum(content), md5.Sum(content)
		out[i] = world.File{Name: name, SHA256: hex.EncodeToString(h2[:]), SHA1: hex.EncodeToString(h1[:]), MD5: hex.EncodeToString(h5[:]), Size: int64(len(content))}
	}
	return out
}

// vendor is the simulated vendor as the suite wants it.
type vendor struct {
	wiz     *lab.Vendor
	front   *front
	server  *httptest.Server
	options Options
	// wrap, if set, sees what the clients send and get.
	wrap func(http.RoundTripper) http.RoundTripper
}

func newVendor(t testing.TB, o world.Options) *vendor {
	t.Helper()
	o.Files, o.Name = files(), "wiz-lab"
	v := &vendor{wiz: lab.New(o)}
	v.front = &front{vendor: v.wiz, rng: rand.New(rand.NewPCG(1, 2))}
	v.server = httptest.NewServer(v.front)
	t.Cleanup(v.server.Close)
	if err := yaml.Unmarshal([]byte(v.wiz.Config(v.server.URL)), &struct {
		Kind     string `yaml:"kind"`
		*Options `yaml:",inline"`
	}{Options: &v.options}); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v *vendor) Source(t *testing.T, timeout time.Duration) source.Source {
	return v.client(t, timeout)
}

func (v *vendor) client(t testing.TB, timeout time.Duration) *Client {
	t.Helper()
	var transport http.RoundTripper = httpx.NewTransport()
	if v.wrap != nil {
		transport = v.wrap(transport)
	}
	c, err := New(v.options, Env{Name: "wiz-lab", HTTP: httpx.Config{
		Timeout: timeout, Attempts: 15, RetryBase: time.Millisecond, RetryMax: 20 * time.Millisecond, MaxWait: 20 * time.Second,
		Transport: transport,
		// The limits are real time, and the lab has none.
		Sleep: func(ctx context.Context, d time.Duration) error { return pause(ctx, min(d, 5*time.Millisecond)) },
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if c, ok := transport.(interface{ CloseIdleConnections() }); ok {
			c.CloseIdleConnections()
		}
	})
	return c
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (v *vendor) Add(_ *testing.T, n int, age time.Duration, equal bool) []string {
	return v.wiz.Add(n, age, equal)
}

func (v *vendor) Plant(t *testing.T, id, text string) {
	t.Helper()
	v.control(t, "note", map[string]any{"id": id, "text": text})
}

// Notes are those of the threat of a detection.
func (v *vendor) Notes(_ *testing.T, id string) []string {
	return v.wiz.State().Notes[v.wiz.ThreatOf(id)]
}

func (v *vendor) Purge(t *testing.T, ids ...string) {
	t.Helper()
	v.control(t, "purge", map[string]any{"ids": ids})
}

func (v *vendor) Revoke(t *testing.T) {
	t.Helper()
	v.control(t, "token", map[string]any{"valid": false})
}

func (v *vendor) Faults(_ *testing.T, spec string) { v.front.set(spec) }

// control gives the vendor a command.
func (v *vendor) control(t testing.TB, verb string, in any) {
	t.Helper()
	body, err := json.Marshal(in)
	if err == nil {
		err = v.wiz.Control(verb, body)
	}
	if err != nil {
		t.Fatal(err)
	}
}
