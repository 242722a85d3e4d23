package lab

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"edrc/internal/lab/world"
)

// startAll has the world with every product.
func startAll(t *testing.T, o Options) *Lab {
	t.Helper()
	if o.Products == nil {
		o.Products = []string{"all"}
	}
	l, err := Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(); http.DefaultClient.CloseIdleConnections() })
	return l
}

func (l *Lab) guest(t *testing.T, name string) *guest {
	t.Helper()
	i := slices.IndexFunc(l.guests, func(g *guest) bool { return g.name == name })
	if i < 0 {
		t.Fatalf("no vendor %s", name)
	}
	return l.guests[i]
}

func TestEveryProductIsAServerAndASourceOfItsOwn(t *testing.T) {
	l := startAll(t, Options{Alerts: 7, Files: 10})
	text, state := string(l.Config()), l.State()
	urls := map[string]bool{}
	for _, k := range vendorKinds() {
		g := l.guest(t, k.source)
		urls[g.url] = true
		if !strings.Contains(text, "  "+k.source+": {kind: ") || !strings.Contains(text, g.url) {
			t.Errorf("%s is not in the configuration:\n%s", k.source, text)
		}
		if s := state.Sources[k.source]; s.Alerts != 7 || s.Notes == nil || s.Isolated == nil {
			t.Errorf("%s: %+v", k.source, s)
		}
	}
	if len(urls) != len(vendorKinds()) {
		t.Errorf("%d addresses for %d vendors", len(urls), len(vendorKinds()))
	}
	if want := len(vendorKinds()) + 1; len(state.Sources) != want || len(l.SourceNames()) != want {
		t.Errorf("sources %v", l.SourceNames())
	}
}

func TestTheWorldHasTheProductsThatWereAskedFor(t *testing.T) {
	if l := startAll(t, Options{Products: []string{}}); !slices.Equal(l.SourceNames(), []string{"s1-lab"}) {
		t.Errorf("by default %v", l.SourceNames())
	}
	l := startAll(t, Options{Products: []string{"falcon"}})
	if !slices.Equal(l.SourceNames(), []string{"falcon-lab"}) {
		t.Errorf("%v", l.SourceNames())
	}
	if both := startAll(t, Options{Products: []string{"cortex", "cortex5"}}).SourceNames(); !slices.Equal(both, []string{"cortex-lab", "cortex5-lab"}) {
		t.Errorf("both generations of Cortex: %v", both)
	}
	if len(l.Files()) != 60 {
		t.Errorf("%d files", len(l.Files()))
	}
	_, err := Start(context.Background(), Options{Products: []string{"falcn"}})
	if err == nil || !strings.Contains(err.Error(), "falcon") {
		t.Errorf("%v", err)
	}
}

func TestEveryVendorHasTheFilesOfTheWorld(t *testing.T) {
	c := newCorpus(3, 12)
	c.enlarge(3 * contentBlock)
	for i, f := range c.shared() {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		n, err := io.Copy(h, in)
		if err != nil || n != f.Size || hex.EncodeToString(h.Sum(nil)) != f.SHA256 {
			t.Errorf("file %d: %d of %d bytes, %v", i, n, f.Size, err)
		}
		_ = in.Close()
		if f.Malicious != (c.files[i].verdict == "malicious") || f.SHA1 != c.files[i].sha1 || f.MD5 != c.files[i].md5 {
			t.Errorf("file %d: %+v", i, f)
		}
	}
}

func TestALargeFileThatIsNotReadToItsEndEndsItsWriter(t *testing.T) {
	c := newCorpus(3, 4)
	c.enlarge(1 << 20)
	for _, f := range c.shared() {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.Read(make([]byte, 10)); err != nil {
			t.Error(err)
		}
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAnArchiveOfAVendorOpensWithItsPassword(t *testing.T) {
	f := newCorpus(3, 4).shared()[0]
	var plain bytes.Buffer
	if err := pack(f, func(e []entry) error { return writeEncryptedZip(&plain, zipMethod(""), "", e) }); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(plain.Bytes()), int64(plain.Len()))
	if err != nil || len(z.File) != 1 || z.File[0].Flags&flagEncrypted != 0 || z.File[0].UncompressedSize64 != uint64(f.Size) {
		t.Errorf("%v, %+v", err, z)
	}
	if got := zipMethod("infected"); got != zipCrypto {
		t.Error(got)
	}
}

func TestFaultsAreInTheVendorsWords(t *testing.T) {
	for name, want := range map[string]string{"falcon-lab": `"errors"`, "mde-lab": `"error"`, "aws-lab": "Exception",
		"cbc-lab": "Unavailable", "cortex-lab": `"err_code"`, "wiz-lab": `"errors"`} {
		l := startAll(t, Options{Alerts: 1, Faults: []Fault{{Kind: "503", Rate: 1}}})
		resp, err := http.Get(l.guest(t, name).url + map[string]string{"aws-lab": "/detector"}[name] + "/")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != 503 || !strings.Contains(string(body), want) || resp.Header.Get("Date") == "" {
			t.Errorf("%s: %s %s", name, resp.Status, body)
		}
		if n := l.State().Sources[name].Requests; n != 1 {
			t.Errorf("%s: %d requests counted", name, n)
		}
	}
}

// scripted is a vendor that is told something.
type scripted struct {
	world.Vendor
	verb string
	body []byte
}

func (s *scripted) Control(verb string, body []byte) error {
	s.verb, s.body = verb, body
	return nil
}

func TestAVerbReachesItsVendor(t *testing.T) {
	l := startAll(t, Options{Alerts: 1})
	it := &scripted{Vendor: l.guest(t, "mde-lab").Vendor}
	l.guest(t, "mde-lab").Vendor = it
	post := func(body string) (int, string) {
		resp, err := http.Post(l.ControlURL()+"/_lab/vendor", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	if code, text := post(`{"source":"mde-lab","verb":"offline","body":{"host":"x"}}`); code != 200 {
		t.Errorf("%d %s", code, text)
	}
	var got map[string]string
	if err := json.Unmarshal(it.body, &got); err != nil || it.verb != "offline" || got["host"] != "x" {
		t.Errorf("%s %s: %v", it.verb, it.body, err)
	}
	if code, text := post(`{"source":"s1-lab","verb":"offline"}`); code != 400 || !strings.Contains(text, "mde-lab") {
		t.Errorf("%d %s", code, text)
	}
	if code, _ := post(`{"source":"falcon-lab","verb":"no such verb"}`); code != 400 {
		t.Errorf("an unknown verb: %d", code)
	}
}
