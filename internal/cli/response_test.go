package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
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
	writes *[]string // "POST /path", of AWS with its operation
}

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet {
		return w.RoundTripper.RoundTrip(r)
	}
	what := r.Method + " " + r.URL.Path
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		b, err := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(b))
		if _ = r.Body.Close(); err == nil {
			what += map[bool]string{true: " DryRun ", false: " "}[form.Get("DryRun") == "true"] + form.Get("Action")
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(b))
	}
	w.mu.Lock()
	*w.writes = append(*w.writes, what)
	w.mu.Unlock()
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
	w.typing("", "actions", "show", id).want(t, 0, "alert  ", ref)
	w.must("alerts", "get", ref)
	w.typing("", "alerts", "get", ref).want(t, 0, "edrc undo "+id)
	w.typing("y\n", "undo", id, "--reason", "false alarm").want(t, 0, "Undo "+id, "undid "+id, "note posted to "+ref)
	if got := w.isolated(); len(got) > 0 {
		t.Errorf("isolated are %v", got)
	}
	w.typing("", "undo", id, "--yes").want(t, 0, "was undone by")
	told := w.notes(ref)
	if len(told) != 2 || !strings.Contains(told[1], "Undo of "+id+", isolate host "+host) || !strings.Contains(told[1], "Reason: false alarm") {
		t.Errorf("on the alert are %q", told)
	}
	if audit := w.must("audit", "list", "--jq", "[.items[].alert] | unique | .[]").out; strings.TrimSpace(audit) != ref {
		t.Errorf("the audit names the alerts %q", audit)
	}
}

// notes gives the texts on an alert, as the console has them.
func (w *world) notes(ref string) []string {
	source, id, _ := strings.Cut(ref, ":")
	return w.lab.State().Sources[source].Notes[id]
}

func TestASavedPlanTellsTheAlertThatItWasMadeFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Alerts: 30, Files: 10})
	ref, _ := w.anAlert()
	saved := filepath.Join(w.dir, "p.json")
	w.write(saved, []byte(w.must("plan", "isolate", "host", ref, "--reason", "IR-7", "-o", "json").out), 0o600)
	w.typing("", "apply", saved, "--yes").want(t, 0, "note posted to "+ref)
	if told := w.notes(ref); len(told) != 1 || !strings.Contains(told[0], "Reason: IR-7") {
		t.Errorf("%q", told)
	}
	id := strings.TrimSpace(w.must("actions", "list", "--jq", ".items[0].id").out)
	w.must("undo", id, "--yes", "--no-note")
	if told := w.notes(ref); len(told) != 1 {
		t.Errorf("--no-note, and there are %q", told)
	}
}

func TestAnAlertOffersWhatFits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Alerts: 30, Files: 10})
	ref, host := w.anAlert()
	next := func(ref string) string { return w.must("alerts", "get", ref).out }
	if got := next(ref); !strings.Contains(got, "edrc isolate host "+ref) || strings.Contains(got, "edrc undo") {
		t.Errorf("before:\n%s", got)
	}
	w.must("isolate", "host", host, "--reason", "IR-1", "--yes")
	id := strings.TrimSpace(w.must("actions", "list", "--jq", ".items[0].id").out)
	if got := next(ref); strings.Contains(got, "edrc isolate host "+ref) || !strings.Contains(got, "edrc undo "+id) {
		t.Errorf("isolated:\n%s", got)
	}
	w.must("undo", id, "--yes")
	if got := next(ref); !strings.Contains(got, "edrc isolate host "+ref) || strings.Contains(got, "edrc undo") {
		t.Errorf("released:\n%s", got)
	}
	w.must("alerts", "resolve", ref, "--as", "true-positive", "--status", "resolved")
	if got := next(ref); strings.Contains(got, "edrc isolate host") {
		t.Errorf("closed:\n%s", got)
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
	config := w.env["EDRC_CONFIG"]
	if b, err = os.ReadFile(config); err != nil {
		t.Fatal(err)
	}
	w.write(config, append(b, "\nenvironments:\n  prod: {groups: [{accounts: all}]}\n"...), 0o600)
	w.typing("", "actions", "resume", id, "--yes", "--environment", "prod").want(t, 4, "outside environment prod")
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
