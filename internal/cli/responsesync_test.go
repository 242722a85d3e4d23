package cli_test

import (
	"context"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"edrc/internal/cli"
	"edrc/internal/lab"
	"edrc/internal/term"
)

// asking counts the requests about hosts.
type asking struct {
	http.RoundTripper
	n *atomic.Int64
}

func (a asking) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/agents") {
		a.n.Add(1)
	}
	return a.RoundTripper.RoundTrip(r)
}

// syncing runs a sync and gives how often it asked about hosts, too.
func (w *world) syncing(args ...string) (result, int64) {
	w.t.Helper()
	io, out, _ := term.Test("")
	errout := &lockedBuffer{}
	io.Now, io.Err = time.Now, errout
	env := w.environment(io)
	var n atomic.Int64
	env.Transport = func(under http.RoundTripper) http.RoundTripper { return asking{under, &n} }
	code := cli.Run(context.Background(), append([]string{"sync"}, args...), env)
	return result{code, out.String(), errout.String()}, n.Load()
}

func TestSyncEndsWhatAHostHasDoneSince(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Alerts: 10, Files: 5})
	if r, asked := w.syncing(); r.code != 0 || asked != 0 || strings.Contains(r.out, "Done now") {
		t.Errorf("without an action: %d questions about hosts, %+v", asked, r)
	}
	w.must("isolate", "host", "ws-anna", "--reason", "IR-1", "--yes")
	if r, asked := w.syncing(); r.code != 0 || asked != 0 || strings.Contains(r.out, "Done now") {
		t.Errorf("with an action that is done: %d questions about hosts, %+v", asked, r)
	}
	if r := w.run("isolate", "host", "lt-dmitri", "--reason", "IR-2", "--yes"); r.code != 3 {
		t.Fatalf("%+v", r)
	}
	id := strings.TrimSpace(w.must("actions", "list", "--jq", ".items[-1].id").out)
	if r, asked := w.syncing(); r.code != 0 || asked == 0 || strings.Contains(r.out+r.errout, id) {
		t.Errorf("while the host is offline: %d questions about hosts, %+v", asked, r)
	}
	if err := w.control("agent", `{"source":"s1-lab","host":"LT-DMITRI","online":true}`); err != nil {
		t.Fatal(err)
	}
	if r, _ := w.syncing("--dry-run"); strings.Contains(r.out, "Done now") {
		t.Errorf("a dry run wrote: %+v", r)
	}
	told := 0
	for range 4 { // the lab's hosts change at a second look
		r, _ := w.syncing()
		if told += strings.Count(r.out, "Done now: "+id+" (isolate host LT-DMITRI"); r.code != 0 {
			t.Fatalf("%+v", r)
		}
	}
	if told != 1 {
		t.Errorf("it was told %d times", told)
	}
	w.typing("", "actions", "list", "--jq", ".items[-1].status").want(t, 0, "done")
}

func TestWhatSyncCannotReadAgainIsAWarning(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Alerts: 10, Files: 5})
	if r := w.run("isolate", "host", "lt-dmitri", "--reason", "IR-2", "--yes"); r.code != 3 {
		t.Fatalf("%+v", r)
	}
	b, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	w.write(w.config, []byte(strings.ReplaceAll(string(b), "s1-lab:", "renamed:")), 0o600)
	r, _ := w.syncing()
	if r.code != 3 || !strings.Contains(r.out, "posted") || !strings.Contains(r.errout, `no source is called "s1-lab"`) {
		t.Errorf("%+v", r)
	}
	if r, _ := w.syncing("-o", "json"); r.code != 3 || !strings.Contains(r.out, `no source is called`) {
		t.Errorf("%+v", r)
	}
}
