//go:build unix

package cli

import (
	"path/filepath"
	"syscall"
	"testing"

	"edrc/internal/lab"
)

func TestAPipeIsNotReadAsAFile(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: -1}, false)
	path := filepath.Join(d.dir, "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	d.refused(2, "edrc scan file - < ", "scan", "file", path)
	d.refused(2, "is no regular file", "scan", "file", "/dev/null")
}
