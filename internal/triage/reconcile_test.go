package triage

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
)

func (w *world) reconcile() []string {
	w.t.Helper()
	r, err := w.Reconcile(w.ctx, nil, t0.Add(-7*24*time.Hour))
	if err != nil || len(r.Errors) != 0 {
		w.t.Fatal(err, r.Errors)
	}
	var out []string
	for _, d := range r.Differences {
		if d.Did == "" {
			w.t.Errorf("%+v does not say what was done", d)
		}
		out = append(out, d.Ref.ID+": "+d.What)
	}
	slices.Sort(out)
	return out
}

func TestReconcileFindsNothingWhereThereIsNothing(t *testing.T) {
	w := newWorld(t)
	w.p.probes = true
	w.fill(30)
	w.sync()
	if got := w.reconcile(); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

func TestReconcileFindsWhatWasMissedChangedAndGone(t *testing.T) {
	w := newWorld(t)
	w.fill(5)
	w.sync()
	w.p.add("missed", 5*time.Hour, threat("a"))
	w.p.alerts[0].Files = append(w.p.alerts[0].Files, image("b")) // and updated did not move
	gone := w.p.alerts[1].ID
	w.p.alerts = slices.Delete(w.p.alerts, 1, 2)
	want := []string{"f000: changed", gone + ": gone", "missed: missed"}
	if got := w.reconcile(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	w.state(gone, ledger.AlertGone, "no longer has it")
	w.clock.add(time.Minute)
	w.sync()
	w.state("missed", ledger.AlertDone, "")
	if got := w.reconcile(); len(got) != 0 {
		t.Errorf("the second time: %v", got)
	}
}

func TestAnAlertAtTheEdgeOfTheWindowIsNotGone(t *testing.T) {
	w := newWorld(t)
	h := w.p.add("1", time.Hour, threat("a"))
	w.engine.set("a", alert.Malicious)
	w.sync()
	h.visible = w.clock.now().Add(time.Hour) // the list leaves it out, reading it by id does not
	if got := w.reconcile(); len(got) != 0 {
		t.Errorf("%v", got)
	}
	w.state("1", ledger.AlertDone, "")
}

func TestReconcileFindsNotesThatAreMissingAndLeavesThemAlone(t *testing.T) {
	w := newWorld(t)
	w.p.probes = true
	w.fill(3)
	w.sync()
	delete(w.p.notes, "f001")
	if got := w.reconcile(); !slices.Equal(got, []string{"f001: note missing"}) {
		t.Errorf("%v", got)
	}
	if n := w.p.texts("f001"); len(n) != 0 {
		t.Error("it was posted again although somebody may have removed it")
	}
}

func TestReconcileRepairsANoteThatTwoStoresWroteAtTheSameMoment(t *testing.T) {
	w := newWorld(t)
	w.p.probes = true
	w.fill(2)
	other := newWorld(t)
	other.p = w.p
	other.Service = other.process("host/2/b", w.p)
	other.engine.set("a", alert.Malicious)
	did := false
	w.p.onAdd = func(n int, _ []alert.Handle) { // between our look and our note
		if !did {
			did = true
			other.sync()
		}
	}
	w.sync()
	if n := len(w.p.texts("f000")); n != 2 {
		t.Fatalf("%d notes: the case did not come about", n)
	}
	w.clock.add(time.Minute)
	if got := w.reconcile(); !slices.Equal(got, []string{"f000: note doubled", "f001: note doubled"}) {
		t.Errorf("%v", got)
	}
	for i := range 2 {
		w.one(fmt.Sprintf("f%03d", i))
	}
}

func TestReconcileTellsTheFailureOfASourceAndGoesOn(t *testing.T) {
	w := newWorld(t)
	broken := newProduct("broken", w.clock)
	broken.err = fault.New(fault.Unavailable, "away")
	w.Service = w.process("host/1/a", broken, w.p, bare{newProduct("unread", w.clock)})
	w.fill(3)
	r, err := w.Reconcile(w.ctx, nil, t0.Add(-24*time.Hour))
	if err != nil || len(r.Errors) != 2 || len(r.Differences) != 3 || r.Checked != 3 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := w.Reconcile(w.ctx, []string{"nobody"}, t0); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

func TestReconcileLeavesASourceToWhoeverReadsIt(t *testing.T) {
	w := newWorld(t)
	w.fill(3)
	if _, err := w.process("host/2/b", w.p).acquire(w.ctx, w.sid()); err != nil {
		t.Fatal(err)
	}
	r, err := w.Reconcile(w.ctx, nil, t0.Add(-24*time.Hour))
	if err != nil || len(r.Errors) != 1 || !fault.Is(r.Errors[0].Err, fault.Locked) || w.seen() != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
