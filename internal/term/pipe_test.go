package term

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestAClosedPipeIsRemembered(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	_ = r.Close()
	p := NewPipeWriter(w)
	if p.Closed() {
		t.Fatal("closed before anything was written")
	}
	_, first := fmt.Fprintln(p, "one")
	if !IsClosedPipe(first) || !p.Closed() {
		t.Fatalf("the first write gave %v", first)
	}
	if _, again := fmt.Fprintln(p, "two"); !errors.Is(again, first) {
		t.Fatalf("the second write gave %v", again)
	}
}

func TestOtherErrorsAreNoClosedPipe(t *testing.T) {
	for _, err := range []error{nil, io.ErrShortWrite, os.ErrPermission} {
		if IsClosedPipe(err) {
			t.Errorf("%v counts as a closed pipe", err)
		}
	}
	if !IsClosedPipe(fmt.Errorf("print: %w", io.ErrClosedPipe)) {
		t.Error("a wrapped closed pipe is not found")
	}
}

func TestPagerGetsTheOutput(t *testing.T) {
	if _, err := exec.LookPath("tr"); err != nil {
		t.Skip("no tr")
	}
	for pager, want := range map[string]string{
		"tr a-z A-Z":       "ALERTS\n",
		"no-such-pager-xx": "", // not paged: straight to Out
		"cat":              "",
	} {
		screen, err := os.Create(filepath.Join(t.TempDir(), "screen"))
		if err != nil {
			t.Fatal(err)
		}
		tio, out, _ := Test("")
		tio.OutTTY, tio.pageTo = true, screen
		tio.Getenv = func(k string) string { return map[string]string{"EDRC_PAGER": pager, "PAGER": "x"}[k] }
		stop := tio.Page()
		_, _ = fmt.Fprintln(tio.Out, "alerts")
		stop()
		stop()
		got, _ := os.ReadFile(screen.Name())
		_ = screen.Close()
		if string(got) != want {
			t.Errorf("%s: screen has %q, want %q", pager, got, want)
		}
		if tio.Out != io.Writer(out) || (want == "") != (out.Len() > 0) {
			t.Errorf("%s: stdout has %q", pager, out)
		}
	}
}

func TestSystemHasWhatCommandsNeed(t *testing.T) {
	s := System()
	if s.In == nil || s.Out == nil || s.Err == nil || s.Now == nil || s.Getenv == nil || s.OpenTTY == nil {
		t.Fatalf("%+v", s)
	}
	if !s.OutTTY && s.Width != 0 {
		t.Fatalf("width %d without a terminal", s.Width)
	}
	s.InTTY, s.ErrTTY = false, false
	if _, err := s.OpenTTY(); !errors.Is(err, ErrNoTerminal) {
		t.Fatalf("a script without terminal streams was asked: %v", err)
	}
}

func TestSizeFallsBackToTheEnvironment(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	env := map[string]string{"COLUMNS": "132", "LINES": "x"}
	if w, h := size(f, func(k string) string { return env[k] }); w != 132 || h != defaultHeight {
		t.Fatalf("got %d x %d", w, h)
	}
}
