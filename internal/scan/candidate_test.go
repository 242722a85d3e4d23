package scan

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/source"
)

func unavailable(msg string) error { return fault.New(fault.Unavailable, "%s", msg) }

// uses are the ways in which a product's answer is of no use.
func uses() map[string]func(*served) {
	archive := func(make func(password string) []byte) func(*served) {
		return func(f *served) { f.archive = make }
	}
	return map[string]func(*served){
		"none": func(f *served) {
			f.states, f.reason = []source.FetchState{source.FetchNone}, "the file was deleted"
		},
		"wrong bytes": archive(func(p string) []byte { return archiveOf(p, entry{"a", []byte("another file")}) }),
		"none of many": archive(func(p string) []byte {
			return archiveOf(p, entry{"a", []byte("another file")}, entry{"b", []byte("a third")})
		}),
		"a name that climbs":    archive(func(p string) []byte { return archiveOf(p, entry{"../../a", content("a")}) }),
		"two files of one name": archive(func(p string) []byte { return archiveOf(p, entry{"a", content("a")}, entry{"a", content("b")}) }),
		"the agent could not read it": archive(func(p string) []byte {
			return archiveOf(p, entry{"manifest.json", []byte(`[{"path":"C:\\a","sha1":"","reason":"access denied"}]`)})
		}),
		"the file inside another archive": archive(func(p string) []byte {
			return archiveOf(p, entry{"a.zip", archiveOf("", entry{"a", content("a")})})
		}),
		"an empty archive": archive(func(p string) []byte { return archiveOf(p) }),
	}
}

func TestWhenAnAnswerIsOfNoUseTheNextAlertsProductIsAsked(t *testing.T) {
	for name, change := range uses() {
		t.Run(name, func(t *testing.T) {
			w := newStation(t, Policy{}, Fetching{}, file("a"))
			w.serves(w.s1, "1", "a", change)
			w.serves(w.s2, "2", "a")
			w.until(sha("a"), ledger.JobFetching)
			w.step()
			j := w.state(sha("a"), ledger.JobFetching, ReasonFetching+": s2")
			if j.Fetch.Handle.ID != "2" || j.Fetch.Attempt != 1 || j.Fetch.Ticket != nil || len(j.Fetch.None) != 1 {
				t.Errorf("%+v", j.Fetch)
			}
			w.unpaid()
			w.nothingKept()
			w.drain(time.Hour)
			w.scanned(sha("a"))
			if len(w.s1.asked("start")) != 1 || w.s2.order() != "start 2, open 2" {
				t.Errorf("%s; %s", w.s1.order(), w.s2.order())
			}
		})
	}
}

func TestWhenNoAnswerIsOfAnyUseTheFileIsWaitedForWithTheReason(t *testing.T) {
	reasons := map[string]string{"none": "the file was deleted", "wrong bytes": "fetch_corrupt", "the agent could not read it": "access denied",
		"a name that climbs": "climbs out of its folder"}
	for name, change := range uses() {
		t.Run(name, func(t *testing.T) {
			w := newStation(t, Policy{}, Fetching{}, file("a"))
			w.serves(w.s1, "1", "a", change)
			w.until(sha("a"), ledger.JobWaiting)
			j := w.state(sha("a"), ledger.JobWaiting, ReasonFile)
			if got := j.NextTry.Sub(w.clock.now()); got != fileRetry || !strings.Contains(j.Reason, reasons[name]) || !NeedsFile(j) {
				t.Errorf("next in %v: %s", got, j.Reason)
			}
			if len(w.told()) != 0 {
				t.Error("its alerts were told although the file may come")
			}
			asked := w.s1.order()
			w.drain(36 * time.Hour)
			if w.s1.order() != asked {
				t.Errorf("the product was asked again: %s", w.s1.order())
			}
			if n := w.engine.count("submit"); n != 4 { // somebody else may have uploaded it
				t.Errorf("%d look-ups in 36 hours", n)
			}
			w.unpaid()
			w.nothingKept()
		})
	}
}

func TestANewAlertThatNamesTheFileWakesItsJob(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	w.serves(w.s1, "1", "a", uses()["none"])
	w.until(sha("a"), ledger.JobWaiting)
	w.alert(w.s1, "1", wish("a", alert.High, "256")) // the same one, read again: its product has none
	w.step()
	w.step()
	w.state(sha("a"), ledger.JobWaiting, ReasonFile)
	w.serves(w.s1, "2", "a")
	if j := w.job(sha("a")); !j.NextTry.IsZero() {
		t.Errorf("it waits until %v", j.NextTry)
	}
	w.drain(time.Minute)
	w.scanned(sha("a"))
	if got := w.s1.order(); got != "start 1, start 2, open 2" {
		t.Error(got)
	}
}

func TestAnAlertThatSomebodyAsksAboutIsAskedFirstAlsoWhenSyncDoesNotKnowIt(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	w.serves(w.s1, "1", "a")
	asked := wish("a", alert.Low, "256")
	asked.Alert = alert.Handle{Source: "sid-s2", ID: "77"}
	w.want(asked)
	w.s2.serve("77", "a")
	w.drain(time.Hour)
	w.scanned(sha("a"))
	if w.s1.order() != "" || w.s2.order() != "start 77, open 77" {
		t.Errorf("%s; %s", w.s1.order(), w.s2.order())
	}
	if r := w.s2.requests[0]; r.File.SHA256 != sha("a") || r.File.Name != "a" {
		t.Errorf("%+v", r)
	}
}

func TestOfEachSourceTheNewestAlertsAreAskedAndNotAll(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	for i := range 6 {
		w.serves(w.s1, fmt.Sprint(i), "a", uses()["none"])
	}
	w.until(sha("a"), ledger.JobWaiting)
	if got := w.s1.order(); got != "start 5, start 4, start 3" {
		t.Error(got)
	}
	w.state(sha("a"), ledger.JobWaiting, "the file was deleted")
}

func TestThousandsOfAlertsOfOneSourceDoNotHideAnother(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	job, _ := w.want(wish("a", alert.High, "256"))
	err := w.store.Update(t.Context(), 1, func(tx ledger.Tx) error {
		for i := range 1200 {
			rec := &ledger.Alert{Handle: alert.Handle{Source: "sid-s1", ID: fmt.Sprint(i)}, Name: "s1", State: ledger.AlertOpen,
				Created: w.clock.now().Add(time.Duration(i) * time.Second), Files: []alert.File{wish("a", alert.High).File}}
			if err := tx.PutAlert(rec); err != nil {
				return err
			}
			if err := tx.Want(job.Key, rec.Key()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.serves(w.s2, "2", "a")
	w.drain(time.Hour)
	w.scanned(sha("a"))
	if got := w.s1.order(); got != "start 1199, start 1198, start 1197" {
		t.Error(got)
	}
}

func TestAProductThatCannotGiveFilesOrIsGoneIsNotAsked(t *testing.T) {
	for name, src := range map[string]source.Source{"cannot": noFetcher{}, "gone": nil} {
		t.Run(name, func(t *testing.T) {
			w := newStation(t, Policy{}, Fetching{}, file("a"))
			w.serves(w.s1, "1", "a")
			w.products["sid-s1"] = src
			w.step()
			w.state(sha("a"), ledger.JobWaiting, ReasonFile+": no product that names it can give it")
			w.unpaid()
		})
	}
}

func TestASourceThatDisappearsFromTheConfigurationLeavesTheFileToOthers(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	w.serves(w.s1, "1", "a", func(f *served) { f.states = []source.FetchState{source.FetchPending} })
	w.until(sha("a"), ledger.JobFetching)
	w.step()
	delete(w.products, "sid-s1")
	w.clock.add(time.Minute)
	w.step()
	w.state(sha("a"), ledger.JobWaiting, "not configured any more")
	w.serves(w.s2, "2", "a")
	w.drain(time.Minute)
	w.scanned(sha("a"))
}

func TestTroubleInFindingTheSourcesIsThisSidesAndPasses(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	w.serves(w.s1, "1", "a")
	find := w.fetching.Source
	w.fetching.Source = func(context.Context, alert.SourceID) (source.Source, error) { return nil, unavailable("no tenant yet") }
	_, errs := w.step()
	if tr := oneTrouble(t, errs); !tr.Fetch || tr.Source != "" || tr.Hash != sha("a") {
		t.Errorf("%+v", tr)
	}
	w.state(sha("a"), ledger.JobWaiting, ReasonFetchTrouble)
	w.fetching.Source = find
	w.drain(time.Hour)
	w.scanned(sha("a"))
}

// oneTrouble gives the one trouble that a step met.
func oneTrouble(t *testing.T, errs []error) *Trouble {
	t.Helper()
	if len(errs) != 1 {
		t.Fatalf("%d troubles: %v", len(errs), errs)
	}
	tr, ok := errs[0].(*Trouble)
	if !ok {
		t.Fatalf("%T: %v", errs[0], errs[0])
	}
	return tr
}

func TestAPersonWhoAsksAgainIsNotToldToWait(t *testing.T) {
	for name, was := range map[string]func(*served){"none": uses()["none"], "offline": offline} {
		w := newStation(t, Policy{}, Fetching{Retry: time.Hour, GiveUp: 24 * time.Hour}, file("a"))
		f := w.serves(w.s1, "1", "a", was)
		w.drain(2 * time.Hour)
		if j := w.job(sha("a")); !j.NextTry.After(w.clock.now()) {
			t.Fatalf("%s: it does not wait: %+v", name, j)
		}
		*f = served{}
		w.s1.serve("1", "a")
		asked := wish("a", alert.Critical, "256")
		asked.Alert = alert.Handle{Source: "sid-s1", ID: "1"}
		w.want(asked)
		w.drain(time.Minute)
		w.scanned(sha("a"))
	}
}

func TestAnAlertThatComesWhileOthersAreLookedAtIsNotOverlooked(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	w.serves(w.s1, "1", "a", uses()["none"])
	plain, came := w.fetching.Source, false
	w.fetching.Source = func(ctx context.Context, id alert.SourceID) (source.Source, error) {
		// Its product has just said that it has no such file, and who else names it was read.
		if !came && len(w.s1.asked("start")) == 1 {
			came = true
			w.serves(w.s2, "2", "a")
		}
		return plain(ctx, id)
	}
	w.drain(time.Minute)
	w.scanned(sha("a"))
	if !came {
		t.Error("nothing came in between")
	}
}
