package sample

import (
	"io/fs"
	"os"
)

// unlinkOpen: Windows refuses to remove or rename a file that is open, which is
// also what tells a living owner when the spool is swept.
const unlinkOpen = false

// private: a user's state directory has an ACL of its own on Windows.
func private(string) error { return nil }

// othersMayRead cannot be told from mode bits on Windows.
func othersMayRead(fs.FileInfo) bool { return false }

// hold: being open is being held.
func hold(*os.File) (bool, error) { return true, nil }
