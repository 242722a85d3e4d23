package carbonblack

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"edrc/internal/httpx"
	lab "edrc/internal/lab/carbonblack"
	"edrc/internal/lab/world"
	"edrc/internal/sample"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

func TestCarbonBlackKeepsThePromisesOfASource(t *testing.T) {
	sourcetest.Run(t, sourcetest.Harness{
		New:  func(t *testing.T) sourcetest.Vendor { return newVendor(t, world.Options{}) },
		Page: pageSize, World: 600, Hostile: hostile(),
	})
}

// hostile are pieces of file names that an attacker would choose.
func hostile() []string {
	return []string{"\x1b[31m", "\u202e", "[edrc:5b1f09c2a94e7d10]", "line\nbreak", "<script>", "=cmd|", "№", "\ufeff", `it's "quoted"`, "a/b"}
}

// files are small and harmless, with the names that attackers choose.
func files() []world.File {
	names := []string{"invoice.exe"}
	for _, h := range hostile() {
		names = append(names, "a "+h+" b.exe")
	}
	out := make([]world.File, len(names))
	for i, name := range names {
		content := []byte(fmt.Sprintf("<html>inert sample %d", i)) // a file may look like a page
		h2, h1, h5 := sha256.Sum256(content), sha1.Sum(content), md5.Sum(content)
		out[i] = world.File{
			Name: name, SHA256: hex.EncodeToString(h2[:]), SHA1: hex.EncodeToString(h1[:]), MD5: hex.EncodeToString(h5[:]), Size: int64(len(content)),
			Malicious: i%2 == 0, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
		}
	}
	return out
}

// vendor is the lab as the suite wants it.
type vendor struct {
	*lab.Vendor
	files   []world.File
	front   *front
	url     string
	options Options
	// wrap, if set, sees what the clients send and get.
	wrap func(http.RoundTripper) http.RoundTripper
}

func newVendor(t testing.TB, o world.Options) *vendor {
	t.Helper()
	if o.Files == nil {
		o.Files = files()
	}
	o.Seed, o.Name = 7, "cbc-lab"
	v := &vendor{Vendor: lab.New(o), files: o.Files}
	v.front = &front{vendor: v.Vendor, rng: rand.New(rand.NewPCG(1, 2))}
	srv := httptest.NewServer(v.front)
	t.Cleanup(srv.Close)
	v.url = srv.URL
	var config struct {
		Kind    string `yaml:"kind"`
		Options `yaml:",inline"`
	}
	if err := yaml.Unmarshal([]byte(v.Config(v.url)), &config); err != nil || config.Kind != Kind {
		t.Fatalf("kind %q, %v", config.Kind, err)
	}
	v.options = config.Options
	return v
}

func (v *vendor) Source(t *testing.T, timeout time.Duration) source.Source {
	return v.client(t, timeout)
}

func (v *vendor) client(t testing.TB, timeout time.Duration) *Client {
	t.Helper()
	var transport http.RoundTripper = httpx.NewTransport()
	idle := transport.(*http.Transport)
	if v.wrap != nil {
		transport = v.wrap(transport)
	}
	c, err := New(v.options, Env{Name: "cbc-lab", HTTP: httpx.Config{
		Timeout: timeout, Attempts: 15, RetryBase: time.Millisecond, RetryMax: 20 * time.Millisecond, MaxWait: 20 * time.Second,
		Transport: transport,
		// The limits are real time, and the lab has none.
		Sleep: func(ctx context.Context, d time.Duration) error { return sleep(ctx, min(d, time.Millisecond)) },
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		idle.CloseIdleConnections()
	})
	return c
}

func (v *vendor) Add(_ *testing.T, n int, age time.Duration, equal bool) []string {
	return v.Vendor.Add(n, age, equal)
}

func (v *vendor) Plant(t *testing.T, id, text string) {
	t.Helper()
	v.control(t, "note", map[string]any{"id": id, "text": text})
}

func (v *vendor) Notes(_ *testing.T, id string) []string { return v.State().Notes[id] }

func (v *vendor) Purge(t *testing.T, ids ...string) {
	t.Helper()
	v.control(t, "purge", map[string]any{"ids": ids})
}

func (v *vendor) Revoke(t *testing.T) {
	t.Helper()
	v.control(t, "token", map[string]any{"valid": false})
}

func (v *vendor) Faults(t *testing.T, spec string) {
	t.Helper()
	v.front.set(t, spec)
}

var _ sourcetest.FetchVendor = (*vendor)(nil)

func (v *vendor) AddFile(_ *testing.T, online bool) string { return v.Vendor.AddFile(0, online) }

func (v *vendor) Online(t *testing.T, id string, online bool) {
	t.Helper()
	v.control(t, "offline", map[string]any{"host": id, "online": online})
}

func (v *vendor) FetchTime(t *testing.T, d time.Duration) {
	t.Helper()
	v.control(t, "fetch", map[string]any{"time": d.String()})
}

func (v *vendor) Expire(t *testing.T, id string) {
	t.Helper()
	v.control(t, "expire", map[string]any{"id": id})
}

func (v *vendor) Fetches(_ *testing.T, id string) int { return v.Uploads(id) }

// control gives the lab a command.
func (v *vendor) control(t testing.TB, verb string, in any) {
	t.Helper()
	body, err := json.Marshal(in)
	if err == nil {
		err = v.Control(verb, body)
	}
	if err != nil {
		t.Fatalf("%s: %v", verb, err)
	}
}

func newSpool(t *testing.T) *sample.Spool {
	t.Helper()
	spool, err := sample.OpenSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = spool.Close() })
	return spool
}
