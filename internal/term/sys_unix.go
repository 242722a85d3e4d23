//go:build !windows

package term

import (
	"os"
	"os/signal"
	"syscall"
)

// ttyIn and ttyOut name the terminal of the session, whatever the streams are.
const (
	ttyIn  = "/dev/tty"
	ttyOut = "/dev/tty"
)

// catchSIGPIPE makes a write to a closed stdout fail with EPIPE. Notify, not
// Ignore: an ignored signal would be inherited by the pager and by commands
// that secrets are read from.
func catchSIGPIPE() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// enableEscapes has nothing to do: every terminal here understands them.
func enableEscapes(*os.File) {}

func isBrokenPipe(errno syscall.Errno) bool { return errno == syscall.EPIPE }
