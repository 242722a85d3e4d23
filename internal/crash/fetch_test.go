//go:build linux

package crash

import (
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestAnEndpointThatWasOfflineIsServedWhenItIsBackAndAskedOnce: whether it was
// offline from the first, or went after it was asked.
func TestAnEndpointThatWasOfflineIsServedWhenItIsBackAndAskedOnce(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"the first", "the moment it was asked"} {
		t.Run("from "+from, func(t *testing.T) {
			t.Parallel()
			o := fetchOptions()
			o.FetchTime = time.Minute
			w := newWorld(t, o, settings{retry: time.Minute, wait: slow * 300 * time.Millisecond})
			file := w.filesHeld("nothing")[0]
			id := w.alertOn(file, "all", from != "the first")
			if from != "the first" {
				if r := w.sync(); r.exit != 0 || r.summary.Waiting["file being fetched"] != 1 {
					t.Fatalf("exit %d, want 0, with the file being fetched\n%s\n%s", r.exit, r.stdout, r.stderr)
				}
				w.endpoint(id, false)
			}
			for n := range 3 {
				w.later(soon)
				r := w.sync()
				if r.exit != 0 || !maps.Equal(r.summary.Waiting, map[string]int{"endpoint offline": 1}) || r.uploads() > 0 {
					t.Errorf("run %d: exit %d, want 0, with the file waiting for its endpoint\n%s\n%s", n+1, r.exit, r.stdout, r.stderr)
				}
			}
			if r := w.edrc("alerts", "list", "--since", "1d"); r.exit != 0 || !strings.Contains(r.stdout, "endpoint offline") {
				t.Errorf("the list does not say what the alert waits for: exit %d\n%s\n%s", r.exit, r.stdout, r.stderr)
			}
			w.endpoint(id, true)
			want := w.truth()
			for range 6 { // the pauses between two looks have grown, and the agent takes its time
				w.later(soon)
				if r := w.sync(); len(r.summary.Waiting) == 0 {
					break
				}
			}
			w.untilSettled(1)
			w.holds(want, map[string]int{file.SHA256: 1}, "at the end")
			if got := w.lab.State().Sources["s1-lab"].FetchesByThreat; !maps.Equal(got, map[string]int{id: 1}) {
				t.Errorf("asked %v, want %s once", got, id)
			}
			w.emptiesTheSpool("at the end")
		})
	}
}

// TestWrongBytesAreNeverUploadedAndCostNoScan: whatever an endpoint gives in a
// file's place.
func TestWrongBytesAreNeverUploadedAndCostNoScan(t *testing.T) {
	t.Parallel()
	o := fetchOptions()
	o.Seed, o.Files = 2, 100
	w := newWorld(t, o, settings{})
	scans, served := map[string]int{}, map[string]string{}
	kinds := []string{"zipcrypto", "aes", "wrong", "corrupt", "unreadable", "empty", "nested", "hostile"}
	for _, f := range w.filesHeld("nothing") {
		f.Serves = "aes"
		if !comes(f) || len(kinds) == 0 {
			continue // a document
		}
		f.Serves, kinds = kinds[0], kinds[1:]
		w.control("serve", map[string]any{"file": f.Index, "as": f.Serves}, nil)
		w.alertOn(f, "all", true)
		w.alertOn(f, "all", true)
		if served[f.SHA256] = f.Serves; comes(f) {
			scans[f.SHA256] = 1
		}
	}
	if len(kinds) > 0 || len(scans) != 2 {
		t.Fatalf("no file for %q, %d to scan; choose another seed", kinds, len(scans))
	}
	want := w.truth()
	end := w.untilSettled(3)
	for h := range w.lab.State().Intezer.ScansByFile {
		if scans[h] == 0 {
			t.Errorf("file %.12s… was paid for, which was served as %q", h, served[h])
		}
	}
	w.holds(want, scans, "at the end")
	if got := w.lab.State().Intezer.Uploads; got != len(scans) {
		t.Errorf("%d uploads, want %d", got, len(scans))
	}
	if got := end.summary.Waiting; !maps.Equal(got, map[string]int{"file needed": len(served) - len(scans)}) {
		t.Errorf("%v wait, want the %d files that nobody gives", got, len(served)-len(scans))
	}
	w.covered("at the end")
	w.emptiesTheSpool("at the end")
}

// TestAnExhaustedQuotaKeepsTheFilesForTheNextDay: it is used up after the files were
// asked for; the next day their endpoints are offline and the uploads have expired,
// and they are not needed.
func TestAnExhaustedQuotaKeepsTheFilesForTheNextDay(t *testing.T) {
	t.Parallel()
	w, ids, scans := exhaustedBetween(t)
	want := w.truth()
	for _, id := range ids {
		w.endpoint(id, false)
	}
	w.control("expire", struct{}{}, nil)
	files, downloads := w.fetched()
	uploads := w.lab.State().Intezer.Uploads
	for _, d := range []time.Duration{soon, 2 * time.Hour} { // longer than what nobody needs is kept
		w.later(d)
		if r := w.sync(); r.exit != 7 || r.uploads() > 0 || len(w.spool()) != len(scans) {
			t.Errorf("with no quota left: exit %d, want 7, %d uploads, %d files on the spool\n%s\n%s",
				r.exit, r.uploads(), len(w.spool()), r.stdout, r.stderr)
		}
	}
	w.later(24 * time.Hour)
	w.control("quota", map[string]int{"quota": 500, "usage": 0}, nil)
	r := w.untilSettled(2)
	w.holds(want, scans, "the next day")
	if f, d := w.fetched(); f != files || d != downloads {
		t.Errorf("%d files were fetched again, and %d downloaded", f-files, d-downloads)
	}
	if n := w.lab.State().Intezer.Uploads - uploads; n != len(scans) {
		t.Errorf("%d uploads the next day, want %d\n%q", n, len(scans), r.boundaries)
	}
	w.emptiesTheSpool("the next day")
}

// exhaustedBetween lets a sync run that finds the quota used up when it has fetched
// what it wants to upload. It gives the alerts and the files.
func exhaustedBetween(t *testing.T) (*world, []string, map[string]int) {
	t.Helper()
	o := fetchOptions()
	o.FetchTime = time.Hour // until the control server says otherwise
	w := newWorld(t, o, settings{wait: slow * 20 * time.Second, lease: slow * 10 * time.Second})
	var ids []string
	scans := map[string]int{}
	for _, f := range w.filesHeld("nothing")[:3] {
		ids = append(ids, w.alertOn(f, "all", true))
		scans[f.SHA256] = 1
	}
	p := w.start(nil, "sync", "-o", "json")
	for deadline := time.Now().Add(runLimit); ; time.Sleep(time.Millisecond) {
		if files, _ := w.fetched(); files == len(scans) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it asks for no files")
		}
	}
	w.control("quota", map[string]int{"quota": 0}, nil)
	w.control("fetch", map[string]string{"time": "0s"}, nil)
	r := p.wait()
	if r.exit != 7 || r.count("sent 403 "+submitFile) == 0 || w.lab.State().Intezer.Scans != 0 {
		t.Fatalf("exit %d when the quota is used up between fetch and upload, want 7\n%q\n%s\n%s", r.exit, r.boundaries, r.stdout, r.stderr)
	}
	if _, downloads := w.fetched(); downloads != len(scans) || len(w.spool()) != len(scans) {
		t.Fatalf("%d downloads, %d files on the spool, want %d", downloads, len(w.spool()), len(scans))
	}
	w.covered("kept for the next day")
	return w, ids, scans
}

// TestThreeProcessesAtOnceFetchAndUploadEachFileOnce: two consoles know the same
// files; cron syncs each of them, and both together.
func TestThreeProcessesAtOnceFetchAndUploadEachFileOnce(t *testing.T) {
	t.Parallel()
	var shared atomic.Bool
	t.Run("rounds", func(t *testing.T) {
		for round := range 3 {
			t.Run(fmt.Sprint(round), func(t *testing.T) {
				t.Parallel()
				if fetchAtOnce(t) > 1 {
					shared.Store(true)
				}
			})
		}
	})
	if !t.Failed() && !shared.Load() {
		t.Error("in each round one process did all the uploads: it proves nothing")
	}
}

// fetchAtOnce gives how many of three processes uploaded something.
func fetchAtOnce(t *testing.T) int {
	t.Helper()
	o := fetchOptions()
	o.Seed, o.Files, o.Sources = 2, 100, 2
	o.FetchTime, o.AnalysisTime = 150*time.Millisecond, 150*time.Millisecond
	// One worker takes four files at once, and so leaves some to the others.
	w := newWorld(t, o, settings{lease: slow * 20 * time.Second, sync: "workers: 1"})
	scans := map[string]int{}
	for i, f := range w.filesHeld("nothing") {
		f.Serves = []string{"aes", "zipcrypto"}[i%2]
		if !comes(f) {
			continue // a document
		}
		w.control("serve", map[string]any{"file": f.Index, "as": f.Serves}, nil)
		for _, c := range w.consoles() {
			id := w.addAlerts(map[string]any{"source": c[0], "file": f.Index, "age": "10m"})[0]
			w.control("agent", map[string]any{"source": c[0], "threat": id, "online": true}, nil)
		}
		scans[f.SHA256] = 1
	}
	if len(scans) < 6 {
		t.Fatalf("only %d files to fetch", len(scans))
	}
	want := w.truth()
	names := w.consoles()
	sync := func(args ...string) *process { return w.start(nil, append([]string{"sync", "-o", "json"}, args...)...) }
	uploaders := 0
	for _, p := range []*process{sync("--source", names[0][0]), sync("--source", names[1][0]), sync()} {
		r := p.wait()
		if r.exit != 0 {
			t.Errorf("%s: exit %d\n%s\n%s", r.name, r.exit, r.stdout, r.stderr)
		}
		if r.uploads() > 0 {
			uploaders++
		}
	}
	w.untilSettled(2)
	w.holds(want, scans, "after three processes at once")
	files, downloads := w.fetched()
	if uploads := w.lab.State().Intezer.Uploads; files != len(scans) || downloads != len(scans) || uploads != len(scans) {
		t.Errorf("%d fetches, %d downloads, %d uploads of %d files", files, downloads, uploads, len(scans))
	}
	w.emptiesTheSpool("after three processes at once")
	return uploaders
}

// TestAProcessThatIsStoppedWithAFileInHandDoublesNothingWhenItGoesOn: and what it has
// open while it is stopped is in clear nowhere. See
// TestAStoppedProcessDoublesNothingWhenItGoesOn.
func TestAProcessThatIsStoppedWithAFileInHandDoublesNothingWhenItGoesOn(t *testing.T) {
	t.Parallel()
	u := fetchReference(t, 1, func(t *testing.T) *world {
		w, _ := newFetchOneWorld(t, settings{})
		return w
	})
	prepare := func(w *world) { w.alertOn(w.filesHeld("nothing")[0], "all", true) }
	first := u.after("sent 200 POST /web/api/v2.1/threats/fetch-file")
	first -= u.upTo(first, "send ") // these do not count
	last := len(u.boundaries) - u.count("send ")
	for k := first; k <= last; k += 2 {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			t.Parallel()
			stopAndGoOn(t, fetchOptions(), k, prepare, u.scans)
		})
	}
}

// upTo counts those of the first n boundaries that begin so.
func (r run) upTo(n int, prefix string) int {
	return run{boundaries: r.boundaries[:n]}.count(prefix)
}
