package store

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// lockHolder names the process that holds the lock on a file, for a message.
func lockHolder(path string) string {
	const unknown = "another edrc process"
	info, err := os.Stat(path)
	if err != nil {
		return unknown
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return unknown
	}
	table, err := os.ReadFile("/proc/locks")
	if err != nil {
		return unknown
	}
	inode := fmt.Sprintf(":%d", st.Ino)
	for line := range strings.Lines(string(table)) {
		// 1: FLOCK  ADVISORY  WRITE 4711 fd:00:131 0 EOF
		f := strings.Fields(line)
		if len(f) < 6 || f[1] != "FLOCK" || !strings.HasSuffix(f[5], inode) {
			continue
		}
		if f[4] == fmt.Sprint(os.Getpid()) {
			return "this edrc process itself"
		}
		name, err := os.ReadFile("/proc/" + f[4] + "/comm")
		if err != nil {
			return "process " + f[4]
		}
		return fmt.Sprintf("process %s (%s)", f[4], strings.TrimSpace(string(name)))
	}
	return unknown
}

// dropPages tells the kernel that the mapped pages need not count as this
// process's memory any more; they are read again from the page cache when touched.
func dropPages(addr, size uintptr) {
	const dontneed = 4
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, addr, size, dontneed)
}
