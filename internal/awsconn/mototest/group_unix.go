//go:build unix

package mototest

import (
	"os"
	"syscall"
)

// ownGroup puts moto into a group that can be ended whole: the program on PATH may be a
// script around another.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }
