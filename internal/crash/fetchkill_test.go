//go:build linux

package crash

import (
	"maps"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"edrc/internal/lab"
)

const submitFile = "POST /api/v2-0/analyze"

// uploads counts the requests of a run that brought a file.
func (r run) uploads() int {
	n := 0
	for _, b := range r.boundaries {
		if b == "send "+submitFile {
			n++
		}
	}
	return n
}

// undisturbed is what one sync leaves in a world that nothing happens to.
type undisturbed struct {
	again func(*testing.T) *world // the same world once more
	scans map[string]int
	run
}

// fetchReference syncs a world in which so many files must be fetched and uploaded.
func fetchReference(t *testing.T, files int, again func(*testing.T) *world) undisturbed {
	t.Helper()
	w := again(t)
	want := w.truth()
	r := w.sync()
	u := undisturbed{again, w.lab.State().Intezer.ScansByFile, r}
	w.holds(want, u.scans, "undisturbed")
	if t.Failed() || !r.settled() || len(u.scans) != files || r.uploads() != files || len(w.spool()) > 0 {
		t.Fatalf("%d files are to be fetched and uploaded: exit %d, %v, %q\n%s\n%s", files, r.exit, u.scans, r.boundaries, r.stdout, r.stderr)
	}
	w.covered("undisturbed")
	return u
}

// kill kills a process at boundary k, and checks that the next ones end where an
// undisturbed one does. It reports whether the spool had to be swept.
func (u undisturbed) kill(t *testing.T, k int) (swept bool) {
	t.Helper()
	w, n, when := u.again(t), len(u.boundaries), "after a kill at boundary "+strconv.Itoa(k)
	want := w.truth()
	r := w.crashing("kill", k, "").wait()
	if !r.killed && (k < n*2/3 || r.exit != 0) {
		t.Fatalf("it was to be killed at %d of %d boundaries and was not: exit %d after %d\n%s", k, n, r.exit, len(r.boundaries), r.stderr)
	}
	w.covered(when)
	end := w.untilSettled(6)
	w.holds(want, u.scans, when)
	w.covered(when + ", at the end")
	if got := w.lab.State().Intezer.Uploads; got != len(u.scans) {
		t.Errorf("%s: %d uploads arrived, want %d", when, got, len(u.scans))
	}
	if got := end.summary.Waiting; !maps.Equal(got, u.summary.Waiting) {
		t.Errorf("%s: %v wait, undisturbed %v", when, got, u.summary.Waiting)
	}
	return w.emptiesTheSpool(when)
}

// covered checks that no sample stands in clear.
func (w *world) covered(when string) {
	w.Helper()
	if found := w.clear(); len(found) > 0 {
		w.Errorf("%s: in clear on the disk: %q", when, found)
	}
}

// TestAKillWhileAFileIsFetchedAndUploadedRepeatsNothingAndLeavesNothing: one file, and
// every boundary there is. No upload that the engine accepted is repeated, no scan is
// spent twice, no byte of the sample is ever on the disk in clear, and what a killed
// process left on the spool is removed.
func TestAKillWhileAFileIsFetchedAndUploadedRepeatsNothingAndLeavesNothing(t *testing.T) {
	t.Parallel()
	u := fetchReference(t, 1, func(t *testing.T) *world {
		w, _ := newFetchOneWorld(t, settings{})
		return w
	})
	var swept atomic.Int64
	t.Run("boundary", func(t *testing.T) {
		for k := 1; k <= len(u.boundaries); k++ {
			t.Run(strconv.Itoa(k), func(t *testing.T) {
				t.Parallel()
				if u.kill(t, k) {
					swept.Add(1)
				}
			})
		}
	})
	if swept.Load() == 0 {
		t.Error("no kill left anything on the spool: that it is swept is not proved")
	}
}

// TestAKillAmongSeveralFilesThatAreFetchedAndUploadedRepeatsNothing: as above, with
// more on its way when the process is killed, and a file whose bytes are wrong.
func TestAKillAmongSeveralFilesThatAreFetchedAndUploadedRepeatsNothing(t *testing.T) {
	t.Parallel()
	u := fetchReference(t, 3, func(t *testing.T) *world { return newFetchWorld(t, fetchOptions(), settings{}) })
	if !maps.Equal(u.summary.Waiting, map[string]int{"file needed": 1}) {
		t.Fatalf("%v wait, want the one with wrong bytes", u.summary.Waiting)
	}
	for _, k := range every(len(u.boundaries)+6, 3*slow) { // how work falls into commits varies a little
		t.Run(strconv.Itoa(k), func(t *testing.T) {
			t.Parallel()
			u.kill(t, k)
		})
	}
}

// newFetchOneWorld has one alert, about a file that must be fetched.
func newFetchOneWorld(t *testing.T, s settings) (*world, lab.FileInfo) {
	t.Helper()
	w := newWorld(t, fetchOptions(), s)
	file := w.filesHeld("nothing")[0]
	w.alertOn(file, "all", true)
	return w, file
}

// after gives the number of the first boundary that begins so.
func (r run) after(prefix string) int {
	for i, b := range r.boundaries {
		if strings.HasPrefix(b, prefix) {
			return i + 1
		}
	}
	return 0
}
