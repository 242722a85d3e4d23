package scan

import (
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/ledger"
	"edrc/internal/sample"
)

func TestThePolicyOfASourceStandsInPlaceOfTheGeneralOne(t *testing.T) {
	p := UploadPolicy{UploadRule: UploadRule{MaxSize: 100}, Sources: map[string]UploadRule{
		"docs": {Types: sample.Types()}, "none": {Types: []sample.Type{}}, "small": {MaxSize: 10}, LocalFiles: {Types: []sample.Type{sample.Script}},
	}}
	for _, c := range []struct {
		source string
		kind   sample.Type
		size   int64
		reason []string // parts of it; none = allowed
	}{
		{"s1", sample.Executable, 0, nil},
		{"s1", sample.OtherFile, 100, nil},
		{"s1", sample.Executable, 101, []string{"101", "100", "scan.upload.max_size"}},
		{"s1", sample.Document, 1, []string{"document", "scan.upload.types"}},
		{"docs", sample.Document, 1 << 40, nil},
		{"none", sample.Executable, 1, []string{"scan.upload.sources.none.types"}},
		{"small", sample.Script, 10, nil},
		{"small", sample.Script, 11, []string{"11", "10", "scan.upload.sources.small.max_size"}},
		{"small", sample.Document, 1, []string{"document", "scan.upload.sources.small.types"}},
		{"file", sample.Script, 1000, nil},
		{"file", sample.Executable, 1, []string{"executable", "scan.upload.sources.file.types"}},
		{"s1", "a type of tomorrow", 1, []string{"a type of tomorrow", "scan.upload.types"}},
	} {
		got := p.Refuses(c.source, c.kind, c.size)
		for _, part := range c.reason {
			if !strings.Contains(got, part) {
				t.Errorf("%s, %s, %d bytes: %q has no %q", c.source, c.kind, c.size, got, part)
			}
		}
		if (got == "") != (len(c.reason) == 0) {
			t.Errorf("%s, %s, %d bytes: %q", c.source, c.kind, c.size, got)
		}
	}
	if got := (UploadPolicy{}).Refuses("s1", sample.Document, 1); got == "" {
		t.Error("the zero policy allows documents")
	}
}

// defaultPolicy keeps documents back.
func defaultPolicy() Fetching {
	return Fetching{Policy: UploadPolicy{UploadRule: UploadRule{Types: DefaultTypes()}}}
}

// withheldFor: the file was kept back for a reason, its alerts are told, and nothing of
// it is anywhere.
func (w *station) withheldFor(h alert.Hash, reason string) *ledger.Job {
	w.t.Helper()
	j := w.state(h, ledger.JobWithheld, reason)
	if !strings.HasPrefix(j.Reason, ReasonPolicy+": ") {
		w.t.Errorf("%s", j.Reason)
	}
	if told := w.told(); len(told) != 1 || j.Claim.Holder != "" || j.Kept() || !NeedsFile(j) {
		w.t.Errorf("told %v, %+v", told, j)
	}
	w.unpaid()
	w.nothingKept()
	return j
}

func TestWhatIsRefusedByItsNameIsNotEvenFetched(t *testing.T) {
	w := newStation(t, Policy{}, defaultPolicy(), file("plan.docx"))
	w.serves(w.s1, "1", "plan.docx")
	w.step()
	w.withheldFor(sha("plan.docx"), "type document")
	if w.s1.order() != "" {
		t.Errorf("the product was asked: %s", w.s1.order())
	}
}

func TestWhatIsRefusedByItsBytesIsFetchedAndNotSent(t *testing.T) {
	w := newStation(t, Policy{}, defaultPolicy(), file("a")) // its name says nothing, and its bytes are text
	w.serves(w.s1, "1", "a")
	w.drain(time.Minute)
	j := w.withheldFor(sha("a"), "type document")
	if j.Fetch.Type != string(sample.Document) || j.Fetch.From != "s1" || j.Fetch.Size != 6 || w.s1.order() != "start 1, open 1" {
		t.Errorf("%+v; %s", j.Fetch, w.s1.order())
	}
}

func TestAFileThatIsTooLargeForThePolicyIsFetchedOnlyWhenNobodyKnewItsSize(t *testing.T) {
	for _, known := range []bool{true, false} {
		f := Fetching{}
		f.Policy.MaxSize = 5
		w := newStation(t, Policy{}, f, file("a"))
		wanted := wish("a", alert.High, "256")
		if known {
			wanted.File.Size = 6
		}
		w.alert(w.s1, "1", wanted)
		w.s1.serve("1", "a")
		w.drain(time.Minute)
		w.withheldFor(sha("a"), "6 bytes")
		if asked := w.s1.order() != ""; asked == known {
			t.Errorf("known %v: %q", known, w.s1.order())
		}
	}
}

func TestASourceWhoseFilesMayNotBeSentLeavesThemToAnother(t *testing.T) {
	f := Fetching{}
	f.Policy.Sources = map[string]UploadRule{"s1": {Types: []sample.Type{}}}
	w := newStation(t, Policy{}, f, file("a"), file("b"))
	w.serves(w.s1, "1", "a")
	w.serves(w.s2, "2", "a")
	w.drain(time.Hour)
	w.scanned(sha("a"))
	if w.s1.order() != "" {
		t.Error(w.s1.order())
	}
	clearFans(t, w.world)
	w.serves(w.s1, "3", "b")
	w.drain(time.Hour)
	if j := w.state(sha("b"), ledger.JobWithheld, "scan.upload.sources.s1.types"); !strings.HasPrefix(j.Reason, ReasonPolicy) || w.s1.order() != "" {
		t.Errorf("%+v; %s", j, w.s1.order())
	}
}

func TestAFileThatTheRemainingSourceMayNotSendIsWithheld(t *testing.T) {
	f := Fetching{}
	f.Policy.Sources = map[string]UploadRule{"s2": {Types: []sample.Type{}}}
	w := newStation(t, Policy{}, f, file("a"))
	w.serves(w.s1, "1", "a", uses()["none"])
	w.serves(w.s2, "2", "a")
	w.drain(time.Minute)
	w.withheldFor(sha("a"), "scan.upload.sources.s2.types")
}

func TestWhatAnotherPolicyAllowsIsAskedForAgain(t *testing.T) {
	for name, again := range map[string]func(*station){
		"Reopen": func(w *station) {
			if err := w.Reopen(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		"a new alert": func(w *station) { w.alert(w.s1, "9", wish("plan.docx", alert.High, "256")) },
	} {
		for _, n := range []string{"plan.docx", "a"} { // refused by the name, by the bytes
			t.Run(name+" of "+n, func(t *testing.T) {
				w := newStation(t, Policy{}, defaultPolicy(), file(n))
				w.serves(w.s1, "1", n)
				w.drain(time.Minute)
				if err := w.Reopen(t.Context()); err != nil {
					t.Fatal(err)
				}
				w.withheldFor(sha(n), "type document") // it is still the same policy
				o := w.another(t, Policy{}, Fetching{Policy: UploadPolicy{UploadRule: UploadRule{Types: sample.Types()}}})
				if name == "a new alert" && n == "a" {
					o.alert(o.s1, "9", wish("a", alert.High, "256"))
				} else {
					again(o)
				}
				o.state(sha(n), ledger.JobWanted, "")
				o.drain(time.Hour)
				o.scanned(sha(n))
			})
		}
	}
}

func TestAPolicyThatIsStricterNowHoldsForWhatIsStillToBeFetched(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	w.serves(w.s1, "1", "a")
	w.until(sha("a"), ledger.JobFetching)
	o := w.another(t, Policy{}, defaultPolicy())
	o.drain(time.Hour)
	o.withheldFor(sha("a"), "type document")
}
