package crash

import (
	"testing"
	"time"

	"edrc/internal/lab"
)

// late adds alerts that were created long before now and are shown only now.
func (w *world) late(age time.Duration) []string {
	w.Helper()
	file := w.fileHeld("private")
	ids := w.addAlerts(map[string]any{"count": 3, "file": file, "age": age.String()})
	return append(ids, w.addAlerts(map[string]any{"count": 4, "file": file, "age": age.String(), "equal_times": true})...)
}

// TestAlertsThatComeLateWithinTheOverlapAreNotMissed, and neither are those that
// have one time in common.
func TestAlertsThatComeLateWithinTheOverlapAreNotMissed(t *testing.T) {
	t.Parallel()
	o := smallWorld()
	o.LateFraction, o.LateMax = 0.4, 8*time.Minute
	w := newWorld(t, o, settings{sync: "overlap: 10m"})
	if r := w.sync(); !r.settled() {
		t.Fatalf("exit %d\n%s", r.exit, r.stderr)
	}
	seen := len(w.truth())
	w.later(soon) // the lab's late ones are shown after half their bound
	late := len(w.truth()) - seen
	if late < 3 {
		t.Fatalf("%d alerts are late; choose another seed", late)
	}
	late += len(w.late(soon + 9*time.Minute)) // created nine minutes before the last run
	want := w.truth()
	r := w.sync()
	if r.summary.New != late {
		t.Errorf("%d alerts are new, want %d", r.summary.New, late)
	}
	w.untilSettled(2)
	w.holds(want, w.lab.State().Intezer.ScansByFile, "at the end")
}

// TestAlertsThatComeLaterThanTheOverlapAreFoundByComparing: the ordinary run cannot
// see them; the daily comparison, `reconcile` and `--since` do.
func TestAlertsThatComeLaterThanTheOverlapAreFoundByComparing(t *testing.T) {
	t.Parallel()
	for name, find := range map[string]func(w *world, late int){
		"sweep": func(w *world, late int) {
			w.later(25 * time.Hour)
			if r := w.sync(); r.summary.Sources[0].Late != late {
				w.Errorf("the daily comparison found %d late alerts, want %d\n%s", r.summary.Sources[0].Late, late, r.stdout)
			}
		},
		"reconcile": func(w *world, _ int) {
			if r := w.edrc("reconcile", "--since", "7d"); r.exit != 0 {
				w.Errorf("reconcile: exit %d\n%s\n%s", r.exit, r.stdout, r.stderr)
			}
		},
		"since": func(w *world, late int) {
			if r := w.sync("--since", "7d"); r.summary.New != late {
				w.Errorf("--since found %d alerts, want %d", r.summary.New, late)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, smallWorld(), settings{sync: "overlap: 2m"})
			if r := w.sync(); !r.settled() {
				t.Fatalf("exit %d\n%s", r.exit, r.stderr)
			}
			scans := w.lab.State().Intezer.ScansByFile
			before := w.truth()
			w.later(soon)
			ids := w.late(40 * time.Minute)
			if r := w.sync(); r.summary.New != 0 {
				t.Fatalf("an ordinary run found %d of them: they are not late enough to prove anything", r.summary.New)
			}
			w.holds(before, scans, "before they are found")
			find(w, len(ids))
			w.untilSettled(2)
			w.holds(w.truth(), scans, "after they were found")
		})
	}
}

// TestOurOwnNotesCauseNoWork: on many consoles a note moves its alert's updated
// time, and the next run reads the alert again.
func TestOurOwnNotesCauseNoWork(t *testing.T) {
	t.Parallel()
	o := smallWorld()
	scans, _ := smallReference(t)
	o.Echo = true
	w := newWorld(t, o, settings{})
	want := w.truth()
	if r := w.sync(); !r.settled() {
		t.Fatalf("exit %d\n%s", r.exit, r.stderr)
	}
	due := 0
	for _, m := range want {
		if m != "" {
			due++
		}
	}
	for range 2 {
		w.later(soon)
		r := w.sync()
		s := r.summary.Sources[0]
		if s.Alerts < due {
			t.Fatalf("the second run read %d alerts, want the %d that have a note: the echo proves nothing", s.Alerts, due)
		}
		if s.New != 0 || s.Changed != 0 || r.count("send") != 0 || !r.settled() {
			t.Errorf("our own notes caused work: %d new, %d changed, exit %d, %q", s.New, s.Changed, r.exit, r.boundaries)
		}
	}
	w.holds(want, scans, "at the end")
}

// TestAlertsThatChangeWhileTheyAreReadAreNotLost: every list moves some alert's
// updated time and status.
func TestAlertsThatChangeWhileTheyAreReadAreNotLost(t *testing.T) {
	t.Parallel()
	o := lab.Options{Seed: 40, Alerts: 2300, Files: 12, Mutate: true} // three pages a list
	w := newWorld(t, o, settings{lease: slow * 20 * time.Second})
	if r := w.sync(); r.summary.New != o.Alerts {
		t.Errorf("%d alerts were taken in, want %d", r.summary.New, o.Alerts)
	}
	// What is closed when it is read is skipped, and taken up when it is open again.
	for _, c := range w.consoles() {
		for range 2 {
			var ids []string
			for _, th := range w.threats(c) {
				if th.Info.Status == "resolved" {
					ids = append(ids, th.ID)
				}
			}
			w.control("touch", map[string]any{"source": c[0], "ids": ids, "status": "unresolved"}, nil)
			w.later(soon)
			w.sync()
		}
	}
	w.untilSettled(3)
	want := w.truth()
	got := w.markers()
	for id, marker := range want { // what is closed now may have been told while it was open
		if marker == "" && len(got[id]) == 1 {
			want[id] = got[id][0]
		}
	}
	w.holds(want, w.lab.State().Intezer.ScansByFile, "at the end")
}

// TestThirtySevenHundredAlertsAreAllHandled: more than any page, and more than the
// 1,000 at which a product's skipping ends.
func TestThirtySevenHundredAlertsAreAllHandled(t *testing.T) {
	t.Parallel()
	o := lab.Options{Seed: 9, Alerts: 3700, Files: 60}
	w := newWorld(t, o, settings{lease: slow * 30 * time.Second, timeout: 20 * time.Second})
	want := w.truth()
	if len(want) != o.Alerts {
		t.Fatalf("the console has %d alerts, want %d", len(want), o.Alerts)
	}
	r := w.sync()
	if r.summary.New != o.Alerts || !r.settled() {
		t.Errorf("%d alerts taken in, want %d; exit %d\n%s\n%s", r.summary.New, o.Alerts, r.exit, r.stdout, r.stderr)
	}
	scans := w.lab.State().Intezer.ScansByFile
	fails := map[string]bool{}
	for _, f := range w.lab.Files() {
		fails[f.SHA256] = f.FailsOnce
	}
	for h, n := range scans {
		if n > 1 && !fails[h] {
			t.Errorf("file %.12s… was paid for %d times", h, n)
		}
	}
	w.holds(want, scans, "at the end")
}
