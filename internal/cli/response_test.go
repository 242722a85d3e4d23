package cli_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"edrc/internal/cli"
	"edrc/internal/lab"
	"edrc/internal/term"
)

// wire keeps what was sent that may change something.
type wire struct {
	http.RoundTripper
	mu     *sync.Mutex
	writes *[]string // "POST /path"
}

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		w.mu.Lock()
		*w.writes = append(*w.writes, r.Method+" "+r.URL.Path)
		w.mu.Unlock()
	}
	return w.RoundTripper.RoundTrip(r)
}

func (w wire) CloseIdleConnections() {
	if c, ok := w.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// said is how a command ended that somebody watched.
type said struct {
	result
	asked  string   // on the terminal
	writes []string // the requests that may have changed something
}

// typing runs a command with a person at the terminal, who types lines; typed "" is nobody.
func (w *world) typing(typed string, args ...string) said {
	w.t.Helper()
	io, out, _ := term.Test("")
	errout := &lockedBuffer{}
	io.Now, io.Err = time.Now, errout
	asked := func() string { return "" }
	if typed != "" {
		asked = io.Answer(typed).String
	}
	var writes []string
	var mu sync.Mutex
	env := w.environment(io)
	env.Transport = func(under http.RoundTripper) http.RoundTripper { return wire{under, &mu, &writes} }
	code := cli.Run(context.Background(), args, env)
	return said{result{code, out.String(), errout.String()}, asked(), writes}
}

func (s said) want(t *testing.T, code int, texts ...string) {
	t.Helper()
	if s.code != code {
		t.Fatalf("exit %d, want %d\n%s%s%s", s.code, code, s.asked, s.out, s.errout)
	}
	all := s.asked + s.out + s.errout
	for _, text := range texts {
		if !strings.Contains(all, text) {
			t.Errorf("%q is missing in\n%s", text, all)
		}
	}
}

func (w *world) isolated() []string { return w.lab.State().Sources["s1-lab"].Isolated }

// anAlert is the ref of an alert on a host that is online, and the host's name.
func (w *world) anAlert() (ref, host string) {
	w.t.Helper()
	line := w.must("alerts", "list", "--since", "30d", "--all", "--jq", `[.items[] | select(.host.reachable)][0] | .ref + " " + .host.name`).out
	ref, host, _ = strings.Cut(strings.TrimSpace(line), " ")
	return ref, host
}

func TestAnIsolationIsConfirmedJournalledToldAndUndone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Alerts: 30, Files: 10})
	ref, host := w.anAlert()

	for _, dry := range [][]string{{"isolate", "host", ref, "--dry-run"}, {"isolate", "host", ref, "--reason", "IR-2231", "--dry-run", "--yes"},
		{"plan", "isolate", "host", ref, "-o", "json"}} {
		r := w.typing("", dry...)
		if r.want(t, 0, "isolate host "+host); len(r.writes) > 0 {
			t.Errorf("%v sent %v", dry, r.writes)
		}
	}
	for _, no := range []string{"y\n", "\n", host + "x\n"} {
		r := w.typing(no, "isolate", "host", ref, "--reason", "IR-2231")
		if r.want(t, 8, "Type the host's name to isolate it:", "nothing was changed"); len(r.writes) > 0 {
			t.Errorf("after %q were sent %v", no, r.writes)
		}
	}
	if r := w.typing("", "isolate", "host", ref, "--reason", "IR-2231"); len(r.writes) > 0 {
		t.Errorf("without a terminal were sent %v", r.writes)
	} else {
		r.want(t, 8, "--yes")
	}
	if dir := filepath.Join(w.env["EDRC_STATE_DIR"], "actions"); len(glob(t, dir)) > 0 {
		t.Errorf("journals were begun: %v", glob(t, dir))
	}

	r := w.typing(host+"\n", "isolate", "host", ref, "--reason", "IR-2231 ransomware")
	r.want(t, 0, "done and read back", "note posted to "+ref)
	disconnect := 0
	for _, sent := range r.writes {
		if strings.HasSuffix(sent, "/agents/actions/disconnect") {
			disconnect++
		}
	}
	if got := w.isolated(); disconnect != 1 || !slices.Equal(got, []string{host}) {
		t.Errorf("%d requests, isolated are %v", disconnect, got)
	}
	notes := w.must("note", "list", ref).out
	id := strings.TrimSpace(w.must("actions", "list", "--jq", ".items[0].id").out)
	for _, part := range []string{"Isolate host " + host, "Reason: IR-2231 ransomware", "undo: edrc undo " + id} {
		if !strings.Contains(notes, part) {
			t.Errorf("the note has no %q:\n%s", part, notes)
		}
	}
	w.typing("", "isolated").want(t, 0, host, "isolated", "IR-2231 ransomware", id)
	w.typing("y\n", "undo", id).want(t, 0, "Undo "+id, "undid "+id)
	if got := w.isolated(); len(got) > 0 {
		t.Errorf("isolated are %v", got)
	}
}

func glob(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "A-*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestDriftIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Alerts: 10, Files: 5})
	w.must("isolate", "host", "ws-anna", "--reason", "IR-1", "--yes")
	// Another edrc lets the host back: this one did not.
	other := w.env["EDRC_STATE_DIR"]
	copied := filepath.Join(w.dir, "other")
	if err := os.CopyFS(copied, os.DirFS(other)); err != nil {
		t.Fatal(err)
	}
	w.env["EDRC_STATE_DIR"] = copied
	w.must("release", "host", "WS-ANNA", "--yes")
	w.env["EDRC_STATE_DIR"] = other
	r := w.must("isolated", "-o", "json")
	var got struct {
		Items []struct {
			State string   `json:"state"`
			Drift []string `json:"drift"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || len(got.Items) != 1 || got.Items[0].State != "released" || len(got.Items[0].Drift) != 1 {
		t.Errorf("%v\n%s", err, r.out)
	}
	w.typing("", "isolated").want(t, 0, "DRIFT", "the host is not isolated")
}

func TestEachTargetIsAskedByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Alerts: 10, Files: 5})
	r := w.typing("WS-ANNA\nno\n", "isolate", "host", "ws-anna", "lt-bogdan", "--reason", "IR-1")
	r.want(t, 8, "isolate host WS-ANNA", "isolate host LT-BOGDAN", "was not confirmed")
	if got := w.isolated(); !slices.Equal(got, []string{"WS-ANNA"}) || strings.Count(r.asked, "Type the host's name") != 2 {
		t.Errorf("isolated are %v; asked %q", got, r.asked)
	}
	if got := w.typing("", "audit", "list", "-o", "json"); !strings.Contains(got.out, `"declined"`) {
		t.Errorf("the audit does not know who declined:\n%s", got.out)
	}
}

func TestAnActionThatWasCutOffIsResumed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Alerts: 10, Files: 5})
	w.must("isolate", "host", "ws-anna", "--reason", "IR-1", "--yes")
	id := strings.TrimSpace(w.must("actions", "list", "--jq", ".items[0].id").out)
	path := filepath.Join(w.env["EDRC_STATE_DIR"], "actions", id+".ndjson")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(b), "\n")
	w.write(path, []byte(strings.Join(lines[:2], "")), 0o600) // the plan and the intent
	w.typing("", "actions", "list", "--open").want(t, 0, "half-done")
	w.typing("", "actions", "show", id).want(t, 0, "it may have been sent", "edrc actions resume "+id)
	r := w.typing("", "actions", "resume", strings.ToLower(id), "--yes")
	if r.want(t, 0, id+" isolate host"); len(r.writes) > 0 {
		t.Errorf("what stands already was sent again: %v", r.writes)
	}
	w.typing("", "actions", "list", "--jq", ".items[0].status").want(t, 0, "done")
}

func TestEveryResponseListIsWholeInEveryFormat(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Alerts: 10, Files: 5})
	w.must("isolate", "host", "ws-anna", "--reason", "IR-1 \x1b[31m\u202e", "--yes")
	for _, command := range [][]string{{"isolated"}, {"actions", "list"}, {"audit", "list"}} {
		for _, format := range []string{"table", "wide", "json", "ndjson", "yaml", "csv", "md"} {
			r := w.must(append(command, "-o", format)...)
			if i := strings.IndexFunc(r.out+r.errout, harmful); i >= 0 || !strings.Contains(r.out, "IR-1") {
				t.Errorf("edrc %v -o %s prints %q", command, format, r.out)
			}
		}
	}
}
