//go:build linux

package crash

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

const (
	hugeSize = (150 - 126*(slow/3)) << 20 // with the race detector 24 MiB
	// memoryBound is what edrc may have at the most, whatever it does; this binary is larger.
	memoryBound = 64 << 20
)

// TestASampleOf150MBIsFetchedAndUploadedInFlatMemory: through download, check, spool,
// packing and upload. Under the race detector, which has its own idea of memory, only
// that it arrives counts.
func TestASampleOf150MBIsFetchedAndUploadedInFlatMemory(t *testing.T) {
	t.Parallel()
	o := fetchOptions()
	o.Files, o.Huge = 12, hugeSize
	w := newWorld(t, o, settings{lease: slow * 10 * time.Second, timeout: slow * 20 * time.Second})
	file := w.filesHeld("nothing")[0]
	if file.Size != hugeSize || !comes(file) {
		t.Fatalf("the file is not huge, or may not be sent: %+v", file)
	}
	w.alertOn(file, "all", true)
	want := w.truth()
	peak := w.dir + "/peak"
	r := w.start([]string{envPeak + "=" + peak}, "sync", "-o", "json").wait()
	if !r.settled() || r.uploads() != 1 {
		t.Errorf("exit %d, %d uploads\n%s\n%s", r.exit, r.uploads(), r.stdout, r.stderr)
	}
	w.holds(want, map[string]int{file.SHA256: 1}, "at the end")
	if left := w.spool(); len(left) > 0 {
		t.Errorf("left on the spool: %q", left)
	}
	kb := 0
	text, err := os.ReadFile(peak)
	for line := range strings.Lines(string(text)) {
		_, _ = fmt.Sscanf(line, "VmHWM: %d kB", &kb)
	}
	t.Logf("a file of %d MiB: at most %d MiB of memory", hugeSize>>20, kb>>10)
	if err != nil || kb == 0 || slow == 1 && kb<<10 > memoryBound {
		t.Errorf("%d KiB of memory at the peak, want at most %d MiB: %v", kb, memoryBound>>20, err)
	}
}
