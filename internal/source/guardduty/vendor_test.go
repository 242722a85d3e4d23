package guardduty

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"edrc/internal/alert"
	"edrc/internal/awsconn"
	"edrc/internal/httpx"
	"edrc/internal/lab/aws"
	"edrc/internal/lab/world"
	"edrc/internal/source"
)

// hostile are file names as attackers choose them.
func hostile() []string {
	return []string{"\x1b[31m", "\u202e", "[edrc:5b1f09c2a94e7d10]", "line\nbreak", "<script>", "=cmd|", "№", "\ufeff"}
}

// worldFiles are the files of the simulated findings.
func worldFiles() []world.File {
	var out []world.File
	for i, name := range append(hostile(), "eicar.com", "dropper", "miner") {
		text := []byte(fmt.Sprint("file ", i))
		s256, s1, m5 := sha256.Sum256(text), sha1.Sum(text), md5.Sum(text)
		out = append(out, world.File{Name: name + ".bin", SHA256: hex.EncodeToString(s256[:]), SHA1: hex.EncodeToString(s1[:]), MD5: hex.EncodeToString(m5[:]), Malicious: i%2 == 0})
	}
	return out
}

// vendor is the simulated AWS on a loopback port.
type vendor struct {
	*aws.Vendor
	server  *httptest.Server
	faults  *faults
	options Options
	copies  copies
}

func newVendor(t testing.TB, o world.Options, own aws.Options) *vendor {
	t.Helper()
	if o.Files == nil {
		o.Files = worldFiles()
	}
	v := &vendor{Vendor: aws.New(o, own), faults: &faults{}}
	v.faults.under = v.Vendor
	v.server = httptest.NewServer(v.faults)
	t.Cleanup(v.server.Close)
	var written struct {
		Kind    string `yaml:"kind"`
		Options `yaml:",inline"`
	}
	if err := yaml.Unmarshal([]byte(v.Config(v.server.URL)), &written); err != nil || written.Kind != Kind {
		t.Fatalf("the lab's configuration: %v, kind %q", err, written.Kind)
	}
	v.options = written.Options
	return v
}

func (v *vendor) Source(t *testing.T, timeout time.Duration) source.Source {
	return v.client(t, timeout)
}

func (v *vendor) client(t testing.TB, timeout time.Duration) *Client {
	t.Helper()
	c, err := New(v.options, Env{Name: "aws-lab", Notes: v.copies.notes, KeepNote: v.copies.keep, HTTP: httpx.Config{
		Timeout: timeout, Attempts: 15, RetryBase: time.Millisecond, RetryMax: 5 * time.Millisecond, Transport: httpx.NewTransport(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (v *vendor) Add(_ *testing.T, n int, age time.Duration, equal bool) []string {
	return v.Vendor.Add(aws.Request{Count: n, Age: age, Equal: equal, Feedback: "USEFUL"})
}

func (v *vendor) Plant(t *testing.T, id, text string) {
	v.control(t, "note", map[string]any{"id": id, "text": text})
}

func (v *vendor) Notes(_ *testing.T, id string) []string { return v.State().Notes[id] }

func (v *vendor) Purge(t *testing.T, ids ...string) {
	v.control(t, "purge", map[string]any{"ids": ids})
}

func (v *vendor) Revoke(t *testing.T) { v.control(t, "revoke", nil) }

func (v *vendor) Faults(t *testing.T, spec string) {
	t.Helper()
	if err := v.faults.set(spec); err != nil {
		t.Fatal(err)
	}
}

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

// copies are the notes that edrc keeps of its own.
type copies struct {
	mu sync.Mutex
	by map[string][]alert.Note
}

func (c *copies) notes(_ context.Context, id string) ([]alert.Note, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.by[id]), nil
}

func (c *copies) keep(_ context.Context, id string, n alert.Note) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[string][]alert.Note{}
	}
	c.by[id] = append(c.by[id], n)
	return nil
}

// faults stand before the vendor: "KIND=SHARE" hits any request, "KIND@PLACE=SHARE"
// writes alone, before or after they are applied.
type faults struct {
	under interface {
		http.Handler
		Writes(*http.Request) bool
		Refuse(http.ResponseWriter, *http.Request, int, uint64)
	}
	mu          sync.Mutex
	kind, place string
	share       float64
}

func (f *faults) set(spec string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	name, share, _ := strings.Cut(spec, "=")
	f.kind, f.place, _ = strings.Cut(name, "@")
	f.share = 0
	if spec == "" {
		return nil
	}
	var err error
	f.share, err = strconv.ParseFloat(share, 64)
	return err
}

func (f *faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	write := f.under.Writes(r)
	f.mu.Lock()
	kind, place, hit := f.kind, f.place, rand.Float64() < f.share
	f.mu.Unlock()
	if !hit || place != "" && !write {
		f.under.ServeHTTP(w, r)
		return
	}
	answer := httptest.NewRecorder()
	if place == "after" || kind == "truncate" && !write {
		f.under.ServeHTTP(answer, r)
	}
	switch kind {
	case "timeout":
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
		case <-time.After(30 * time.Second):
		}
		panic(http.ErrAbortHandler)
	case "reset":
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	case "truncate":
		body := append(answer.Body.Bytes(), "{}"...)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)*2))
		_, _ = w.Write(body)
		panic(http.ErrAbortHandler)
	case "html":
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader([]int{http.StatusOK, http.StatusBadGateway}[rand.IntN(2)])
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><body>the proxy could not reach the upstream server</body></html>")
	default:
		status, _ := strconv.Atoi(kind)
		f.under.Refuse(w, r, status, rand.Uint64())
	}
}

// withRoles configures every account of the lab, each with its role.
func (v *vendor) withRoles() {
	v.options.Accounts = []awsconn.Account{{ID: "111122223333"}}
	for _, id := range []string{"222233334444", "333344445555"} {
		v.options.Accounts = append(v.options.Accounts, awsconn.Account{ID: id, RoleARN: "arn:aws:iam::" + id + ":role/" + aws.Role, ExternalID: aws.ExternalID(id)})
	}
}

// Alerts is how many findings a region has.
func (v *vendor) Alerts(region string) int {
	n := 0
	for _, account := range []string{"111122223333", "222233334444", "333344445555"} {
		n += len(v.IDs(account, region))
	}
	return n
}

// coverage is the table of a check, whatever else the check says.
func coverage(ctx context.Context, c *Client) ([]source.Coverage, error) {
	table, _, err := c.coverage(ctx)
	return table, err
}
