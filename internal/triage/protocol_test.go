package triage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/source"
)

// The order is that of the note protocol.

// noteWorld has one alert on one malicious file.
func noteWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	w.p.add("1", time.Hour, threat("a"))
	return w
}

func markerOf(name string, c alert.Class) string {
	return ledger.Marker(ledger.PurposeVerdict, ledger.VerdictSubject("intezer", c, hashesOf(name).SHA256))
}

func tag(marker string) string { return "[edrc:" + marker + "]" }

func TestNotesAreReadBeforeTheFirstSend(t *testing.T) {
	w := noteWorld(t)
	w.sync()
	if w.p.reads["1"] != 1 || len(w.p.posts) != 1 {
		t.Errorf("%d reads, %d posts", w.p.reads["1"], len(w.p.posts))
	}
}

func TestAProductThatSaysThereAreNoNotesIsNotReadForThem(t *testing.T) {
	w := noteWorld(t)
	w.p.probes = true
	w.p.add("2", time.Hour, threat("a"))
	w.p.put("2", "somebody's note")
	w.sync()
	if w.p.reads["1"] != 0 || w.p.reads["2"] != 1 || len(w.p.texts("2")) != 2 {
		t.Errorf("%v", w.p.reads)
	}
}

func TestANoteThatAnotherMachineWroteIsFoundAndNotWrittenAgain(t *testing.T) {
	w := noteWorld(t)
	for i := range 250 { // it is not on the first page
		w.p.put("1", fmt.Sprintf("note %d", i))
	}
	id := w.p.put("1", "Intezer verdict: malicious\n"+tag(markerOf("a", alert.Malicious)))
	for i := range 250 {
		w.p.put("1", fmt.Sprintf("later note %d", i))
	}
	sum := w.sync()
	r := w.state("1", ledger.AlertDone, "")
	if len(w.p.posts) != 0 || r.NoteID != id || r.Noted != alert.Malicious || sum.Sources[0].Found != 1 || sum.Notes != 0 {
		t.Errorf("%d posts, %+v, %+v", len(w.p.posts), r, sum.Sources[0])
	}
}

func TestANoteIsFoundHoweverTheProductRendersIt(t *testing.T) {
	m := markerOf("a", alert.Malicious)
	for name, text := range map[string]string{
		"html":     "<p>Intezer verdict: malicious</p><p>&#91;edrc:" + m + "&#93;</p>",
		"escaped":  "Intezer verdict: malicious&lt;br&gt;&lsqb;edrc:" + m + "&rsqb;",
		"folded":   "Intezer verdict: malicious [edrc:" + m + "]",
		"bare":     "Intezer verdict: malicious edrc:" + m,
		"wrapped":  "Intezer verdict:\r\n malicious\r\n\r\n [edrc:" + m + "]\r\n",
		"inside":   "quoted: > [edrc:" + m + "] <",
		"more":     "x [edrc:0123456789abcdef] [edrc:" + m + "]",
		"emphasis": "<b>Intezer</b> <i>[edrc:" + m + "]</i>",
	} {
		w := noteWorld(t)
		w.p.put("1", text)
		if w.sync(); len(w.p.posts) != 0 {
			t.Errorf("%s: not recognised: %q", name, text)
		}
	}
}

func TestANoteOfAnotherContentIsNoReasonToBeSilent(t *testing.T) {
	w := noteWorld(t)
	w.p.put("1", "x "+tag(markerOf("a", alert.Suspicious)))
	w.p.put("1", "x "+tag(markerOf("b", alert.Malicious)))
	w.p.put("1", "x "+tag(markerOf("a", alert.Malicious))[:15]+"]")
	if w.sync(); len(w.p.posts) != 1 {
		t.Errorf("%d posts", len(w.p.posts))
	}
}

func TestTheIntentIsCommittedBeforeTheNoteIsSent(t *testing.T) {
	w := noteWorld(t)
	seen := false
	w.p.onAdd = func(int, []alert.Handle) {
		es := w.effects()
		seen = len(es) == 1 && es[0].State == ledger.EffectSending && es[0].Attempt == 1 && es[0].Claim.Held(w.clock.now()) && es[0].Container == "1"
	}
	w.sync()
	if !seen {
		t.Error("the note was sent before the intent was committed")
	}
	if e := w.effects()[0]; e.State != ledger.EffectDone || e.NoteID == "" || e.Claim.Holder != "" {
		t.Errorf("%+v", e)
	}
}

func TestAnUnknownOutcomeIsReadTwiceASettleApartAndThenSentAgain(t *testing.T) {
	w := noteWorld(t)
	w.p.outcomes = []source.NoteOutcome{source.NoteUnknown}
	sent := []time.Time{}
	w.p.onAdd = func(int, []alert.Handle) { sent = append(sent, w.clock.now()) }
	reads := []time.Time{}
	w.p.onNotes = func() error { reads = append(reads, w.clock.now()); return nil }
	sum := w.sync()
	w.one("1")
	if len(sent) != 2 || len(reads) != 3 {
		t.Fatalf("sent at %v, read at %v", sent, reads)
	}
	settle := w.p.traits.NoteSettle
	if reads[1].Sub(sent[0]) < settle || reads[2].Sub(reads[1]) < settle || sent[1].Before(reads[2]) {
		t.Errorf("sent at %v, read at %v", sent, reads)
	}
	if s := sum.Sources[0]; s.Doubts != 1 || s.Notes != 1 {
		t.Errorf("%+v", s)
	}
	if e := w.effects()[0]; e.Attempt != 2 {
		t.Errorf("%+v", e)
	}
}

func TestANoteInDoubtThatAppearsLateIsNotSentAgain(t *testing.T) {
	for _, lag := range []time.Duration{0, 20 * time.Second, 45 * time.Second} { // up to twice the settle time
		w := noteWorld(t)
		w.p.outcomes, w.p.silently, w.p.lag = []source.NoteOutcome{source.NoteUnknown}, true, lag
		w.sync()
		w.one("1")
		if r := w.state("1", ledger.AlertDone, ""); r.NoteID != "n1" || len(w.p.posts) != 1 {
			t.Errorf("lag %v: %+v, %d posts", lag, r, len(w.p.posts))
		}
	}
}

func TestARunThatEndsBeforeADoubtIsResolvedLeavesItToTheNext(t *testing.T) {
	w := noteWorld(t)
	w.Settings.Wait = 0
	w.p.outcomes, w.p.silently = []source.NoteOutcome{source.NoteUnknown}, true
	if sum := w.sync(); sum.NotesDue != 1 {
		t.Errorf("%+v", sum)
	}
	w.state("1", ledger.AlertOpen, "")
	w.Service = w.process("host/2/b", w.p)
	w.clock.add(time.Minute)
	w.sync()
	w.state("1", ledger.AlertDone, "")
	w.one("1")
}

func TestAfterFiveAttemptsAPersonMustLook(t *testing.T) {
	w := noteWorld(t)
	for range 20 {
		w.p.outcomes = append(w.p.outcomes, source.NoteUnknown)
	}
	w.Settings.Wait = time.Hour
	sum := w.sync()
	w.state("1", ledger.AlertQuarantined, "note in doubt after 5 attempts")
	if len(w.p.posts) != 5 || sum.Quarantined != 1 || w.due() != 0 {
		t.Errorf("%d posts, %+v", len(w.p.posts), sum)
	}
	q, err := w.Quarantine(w.ctx)
	if err != nil || len(q) != 1 || q[0].What != "note" || q[0].Alert != "1" {
		t.Fatalf("%+v, %v", q, err)
	}
	w.p.outcomes = nil
	if got, err := w.Retry(w.ctx, []string{strings.ToLower(q[0].ID)}); err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	w.sync()
	w.state("1", ledger.AlertDone, "")
	w.one("1")
}

func TestARefusalIsFinal(t *testing.T) {
	w := noteWorld(t)
	w.p.outcomes = []source.NoteOutcome{source.NoteRefused}
	sum, err := w.trySync(w.Service)
	if err != nil || sum.Sources[0].Refused != 1 || len(sum.Errors) != 1 {
		t.Errorf("%+v, %v", sum.Sources[0], err)
	}
	w.state("1", ledger.AlertDone, "note refused: too long")
	w.clock.add(time.Hour)
	w.sync()
	if len(w.p.posts) != 1 || w.due() != 0 {
		t.Errorf("%d posts", len(w.p.posts))
	}
}

func TestWhatWasCertainlyNotSentDoesNotCountAsAnAttempt(t *testing.T) {
	w := noteWorld(t)
	w.Settings.NoteRetry = time.Second
	for range 12 {
		w.p.outcomes = append(w.p.outcomes, source.NoteNotSent)
	}
	for range 20 {
		if _, err := w.trySync(w.Service); err != nil {
			t.Fatal(err)
		}
		w.clock.add(time.Minute)
	}
	w.one("1")
	w.state("1", ledger.AlertDone, "")
	if e := w.effects()[0]; e.Attempt != 1 || len(w.p.posts) != 13 {
		t.Errorf("%+v, %d posts", e, len(w.p.posts))
	}
}

func TestABulkThatProvesTooLittleIsInDoubtForEachAndResolvedByReading(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	for i := range 10 {
		w.p.add(fmt.Sprint(i), time.Hour, threat("a"))
	}
	w.p.outcomes, w.p.half = []source.NoteOutcome{source.NoteUnknown}, true // 5 of 10
	w.sync()
	for i := range 10 {
		w.one(fmt.Sprint(i))
		w.state(fmt.Sprint(i), ledger.AlertDone, "")
	}
	again := 0
	for _, p := range w.p.posts[1:] {
		again += len(p.to)
	}
	if len(w.p.posts[0].to) != 10 || again != 5 {
		t.Errorf("%+v", w.p.posts)
	}
}

func TestAlertsWithTheSameVerdictAreToldInOneRequest(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	w.engine.set("b", alert.Malicious)
	for i := range 12 {
		w.p.add(fmt.Sprintf("a%d", i), time.Hour, threat("a"))
		w.p.add(fmt.Sprintf("b%d", i), time.Hour, threat("b"))
	}
	w.sync()
	if len(w.p.posts) != 4 { // 10 and 2, twice
		t.Errorf("%d requests", len(w.p.posts))
	}
}

func TestAVisibleDoubleOfOursIsRemovedAndTheOlderOneStays(t *testing.T) {
	w := noteWorld(t)
	text := "Intezer verdict: malicious\n" + tag(markerOf("a", alert.Malicious))
	first := w.p.put("1", text)
	w.clock.add(time.Second)
	second := w.p.put("1", text)
	other := w.p.put("1", "a colleague's note")
	sum := w.sync()
	if !slices.Equal(w.p.removed, []string{second}) || sum.Sources[0].Repaired != 1 {
		t.Errorf("removed %v, kept %s and %s", w.p.removed, first, other)
	}
	if r := w.rec("1"); r.NoteID != first {
		t.Errorf("%+v", r)
	}
}

func TestANoteThatQuotesOursIsNeverRemoved(t *testing.T) {
	text := "Intezer verdict: malicious\n" + tag(markerOf("a", alert.Malicious))
	for _, quote := range []string{"> " + text, "FYI: " + text, text + "\nI agree", "see " + tag(markerOf("a", alert.Malicious)), "<p>&gt; Intezer verdict: malicious<br>" + tag(markerOf("a", alert.Malicious)) + "</p>"} {
		w := noteWorld(t)
		w.p.put("1", text)
		w.clock.add(time.Second)
		w.p.put("1", quote)
		if w.sync(); len(w.p.removed) != 0 || len(w.p.posts) != 0 {
			t.Errorf("%q was removed", quote)
		}
	}
}

func TestAlertsThatShareAnIncidentGetOneNote(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	for i := range 25 { // more than one bulk
		w.p.add(fmt.Sprint(i), time.Hour, threat("a")).Note = "incident-7"
	}
	w.sync()
	w.one("incident-7")
	for i := range 25 {
		if r := w.state(fmt.Sprint(i), ledger.AlertDone, ""); r.Noted != alert.Malicious {
			t.Errorf("%+v", r)
		}
	}
	if len(w.effects()) != 1 || w.due() != 0 {
		t.Errorf("%d effects, %d due", len(w.effects()), w.due())
	}
}

func TestAnAlertThatTheProductNoLongerHasIsGone(t *testing.T) {
	for _, doubt := range []bool{false, true} {
		w := noteWorld(t)
		if doubt {
			w.p.outcomes = []source.NoteOutcome{source.NoteUnknown}
		}
		reads := 0
		w.p.onNotes = func() error {
			if reads++; reads > 1 || !doubt {
				return fault.New(fault.NotFound, "no such alert")
			}
			return nil
		}
		w.sync()
		w.state("1", ledger.AlertGone, "no longer has it")
		if w.due() != 0 {
			t.Error("its note is still due")
		}
	}
}

func TestNotesThatCannotBeReadAreNotTakenForAbsent(t *testing.T) {
	w := noteWorld(t)
	w.Settings.NoteRetry = time.Second
	w.p.onNotes = func() error { return fault.New(fault.Unavailable, "away") }
	sum, err := w.trySync(w.Service)
	if err != nil || len(sum.Errors) == 0 || len(w.p.posts) != 0 || sum.NotesDue != 1 {
		t.Errorf("%+v, %v, %d posts", sum, err, len(w.p.posts))
	}
	// Nor when the outcome is in doubt.
	w.p.onNotes, w.p.outcomes, w.p.silently = nil, []source.NoteOutcome{source.NoteUnknown}, true
	w.p.onAdd = func(int, []alert.Handle) { w.p.onNotes = func() error { return fault.New(fault.Unavailable, "away") } }
	w.clock.add(time.Minute)
	_, _ = w.trySync(w.Service)
	w.p.onNotes, w.p.onAdd = nil, nil
	w.clock.add(time.Minute)
	w.sync()
	w.one("1")
	w.state("1", ledger.AlertDone, "")
}

func TestADoubtThatNobodyCanResolveIsSetAside(t *testing.T) {
	w := noteWorld(t)
	w.Service = w.process("host/1/a", muted(w.p))
	w.p.outcomes = []source.NoteOutcome{source.NoteUnknown}
	sum := w.sync()
	if len(w.p.posts) != 1 || sum.Quarantined != 1 {
		t.Errorf("%d posts, %+v", len(w.p.posts), sum)
	}
}

func TestANoteThatAnotherProcessIsSendingIsLeftToIt(t *testing.T) {
	w := noteWorld(t)
	entered, done := 0, make(chan struct{})
	w.p.onAdd = func(int, []alert.Handle) {
		if entered++; entered > 1 {
			return
		}
		other := w.process("host/2/b", w.p)
		other.Settings.Wait = 0
		if _, err := other.Sync(w.ctx, SyncOptions{}); err != nil {
			t.Error(err)
		}
		close(done)
	}
	w.sync()
	<-done
	if entered != 1 {
		t.Errorf("%d sends", entered)
	}
	w.one("1")
}

func TestASenderThatDiedBetweenIntentAndOutcomeIsReadAfter(t *testing.T) {
	for _, arrived := range []bool{true, false} {
		w := noteWorld(t)
		died := make(chan struct{})
		w.p.onAdd = func(n int, _ []alert.Handle) {
			if n == 1 {
				w.Service.Store.(*crash).die()
				close(died)
			}
		}
		if !arrived {
			w.p.outcomes = []source.NoteOutcome{source.NoteUnknown}
		}
		w.Service.Store = &crash{Store: w.store, left: 1 << 30}
		_, err := w.Sync(w.ctx, SyncOptions{})
		if !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
		<-died
		w.Service = w.process("host/2/b", w.p)
		w.clock.add(time.Second)
		w.sync()
		w.one("1")
		w.state("1", ledger.AlertDone, "")
		want := map[bool]int{true: 1, false: 2}[arrived]
		if len(w.p.posts) != want {
			t.Errorf("arrived %v: %d posts, want %d", arrived, len(w.p.posts), want)
		}
	}
}

// die makes everything fail from now on.
func (c *crash) die() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = 0
}

// TestKilledAtAnyCommitANoteIsWrittenOnceAndNoAlertIsMissed kills a run at every
// boundary of a commit, before and after it, and lets another process finish.
func TestKilledAtAnyCommitANoteIsWrittenOnceAndNoAlertIsMissed(t *testing.T) {
	for _, after := range []bool{false, true} {
		for k := 1; ; k++ {
			w := newWorld(t)
			w.p.size = 2
			w.engine.set("a", alert.Malicious)
			w.engine.set("b", alert.Suspicious)
			for i := range 5 {
				w.p.add(fmt.Sprintf("a%d", i), time.Hour, threat("a"))
				w.p.add(fmt.Sprintf("b%d", i), time.Hour, threat("b"))
			}
			c := &crash{Store: w.store, left: k, after: after}
			first := w.process("host/1/a", w.p)
			first.Store, first.Scanner = c, w.process("host/1/a").Scanner
			sum, err := first.Sync(w.ctx, SyncOptions{})
			finished := err == nil && len(sum.Errors) == 0
			w.Service = w.process("host/2/b", w.p)
			w.clock.add(5 * time.Minute) // claims and leases run out
			w.sync()
			for i := range 5 {
				for _, name := range []string{"a", "b"} {
					id := fmt.Sprint(name, i)
					if n := w.p.texts(id); len(n) != 1 {
						t.Fatalf("killed at commit %d (after %v): %s has %d notes", k, after, id, len(n))
					}
					w.state(id, ledger.AlertDone, "")
				}
			}
			for _, h := range []string{"a", "b"} {
				if n := w.engine.scans[hashesOf(h).SHA256]; n > 1 {
					t.Fatalf("killed at commit %d: %d scans", k, n)
				}
			}
			if finished {
				if k < 6 {
					t.Errorf("only %d commits", k)
				}
				break
			}
		}
	}
}

func TestAnInterruptedSendIsWrittenDown(t *testing.T) {
	w := noteWorld(t)
	ctx, cancel := context.WithCancel(w.ctx)
	w.p.onAdd = func(int, []alert.Handle) { cancel() }
	_, err := w.Sync(ctx, SyncOptions{})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if e := w.effects()[0]; e.State != ledger.EffectDone {
		t.Errorf("%+v", e)
	}
	w.p.onAdd = nil
	w.sync()
	w.one("1")
}

func TestANoteWhoseVerdictIsBeingRefreshedWaitsForIt(t *testing.T) {
	w := newWorld(t)
	w.p.add("1", time.Hour, threat("a"))
	w.p.err = nil
	w.engine.set("a", alert.Suspicious)
	w.p.onNotes = func() error { return fault.New(fault.Unavailable, "away") } // so that the note stays due
	_, _ = w.trySync(w.Service)
	if w.due() != 1 {
		t.Fatal("no note is due")
	}
	w.engine.mu.Lock()
	w.engine.known = map[alert.Hash]alert.Class{}
	w.engine.mu.Unlock()
	w.p.onNotes = nil
	w.clock.add(time.Minute)
	w.update(func(tx ledger.Tx) error { // somebody asks for it anew; the analysis takes its time
		_, _, err := w.Scanner.Want(tx, wishFor("a"))
		return err
	})
	w.Settings.Wait = 0
	w.sync()
	if len(w.p.posts) != 0 {
		t.Fatalf("a note without a verdict was written: %q", w.p.posts)
	}
	w.state("1", ledger.AlertOpen, "")
	w.engine.set("a", alert.Malicious)
	w.clock.add(time.Minute)
	w.Settings.Wait = 10 * time.Minute
	w.sync()
	if text := w.one("1"); !strings.HasPrefix(text, "Intezer verdict: malicious") || !slices.Equal(markersIn(text), []string{markerOf("a", alert.Malicious)}) {
		t.Error(text)
	}
}

func TestNotesInDoubtDoNotTakeTheTurnOfOthers(t *testing.T) {
	w := newWorld(t)
	w.p.traits.NoteBulk = 1
	w.Settings.Wait = 0
	for i := range 2 * groupsPerRound {
		name := fmt.Sprint(i)
		w.engine.set(name, alert.Malicious)
		w.p.add(name, time.Hour, threat(name))
		w.p.outcomes = append(w.p.outcomes, source.NoteUnknown)
	}
	w.sync()
	if n := len(w.p.posts); n != 2*groupsPerRound {
		t.Errorf("%d notes were tried, %d are in doubt and %d wait behind them", n, n, 2*groupsPerRound-n)
	}
}

func TestACommitOfAnotherTimeZoneIsNoOtherCommit(t *testing.T) {
	w := noteWorld(t)
	w.Settings.Wait = 0
	east := time.FixedZone("east", 9*3600)
	w.Now = func() time.Time { return w.clock.now().In(east) }
	w.p.outcomes = []source.NoteOutcome{source.NoteUnknown}
	w.sync()
	w.Service = w.process("host/2/b", w.p)
	w.Now = func() time.Time { return w.clock.now().In(east) }
	w.clock.add(time.Hour)
	w.sync()
	w.one("1")
}
