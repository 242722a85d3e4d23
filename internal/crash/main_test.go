//go:build linux

package crash

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	_ "time/tzdata" // children run in several time zones, whatever the machine knows

	"edrc/internal/cli"
	"edrc/internal/ledger"
	"edrc/internal/respond"
	"edrc/internal/scan"
	"edrc/internal/term"
)

// What the parent tells a child, by environment.
const (
	envChild = "CRASH_CHILD" // set: this process is edrc
	envAt    = "CRASH_AT"    // the boundary to end at, from 1
	envHow   = "CRASH_HOW"   // kill or stop
	envWhat  = "CRASH_WHAT"  // count only the boundaries that begin so
	envAhead = "CRASH_AHEAD" // how far the child's clock is ahead
	envLog   = "CRASH_LOG"   // the file that boundaries are written to
	envPeak  = "CRASH_PEAK"  // the file that the process' own figures are written to at its end
)

// childLife bounds a child whose parent is gone.
const childLife = 2 * runLimit

func TestMain(m *testing.M) {
	if os.Getenv(envChild) == "" {
		flag.Parse()
		sideBySide()
		os.Exit(m.Run())
	}
	time.AfterFunc(childLife, func() { os.Exit(99) })
	os.Exit(child())
}

// sideBySide runs more tests at once than there are processors, unless -parallel
// says otherwise: children spend their time waiting for the store's pauses.
func sideBySide() {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", strconv.Itoa(max(10, 14/slow)))
	}
}

// child is edrc with its boundaries counted.
func child() int {
	ahead, _ := time.ParseDuration(os.Getenv(envAhead))
	g := &gate{how: os.Getenv(envHow), what: os.Getenv(envWhat)}
	g.at, _ = strconv.Atoi(os.Getenv(envAt))
	var err error
	if g.log, err = os.OpenFile(os.Getenv(envLog), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 98
	}
	defer tellPeak(os.Getenv(envPeak))
	return cli.Run(context.Background(), os.Args[1:], cli.Env{
		IO: term.System(), LookupEnv: os.LookupEnv, Now: func() time.Time { return time.Now().Add(ahead) },
		Transport: func(rt http.RoundTripper) http.RoundTripper { return &transport{gate: g, inner: rt} },
		Store:     func(s scan.Store) scan.Store { return &store{gate: g, inner: s} },
		Journal:   func(j respond.Journal) respond.Journal { return &journal{gate: g, Journal: j} },
	})
}

// tellPeak writes down what the kernel says of this process; the most memory that it
// had is VmHWM.
func tellPeak(file string) {
	if b, err := os.ReadFile("/proc/self/status"); err == nil && file != "" {
		_ = os.WriteFile(file, b, 0o600)
	}
}

// gate counts boundaries, and ends or stops the process at one of them.
type gate struct {
	how, what string
	at        int
	log       *os.File
	// file is held while the store's file may be open: a process that is stopped
	// with the file locked blocks all others, as it should, and proves nothing.
	file sync.RWMutex

	mu      sync.Mutex
	passed  int // all boundaries
	counted int // those that count for at
}

// pass is one boundary. Everything that has been reported is in the log before it
// returns; a process that is killed here does nothing more.
func (g *gate) pass(what string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.passed++
	fmt.Fprintf(g.log, "%d %s\n", g.passed, what)
	if g.how == "stop" && strings.HasPrefix(what, "send ") || !strings.HasPrefix(what, g.what) {
		return // see TestAStoppedProcessDoublesNothingWhenItGoesOn
	}
	if g.counted++; g.counted != g.at {
		return
	}
	switch g.how {
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way
	case "stop":
		g.file.Lock()
		fmt.Fprintln(g.log, stopped)
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		time.Sleep(500 * time.Millisecond) // the threads are stopped a moment later, on a busy machine a long one
		g.file.Unlock()
	}
}

const stopped = "stopped"

// store counts the commits.
type store struct {
	*gate
	inner scan.Store
}

func (s *store) View(ctx context.Context, fn func(ledger.Tx) error) error {
	s.file.RLock()
	defer s.file.RUnlock()
	return s.inner.View(ctx, fn)
}

func (s *store) Update(ctx context.Context, records int, fn func(ledger.Tx) error) error {
	s.pass("commit")
	err := s.update(ctx, records, fn)
	s.pass(fmt.Sprintf("committed %t", err == nil))
	return err
}

func (s *store) update(ctx context.Context, records int, fn func(ledger.Tx) error) error {
	s.file.RLock()
	defer s.file.RUnlock()
	return s.inner.Update(ctx, records, fn)
}

// journal counts the lines of actions.
type journal struct {
	*gate
	respond.Journal
}

func (j *journal) Create(id string, l respond.Line) error {
	return j.line(l, func() error { return j.Journal.Create(id, l) })
}

func (j *journal) Append(id string, l respond.Line) error {
	return j.line(l, func() error { return j.Journal.Append(id, l) })
}

func (j *journal) line(l respond.Line, write func() error) error {
	j.pass("write " + string(l.Event))
	err := write()
	j.pass("written " + string(l.Event))
	return err
}

// transport counts the requests that change something at a vendor, and those of a
// file that is on its way from one.
type transport struct {
	*gate
	inner http.RoundTripper
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	what := r.Method + " " + r.URL.Path
	r, op := awsOperation(r)
	if op != "" {
		what += " " + op
		if awsReads(op) {
			return t.inner.RoundTrip(r)
		}
	}
	if !changes(r) && !fetches(r) {
		return t.inner.RoundTrip(r)
	}
	t.pass("send " + what)
	resp, err := t.inner.RoundTrip(r)
	status := 0
	if err == nil {
		status = resp.StatusCode
		if fetches(r) {
			resp.Body = &body{ReadCloser: resp.Body, gate: t.gate, what: "received " + r.URL.Path}
		}
	}
	t.pass(fmt.Sprintf("sent %d %s", status, what))
	return resp, err
}

// awsOperation gives the operation of a request in AWS's query protocol, "" of any
// other, and the request to send on.
func awsOperation(r *http.Request) (*http.Request, string) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") || r.Body == nil {
		return r, ""
	}
	b, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	again := r.Clone(r.Context())
	again.Body = io.NopCloser(bytes.NewReader(b))
	form, _ := url.ParseQuery(string(b))
	if err != nil || form.Get("DryRun") == "true" {
		return again, "DescribeNothing"
	}
	return again, form.Get("Action")
}

// awsReads reports whether an operation of AWS changes nothing that anybody cares for.
func awsReads(op string) bool {
	return slices.ContainsFunc([]string{"Describe", "Get", "List", "Simulate", "AssumeRole"}, func(p string) bool { return strings.HasPrefix(op, p) })
}

// changes reports whether a request may change something at the vendor that
// anybody cares for: a token is nothing.
func changes(r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return false
	}
	for _, read := range []string{"/get-access-token", "/api-token-details", "/findings", "/findings/get"} {
		if strings.HasSuffix(r.URL.Path, read) {
			return false
		}
	}
	return true
}

// fetches reports whether a request looks for a file that was asked for, or
// downloads it.
func fetches(r *http.Request) bool {
	return r.Method == http.MethodGet && (strings.HasSuffix(r.URL.Path, "/activities") || strings.Contains(r.URL.Path, "/uploads/"))
}

// body counts the end of a reply that streams.
type body struct {
	io.ReadCloser
	*gate
	what string
	once sync.Once
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.once.Do(func() { b.pass(b.what) })
	}
	return n, err
}
