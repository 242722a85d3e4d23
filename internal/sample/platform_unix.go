//go:build !windows

package sample

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"edrc/internal/fault"
)

// unlinkOpen: a file lives on without a name while it is open, and an open file
// may be renamed.
const unlinkOpen = true

// private makes sure that nobody else can look into dir.
func private(dir string) error {
	fi, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("open spool: %w", err)
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return fault.New(fault.Denied, "the directory %s belongs to another user (uid %d)", dir, st.Uid).
			WithHint("give edrc a state directory of its own: EDRC_STATE_DIR")
	}
	if fi.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("make spool private: %w", err)
	}
	return nil
}

// othersMayRead reports a file that is not its owner's alone.
func othersMayRead(fi fs.FileInfo) bool { return fi.Mode().Perm()&0o077 != 0 }

// hold takes the lock that says "this temporary file has a living owner"; it is
// given back when the file is closed or the process dies. False: another has it.
func hold(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
