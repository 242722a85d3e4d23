//go:build !windows

package respond

import (
	"errors"
	"os"
)

// syncDir waits until a new name in the directory is on disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
