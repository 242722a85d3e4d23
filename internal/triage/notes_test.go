package triage

import (
	"context"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/source"
)

type (
	ctxT = context.Context
	seqT = iter.Seq2[alert.Alert, error]
)

// personWorld has one alert that a person writes on.
func personWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.p.add("1", time.Hour, threat("a"))
	return w
}

func (w *world) write(text, key string) (*NoteReceipt, error) {
	return w.AddNote(w.ctx, w.ref("1"), text, key)
}

func TestTheSameWordsTwiceOnPurposeAreTwoNotes(t *testing.T) {
	w := personWorld(t)
	a, err := w.write("looked at it", "")
	if err != nil || a.NoteID == "" || a.Already || a.Key == "" {
		t.Fatal(a, err)
	}
	b, err := w.write("looked at it", "")
	if err != nil || b.Key == a.Key || len(w.p.texts("1")) != 2 {
		t.Errorf("%+v, %v, %q", b, err, w.p.texts("1"))
	}
}

func TestTheSameKeyPostsOnce(t *testing.T) {
	w := personWorld(t)
	a, err := w.write("looked at it", "k1")
	if err != nil || a.Already {
		t.Fatal(a, err)
	}
	b, err := w.write("looked at it", "k1")
	if err != nil || !b.Already || b.NoteID != a.NoteID {
		t.Errorf("%+v, %v", b, err)
	}
	w.one("1")
	w.p.notes = map[string][]note{} // a colleague has removed it
	if c, err := w.write("looked at it", "k1"); err != nil || !c.Already || len(w.p.posts) != 1 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestTheSameKeyOnAnotherMachineFindsTheNote(t *testing.T) {
	w := personWorld(t)
	a, _ := w.write("looked at it", "k1")
	elsewhere := newWorld(t)
	elsewhere.p.alerts, elsewhere.p.notes = w.p.alerts, w.p.notes
	b, err := elsewhere.write("looked at it", "k1")
	if err != nil || !b.Already || b.NoteID != a.NoteID {
		t.Errorf("%+v, %v", b, err)
	}
	if e := elsewhere.effects(); len(e) != 1 || e[0].State != ledger.EffectDone {
		t.Errorf("%+v", e)
	}
}

func TestAPersonsNoteInDoubtIsReadTwiceBeforeItIsReported(t *testing.T) {
	w := personWorld(t)
	w.p.outcomes, w.p.silently, w.p.lag = []source.NoteOutcome{source.NoteUnknown}, true, 45*time.Second
	r, err := w.write("x", "")
	if err != nil || r.NoteID != "n1" || w.p.reads["1"] != 2 {
		t.Errorf("%+v, %v, %d reads", r, err, w.p.reads["1"])
	}
	w.one("1")
}

func TestAPersonsNoteThatStaysInDoubtCanBeRepeatedSafely(t *testing.T) {
	for _, late := range []bool{true, false} {
		w := personWorld(t)
		w.p.outcomes, w.p.silently, w.p.lag = []source.NoteOutcome{source.NoteUnknown}, late, 70*time.Second
		r, err := w.write("x", "")
		if !fault.Is(err, fault.InDoubt) || !strings.Contains(err.(*fault.Error).Hint, "--key "+r.Key) {
			t.Fatalf("%+v, %v", r, err)
		}
		w.clock.add(20 * time.Second)
		again, err := w.write("x", r.Key)
		if err != nil || again.Already != late {
			t.Errorf("late %v: %+v, %v", late, again, err)
		}
		w.one("1")
	}
}

func TestANoteThatIsRepeatedAtOnceWaitsUntilAbsentMeansUnsent(t *testing.T) {
	w := personWorld(t)
	w.p.outcomes, w.p.silently, w.p.lag = []source.NoteOutcome{source.NoteUnknown}, true, 45*time.Second
	ctx, cancel := context.WithCancel(w.ctx)
	w.p.onAdd = func(int, []alert.Handle) { cancel() } // Ctrl-C while it is sent
	if _, err := w.AddNote(ctx, w.ref("1"), "x", "k1"); !fault.Is(err, fault.InDoubt) {
		t.Fatal(err)
	}
	w.p.onAdd = nil
	r, err := w.write("x", "k1")
	if err != nil || !r.Already {
		t.Errorf("%+v, %v", r, err)
	}
	w.one("1")
}

func TestADoubtThatCannotBeReadIsNotRepeated(t *testing.T) {
	w := personWorld(t)
	w.Service = w.process("host/1/a", muted(w.p))
	w.p.outcomes = []source.NoteOutcome{source.NoteUnknown}
	if _, err := w.write("x", "k1"); !fault.Is(err, fault.InDoubt) {
		t.Fatal(err)
	}
	if _, err := w.write("x", "k1"); !fault.Is(err, fault.InDoubt) || len(w.p.posts) != 1 {
		t.Errorf("%v, %d posts", err, len(w.p.posts))
	}
}

func TestANoteThatWasNotSentOrRefusedCanBeRepeated(t *testing.T) {
	for _, o := range []source.NoteOutcome{source.NoteNotSent, source.NoteRefused} {
		w := personWorld(t)
		w.p.outcomes = []source.NoteOutcome{o}
		if r, err := w.write("x", "k1"); err == nil || r.NoteID != "" {
			t.Fatalf("%s: %+v", o, r)
		}
		if r, err := w.write("x", "k1"); err != nil || r.Already {
			t.Errorf("%s: %+v, %v", o, r, err)
		}
		w.one("1")
	}
}

func TestANoteThatAnotherProcessIsWritingIsAConflict(t *testing.T) {
	w := personWorld(t)
	var inner error
	w.p.onAdd = func(n int, _ []alert.Handle) {
		if n == 1 {
			_, inner = w.process("host/2/b", w.p).AddNote(w.ctx, w.ref("1"), "x", "k1")
		}
	}
	if _, err := w.write("x", "k1"); err != nil || !fault.Is(inner, fault.Conflict) {
		t.Errorf("%v, %v", err, inner)
	}
	w.one("1")
}

func TestNotesNeedAProductThatTakesThem(t *testing.T) {
	w := personWorld(t)
	w.p.alerts[0].Note = ""
	if _, err := w.write("x", ""); !fault.Is(err, fault.Unsupported) {
		t.Error(err)
	}
	w.Service = w.process("host/1/a", bare{w.p})
	if _, err := w.write("x", ""); !fault.Is(err, fault.Unsupported) {
		t.Error(err)
	}
	if _, _, err := w.Notes(w.ctx, w.ref("1")); !fault.Is(err, fault.Unsupported) {
		t.Error(err)
	}
	if r := w.PostVerdicts(w.ctx, []alert.Ref{w.ref("1")}); !fault.Is(r[0].Err, fault.Unsupported) {
		t.Error(r)
	}
}

func TestANoteOnAnAlertThatIsNotThereIsNotFound(t *testing.T) {
	w := personWorld(t)
	if _, err := w.AddNote(w.ctx, w.ref("nobody"), "x", ""); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if len(w.p.posts) != 0 {
		t.Error("it was sent")
	}
}

func TestNotesAreListedOldestFirst(t *testing.T) {
	w := personWorld(t)
	for _, s := range []string{"a", "b", "c"} {
		w.p.put("1", s)
		w.clock.add(time.Second)
	}
	slices.Reverse(w.p.notes["1"])
	ns, _, err := w.Notes(w.ctx, w.ref("1"))
	if err != nil || len(ns) != 3 || ns[0].Text != "a" || ns[2].Text != "c" {
		t.Errorf("%+v, %v", ns, err)
	}
	w.p.onNotes = func() error { return fault.New(fault.Denied, "no") }
	if _, _, err := w.Notes(w.ctx, w.ref("1")); !fault.Is(err, fault.Denied) {
		t.Error(err)
	}
}

func TestAVerdictThatAPersonAskedForIsPostedOnceAlsoOnAClosedAlert(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	w.p.add("1", time.Hour, threat("a")).Status = alert.StatusResolved
	w.sync()
	w.state("1", ledger.AlertSkipped, SkipClosed)
	if _, err := w.Scan(w.ctx, []Judged{{File: threat("a")}}, ScanOptions{Wait: time.Minute}); err != nil {
		t.Fatal(err)
	}
	r := w.PostVerdicts(w.ctx, []alert.Ref{w.ref("1")})
	if r[0].Err != nil || r[0].Already || r[0].NoteID == "" {
		t.Fatalf("%+v", r[0])
	}
	if r := w.PostVerdicts(w.ctx, []alert.Ref{w.ref("1")}); r[0].Err != nil || !r[0].Already {
		t.Errorf("%+v", r[0])
	}
	w.one("1")
}

func TestAVerdictNoteInDoubtIsWaitedOut(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	w.p.add("1", time.Hour, threat("a"))
	w.p.outcomes = []source.NoteOutcome{source.NoteUnknown, source.NoteNotSent}
	if _, err := w.Scan(w.ctx, []Judged{{File: threat("a")}}, ScanOptions{Wait: time.Minute}); err != nil {
		t.Fatal(err)
	}
	for range 3 { // not sent is an error each time; a doubt is not
		if r := w.PostVerdicts(w.ctx, []alert.Ref{w.ref("1")}); r[0].Err == nil {
			break
		}
	}
	w.clock.add(time.Minute)
	w.sync()
	w.one("1")
}

func TestWithoutAVerdictNoVerdictIsPosted(t *testing.T) {
	w := personWorld(t)
	r := w.PostVerdicts(w.ctx, []alert.Ref{w.ref("1"), w.ref("nobody")})
	if r[0].Err == nil || !strings.Contains(r[0].Err.Error(), "no verdict yet") || !fault.Is(r[1].Err, fault.NotFound) || len(w.p.posts) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestAVerdictNoteThatSomebodyRemovedIsPostedAgainWhenAPersonAsks(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	w.p.add("1", time.Hour, threat("a"))
	w.sync()
	w.p.notes = map[string][]note{}
	if r := w.PostVerdicts(w.ctx, []alert.Ref{w.ref("1")}); !r[0].Already {
		t.Errorf("within the settle time absent is not removed: %+v", r[0])
	}
	w.clock.add(10 * time.Minute)
	if r := w.PostVerdicts(w.ctx, []alert.Ref{w.ref("1")}); r[0].Err != nil || r[0].Already || r[0].NoteID == "" {
		t.Errorf("%+v", r[0])
	}
	w.one("1")
	w.clock.add(10 * time.Minute)
	w.sync()
	w.one("1")
}

// markerOfKey is the marker of a person's note.
func markerOfKey(key string) string { return ledger.Marker(ledger.PurposeManual, key) }
