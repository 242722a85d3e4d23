package triage

import (
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/ledger"
)

func image(name string) alert.File {
	f := threat(name)
	f.Role = alert.RoleImage
	return f
}

func TestTheNoteWaitsForTheLastFile(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Trusted)
	w.p.add("1", time.Hour, threat("a"), image("b"))
	w.sync()
	w.state("1", ledger.AlertOpen, "")
	if len(w.p.posts) != 0 {
		t.Fatal("a note although one file is not judged")
	}
	w.engine.set("b", alert.Suspicious)
	w.sync()
	if text := w.one("1"); !strings.HasPrefix(text, "Intezer verdict: suspicious") {
		t.Error(text)
	}
}

func TestMaliciousIsToldAtOnce(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	w.p.add("1", time.Hour, threat("a"), image("b"))
	w.sync()
	if text := w.one("1"); !strings.Contains(text, "malicious") || !strings.Contains(text, "not judged") {
		t.Error(text)
	}
	w.state("1", ledger.AlertDone, "")
	w.engine.set("b", alert.Trusted)
	w.sync()
	w.one("1") // trusted later than malicious says nothing new
	if r := w.state("1", ledger.AlertDone, ""); r.Verdict != alert.Malicious || r.Noted != alert.Malicious {
		t.Errorf("%+v", r)
	}
}

func TestTheWorstFileNamesTheVerdict(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]alert.Class{"a": alert.Trusted, "b": alert.Unknown, "c": alert.NoThreats} {
		w.engine.set(name, c)
	}
	w.p.add("1", time.Hour, threat("a"), image("b"), image("c"))
	w.sync()
	if text := w.one("1"); !strings.HasPrefix(text, "Intezer verdict: unknown") {
		t.Error(text)
	}
}

func TestOfEquallyBadFilesTheSmallestSHA256IsMeantOnEveryMachine(t *testing.T) {
	names := []string{"a", "b", "c", "d"}
	slices.SortFunc(names, func(x, y string) int { return strings.Compare(string(hashesOf(x).SHA256), string(hashesOf(y).SHA256)) })
	want := ledger.Marker(ledger.PurposeVerdict, ledger.VerdictSubject("intezer", alert.Suspicious, hashesOf(names[0]).SHA256))
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}} {
		w := newWorld(t)
		var fs []alert.File
		for _, i := range order {
			w.engine.set(names[i], alert.Suspicious)
			fs = append(fs, threat(names[i]))
		}
		w.p.add("1", time.Hour, fs...)
		w.sync()
		if got := markersIn(w.one("1")); !slices.Equal(got, []string{want}) {
			t.Errorf("order %v: %v, want %s", order, got, want)
		}
	}
}

// refresh asks for a file anew, as `edrc scan hash --refresh` does.
func (w *world) refresh(name string) {
	w.t.Helper()
	w.clock.add(time.Minute)
	got, err := w.Scan(w.ctx, []Judged{{File: threat(name)}}, ScanOptions{Refresh: true, Wait: time.Hour})
	if err != nil || got[0].Err != nil {
		w.t.Fatal(err, got[0].Err)
	}
}

func TestAClassThatGotWorseIsToldOnceMoreAndSaysSo(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Suspicious)
	w.p.add("1", time.Hour, threat("a"))
	w.sync()
	w.engine.set("a", alert.Malicious)
	w.refresh("a")
	w.sync()
	texts := w.p.texts("1")
	if len(texts) != 2 || !strings.Contains(texts[1], "updates the earlier verdict: suspicious") || !strings.HasPrefix(texts[1], "Intezer verdict: malicious") {
		t.Fatalf("%q", texts)
	}
	w.refresh("a")
	w.sync()
	if n := len(w.p.texts("1")); n != 2 {
		t.Errorf("%d notes", n)
	}
}

func TestAClassThatGotBetterIsNotTold(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	w.p.add("1", time.Hour, threat("a"))
	w.sync()
	w.engine.set("a", alert.Trusted)
	w.refresh("a")
	w.sync()
	if text := w.one("1"); !strings.Contains(text, "malicious") {
		t.Error(text)
	}
}

func TestAlertsThatKnowTheFileByAnotherHashHearOfAWorseClass(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Suspicious)
	f := threat("a")
	f.Hashes = alert.Hashes{SHA1: hashesOf("a").SHA1}
	w.p.add("1", time.Hour, f)
	w.sync()
	w.one("1")
	w.engine.set("a", alert.Malicious)
	w.refresh("a") // by its SHA-256
	w.sync()
	if texts := w.p.texts("1"); len(texts) != 2 {
		t.Errorf("%q", texts)
	}
}

func TestAlertsWhoseFilesAreAllGivenUpSayWhy(t *testing.T) {
	w := newWorld(t)
	w.engine.fails[hashesOf("a").SHA256] = true
	w.p.add("1", time.Hour, threat("a"))
	sum := w.sync()
	w.state("1", ledger.AlertSkipped, "failed: the analysis failed: it broke")
	if sum.Failed != 1 || len(w.p.posts) != 0 {
		t.Errorf("%+v", sum)
	}
	w.engine.fails = map[alert.Hash]bool{}
	w.engine.set("a", alert.Malicious)
	w.clock.add(time.Hour)
	w.p.add("2", time.Minute, threat("a")) // another alert brings it up again
	w.sync()
	w.state("1", ledger.AlertDone, "")
	w.one("1")
	w.one("2")
}

func TestAVerdictThatCanStillBeBelievedOutlivesAFailedRefresh(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	w.p.add("1", time.Hour, threat("a"))
	w.sync()
	w.engine.mu.Lock()
	w.engine.known, w.engine.fails[hashesOf("a").SHA256] = map[alert.Hash]alert.Class{}, true
	w.engine.mu.Unlock()
	w.refresh("a")
	w.clock.add(time.Minute)
	w.p.add("2", time.Second, threat("a"))
	w.clock.add(time.Minute)
	w.sync()
	w.state("2", ledger.AlertDone, "")
	w.one("2")
}

func TestWithNotesOffNothingIsWrittenAndTheVerdictIsKept(t *testing.T) {
	w := newWorld(t)
	w.Settings.NotesOff = true
	w.engine.set("a", alert.Malicious)
	w.p.add("1", time.Hour, threat("a"))
	w.sync()
	if r := w.state("1", ledger.AlertDone, "no note: notes are off"); r.Verdict != alert.Malicious || r.Noted != "" {
		t.Errorf("%+v", r)
	}
	if len(w.p.posts) != 0 || len(w.effects()) != 0 {
		t.Error("a note was written")
	}
}

func TestAnAlertThatCannotBeAnnotatedIsDoneWithItsVerdict(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	w.p.add("1", time.Hour, threat("a")).Note = ""
	w.sync()
	w.state("1", ledger.AlertDone, "no note: the product cannot annotate it")
	if len(w.p.posts) != 0 || w.due() != 0 {
		t.Error("a note was queued")
	}
}

func TestAFanOutOverManyAlertsResumesWhereItStopped(t *testing.T) {
	w := newWorld(t)
	w.p.size, w.p.traits.NoteBulk = 500, 100
	const n = 2*fanoutBatch + 30
	for i := range n {
		w.p.add(strings.Repeat("x", 1+i%3)+string(rune('a'+i%26))+time.Duration(i).String(), time.Hour, threat("a"))
	}
	w.sync()
	w.engine.set("a", alert.Malicious)
	w.clock.add(time.Minute)
	batches := 0
	s := w.process("host/1/a", w.p)
	s.Store = &crash{Store: w.store, left: 1 << 30}
	j, err := s.Scanner.Claim(w.ctx, 1)
	if err != nil || len(j) != 1 || s.Scanner.Step(w.ctx, j[0]) != nil {
		t.Fatal(j, err)
	}
	for { // a batch a run, as if each run were killed after it
		got, err := s.fanoutOnce(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if got == 0 {
			break
		}
		batches++
		s = w.process("host/1/a", w.p)
	}
	if batches != 3 || w.due() != n {
		t.Errorf("%d batches, %d notes due", batches, w.due())
	}
	w.sync()
	if len(w.p.posts) != (n+99)/100 {
		t.Errorf("%d posts for %d alerts", len(w.p.posts), n)
	}
}

func TestWhatAnAlertWaitsForIsSaidInWords(t *testing.T) {
	at := t0.Add(time.Hour)
	for _, tc := range []struct {
		f    FileView
		want string
	}{
		{FileView{State: ledger.JobJudged}, ""},
		{FileView{}, ""},
		{FileView{State: ledger.JobWaiting, Reason: "quota", NextTry: at}, "quota, next try 10:00 UTC"},
		{FileView{State: ledger.JobAnalysing, Reason: "analysis running", NextTry: t0}, "analysis running"},
		{FileView{State: ledger.JobFetching}, "fetching"},
	} {
		if got := WaitsFor([]FileView{tc.f}, t0); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.f, got, tc.want)
		}
	}
}
