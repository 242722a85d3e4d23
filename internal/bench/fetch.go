package main

import (
	"errors"
	"strings"
)

// hugeFile is as large as the engine takes them.
const hugeFile = 150 << 20

// fetch compares a sync that fetches and uploads one file of 150 MiB with the same
// one whose files are small: a file must not be in memory as a whole.
func (b *bench) fetch() error {
	small, err := b.sync(world{alerts: 400, files: 20})
	if err != nil {
		return err
	}
	large, err := b.sync(world{alerts: 400, files: 20, huge: hugeFile})
	if err != nil {
		return err
	}
	if !strings.Contains(large.said, "fetched and uploaded") {
		return errors.New("the sync with a huge file uploaded nothing: " + large.said)
	}
	b.report.fetch(small, large)
	return nil
}
