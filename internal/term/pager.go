package term

import (
	"os"
	"os/exec"
	"strings"
	"sync"
)

// defaultPager quits at once when everything fits on the screen (F), shows
// colours (R) and leaves the text there when it ends (X).
const defaultPager = "less -FRX"

// Page sends what is written to Out through the user's pager ($EDRC_PAGER,
// $PAGER, else less) until stop is called, which waits for it to end. Nothing
// happens when Out is not a terminal, the pager is "cat" or cannot be started.
// A pager that was left early makes writes fail with a closed pipe.
func (t *IO) Page() (stop func()) {
	if !t.OutTTY || t.pageTo == nil {
		return func() {}
	}
	argv := t.pager()
	if len(argv) == 0 || argv[0] == "cat" {
		return func() {}
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return func() {}
	}
	// No context: killing a pager leaves the terminal in its mode. It ends by
	// itself when its input does.
	cmd := exec.Command(path, argv[1:]...)
	cmd.Env = os.Environ()
	if t.Getenv("LESS") == "" {
		cmd.Env = append(cmd.Env, "LESS=FRX") // for PAGER=less without options
	}
	cmd.Stdout, cmd.Stderr = t.pageTo, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil || cmd.Start() != nil {
		return func() {}
	}
	before := t.Out
	t.Out = NewPipeWriter(in)
	return sync.OnceFunc(func() {
		t.Out = before
		_ = in.Close()
		_ = cmd.Wait() // its exit code says nothing about ours
	})
}

func (t *IO) pager() []string {
	for _, name := range []string{"EDRC_PAGER", "PAGER"} {
		if v := strings.Fields(t.Getenv(name)); len(v) > 0 {
			return v
		}
	}
	return strings.Fields(defaultPager)
}
