//go:build unix

package cli

import (
	"os/signal"
	"syscall"
)

// ignoreFileSizeSignal makes a file that may not grow any more an error with a
// hint; by default the signal would end the process between two writes.
func ignoreFileSizeSignal() { signal.Ignore(syscall.SIGXFSZ) }
