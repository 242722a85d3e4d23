package term

import (
	"os"
	"syscall"
)

// ttyIn and ttyOut name the console, whatever the streams are.
const (
	ttyIn  = "CONIN$"
	ttyOut = "CONOUT$"
)

const (
	enableProcessedOutput           = 0x1
	enableVirtualTerminalProcessing = 0x4

	errorBrokenPipe = syscall.Errno(109)
	errorNoData     = syscall.Errno(232) // the pipe is being closed
)

func catchSIGPIPE() {}

// enableEscapes asks the console to understand escape sequences; an old one
// that refuses stays as it is. Stdout is served by the colour library already.
func enableEscapes(f *os.File) {
	var mode uint32
	h := syscall.Handle(f.Fd())
	if syscall.GetConsoleMode(h, &mode) != nil {
		return
	}
	set := syscall.NewLazyDLL("kernel32.dll").NewProc("SetConsoleMode")
	_, _, _ = set.Call(uintptr(h), uintptr(mode|enableProcessedOutput|enableVirtualTerminalProcessing))
}

func isBrokenPipe(errno syscall.Errno) bool {
	return errno == errorBrokenPipe || errno == errorNoData
}
