package scan

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/sample"
)

// hold takes the bytes of a file of a name.
func (w *station) hold(t *testing.T, name string) *Local {
	t.Helper()
	l, err := w.Hold(t.Context(), name, bytes.NewReader(content(name)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// waiting is a station whose job waits for a file that no product has.
func waiting(t *testing.T, f Fetching) *station {
	t.Helper()
	w := newStation(t, Policy{}, f, file("a"))
	w.want(wish("a", alert.High, "256"))
	w.step()
	w.state(sha("a"), ledger.JobWaiting, ReasonFile)
	return w
}

func TestAFileThatAPersonHandsOverIsUploadedAtOnce(t *testing.T) {
	w := waiting(t, Fetching{})
	l := w.hold(t, "a")
	if l.Hashes != hashesOf("a") || l.Size != 6 || l.Name != "a" {
		t.Errorf("%+v", l)
	}
	if err := w.Offer(t.Context(), w.key(sha("a")), l); err != nil {
		t.Fatal(err)
	}
	if j := w.state(sha("a"), ledger.JobWanted, ""); !j.Kept() || j.Fetch.From != LocalFiles || j.Claim.Holder != "" || !j.NextTry.IsZero() || j.Claimed != hashesOf("a") {
		t.Errorf("%+v", j)
	}
	_ = l.Close() // the spool has its own copy
	w.drain(time.Minute)
	w.scanned(sha("a"))
	if u := w.engine.uploads; len(u) != 1 || u[0].name != "a" {
		t.Errorf("%+v", u)
	}
}

func TestAFileIsTakenWhereverItsJobStands(t *testing.T) {
	for name, until := range map[string]func(*testing.T) *station{
		"its endpoint is offline": func(t *testing.T) *station {
			w := newStation(t, Policy{}, Fetching{}, file("a"))
			w.serves(w.s1, "1", "a", offline)
			w.drain(time.Hour)
			w.state(sha("a"), ledger.JobFetching, ReasonOffline)
			return w
		},
		"the policy withholds it from its source": func(t *testing.T) *station {
			f := Fetching{}
			f.Policy.Sources = map[string]UploadRule{"s1": {Types: []sample.Type{}}}
			w := newStation(t, Policy{}, f, file("a"))
			w.serves(w.s1, "1", "a")
			w.drain(time.Hour)
			w.state(sha("a"), ledger.JobWithheld, ReasonPolicy)
			return w
		},
		"it was given up": func(t *testing.T) *station {
			w := newStation(t, Policy{}, Fetching{GiveUp: time.Hour}, file("a"))
			w.serves(w.s1, "1", "a", offline)
			w.drain(48 * time.Hour)
			w.state(sha("a"), ledger.JobFailed, NoFile)
			return w
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := until(t)
			asked := w.s1.order()
			if err := w.Offer(t.Context(), w.key(sha("a")), w.hold(t, "a")); err != nil {
				t.Fatal(err)
			}
			w.drain(time.Minute)
			w.scanned(sha("a"))
			if w.s1.order() != asked {
				t.Errorf("the product was asked all the same: %s", w.s1.order())
			}
		})
	}
}

func TestAJobThatNeedsNoFileIsLeftAsItIs(t *testing.T) {
	for name, until := range map[string]func(*testing.T) *station{
		"nothing was asked yet": func(t *testing.T) *station {
			w := newStation(t, Policy{}, Fetching{}, file("a"))
			w.want(wish("a", alert.High, "256"))
			return w
		},
		"its archive waits": func(t *testing.T) *station { return inHand(t, Policy{}) },
		"it is analysed": func(t *testing.T) *station {
			w := inHand(t, Policy{})
			w.until(sha("a"), ledger.JobAnalysing)
			return w
		},
		"it is judged": func(t *testing.T) *station {
			w := inHand(t, Policy{})
			w.drain(time.Hour)
			return w
		},
		"a rule of the account excludes it": func(t *testing.T) *station {
			w := inHand(t, Policy{}, func(f *specimen) { f.uploaded = SkippedByRule })
			w.drain(time.Hour)
			return w
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := until(t)
			before, kept := w.job(sha("a")), len(w.kept())
			if err := w.Offer(t.Context(), w.key(sha("a")), w.hold(t, "a")); err != nil {
				t.Fatal(err)
			}
			if j := w.job(sha("a")); j.State != before.State || j.Claim != before.Claim || !j.Changed.Equal(before.Changed) || len(w.kept()) != kept {
				t.Errorf("%+v, before %+v", j, before)
			}
		})
	}
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	if err := w.Offer(t.Context(), w.key(sha("nobody")), w.hold(t, "a")); err != nil {
		t.Errorf("a file that nobody wants: %v", err)
	}
}

func TestAFileThatChangedMeanwhileIsNotTaken(t *testing.T) {
	w := waiting(t, Fetching{})
	err := w.Offer(t.Context(), w.key(sha("a")), w.hold(t, "b"))
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "changed") {
		t.Errorf("%v", err)
	}
	if j := w.state(sha("a"), ledger.JobWaiting, ReasonFile); j.Claim.Holder != "" || j.Kept() {
		t.Errorf("%+v", j)
	}
	w.nothingKept()
	if err := w.Offer(t.Context(), w.key(sha("a")), w.hold(t, "a")); err != nil {
		t.Fatal(err)
	}
	w.drain(time.Minute)
	w.scanned(sha("a"))
}

func TestAFileWhoseProductWasBeingAskedIsAskedForAgainWhenAnotherFileWasHandedOver(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	w.serves(w.s1, "1", "a", offline)
	w.drain(time.Hour)
	if err := w.Offer(t.Context(), w.key(sha("a")), w.hold(t, "b")); !fault.Is(err, fault.Conflict) {
		t.Fatal(err)
	}
	w.state(sha("a"), ledger.JobFetching, "")
	w.s1.comesBack("1", "ready")
	w.drain(24 * time.Hour)
	w.scanned(sha("a"))
}

func TestAFileThatAnotherProcessWorksOnIsLocked(t *testing.T) {
	w := waiting(t, Fetching{})
	w.steal(sha("a"))
	before := w.job(sha("a"))
	err := w.Offer(t.Context(), w.key(sha("a")), w.hold(t, "a"))
	if !fault.Is(err, fault.Locked) || !strings.Contains(err.Error(), "host/2/b") {
		t.Errorf("%v", err)
	}
	if j := w.job(sha("a")); j.Claim != before.Claim || j.Fetch.Handle.ID != before.Fetch.Handle.ID {
		t.Errorf("%+v", j)
	}
}

func TestThePolicyHasARuleForFilesThatAPersonHandsOver(t *testing.T) {
	f := Fetching{}
	f.Policy.Sources = map[string]UploadRule{LocalFiles: {Types: []sample.Type{sample.Executable}}}
	w := waiting(t, f)
	if err := w.Offer(t.Context(), w.key(sha("a")), w.hold(t, "a")); err != nil {
		t.Fatal(err)
	}
	w.withheldFor(sha("a"), "scan.upload.sources.file.types")
	w.serves(w.s1, "1", "a") // its product may give it, under another rule
	w.drain(time.Hour)
	w.withheldFor(sha("a"), "type document")
	o := w.another(t, Policy{}, Fetching{Policy: UploadPolicy{UploadRule: UploadRule{Types: sample.Types()}}})
	if err := o.Reopen(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.drain(time.Hour)
	o.scanned(sha("a"))
	if w.s1.order() != "start 1, open 1" {
		t.Error(w.s1.order())
	}
}

func TestAFileThatIsHandedOverAndLargerThanTheEngineTakesIsJudgedSo(t *testing.T) {
	w := waiting(t, Fetching{})
	w.engine.maxUpload = 5
	if err := w.Offer(t.Context(), w.key(sha("a")), w.hold(t, "a")); err != nil {
		t.Fatal(err)
	}
	w.state(sha("a"), ledger.JobJudged, "")
	if v := w.verdict(hashesOf("a").MD5); v == nil || v.Verdict.Class != alert.NotSupported {
		t.Errorf("%+v", v)
	}
	w.unpaid()
	w.nothingKept()
}

func TestAnOfferThatFailsGivesTheJobBack(t *testing.T) {
	for name, breaks := range map[string]func(*station, context.CancelFunc){
		"interrupted": func(_ *station, cancel context.CancelFunc) { cancel() },
		"no spool":    func(w *station, _ context.CancelFunc) { w.spoolE = unavailable("the disk is gone") },
	} {
		t.Run(name, func(t *testing.T) {
			w := waiting(t, Fetching{})
			l := w.hold(t, "a")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w.Scanner.store = &slow{w.store, w.key(sha("a")), ledger.JobWaiting, func() { breaks(w, cancel) }}
			if err := w.Offer(ctx, w.key(sha("a")), l); err == nil {
				t.Fatal("it went well")
			}
			w.spoolE = nil
			if j := w.state(sha("a"), ledger.JobWaiting, ReasonFile); j.Claim.Holder != "" || j.Kept() {
				t.Errorf("%+v", j)
			}
			if err := w.Offer(t.Context(), w.key(sha("a")), l); err != nil {
				t.Fatal(err)
			}
			w.drain(time.Minute)
			w.scanned(sha("a"))
		})
	}
}

func TestAFileThatCannotBeReadIsNotHeld(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	broken := errors.New("the disk is broken")
	if _, err := w.Hold(t.Context(), "a", iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if f, err := Sum(t.Context(), "x/a", bytes.NewReader(content("a"))); err != nil || f.Hashes != hashesOf("a") || f.Size != 6 || f.Name != "a" {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := Sum(t.Context(), "a", iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	w.secretE = fault.New(fault.Denied, "install.secret may be read by others")
	if _, err := w.Hold(t.Context(), "a", bytes.NewReader(content("a"))); !fault.Is(err, fault.Denied) {
		t.Errorf("%v", err)
	}
}

func TestAFileThatWasHandedOverAndVanishedFromTheSpoolIsWaitedFor(t *testing.T) {
	w := waiting(t, Fetching{})
	if err := w.Offer(t.Context(), w.key(sha("a")), w.hold(t, "a")); err != nil {
		t.Fatal(err)
	}
	w.spoil(os.Remove)
	w.step()
	if j := w.state(sha("a"), ledger.JobWaiting, ReasonFile); j.Kept() || !j.NextTry.After(w.clock.now()) {
		t.Errorf("%+v", j)
	}
	w.unpaid()
	w.serves(w.s1, "1", "a") // an alert that names it
	w.drain(time.Minute)
	w.scanned(sha("a"))
}

func TestAProcessThatDiedInTheMiddleOfAnOfferLeavesTheFileToItsProducts(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	w.serves(w.s1, "1", "a", offline)
	w.drain(time.Hour)
	m := &mortal{Store: w.store, left: 1}
	o := w.another(t, Policy{}, w.plainFetching())
	o.Scanner.store = m
	if err := o.Offer(t.Context(), w.key(sha("a")), w.hold(t, "a")); err == nil {
		t.Fatal("it went well")
	}
	w.s1.comesBack("1", "ready")
	w.clock.add(time.Hour)
	w.drain(24 * time.Hour)
	w.scanned(sha("a"))
}
