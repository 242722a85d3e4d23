package crash

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/lab"
)

// quotaWorld has one alert for every file that must be scanned, of the three
// severities that the console tells, in no order; some know only a SHA-1.
func quotaWorld(t *testing.T) (*world, map[string]int, map[string]int) {
	t.Helper()
	w := newWorld(t, lab.Options{Seed: 2, Alerts: -1, Files: 100, Latency: 10 * time.Millisecond}, settings{lease: slow * 10 * time.Second})
	severity, scans := map[string]int{}, map[string]int{}
	for i, f := range w.filesHeld("public") {
		rank := (i * 7) % 3
		hashes := "all"
		if i%2 == 1 {
			hashes = "sha1"
		}
		w.addAlerts(map[string]any{"file": f.Index, "age": "10m", "severity": []string{"low", "medium", "critical"}[rank], "sha": hashes})
		severity[f.SHA256], scans[f.SHA256] = rank, 1
	}
	if len(scans) < 25 {
		t.Fatalf("only %d files to scan", len(scans))
	}
	return w, severity, scans
}

const workers = 8 // the default of sync.workers: so many submits may be on their way

// TestAnExhaustedQuotaStopsTheSpendingAndLosesNothing: somebody else uses the
// quota up while a sync runs; later it comes back, first a little, then whole.
func TestAnExhaustedQuotaStopsTheSpendingAndLosesNothing(t *testing.T) {
	t.Parallel()
	w, severity, scans := quotaWorld(t)
	want := w.truth()
	p := w.start(nil, "sync", "-o", "json")
	for deadline := time.Now().Add(runLimit); w.lab.State().Intezer.Scans < 3; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it scans nothing")
		}
	}
	w.control("quota", map[string]int{"quota": 0}, nil)
	r := p.wait()
	if r.exit != 7 {
		t.Errorf("exit %d when the quota is used up, want 7\n%s\n%s", r.exit, r.stdout, r.stderr)
	}
	if n := refusedSubmits(t, r); n == 0 || n > workers {
		t.Errorf("%d submits were refused, want at least one and at most those on their way: %d\n%q", n, workers, r.boundaries)
	}
	spent := w.lab.State().Intezer.Scans
	if spent >= len(scans) {
		t.Fatalf("all %d files were scanned before the quota was used up", spent)
	}

	w.later(soon)
	if r = w.sync(); r.exit != 7 || r.count("send POST /api/v2-0/analyze-by-hash") > 0 {
		t.Errorf("with no quota left: exit %d, want 7, and %q", r.exit, r.boundaries)
	}

	const back = 5
	before := w.lab.State().Intezer.ScansByFile
	waiting := map[string]int{}
	for h, s := range severity {
		if before[h] == 0 {
			waiting[h] = s
		}
	}
	w.control("quota", map[string]int{"quota": spent + back, "usage": spent}, nil)
	w.later(soon)
	if r = w.sync(); r.exit != 7 {
		t.Errorf("exit %d when the quota is used up again, want 7\n%s\n%s", r.exit, r.stdout, r.stderr)
	}
	if n := w.lab.State().Intezer.Scans - spent; n != back {
		t.Errorf("%d scans were spent of the %d that came back", n, back)
	}
	judged := map[string]int{}
	for h, n := range w.lab.State().Intezer.ScansByFile {
		if n > before[h] {
			judged[h] = severity[h]
		}
	}
	if got, want := severities(judged), severities(waiting); !strings.HasPrefix(want, got) {
		t.Errorf("files of the severities %s were judged with what came back; those that waited are %s", got, want)
	}

	w.control("quota", map[string]int{"quota": 500, "usage": 0}, nil)
	w.untilSettled(2)
	w.holds(want, scans, "with quota again")
}

// refusedSubmits counts the submits that were answered 403.
func refusedSubmits(t *testing.T, r run) int {
	t.Helper()
	return r.count("sent 403 POST /api/v2-0/analyze-by-hash")
}

// severities are those of the files, the worst first: 0 is low, 2 is high.
func severities(of map[string]int) string {
	all := slices.Sorted(maps.Values(of))
	slices.Reverse(all)
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(all), " ", ""), "[]")
}

// TestWhatComesBackOfAQuotaGoesToTheWorstAlerts, also to those whose file is known
// by a SHA-1 alone and therefore lets the others go first.
func TestWhatComesBackOfAQuotaGoesToTheWorstAlerts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Seed: 2, Alerts: -1, Files: 100}, settings{lease: slow * 10 * time.Second})
	w.control("quota", map[string]int{"quota": 0}, nil)
	severity := map[string]int{}
	const worst = 8
	for i, f := range w.filesHeld("public")[:2*worst] {
		rank, word, hash := 1, "medium", "sha256"
		if i%2 == 0 {
			rank, word = 2, "critical"
			if i%4 == 0 {
				hash = "sha1"
			}
		}
		w.addAlerts(map[string]any{"file": f.Index, "age": "10m", "severity": word, "sha": hash})
		severity[f.SHA256] = rank
	}
	if r := w.sync(); r.exit != 7 || w.lab.State().Intezer.Scans != 0 {
		t.Fatalf("exit %d, want 7, with %d scans\n%s", r.exit, w.lab.State().Intezer.Scans, r.stderr)
	}
	w.control("quota", map[string]int{"quota": worst}, nil)
	w.later(soon)
	if r := w.sync(); r.exit != 7 {
		t.Errorf("exit %d, want 7\n%s\n%s", r.exit, r.stdout, r.stderr)
	}
	judged := map[string]int{}
	for h := range w.lab.State().Intezer.ScansByFile {
		judged[h] = severity[h]
	}
	if got, want := severities(judged), strings.Repeat("2", worst); got != want {
		t.Errorf("files of the severities %s were judged with what came back, want %s", got, want)
	}
}
