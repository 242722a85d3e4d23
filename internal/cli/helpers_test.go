package cli_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"edrc/internal/cli"
	"edrc/internal/lab"
	"edrc/internal/term"
)

// running keeps the labs of scripts, by their folder.
var running labsByDir

type labsByDir struct {
	mu sync.Mutex
	by map[string]*lab.Lab
}

func (r *labsByDir) add(dir string, l *lab.Lab) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by == nil {
		r.by = map[string]*lab.Lab{}
	}
	r.by[dir] = l
}

func (r *labsByDir) get(dir string) *lab.Lab {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.by[dir]
}

// holdStore locks the store named by its argument and never lets go.
func holdStore() {
	db, err := bolt.Open(os.Args[1], 0o600, nil)
	if err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString("held\n")
	time.Sleep(time.Minute)
	_ = db.Close()
}

// world is a lab with a configuration that points at it, and a home of its own.
type world struct {
	t      *testing.T
	lab    *lab.Lab
	dir    string
	config string
	env    map[string]string
}

func newWorld(t *testing.T, o lab.Options) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	o.StorePath = filepath.Join(w.dir, "store.db")
	l, err := lab.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	w.lab, w.config = l, filepath.Join(w.dir, "lab.yaml")
	w.write(w.config, l.Config(), 0o600)
	w.env = map[string]string{"HOME": w.dir, "EDRC_CONFIG": w.config, "EDRC_STATE_DIR": filepath.Join(w.dir, "state"), "PATH": os.Getenv("PATH")}
	return w
}

func (w *world) write(path string, data []byte, mode os.FileMode) {
	w.t.Helper()
	if err := os.WriteFile(path, data, mode); err != nil {
		w.t.Fatal(err)
	}
}

// lockedBuffer is stderr as the system has it: several may write at once.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// result is how a command ended.
type result struct {
	code        int
	out, errout string
}

// run runs a command in this process, without a terminal.
func (w *world) run(args ...string) result {
	w.t.Helper()
	io, out, _ := term.Test("")
	errout := &lockedBuffer{}
	io.Now, io.Err = time.Now, errout
	code := cli.Run(context.Background(), args, w.environment(io))
	return result{code, out.String(), errout.String()}
}

// onTerminal runs a command as on a terminal of a width.
func (w *world) onTerminal(width int, args ...string) result {
	w.t.Helper()
	io, out, _ := term.Test("")
	errout := &lockedBuffer{}
	io.Now, io.Err, io.OutTTY, io.Width = time.Now, errout, true, width
	code := cli.Run(context.Background(), args, w.environment(io))
	return result{code, out.String(), errout.String()}
}

func (w *world) environment(io *term.IO) cli.Env {
	lookup := func(key string) (string, bool) {
		v, ok := w.env[key]
		return v, ok
	}
	return cli.Env{IO: io, Now: time.Now, LookupEnv: lookup}
}

// must runs a command that succeeds.
func (w *world) must(args ...string) result {
	w.t.Helper()
	r := w.run(args...)
	if r.code != 0 {
		w.t.Fatalf("edrc %v: exit %d\n%s%s", args, r.code, r.out, r.errout)
	}
	return r
}

// child is edrc in a process of its own.
type child struct {
	*exec.Cmd
	t           *testing.T
	out, errout bytes.Buffer
}

func (w *world) start(args ...string) *child {
	w.t.Helper()
	c := &child{Cmd: exec.Command("edrc", args...), t: w.t}
	for k, v := range w.env {
		c.Env = append(c.Env, k+"="+v)
	}
	c.Stdout, c.Stderr = &c.out, &c.errout
	if err := c.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Process.Kill() })
	return c
}

func (c *child) signal(s syscall.Signal) {
	c.t.Helper()
	if err := c.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// wait gives the exit code; a child that hangs fails the test.
func (c *child) wait(most time.Duration) int {
	c.t.Helper()
	timer := time.AfterFunc(most, func() { _ = c.Process.Kill() })
	err := c.Wait()
	if !timer.Stop() {
		c.t.Fatalf("edrc did not end within %v\n%s%s", most, c.out.String(), c.errout.String())
	}
	if ee, ok := errors.AsType[*exec.ExitError](err); ok {
		return ee.ExitCode()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return 0
}

// until polls a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s did not happen within 10s", what)
}

// control tells the lab something.
func (w *world) control(command, body string) error {
	resp, err := http.Post(w.lab.ControlURL()+"/_lab/"+command, "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}
