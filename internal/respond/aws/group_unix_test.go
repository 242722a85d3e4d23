//go:build !windows

package aws

import (
	"os"
	"syscall"
)

// ownGroup puts moto, which starts a process of its own, into a group that can be ended whole.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }
