package cli

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"edrc/internal/lab"
)

// listening hears the passwords that products and the engine are told.
type listening struct {
	http.RoundTripper
	mu        *sync.Mutex
	passwords map[string]bool
}

func (l listening) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil && strings.Contains(r.Header.Get("Content-Type"), "json") {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		_ = r.Body.Close()
		r.Body = io.NopCloser(bytes.NewReader(b))
		var body struct{ Data struct{ Password string } }
		if json.Unmarshal(b, &body) == nil && body.Data.Password != "" {
			l.mu.Lock()
			l.passwords[body.Data.Password] = true
			l.mu.Unlock()
		}
	}
	return l.RoundTripper.RoundTrip(r)
}

func TestPasswordsAndTheInstallSecretAreNeverToldOrKept(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: -1, FetchTime: -1}, false)
	var mu sync.Mutex
	heard := map[string]bool{}
	d.transport = func(rt http.RoundTripper) http.RoundTripper { return listening{rt, &mu, heard} }
	dir := filepath.Join(d.dir, "IR")
	var said strings.Builder
	run := func(args ...string) {
		r := d.edrc(append(args, "--trace", "-v")...)
		said.WriteString(r.out + r.err)
	}
	for n, as := range []string{"zipcrypto", "corrupt", "wrong", "unreadable"} {
		ref := d.alertOn(d.unheld(n, as))
		run("scan", "alert", ref, "-o", "json", "--wait-timeout", "1s")
		run("alerts", "get", ref, "-o", "json")
		run("alerts", "fetch", ref, "--files", "--dir", dir, "-o", "json")
	}
	offline := d.alertOn(d.unheld(4, "aes"))
	run("scan", "alert", offline, "--no-wait")
	run("scan", "file", d.file("x.exe", "MZ mine"), "-o", "json")
	run("sync", "-o", "json")
	run("cache", "explain", strings.TrimSpace(d.ok("alerts", "get", offline, "--jq", ".item.files[0].sha256")))

	secret, err := os.ReadFile(filepath.Join(d.stateDir(), "install.secret"))
	if err != nil || len(heard) < 5 {
		t.Fatalf("%v, %d passwords: the test proves less than it says", err, len(heard))
	}
	hidden := []string{string(secret), hex.EncodeToString(secret), base64.StdEncoding.EncodeToString(secret)}
	for p := range heard {
		hidden = append(hidden, p)
	}
	for _, h := range hidden {
		if i := strings.Index(said.String(), h); i >= 0 {
			t.Errorf("a password is printed: %s", said.String()[max(0, i-200):i])
		}
	}
	if !strings.Contains(said.String(), "fetch-file") {
		t.Error("nothing was traced")
	}
	everyFile(t, func(path string, b []byte) {
		for _, h := range hidden {
			if bytes.Contains(b, []byte(h)) && filepath.Base(path) != "install.secret" {
				t.Errorf("a password stands in %s", path)
			}
		}
		if bytes.Contains(b, []byte("edrc lab: inert sample")) {
			t.Errorf("%s has malware in clear", path)
		}
	}, d.stateDir(), dir)
	if info, err := os.Stat(filepath.Join(d.stateDir(), "install.secret")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}
