//go:build linux

package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"edrc/internal/lab"
)

// runLimit bounds one child, also beside the tests of every other package.
const runLimit = slow * 3 * time.Minute

// epoch is when every world begins: the same seed then gives the same alerts.
var epoch = time.Now().Truncate(time.Second)

// world is a lab and one store that edrc processes work on.
type world struct {
	*testing.T
	lab    *lab.Lab
	dir    string
	runs   atomic.Int64
	passed atomic.Int64 // how far the clock was moved on, for the vendors and for every later child
}

// settings are what a test changes in the configuration of its world.
type settings struct {
	timeout time.Duration // of a request; default 5 s
	settle  time.Duration // before a note that is not seen counts as absent; default the lab's lag, at least 100 ms
	sync    string        // more of the sync section, such as "overlap: 10m"
	lease   time.Duration // default 2 s
	wait    time.Duration // default 3 s
	retry   time.Duration // of an endpoint that is offline, doubled each time; default 1 h: no run waits for it
}

// newWorld starts a lab. Its clock begins at epoch, so that two worlds of one seed
// have the same alerts with the same ids.
func newWorld(t *testing.T, o lab.Options, s settings) *world {
	t.Helper()
	w := &world{T: t, dir: t.TempDir()}
	began := time.Now()
	o.Now = func() time.Time { return epoch.Add(time.Since(began)).Add(time.Duration(w.passed.Load())) }
	o.StorePath = filepath.Join(w.dir, "edrc.db")
	l, err := lab.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	w.lab = l
	if err := os.Mkdir(filepath.Join(w.dir, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(w.config(), s.apply(t, string(l.Config()), o.NoteLag), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

func (s settings) apply(t *testing.T, text string, lag time.Duration) []byte {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&s.timeout, slow*5*time.Second)
	set(&s.settle, max(lag, slow*100*time.Millisecond))
	set(&s.lease, slow*2*time.Second)
	set(&s.wait, slow*3*time.Second)
	set(&s.retry, time.Hour)
	text = regexp.MustCompile(`note_settle: \S+,`).ReplaceAllString(text, fmt.Sprintf("note_settle: %s,", s.settle))
	for _, change := range [][2]string{
		{"concurrency: 8, poll: 100ms", "concurrency: 8, poll: 30ms, reserve: 0"},
		{"fetch: {poll: 100ms}", fmt.Sprintf("fetch: {poll: 30ms, retry: %s}", s.retry)},
	} {
		if !strings.Contains(text, change[0]) {
			t.Fatalf("the lab's configuration has no %q:\n%s", change[0], text)
		}
		text = strings.ReplaceAll(text, change[0], change[1])
	}
	text += fmt.Sprintf("http: {timeout: %s, retry_base: 5ms}\n", s.timeout)
	more := ""
	if s.sync != "" {
		more = ", " + s.sync
	}
	return []byte(text + fmt.Sprintf("sync: {wait: %s, lease: %s%s}\n", s.wait, s.lease, more))
}

func (w *world) config() string { return filepath.Join(w.dir, "edrc.yaml") }

// later lets time pass, for the vendors and for whoever starts from now on: claims
// of the dead run out, and what cron runs next finds them so.
func (w *world) later(d time.Duration) { w.passed.Add(int64(d)) }

// soon is how long after one run cron starts the next one.
const soon = 5 * time.Minute

// control sends a command to the lab's control server.
func (w *world) control(command string, body, out any) {
	w.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.lab.ControlURL()+"/_lab/"+command, bytes.NewReader(b))
	if err != nil {
		w.Fatal(err)
	}
	w.fetch(req, out)
}

func (w *world) fetch(req *http.Request, out any) {
	w.Helper()
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		w.Fatalf("%s %s: %d %s (%v)", req.Method, req.URL, resp.StatusCode, body, err)
	}
	if out != nil {
		if err := json.Unmarshal(body, out); err != nil {
			w.Fatalf("%s: %v", req.URL, err)
		}
	}
}

// addAlerts adds alerts to the lab and gives their ids.
func (w *world) addAlerts(command map[string]any) []string {
	w.Helper()
	var out struct{ IDs []string }
	w.control("alerts", command, &out)
	return out.IDs
}

// process is a child that runs.
type process struct {
	*world
	name   string
	args   []string
	cmd    *exec.Cmd
	cancel context.CancelFunc
	stdout bytes.Buffer
	stderr bytes.Buffer
	log    string
}

// run is what a child did.
type run struct {
	name       string
	exit       int // -1: it was killed
	killed     bool
	locked     bool     // another process held the store's file for too long
	boundaries []string // what it passed, in order
	summary    summary  // of a sync
	stdout     string
	stderr     string
}

// summary is the part of `edrc sync -o json` that tests read.
type summary struct {
	New         int            `json:"new"`
	Notes       int            `json:"notes"`
	NotesDue    int            `json:"notes_due"`
	ScansSpent  int            `json:"scans_spent"`
	Waiting     map[string]int `json:"waiting"`
	Skipped     map[string]int `json:"skipped"`
	Quarantined int            `json:"quarantined"`
	Sources     []struct {
		Source   string `json:"source"`
		Alerts   int    `json:"alerts"`
		New      int    `json:"new"`
		Changed  int    `json:"changed"`
		Late     int    `json:"late"`
		Repaired int    `json:"repaired"`
		Busy     string `json:"busy"`
	} `json:"sources"`
	Errors []any `json:"errors"`
}

// start runs edrc in a process of its own. env are variables for the child.
func (w *world) start(env []string, args ...string) *process {
	w.Helper()
	n := w.runs.Add(1)
	self, err := os.Executable()
	if err != nil {
		w.Fatal(err)
	}
	p := &process{world: w, args: args, name: fmt.Sprintf("run %d (%s)", n, strings.Join(args, " "))}
	p.log = filepath.Join(w.dir, fmt.Sprintf("boundaries-%d.log", n))
	ctx, cancel := context.WithTimeout(context.Background(), runLimit)
	p.cancel = cancel
	p.cmd = exec.CommandContext(ctx, self, append([]string{"--config", w.config(), "--color", "never"}, args...)...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.Env = append([]string{
		envChild + "=1", envLog + "=" + p.log, envAhead + "=" + time.Duration(w.passed.Load()).String(),
		"EDRC_STATE_DIR=" + filepath.Join(w.dir, "state"), "HOME=" + w.dir, "TMPDIR=" + filepath.Join(w.dir, "tmp"),
		"GOCOVERDIR=" + w.dir, "TZ=" + zones[int(n)%len(zones)],
	}, env...)
	if err := p.cmd.Start(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(cancel) // kills it, when a test gave up
	return p
}

// zones: one store is used from cron and from a terminal, and not in one time zone.
// The half hours matter: Go shares the zones of whole hours, so that times of these
// are equal with == by chance.
var zones = []string{"UTC", "Asia/Kolkata", "America/St_Johns"}

// wait waits for the child's end.
func (p *process) wait() run {
	p.Helper()
	defer p.cancel()
	err := p.cmd.Wait()
	st, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok {
		p.Fatalf("%s: %v", p.name, err)
	}
	r := run{name: p.name, exit: p.cmd.ProcessState.ExitCode(), stdout: p.stdout.String(), stderr: p.stderr.String(), boundaries: p.boundaries()}
	r.killed = st.Signaled() && st.Signal() == syscall.SIGKILL
	for _, bug := range []string{"DATA RACE", "panic:", "cannot become"} { // the last: a state that others had settled
		if strings.Contains(r.stderr+r.stdout, bug) {
			p.Errorf("%s:\n%s\n%s", p.name, r.stdout, r.stderr)
		}
	}
	r.locked = strings.Contains(r.stderr, `"kind":"locked"`)
	if slices.Contains(p.args, "sync") && !r.killed && !r.locked {
		out := struct{ Item *summary }{}
		if err := json.Unmarshal(p.stdout.Bytes(), &out); err != nil || out.Item == nil {
			p.Fatalf("%s: exit %d, no summary: %v\n%s\n%s", p.name, r.exit, err, r.stdout, r.stderr)
		}
		r.summary = *out.Item
	}
	return r
}

func (p *process) boundaries() []string {
	b, _ := os.ReadFile(p.log)
	var out []string
	for line := range strings.Lines(string(b)) {
		_, what, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if what != "" {
			out = append(out, what)
		}
	}
	return out
}

// untilStopped waits until the child has stopped itself; false when it ended first.
func (p *process) untilStopped() bool {
	p.Helper()
	for deadline := time.Now().Add(runLimit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		b, _ := os.ReadFile(p.log)
		if strings.Contains(string(b), "\n"+stopped+"\n") {
			_ = p.cmd.Process.Signal(syscall.SIGSTOP) // it has sent itself one; now it is certain
			return true
		}
		// A zombie is waited for by wait; until then signal 0 reaches it.
		if stat, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/stat"); err == nil && bytes.Contains(stat, []byte(") Z ")) {
			return false
		}
	}
	p.Fatalf("%s neither stopped nor ended", p.name)
	return false
}

func (p *process) goOn() { _ = p.cmd.Process.Signal(syscall.SIGCONT) }

func (w *world) edrc(args ...string) run { w.Helper(); return w.start(nil, args...).wait() }

// sync is `edrc sync` as cron runs it.
func (w *world) sync(args ...string) run {
	w.Helper()
	return w.edrc(append([]string{"sync", "-o", "json"}, args...)...)
}

// crashing is a sync that kills or stops itself at a boundary; what, unless it is
// "", says which boundaries count.
func (w *world) crashing(how string, at int, what string) *process {
	w.Helper()
	return w.ending(how, at, what, "sync", "-o", "json")
}

// ending is crashing for any command.
func (w *world) ending(how string, at int, what string, args ...string) *process {
	w.Helper()
	return w.start([]string{envAt + "=" + strconv.Itoa(at), envHow + "=" + how, envWhat + "=" + what}, args...)
}

// settled reports whether a run left nothing that edrc could do by itself: a file
// that nobody gives, or whose endpoint is offline, is somebody else's to do.
func (r run) settled() bool {
	s := r.summary
	for reason, n := range s.Waiting {
		if n > 0 && reason != "file needed" && reason != "endpoint offline" {
			return false
		}
	}
	for _, src := range s.Sources {
		if src.Busy != "" {
			return false
		}
	}
	return r.exit == 0 && !r.killed && s.NotesDue == 0 && len(s.Errors) == 0
}

// untilSettled syncs, some minutes apart, until a run leaves nothing to do, and gives
// that run.
func (w *world) untilSettled(most int) run {
	w.Helper()
	var last run
	for range most {
		w.later(soon)
		if last = w.sync(); last.settled() && last.summary.Quarantined == 0 {
			return last
		}
	}
	w.Fatalf("%d runs have not settled it; the last: exit %d\n%s\n%s", most, last.exit, last.stdout, last.stderr)
	return last
}

// count gives how many boundaries of a run begin so.
func (r run) count(prefix string) int {
	n := 0
	for _, b := range r.boundaries {
		if strings.HasPrefix(b, prefix) {
			n++
		}
	}
	return n
}

// untilSettledNow is untilSettled without letting more time pass than does.
func (w *world) untilSettledNow(limit time.Duration) {
	w.Helper()
	for deadline := time.Now().Add(slow * limit); ; time.Sleep(200 * time.Millisecond) {
		r := w.sync()
		if r.settled() && r.summary.Quarantined == 0 {
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("not settled after %s; the last run: exit %d\n%s\n%s", limit, r.exit, r.stdout, r.stderr)
		}
	}
}
