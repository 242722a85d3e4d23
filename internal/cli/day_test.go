package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"edrc/internal/lab"
	"edrc/internal/term"
)

// day is a world of simulated vendors and an analyst who types commands.
type day struct {
	*testing.T
	lab   *lab.Lab
	dir   string
	state string // which machine: two states are two analysts
	ahead time.Duration
	typed string // what the analyst answers; "" is no terminal
	stdin string
	tty   bool // stdout is a terminal
	asked string
	// transport, if set, sees what is sent.
	transport func(http.RoundTripper) http.RoundTripper
}

// newDay starts a lab; sync says that everything was judged before.
func newDay(t *testing.T, o lab.Options, sync bool) *day {
	t.Helper()
	t.Parallel()
	l, err := lab.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	d := &day{T: t, lab: l, dir: t.TempDir(), state: "mine"}
	d.write(d.config(), strings.ReplaceAll(string(l.Config()), "poll: 100ms", "poll: 20ms")+"http: {retry_base: 5ms}\nsync: {wait: 5s}\n")
	if sync {
		if r := d.edrc("sync"); r.exit != 0 && r.exit != 3 && r.exit != 7 {
			t.Fatalf("sync: %+v", r)
		}
	}
	return d
}

func (d *day) write(path, text string) {
	d.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		d.Fatal(err)
	}
}

// manyWrite is stderr as the system has it: several may write at once.
type manyWrite struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *manyWrite) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *manyWrite) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

type typedResult struct {
	exit     int
	out, err string
}

func (d *day) config() string { return filepath.Join(d.dir, "edrc.yaml") }

// setting changes the configuration: what stands there becomes something else.
func (d *day) setting(old, now string) {
	d.Helper()
	b, err := os.ReadFile(d.config())
	if err != nil || !strings.Contains(string(b), old) {
		d.Fatalf("%v, or no %q in\n%s", err, old, b)
	}
	d.write(d.config(), strings.Replace(string(b), old, now, 1))
}

func (d *day) stateDir() string { return filepath.Join(d.dir, "state-"+d.state) }

func (d *day) edrc(args ...string) typedResult {
	d.Helper()
	io, out, _ := term.Test(d.stdin)
	errs := &manyWrite{}
	io.Err = errs
	io.Now = func() time.Time { return time.Now().Add(d.ahead) }
	io.OutTTY = d.tty
	var asked *bytes.Buffer
	if d.typed != "" {
		asked = io.Answer(d.typed)
	}
	env := Env{IO: io, Now: io.Now, LookupEnv: func(k string) (string, bool) {
		return map[string]string{"EDRC_STATE_DIR": d.stateDir(), "HOME": d.dir}[k], k == "EDRC_STATE_DIR" || k == "HOME"
	}}
	env.Transport = d.transport
	code := Run(context.Background(), append([]string{"--config", filepath.Join(d.dir, "edrc.yaml")}, args...), env)
	if asked != nil {
		d.asked = asked.String()
	}
	return typedResult{code, out.String(), errs.String()}
}

// ok runs a command that must succeed, and gives its stdout.
func (d *day) ok(args ...string) string {
	d.Helper()
	r := d.edrc(args...)
	if r.exit != 0 {
		d.Fatalf("edrc %s: exit %d\n%s\n%s", strings.Join(args, " "), r.exit, r.out, r.err)
	}
	return r.out
}

// refused runs a command that must fail with an exit code and words on stderr.
func (d *day) refused(exit int, words string, args ...string) typedResult {
	d.Helper()
	r := d.edrc(args...)
	if r.exit != exit || !strings.Contains(r.err, words) {
		d.Errorf("edrc %s: exit %d, want %d with %q\n%s\n%s", strings.Join(args, " "), r.exit, exit, words, r.out, r.err)
	}
	return r
}

// lines gives the JSON objects of an ndjson output.
func (d *day) objects(text string) (out []map[string]any) {
	d.Helper()
	for line := range strings.Lines(text) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			d.Fatalf("%v in %q", err, line)
		}
		out = append(out, m)
	}
	return out
}

func (d *day) items(text string) (out []map[string]any) {
	d.Helper()
	var e struct {
		Schema string
		Items  []map[string]any
	}
	if err := json.Unmarshal([]byte(text), &e); err != nil || e.Schema == "" {
		d.Fatalf("%v in %.300q", err, text)
	}
	return e.Items
}

// everyFormat prints a list in all formats and looks for terminal control.
func (d *day) everyFormat(args ...string) {
	d.Helper()
	for _, f := range []string{"table", "wide", "json", "ndjson", "yaml", "csv", "md"} {
		out := d.ok(append(args, "-o", f)...)
		if out == "" || strings.ContainsAny(out, "\x1b\x07\r") || strings.Contains(out, "\u202e") {
			d.Errorf("-o %s: %.400q", f, out)
		}
	}
	d.refused(2, "did you mean", append(args, "-o", "jsn")...)
}

func (d *day) ref(status string) string {
	d.Helper()
	got := d.objects(d.ok("alerts", "list", "--since", "4d", "--status", status, "--limit", "1", "-o", "ndjson"))
	if len(got) != 1 {
		d.Fatal("the lab has no such alert")
	}
	return got[0]["ref"].(string)
}

func (d *day) control(command, body string) {
	d.Helper()
	resp, err := http.Post(d.lab.ControlURL()+"/_lab/"+command, "application/json", strings.NewReader(body))
	if err != nil {
		d.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		d.Fatalf("%s: %s", command, resp.Status)
	}
}
