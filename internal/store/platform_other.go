//go:build !linux

package store

// lockHolder would name the process that holds the lock on a file.
func lockHolder(string) string { return "another edrc process" }

// dropPages would give mapped pages back; a scan's memory is the kernel's to take
// elsewhere.
func dropPages(_, _ uintptr) {}
