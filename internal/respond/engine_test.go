package respond

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"edrc/internal/fault"
)

func TestPlanningChangesNothing(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	p, err := newEngine(dir, w).Plan(t.Context(), request("i-1"))
	if err != nil {
		t.Fatal(err)
	}
	if len(w.writes) != 0 || len(p.Steps) != 3 || !ValidID(p.Request.Action) {
		t.Fatalf("writes %v, steps %d, action %q", w.writes, len(p.Steps), p.Request.Action)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Fatalf("planning left %v (%v)", left, err)
	}
}

func TestAHostileNameCannotWriteToTheTerminal(t *testing.T) {
	w := newWorld()
	w.values["x\x1b[2J"] = "\u202eevil"
	w.shared = "\x07bell"
	p, err := newEngine(t.TempDir(), w).Plan(t.Context(), request("i-1"))
	if err != nil {
		t.Fatal(err)
	}
	p.Target.Name = "web\x1b[1m"
	if text := fmt.Sprint(p.Prior, p.Steps[len(p.Steps)-1].Title, p.SharedBy, p.Target.Label()); strings.ContainsAny(text, "\x1b\u202e\x07") {
		t.Errorf("%q", text)
	}
}

func TestEveryStepIsOnDiskBeforeItIsDone(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	e := newEngine(dir, w)
	var missing []string
	w.onDo = func(s Step) {
		all, errs := newEngine(dir, w).Actions()
		if len(errs) > 0 || len(all) != 1 || !slices.ContainsFunc(all[0].Steps, func(r StepRecord) bool { return r.Title == s.Title && r.Intended }) {
			missing = append(missing, s.Title)
		}
	}
	a := mustIsolate(t, e)
	if len(missing) > 0 || a.Status != StatusDone || !allShut(w.values) {
		t.Fatalf("not on disk before: %v; status %s; %v", missing, a.Status, w)
	}
}

func TestUndoGivesBackExactlyWhatWas(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	a := mustIsolate(t, newEngine(dir, w))
	w.writes = nil
	r, err := newEngine(dir, w).Undo(t.Context(), UndoRequest{ID: a.ID, Reason: "false alarm"}, yes)
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(w.values, initial) || !slices.Equal(w.writes, []string{"revert c", "revert b", "revert a"}) {
		t.Fatalf("after undo: %v", w)
	}
	got, err := newEngine(dir, w).Action(a.ID)
	if err != nil || got.Status != StatusUndone || got.UndoneBy != r.Action.ID {
		t.Fatalf("action %+v, %v", got, err)
	}
	again, err := newEngine(dir, w).Undo(t.Context(), UndoRequest{ID: a.ID}, yes)
	if err != nil || again.Already == "" {
		t.Fatalf("a second undo: %+v, %v", again, err)
	}
	_, err = newEngine(dir, w).Undo(t.Context(), UndoRequest{ID: r.Action.ID}, yes)
	wantKind(t, err, fault.Usage, "itself the undo")
}

func TestTheAlertThatNamedTheTargetIsKeptAndTheUndoKnowsIt(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	r := request("i-1")
	r.Alert = "aws:us-east-1/f1"
	p, err := newEngine(dir, w).Plan(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	done, err := newEngine(dir, w).Apply(t.Context(), p, yes)
	if err != nil || done.Action.Alert != r.Alert {
		t.Fatalf("%+v %v", done, err)
	}
	undone, err := newEngine(dir, w).Undo(t.Context(), UndoRequest{ID: done.Action.ID}, yes)
	if err != nil || undone.Action.Alert != r.Alert {
		t.Fatalf("%+v %v", undone, err)
	}
	all, _ := newEngine(dir, w).Actions()
	if len(all) != 2 || all[0].Alert != r.Alert || all[1].Alert != r.Alert {
		t.Fatalf("the journals tell %+v", all)
	}
	for l, err := range newEngine(dir, w).Audit().Entries() {
		if err != nil || l.Alert != r.Alert {
			t.Errorf("the audit has %+v %v", l, err)
		}
	}
}

func TestUndoingAnotherAlertsActionIsToldOnTheOneThatAsks(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	a := mustIsolate(t, newEngine(dir, w))
	r, err := newEngine(dir, w).Undo(t.Context(), UndoRequest{ID: a.ID, Alert: "s1:2"}, yes)
	if err != nil || r.Action.Alert != "s1:2" {
		t.Fatalf("%+v %v", r, err)
	}
}

// TestWhatWasCutOffBeforeItsFirstStepIsClosedByUndo: it would stand as half-done for ever.
func TestWhatWasCutOffBeforeItsFirstStepIsClosedByUndo(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	e := newEngine(dir, w)
	e.Journal = &crashJournal{Journal: Files{filepath.Join(dir, ActionsDir)}, at: 3} // before the first intent
	if _, err := isolate(t, e, "i-1"); err == nil || len(w.writes) > 0 {
		t.Fatal(err, w)
	}
	all, _ := newEngine(dir, w).Actions()
	if len(all) != 1 || all[0].Status != StatusHalfDone {
		t.Fatalf("%+v", all)
	}
	if _, err := newEngine(dir, w).Undo(t.Context(), UndoRequest{ID: all[0].ID}, yes); err != nil || len(w.writes) > 0 {
		t.Fatal(err, w)
	}
	if a, err := newEngine(dir, w).Action(all[0].ID); err != nil || a.Status != StatusUndone {
		t.Fatalf("%+v %v", a, err)
	}
}

// TestTheAuditTellsTheEndOfWhatTheJournalTells: a process that dies between the two
// leaves an action to carry on, never one whose end the audit does not know.
func TestTheAuditTellsTheEndOfWhatTheJournalTells(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	e := newEngine(dir, w)
	e.Journal = &crashJournal{Journal: Files{filepath.Join(dir, ActionsDir)}, at: 15} // before the last line
	_, err := isolate(t, e, "i-1")
	all, _ := newEngine(dir, w).Actions()
	if err == nil || len(all) != 1 || all[0].Status != StatusHalfDone || !allShut(w.values) {
		t.Fatalf("%v %+v %v", err, all, w)
	}
	var events []AuditEvent
	for l := range e.Audit().Entries() {
		events = append(events, l.Event)
	}
	if !slices.Equal(events, []AuditEvent{AuditBegun, AuditEnded}) {
		t.Fatal(events)
	}
}

func TestAPlanThatDoesNotFitNamesACommandThatShowsItAnew(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	a := mustIsolate(t, newEngine(dir, w))
	p, err := newEngine(dir, w).PlanUndo(t.Context(), UndoRequest{ID: a.ID})
	if err != nil {
		t.Fatal(err)
	}
	w.values["c"] = "3"
	_, err = newEngine(dir, w).Apply(t.Context(), p, yes)
	wantKind(t, err, fault.Conflict, "edrc plan undo "+a.ID)
}

func TestRepeatingIsSafe(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	first := mustIsolate(t, newEngine(dir, w))
	r, err := isolate(t, newEngine(dir, w), "i-1")
	if err != nil || r.Already != "already shut" || len(w.writes) != 3 {
		t.Fatalf("%+v, %v, %v", r, err, w)
	}
	if _, err := newEngine(dir, w).Undo(t.Context(), UndoRequest{ID: first.ID}, yes); err != nil || !maps.Equal(w.values, initial) {
		t.Fatalf("the first action's originals are lost: %v %v", err, w)
	}
}

// TestAKillAnywhereLosesNothing ends the process before and after every line of the
// journal, while applying; the next process sees the action, and can complete or undo it.
func TestAKillAnywhereLosesNothing(t *testing.T) {
	for _, how := range []string{"undo", "resume"} {
		for k := 1; ; k++ {
			w, dir := newWorld(), t.TempDir()
			e := newEngine(dir, w)
			j := &crashJournal{Journal: Files{filepath.Join(dir, ActionsDir)}, at: k}
			e.Journal = j
			_, err := isolate(t, e, "i-1")
			if err == nil {
				if k < 12 {
					t.Fatalf("only %d boundaries", k)
				}
				break
			}
			recoverFrom(t, fmt.Sprintf("%s, boundary %d", how, k), how, dir, w)
		}
	}
}

// TestAPanicInAStepLosesNothing ends the process inside the vendor's call.
func TestAPanicInAStepLosesNothing(t *testing.T) {
	for _, how := range []string{"undo", "resume"} {
		for _, at := range []int{1, 2, 3, -1, -2, -3} {
			w, dir := newWorld(), t.TempDir()
			w.panicAt = at
			func() {
				defer func() {
					if recover() == nil {
						t.Fatal("no panic")
					}
				}()
				_, _ = isolate(t, newEngine(dir, w), "i-1")
			}()
			w.panicAt, w.busy = 0, 0
			recoverFrom(t, fmt.Sprintf("%s, write %d", how, at), how, dir, w)
		}
	}
}

func recoverFrom(t *testing.T, name, how, dir string, w *fakeWorld) {
	t.Helper()
	e := newEngine(dir, w)
	all, errs := e.Actions()
	if len(errs) > 0 {
		t.Fatalf("%s: %v", name, errs)
	}
	if len(all) == 0 {
		if !maps.Equal(w.snapshot(), initial) {
			t.Fatalf("%s: something was changed and no action tells it: %v", name, w)
		}
		return
	}
	a := all[0]
	if a.Status != StatusHalfDone && a.Status != StatusDone {
		t.Fatalf("%s: the action is %s", name, a.Status)
	}
	if how == "resume" {
		_, err := e.Resume(t.Context(), a.ID, yes)
		if err != nil || !allShut(w.snapshot()) {
			t.Fatalf("%s: %v; %v", name, err, w)
		}
		return
	}
	_, err := e.Undo(t.Context(), UndoRequest{ID: a.ID}, yes)
	if err != nil || !maps.Equal(w.snapshot(), initial) {
		t.Fatalf("%s: %v; %v", name, err, w)
	}
}

func TestAKillDuringAnUndoIsCarriedOnByTheSameUndo(t *testing.T) {
	for k := 1; ; k++ {
		w, dir := newWorld(), t.TempDir()
		a := mustIsolate(t, newEngine(dir, w))
		e := newEngine(dir, w)
		e.Journal = &crashJournal{Journal: Files{filepath.Join(dir, ActionsDir)}, at: k}
		if _, err := e.Undo(t.Context(), UndoRequest{ID: a.ID}, yes); err == nil {
			break
		}
		if _, err := newEngine(dir, w).Undo(t.Context(), UndoRequest{ID: a.ID}, yes); err != nil {
			t.Fatalf("boundary %d: %v", k, err)
		}
		if !maps.Equal(w.values, initial) {
			t.Fatalf("boundary %d: %v", k, w)
		}
		all, _ := newEngine(dir, w).Actions()
		if got := all[0].Status; got != StatusUndone || len(all) > 2 {
			t.Fatalf("boundary %d: the action is %s, and there are %d actions", k, got, len(all))
		}
	}
}

func TestAStepThatFailsIsToldWithWhatIsDoneAndHowToGoOn(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	w.refuse["b"] = fault.New(fault.Denied, "AccessDenied (ec2:Shut is needed)").WithHint("allow ec2:Shut")
	r, err := isolate(t, newEngine(dir, w), "i-1")
	wantKind(t, err, fault.Partial, "1 of 3 steps are done", "step 2 of 3 (shut b)", "ec2:Shut is needed", "allow ec2:Shut", "edrc undo "+r.Action.ID, "edrc actions resume")
	if r.Action.Status != StatusPartial || w.values["c"] != "3" {
		t.Fatalf("%s, %v", r.Action.Status, w)
	}
	delete(w.refuse, "b")
	if r, err = newEngine(dir, w).Resume(t.Context(), r.Action.ID, yes); err != nil || !allShut(w.values) || r.Action.Status != StatusDone {
		t.Fatalf("%v %v", err, w)
	}
	w.refuse["b"] = fault.New(fault.Denied, "AccessDenied")
	_, err = newEngine(dir, w).Undo(t.Context(), UndoRequest{ID: r.Action.ID}, yes)
	wantKind(t, err, fault.Partial, "1 of 3", "edrc undo "+r.Action.ID)
	delete(w.refuse, "b")
	if _, err = newEngine(dir, w).Undo(t.Context(), UndoRequest{ID: r.Action.ID}, yes); err != nil || !maps.Equal(w.values, initial) {
		t.Fatalf("%v %v", err, w)
	}
}

func TestAFailureBeforeAnythingChangedKeepsItsKind(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	w.refuse["a"] = fault.New(fault.Denied, "AccessDenied")
	r, err := isolate(t, newEngine(dir, w), "i-1")
	wantKind(t, err, fault.Denied, "0 of 3")
	if r.Action.Status != StatusFailed {
		t.Fatal(r.Action.Status)
	}
	if r, err := newEngine(dir, w).Undo(t.Context(), UndoRequest{ID: r.Action.ID}, yes); err != nil || len(r.Action.Steps) != 0 {
		t.Fatalf("%+v %v", r, err)
	}
}

func TestAnOptionalStepThatFailsIsAWarning(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	w.optional["b"], w.refuse["b"] = true, fault.New(fault.Quota, "TagLimitExceeded")
	r, err := isolate(t, newEngine(dir, w), "i-1")
	if err != nil || r.Action.Status != StatusDone || len(r.Warnings) != 1 || w.values["c"] != "shut" {
		t.Fatalf("%+v %v %v", r, err, w)
	}
}

func TestALostAnswerIsReadBackAndNeverSentTwice(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	w.loseOf["b"] = true
	if a := mustIsolate(t, newEngine(dir, w)); a.Status != StatusDone || len(w.writes) != 3 {
		t.Fatalf("%s %v", a.Status, w)
	}
	w, dir = newWorld(), t.TempDir()
	w.lostOf["b"] = true
	r, err := isolate(t, newEngine(dir, w), "i-1")
	wantKind(t, err, fault.Partial, "no answer")
	if len(w.writes) != 2 || r.Action.Steps[1].Outcome.State != InDoubt {
		t.Fatalf("%v %+v", w, r.Action.Steps[1])
	}
	delete(w.lostOf, "b")
	if _, err := newEngine(dir, w).Undo(t.Context(), UndoRequest{ID: r.Action.ID}, yes); err != nil || !maps.Equal(w.values, initial) {
		t.Fatalf("%v %v", err, w)
	}
}

func TestUndoDoesNotOverwriteWhatOthersChangedUnlessForced(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	a := mustIsolate(t, newEngine(dir, w))
	w.values["b"] = "theirs"
	_, err := newEngine(dir, w).Undo(t.Context(), UndoRequest{ID: a.ID}, yes)
	wantKind(t, err, fault.Conflict, "b is theirs", "--force")
	if w.values["a"] != "shut" || w.values["b"] != "theirs" {
		t.Fatalf("something was changed: %v", w)
	}
	if _, err := newEngine(dir, w).Undo(t.Context(), UndoRequest{ID: a.ID, Force: true}, yes); err != nil || !maps.Equal(w.values, initial) {
		t.Fatalf("%v %v", err, w)
	}
}

func TestWhatOthersDidBeforeIsNotUndone(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	e := newEngine(dir, w)
	w.onDo = func(s Step) { // somebody shuts b while a is being shut
		w.mu.Lock()
		defer w.mu.Unlock()
		w.values["b"] = "shut"
		w.onDo = nil
	}
	a := mustIsolate(t, e)
	if a.Steps[1].Outcome.State != Found {
		t.Fatalf("%+v", a.Steps[1])
	}
	if _, err := newEngine(dir, w).Undo(t.Context(), UndoRequest{ID: a.ID}, yes); err != nil || w.values["b"] != "shut" || w.values["a"] != "1" {
		t.Fatalf("%v %v", err, w)
	}
}

func TestWhatSomebodyChangesBetweenTwoStepsIsNotOverwritten(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	w.onDo = func(Step) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.values["b"], w.onDo = "theirs", nil
	}
	r, err := isolate(t, newEngine(dir, w), "i-1")
	wantKind(t, err, fault.Partial, "step 2 of 3", "somebody changed it meanwhile: b is theirs")
	if w.values["b"] != "theirs" || r.Action.Status != StatusPartial {
		t.Fatal(w)
	}
	if _, err := newEngine(dir, w).Undo(t.Context(), UndoRequest{ID: r.Action.ID}, yes); err != nil || w.values["a"] != "1" || w.values["b"] != "theirs" {
		t.Fatal(err, w)
	}
}

func TestASavedPlanIsAppliedOnlyWhenNothingMoved(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	p, err := newEngine(dir, w).Plan(t.Context(), request("i-1"))
	if err != nil {
		t.Fatal(err)
	}
	saved, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	read, err := ReadPlan(saved)
	if err != nil {
		t.Fatal(err)
	}
	w.values["b"] = "moved"
	_, err = newEngine(dir, w).Apply(t.Context(), read, yes)
	wantKind(t, err, fault.Conflict, "b was 2, it is moved")
	if len(w.writes) > 0 {
		t.Fatal(w)
	}
	w.values["b"] = "2"
	r, err := newEngine(dir, w).Apply(t.Context(), read, yes)
	if err != nil || r.Action.ID != p.Request.Action {
		t.Fatal(r, err)
	}
	if r, err := newEngine(dir, w).Apply(t.Context(), read, yes); err != nil || r.Already == "" {
		t.Fatalf("a second time: %+v %v", r, err)
	}
	if _, err := newEngine(dir, w).Undo(t.Context(), UndoRequest{ID: r.Action.ID}, yes); err != nil {
		t.Fatal(err)
	}
	_, err = newEngine(dir, w).Apply(t.Context(), read, yes)
	wantKind(t, err, fault.Conflict, "carried out already")
}

func TestAPlanThatWasEditedIsRefused(t *testing.T) {
	w := newWorld()
	p, err := newEngine(t.TempDir(), w).Plan(t.Context(), request("i-1"))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(p)
	_, err = ReadPlan([]byte(strings.Replace(string(b), `"i-1"`, `"i-2"`, 1)))
	wantKind(t, err, fault.Conflict, "changed after it was made")
	for _, bad := range []string{`{`, `{}`, `[]`, `{"schema":"edrc.plan/v1"}`} {
		_, err = ReadPlan([]byte(bad))
		wantKind(t, err, fault.Usage)
	}
}

// TestWhatASavedPlanLeavesOutIsStillAskedFor: it is a file, and who uses the target may change.
func TestWhatASavedPlanLeavesOutIsStillAskedFor(t *testing.T) {
	for name, edit := range map[string]func(*Plan){
		"a reason and the name": func(p *Plan) { p.Severe = false },
		"who shares it":         func(p *Plan) { p.SharedBy = "" },
	} {
		w, dir := newWorld(), t.TempDir()
		w.shared = "two others use it"
		p, err := newEngine(dir, w).Plan(t.Context(), request("i-1"))
		if err != nil {
			t.Fatal(err)
		}
		edit(&p)
		_, err = newEngine(dir, w).Apply(t.Context(), p, Approval{Yes: true, Shared: p.SharedBy != ""})
		wantKind(t, err, fault.Conflict, "needs more to be confirmed")
		if len(w.writes) > 0 {
			t.Errorf("%s: %v", name, w)
		}
	}
}

// TestAPlanThatWasCarriedOutLeavesNoBeginningInTheAudit: it would never end.
func TestAPlanThatWasCarriedOutLeavesNoBeginningInTheAudit(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	p, err := newEngine(dir, w).Plan(t.Context(), request("i-1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newEngine(dir, w).Apply(t.Context(), p, yes); err != nil {
		t.Fatal(err)
	}
	if _, err := newEngine(dir, w).Undo(t.Context(), UndoRequest{ID: p.Request.Action}, yes); err != nil {
		t.Fatal(err)
	}
	_, err = newEngine(dir, w).Apply(t.Context(), p, yes)
	wantKind(t, err, fault.Conflict, "carried out already")
	begun, ended := 0, 0
	for l, err := range newEngine(dir, w).Audit().Entries() {
		if err != nil {
			t.Fatal(err)
		}
		switch l.Event {
		case AuditBegun:
			begun++
		case AuditEnded:
			ended++
		}
	}
	if begun != 2 || ended != 2 {
		t.Errorf("%d began and %d ended", begun, ended)
	}
}

func TestTwoActionsOnOneTargetSerialise(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	const n = 4
	type result struct {
		r   Report
		err error
	}
	out := make(chan result, n)
	for range n {
		p, err := newEngine(dir, w).Plan(t.Context(), request("i-1"))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			r, err := newEngine(dir, w).Apply(context.Background(), p, yes)
			out <- result{r, err}
		}()
	}
	did := 0
	for range n {
		got := <-out
		if got.err != nil {
			t.Error(got.err)
		}
		if got.r.Action != nil {
			did++
		}
	}
	if did != 1 || w.clash || len(w.writes) != 3 {
		t.Fatalf("%d of them acted, clash %v: %v", did, w.clash, w)
	}
}

func TestWaitingForAnotherEndsWithTheContext(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	e := newEngine(dir, w)
	p, err := e.Plan(t.Context(), request("i-1"))
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := e.lockTarget(t.Context(), p.Target)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	other, told := newEngine(dir, w), ""
	other.Progress = func(p Progress) { told = p.Waiting; cancel() }
	_, err = other.Apply(ctx, p, yes)
	wantKind(t, err, fault.Locked, "at work on i-1")
	if len(w.writes) > 0 || told != "i-1" {
		t.Fatalf("%v; that it waits is told as %q", w, told)
	}
}

func TestAnInterruptedActionStopsBetweenStepsAndIsHalfDone(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	e := newEngine(dir, w)
	ctx, cancel := context.WithCancel(t.Context())
	w.onDo = func(Step) { cancel() }
	p, err := e.Plan(ctx, request("i-1"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := e.Apply(ctx, p, yes)
	wantKind(t, err, fault.Partial, "1 of 3")
	if r.Action.Status != StatusHalfDone {
		t.Fatal(r.Action.Status)
	}
	w.onDo = nil
	if _, err := newEngine(dir, w).Resume(t.Context(), r.Action.ID, yes); err != nil || !allShut(w.values) {
		t.Fatal(err, w)
	}
}

func TestIsolatedTellsTheTruthAndShowsDrift(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	e := newEngine(dir, w)
	a := mustIsolate(t, e)
	state := func(want StandingState) Standing {
		t.Helper()
		all, errs := e.Isolated(t.Context())
		if len(errs) > 0 || len(all) != 1 || all[0].State != want {
			t.Fatalf("%+v %v, want %s", all, errs, want)
		}
		return all[0]
	}
	s := state(StillIsolated)
	if s.Action.Reason != "case 7" || s.Action.Actor.User != "anna" || !s.Since.Equal(a.Started) || s.Action.ID != a.ID {
		t.Fatalf("%+v", s)
	}
	w.values["b"] = "2"
	if s := state(Drifted); len(s.Drift) != 1 || !strings.Contains(s.Drift[0], "b is 2") {
		t.Fatalf("%+v", s)
	}
	maps.Copy(w.values, initial)
	state(Released)
	if _, err := e.Undo(t.Context(), UndoRequest{ID: a.ID}, yes); err != nil {
		t.Fatal(err)
	}
	if all, _ := e.Isolated(t.Context()); len(all) != 0 {
		t.Fatalf("%+v", all)
	}
}

func TestWhatIsAcceptedAndNotDoneIsSoUntilARefreshFindsItDone(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	w.pendOf["b"] = true
	e := newEngine(dir, w)
	r, err := isolate(t, e, "i-1")
	wantKind(t, err, fault.Partial, "accepted")
	if r.Action.Status != StatusAccepted {
		t.Fatal(r.Action.Status)
	}
	if all, _ := e.Isolated(t.Context()); all[0].State != Isolating {
		t.Fatalf("%+v", all[0])
	}
	if done, errs := e.Refresh(t.Context()); len(done) != 0 || len(errs) != 0 {
		t.Fatal(done, errs)
	}
	delete(w.pendOf, "b")
	unlock, err := e.lockTarget(t.Context(), r.Action.Target)
	if err != nil {
		t.Fatal(err)
	}
	if done, errs := e.Refresh(t.Context()); len(done) != 0 || len(errs) != 0 {
		t.Fatal("another process is at it:", done, errs)
	}
	unlock()
	if done, errs := e.Refresh(t.Context()); len(done) != 1 || len(errs) != 0 || done[0].Status != StatusDone {
		t.Fatal(done, errs)
	}
	if a, _ := e.Action(r.Action.ID); a.Status != StatusDone || len(w.writes) != 3 {
		t.Fatal(a.Status, w)
	}
}
