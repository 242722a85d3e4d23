package term

import (
	"errors"
	"fmt"
	"io"
	"os"

	xterm "golang.org/x/term"
)

// tty is the terminal of the session, opened by name so that redirected streams
// do not matter.
type tty struct {
	in, out *os.File
	before  *xterm.State
}

func openTTY() (io.ReadWriteCloser, error) {
	in, err := os.OpenFile(ttyIn, os.O_RDWR, 0)
	if err != nil {
		return nil, ErrNoTerminal
	}
	out, err := os.OpenFile(ttyOut, os.O_RDWR, 0)
	if err != nil {
		_ = in.Close()
		return nil, ErrNoTerminal
	}
	// Kept so that Close can switch the echo on again when Ctrl-C ends a
	// password prompt halfway.
	before, err := xterm.GetState(int(in.Fd()))
	if err != nil {
		_ = in.Close()
		_ = out.Close()
		return nil, ErrNoTerminal
	}
	return &tty{in: in, out: out, before: before}, nil
}

func (t *tty) Read(b []byte) (int, error)  { return t.in.Read(b) }
func (t *tty) Write(b []byte) (int, error) { return t.out.Write(b) }

// readHidden reads a line without echo. Ctrl-D does nothing here: the library
// waits on until Enter or Ctrl-C.
func (t *tty) readHidden() (string, error) {
	b, err := xterm.ReadPassword(int(t.in.Fd()))
	if err != nil {
		return "", fmt.Errorf("read from the terminal: %w", err)
	}
	_, _ = io.WriteString(t.out, "\n") // Enter was not echoed either
	return string(b), nil
}

func (t *tty) Close() error {
	restore := xterm.Restore(int(t.in.Fd()), t.before)
	return errors.Join(restore, t.in.Close(), t.out.Close())
}
