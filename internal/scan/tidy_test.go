package scan

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"edrc/internal/ledger"
)

func TestTidyRemovesArchivesThatNoJobNeedsAnyMoreAndOnlyThese(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("needed"), file("judged"), file("nobody"))
	for i, name := range []string{"needed", "judged", "nobody"} {
		w.serves(w.s1, string(rune('1'+i)), name)
		w.until(sha(name), ledger.JobFetching)
		for !w.job(sha(name)).Kept() {
			w.step()
		}
		w.edit(sha(name), func(j *ledger.Job) { j.NextTry = w.clock.now().Add(time.Hour) })
	}
	if n := len(w.kept()); n != 3 {
		t.Fatalf("%d archives", n)
	}
	w.edit(sha("judged"), func(j *ledger.Job) { // by a process that was killed before it dropped the archive
		if err := j.Move(ledger.JobJudged, "", time.Time{}); err != nil {
			t.Error(err)
		}
	})
	w.edit(sha("nobody"), func(j *ledger.Job) { j.Fetch = nil })
	if err := os.WriteFile(filepath.Join(w.dir, "readme"), []byte("somebody else's"), 0o600); err != nil {
		t.Fatal(err)
	}
	since := w.kept()[2].Since // the file system's clock
	for _, c := range []struct {
		after time.Duration
		left  int
	}{{0, 3}, {keepAfter - time.Minute, 3}, {keepAfter, 1}, {1000 * time.Hour, 1}} {
		w.clock.set(since.Add(c.after))
		if err := w.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(w.kept()); n != c.left {
			t.Errorf("%d archives after %v, want %d", n, c.after, c.left)
		}
	}
	if _, err := os.Stat(filepath.Join(w.dir, "readme")); err != nil {
		t.Error(err)
	}
	w.drain(2 * time.Hour)
	w.state(sha("needed"), ledger.JobJudged, "")
	if n := len(w.s1.asked("open 1")); n != 1 {
		t.Errorf("what was needed was fetched %d times", n)
	}
}

func TestTidyWithoutASpoolMakesNone(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	if err := w.Tidy(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(w.dir); !os.IsNotExist(err) {
		t.Errorf("there is a spool now: %v", err)
	}
	if err := w.other(Policy{}).Tidy(t.Context()); err != nil {
		t.Error(err)
	}
	w.spoolE = unavailable("the disk is gone")
	if err := w.Tidy(t.Context()); err == nil {
		t.Error("a spool that cannot be opened is no trouble")
	}
}
