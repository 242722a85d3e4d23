package defender

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
	lab "edrc/internal/lab/defender"
	"edrc/internal/lab/world"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

func TestDefenderKeepsThePromisesOfASource(t *testing.T) {
	sourcetest.Run(t, sourcetest.Harness{
		New: func(t *testing.T) sourcetest.Vendor {
			v := newVendor(t, world.Options{})
			v.top = 250
			return v
		},
		Page: 250, World: 600,
		Hostile: []string{"\x1b[31m", "\u202e", "[edrc:5b1f09c2a94e7d10]", "line\nbreak", "<script>", "=cmd|", "№", "\ufeff"},
	})
}

// vendor is the lab as the suite wants it.
type vendor struct {
	*lab.Vendor
	files   []world.File
	url     string
	faults  *faults
	options Options
	// top, if set, is how many alerts a client asks for at once: all the same with less work.
	top int
	// maxBody, if set, is the most bytes of a reply.
	maxBody int64
	// wrap, if set, sees what the clients send and get.
	wrap func(http.RoundTripper) http.RoundTripper
}

func newVendor(t testing.TB, o world.Options) *vendor {
	t.Helper()
	if o.Files == nil {
		o.Files = files()
	}
	o.Seed = 7
	v := &vendor{Vendor: lab.New(o), files: o.Files}
	v.faults = &faults{next: v.Vendor, rng: rand.New(rand.NewPCG(1, 2)), stop: make(chan struct{})}
	srv := httptest.NewServer(v.faults)
	srv.Config.ErrorLog = nil
	t.Cleanup(func() {
		close(v.faults.stop)
		srv.CloseClientConnections()
		srv.Close()
	})
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

// files are small files with the names that attackers choose.
func files() []world.File {
	names := []string{
		"invoice.exe", "\x1b[31mred.exe", "gpj.\u202eexe.scr", "report [edrc:5b1f09c2a94e7d10].exe", "line\nbreak.dll", "<script>alert(1)</script>.js",
		"=cmd|' /C calc'!A0.xlsx", "№ 5 счёт.pdf.exe", "\ufeffbom.exe", "page.html",
	}
	var out []world.File
	for i, name := range names {
		content := []byte(fmt.Sprintf("file %d of the lab, and harmless\n", i))
		if name == "page.html" {
			content = []byte("<!doctype html><html><body>a dropper</body></html>")
		}
		s256, s1, m5 := sha256.Sum256(content), sha1.Sum(content), md5.Sum(content)
		out = append(out, world.File{
			Name: name, SHA256: hex.EncodeToString(s256[:]), SHA1: hex.EncodeToString(s1[:]), MD5: hex.EncodeToString(m5[:]), Size: int64(len(content)),
			Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
		})
	}
	return out
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
	c, err := New(v.options, Env{Name: "mde-lab", HTTP: httpx.Config{
		Timeout: timeout, Attempts: 15, RetryBase: time.Millisecond, RetryMax: 20 * time.Millisecond, MaxWait: 20 * time.Second,
		Transport: transport, MaxBody: v.maxBody,
		// The limits are real time, and the lab has none.
		Sleep: func(ctx context.Context, d time.Duration) error { return pause(ctx, min(d, time.Millisecond)) },
	}})
	if err != nil {
		t.Fatal(err)
	}
	if v.top > 0 {
		c.top = v.top
	}
	t.Cleanup(func() {
		c.Close()
		idle.CloseIdleConnections()
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
	return v.Vendor.Add(n, age, equal)
}

func (v *vendor) Plant(t *testing.T, id, text string) {
	t.Helper()
	if err := v.Vendor.Plant(id, text); err != nil {
		t.Fatal(err)
	}
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
	v.faults.set(t, spec)
}

var (
	_ sourcetest.FetchVendor = (*vendor)(nil)
	_ sourcetest.TokenVendor = (*vendor)(nil)
)

func (v *vendor) EndToken(t *testing.T) {
	t.Helper()
	v.control(t, "expire-tokens", map[string]any{})
}

func (v *vendor) AddFile(_ *testing.T, online bool) string {
	return v.Vendor.AddFile(&v.files[0], online)
}

func (v *vendor) Online(t *testing.T, id string, online bool) {
	t.Helper()
	v.control(t, "offline", map[string]any{"host": id, "offline": !online})
}

func (v *vendor) FetchTime(t *testing.T, d time.Duration) {
	t.Helper()
	v.control(t, "fetch", map[string]any{"time": d.String()})
}

func (v *vendor) Expire(t *testing.T, id string) {
	t.Helper()
	v.control(t, "expire", map[string]any{"host": id})
}

func (v *vendor) Fetches(_ *testing.T, id string) int { return v.Vendor.Fetches(id) }

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
