package scan

import (
	"os"
	"testing"
	"time"

	"edrc/internal/ledger"
)

func TestAFileThatNeverStaysOnTheSpoolIsNotDownloadedForEver(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	w.serves(w.s1, "1", "a")
	for range maxBad {
		w.until(sha("a"), ledger.JobFetching)
		w.until(sha("a"), ledger.JobWanted)
		w.spoil(os.Remove)
		w.step()
	}
	w.drain(12 * time.Hour)
	j := w.state(sha("a"), ledger.JobWaiting, ReasonFile)
	if n := len(w.s1.asked("open")); n != maxBad || j.Claim.Holder != "" || j.Kept() {
		t.Errorf("%d downloads; %+v", n, j)
	}
	w.unpaid()
	if w.granted.Load() != 0 {
		t.Errorf("%d scans are taken", w.granted.Load())
	}

	w.serves(w.s2, "2", "a") // another alert that names the file
	w.clock.add(24 * time.Hour)
	w.drain(24 * time.Hour)
	w.scanned(sha("a"))
}

func TestTheNextAlertIsAskedForAFileThatDoesNotStay(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	w.serves(w.s1, "1", "a")
	w.serves(w.s2, "2", "a")
	for i := range maxBad {
		w.until(sha("a"), ledger.JobFetching)
		if j := w.until(sha("a"), ledger.JobWanted); j.Fetch.Bad != i {
			t.Errorf("after %d archives: %+v", i, j.Fetch)
		}
		w.spoil(os.Remove)
		w.step()
	}
	w.drain(time.Hour)
	w.scanned(sha("a"))
	if one, two := len(w.s1.asked("open")), len(w.s2.asked("open")); one+two != maxBad+1 || one*two != maxBad {
		t.Errorf("%d and %d downloads", one, two)
	}
}
