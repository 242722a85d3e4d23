package crowdstrike

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
	"os"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"edrc/internal/httpx"
	falcon "edrc/internal/lab/crowdstrike"
	"edrc/internal/lab/world"
	"edrc/internal/sample"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

func TestFalconKeepsThePromisesOfASource(t *testing.T) {
	sourcetest.Run(t, sourcetest.Harness{
		New:  func(t *testing.T) sourcetest.Vendor { return newVendor(t, world.Options{}) },
		Page: pageSize, World: 600, Hostile: hostile(),
	})
}

// hostile are pieces of file names that an attacker would choose.
func hostile() []string {
	return []string{"\x1b[31m", "\u202e", "[edrc:5b1f09c2a94e7d10]", "line\nbreak", "<script>", "=cmd|", "№", "\ufeff", `it's "quoted"`, `back\slash`}
}

// endpointFile is the index of the file that only the endpoint has; the 7z in testdata
// is what it uploads. cloudFile is one that the cloud has a copy of.
const (
	endpointFile = 1
	cloudFile    = 0
)

// files make the world's: harmless bytes with real hashes.
func files() []world.File {
	names := []string{"invoice.exe", "sample.exe"}
	for _, h := range hostile() {
		names = append(names, "a "+h+" b.exe")
	}
	for i := range 20 {
		names = append(names, fmt.Sprintf("setup_%04x.exe", i))
	}
	out := make([]world.File, len(names))
	for i, name := range names {
		content := []byte(fmt.Sprintf("inert sample %d", i))
		if i == endpointFile {
			content = []byte("edrc lab: inert sample got from an endpoint\n")
		}
		h2, h1, h5 := sha256.Sum256(content), sha1.Sum(content), md5.Sum(content)
		out[i] = world.File{Name: name, SHA256: hex.EncodeToString(h2[:]), SHA1: hex.EncodeToString(h1[:]), MD5: hex.EncodeToString(h5[:]),
			Size: int64(len(content)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }}
	}
	return out
}

// vendor is the simulated vendor as the suite wants it.
type vendor struct {
	falcon  *falcon.Vendor
	front   *front
	server  *httptest.Server
	files   []world.File
	options Options
	// wrap, if set, sees what the clients send and get.
	wrap func(http.RoundTripper) http.RoundTripper
}

func newVendor(t testing.TB, o world.Options) *vendor {
	t.Helper()
	v := &vendor{files: files()}
	o.Files, o.Zip, o.Seven, o.Name = v.files, zipOf(t), sevenOf, "falcon-lab"
	v.falcon = falcon.New(o)
	v.front = &front{vendor: v.falcon, rng: rand.New(rand.NewPCG(1, 2))}
	v.server = httptest.NewServer(v.front)
	t.Cleanup(v.server.Close)
	if err := yaml.Unmarshal([]byte(v.falcon.Config(v.server.URL)), &struct {
		Kind     string `yaml:"kind"`
		*Options `yaml:",inline"`
	}{Options: &v.options}); err != nil {
		t.Fatal(err)
	}
	return v
}

// zipOf writes archives as the vendor's samples are: one file, a password.
func zipOf(t testing.TB) func(io.Writer, world.File, string) error {
	dir := t.TempDir()
	return func(w io.Writer, f world.File, password string) error {
		spool, err := sample.OpenSpool(dir)
		if err != nil {
			return err
		}
		defer spool.Close()
		in, err := f.Open()
		if err != nil {
			return err
		}
		defer in.Close()
		a, err := spool.Wrap(context.Background(), in, f.Name, password)
		if err != nil {
			return err
		}
		defer a.Close()
		out, err := a.Open()
		if err != nil {
			return err
		}
		_, err = io.Copy(w, out)
		return err
	}
}

// sevenOf is what an endpoint uploads, made with 7-Zip.
func sevenOf(w io.Writer, f world.File, password string) error {
	raw, err := os.ReadFile("testdata/infected.7z")
	if err == nil && (f.Name != "sample.exe" || password != "infected") {
		err = fmt.Errorf("no archive of %q", f.Name)
	}
	if err == nil {
		_, err = w.Write(raw)
	}
	return err
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
	c, err := New(v.options, Env{Name: "falcon-lab", HTTP: httpx.Config{
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
	return v.falcon.Add(n, age, equal)
}

func (v *vendor) Plant(t *testing.T, id, text string) {
	t.Helper()
	v.control(t, "note", map[string]any{"id": id, "text": text})
}

func (v *vendor) Notes(_ *testing.T, id string) []string { return v.falcon.State().Notes[id] }

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
		err = v.falcon.Control(verb, body)
	}
	if err != nil {
		t.Fatal(err)
	}
}

var (
	_ sourcetest.FetchVendor = (*vendor)(nil)
	_ sourcetest.TokenVendor = (*vendor)(nil)
)

func (v *vendor) EndToken(t *testing.T) {
	t.Helper()
	v.control(t, "expire", map[string]any{})
}

func (v *vendor) AddFile(_ *testing.T, online bool) string {
	return v.falcon.AddAbout(endpointFile, online)
}

func (v *vendor) Online(t *testing.T, id string, online bool) {
	t.Helper()
	v.control(t, "offline", map[string]any{"host": strings.Split(id, ":")[2], "online": online})
}

func (v *vendor) FetchTime(t *testing.T, d time.Duration) {
	t.Helper()
	v.control(t, "fetch", map[string]any{"time": d.String()})
}

func (v *vendor) Expire(t *testing.T, _ string) {
	t.Helper()
	v.control(t, "sessions", map[string]any{})
}

func (v *vendor) Fetches(_ *testing.T, _ string) int { return v.falcon.State().Fetches }
