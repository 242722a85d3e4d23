package triage

import (
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/ledger"
)

func TestANewAlertIsOpenedAndItsFilesAreJudged(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	w.p.add("1", time.Hour, threat("a"))
	sum := w.sync()
	r := w.state("1", ledger.AlertDone, "")
	if r.Verdict != alert.Malicious || r.Noted != alert.Malicious || sum.New != 1 || sum.LookedUp != 1 || sum.Notes != 1 {
		t.Errorf("%+v\n%+v", r, sum)
	}
}

func TestWhatIsNotOursIsSkippedWithAReason(t *testing.T) {
	w := newWorld(t)
	w.p.add("closed", time.Hour, threat("a")).Status = alert.StatusResolved
	w.p.add("nofile", time.Hour)
	w.p.add("nohash", time.Hour, alert.File{Name: "x", Path: `C:\x`, Role: alert.RoleThreat})
	sum := w.sync()
	w.state("closed", ledger.AlertSkipped, SkipClosed)
	w.state("nofile", ledger.AlertSkipped, SkipNoFile)
	w.state("nohash", ledger.AlertSkipped, SkipNoHash)
	for _, reason := range []string{SkipClosed, SkipNoFile, SkipNoHash} {
		if sum.Skipped[reason] != 1 {
			t.Errorf("%q is not told: %v", reason, sum.Skipped)
		}
	}
	if sum.Sources[0].Skipped != 3 || w.engine.lookups != 0 {
		t.Errorf("%+v, %d look-ups", sum.Sources[0], w.engine.lookups)
	}
}

func TestEvidenceThatComesLaterReopensASkippedAlert(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	h := w.p.add("1", time.Hour)
	w.sync()
	w.state("1", ledger.AlertSkipped, SkipNoFile)
	w.clock.add(10 * time.Minute)
	h.Files, h.Updated = []alert.File{threat("a")}, w.clock.now()
	w.clock.add(10 * time.Minute)
	if sum := w.sync(); sum.Sources[0].Changed != 1 {
		t.Errorf("%+v", sum.Sources[0])
	}
	w.state("1", ledger.AlertDone, "")
	w.one("1")
}

func TestAnAlertThatIsReopenedInTheConsoleIsJudged(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	h := w.p.add("1", time.Hour, threat("a"))
	h.Status = alert.StatusResolved
	w.sync()
	w.clock.add(10 * time.Minute)
	h.Status, h.Updated = alert.StatusInProgress, w.clock.now()
	w.clock.add(10 * time.Minute)
	w.sync()
	w.state("1", ledger.AlertDone, "")
	w.one("1")
}

func TestAnAlertThatIsClosedBeforeItsNoteIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	h := w.p.add("1", time.Hour, threat("a"))
	w.sync() // the analysis runs
	h.Status, h.Updated = alert.StatusResolved, w.clock.now()
	w.clock.add(10 * time.Minute)
	w.engine.set("a", alert.Malicious)
	w.sync()
	w.state("1", ledger.AlertSkipped, SkipClosed)
	if n := w.p.texts("1"); len(n) != 0 || w.due() != 0 {
		t.Errorf("%q, %d due", n, w.due())
	}
}

func TestASeverityChangeAloneCausesNoNewJudgement(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	h := w.p.add("1", time.Hour, threat("a"))
	w.sync()
	asked := w.engine.lookups
	h.Severity, h.Updated = alert.Critical, w.clock.now()
	w.clock.add(10 * time.Minute)
	sum := w.sync()
	if r := w.rec("1"); r.Severity != alert.Critical || r.State != ledger.AlertDone {
		t.Errorf("%+v", r)
	}
	if sum.Sources[0].Changed != 0 || w.engine.lookups != asked || len(w.p.posts) != 1 {
		t.Errorf("%+v, %d look-ups, %d posts", sum.Sources[0], w.engine.lookups, len(w.p.posts))
	}
}

func TestOurOwnEchoIsNoWork(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	h := w.p.add("1", time.Hour, threat("a"))
	w.sync()
	h.Updated = w.clock.now() // the note moved it
	w.clock.add(10 * time.Minute)
	if sum := w.sync(); sum.Notes != 0 || sum.Sources[0].Changed != 0 || sum.New != 0 {
		t.Errorf("%+v", sum)
	}
	w.one("1")
}

func TestAnAlertThatIsGoneAndComesBackIsJudgedAgain(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	w.p.add("1", time.Hour, threat("a"))
	w.sync()
	w.update(func(tx ledger.Tx) error {
		r, err := tx.Alert(w.sid(), "1")
		if err != nil {
			return err
		}
		if err := r.Move(ledger.AlertGone, "gone"); err != nil {
			return err
		}
		return tx.PutAlert(r)
	})
	w.clock.add(10 * time.Minute)
	w.p.alerts[0].Updated = w.clock.now()
	w.clock.add(10 * time.Minute)
	w.sync()
	w.state("1", ledger.AlertDone, "")
	w.one("1") // and it is not told twice
}

func TestRenamingASourceForgetsNothing(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	w.p.add("1", 5*time.Minute, threat("a"))
	w.sync()
	renamed := renamedSource{w.p, "edr"}
	s := w.process("host/2/b", renamed)
	w.clock.add(time.Minute)
	if sum, err := w.trySync(s); err != nil || sum.New != 0 || sum.Notes != 0 {
		t.Errorf("%+v, %v", sum, err)
	}
	w.view(func(tx ledger.Tx) error {
		r, err := tx.Alert(w.sid(), "1")
		if r.Name != "edr" {
			t.Errorf("it is still called %q", r.Name)
		}
		return err
	})
}

// renamedSource is the same console under another name of the configuration.
type renamedSource struct {
	*product
	as string
}

func (r renamedSource) Name() string { return r.as }
