package triage

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/source"
)

// seen gives how many alerts of the product are remembered.
func (w *world) seen() int {
	w.t.Helper()
	n := 0
	w.view(func(tx ledger.Tx) error {
		n = 0
		for _, err := range tx.Alerts("", time.Time{}, time.Time{}) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n
}

// fill puts n alerts on the product, a minute apart.
func (w *world) fill(n int) {
	w.engine.set("a", alert.Malicious)
	for i := range n {
		w.p.add(fmt.Sprintf("f%03d", i), time.Hour+time.Duration(i)*time.Minute, threat("a"))
	}
}

func TestTheFirstSyncLooksBackAsFarAsItIsTold(t *testing.T) {
	w := newWorld(t)
	w.Settings.LookBack = 2 * time.Hour
	w.p.add("young", time.Hour, threat("a"))
	w.p.add("old", 3*time.Hour, threat("a"))
	if sum := w.sync(); sum.New != 1 {
		t.Errorf("%+v", sum)
	}
	w.rec("young")
}

func TestEveryPageOfEveryWindowIsRead(t *testing.T) {
	w := newWorld(t)
	w.p.traits.MaxWindow = 5 * time.Hour
	w.p.size = 7
	w.fill(400)
	w.sync()
	if w.seen() != 400 {
		t.Errorf("%d of 400", w.seen())
	}
	for i, win := range w.p.windows {
		if win.To.Sub(win.From) > 5*time.Hour {
			t.Errorf("window %d is %v long", i, win.To.Sub(win.From))
		}
	}
}

func TestTheWatermarkIsTheEndOfThePassAndNotTheLargestTimeSeen(t *testing.T) {
	w := newWorld(t)
	w.fill(3)
	w.sync()
	for _, by := range []source.Change{source.Created, source.Updated} {
		cur := w.cursor(by)
		if want := t0.Add(-w.p.traits.Settle); cur == nil || !cur.Watermark.Equal(want) || cur.Pass != nil {
			t.Errorf("%s: %+v, want %v", by, cur, want)
		}
	}
}

func TestAnEmptyProductMovesItsWatermarkToo(t *testing.T) {
	w := newWorld(t)
	w.sync()
	if cur := w.cursor(source.Created); cur == nil || cur.Watermark.IsZero() {
		t.Errorf("%+v", cur)
	}
}

func TestThePassStartsAgainAnOverlapBehindTheWatermark(t *testing.T) {
	w := newWorld(t)
	w.sync()
	mark := w.cursor(source.Created).Watermark
	w.clock.add(time.Hour)
	w.p.windows = nil
	w.sync()
	if got := w.p.windows[0].From; !got.Equal(mark.Add(-w.p.traits.Overlap)) {
		t.Errorf("from %v, the watermark was %v", got, mark)
	}
	w.Settings.Overlap = time.Minute
	mark = w.cursor(source.Created).Watermark
	w.clock.add(time.Hour)
	w.p.windows = nil
	w.sync()
	if got := w.p.windows[0].From; !got.Equal(mark.Add(-time.Minute)) {
		t.Errorf("from %v, the watermark was %v", got, mark)
	}
}

func TestTheOverlapIsReadAgainAndIsNoWork(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	w.p.add("1", 2*time.Minute, threat("a"))
	w.sync()
	looked := w.engine.lookups
	w.clock.add(time.Minute)
	sum := w.sync()
	if sum.Alerts != 1 || sum.New != 0 || sum.Sources[0].Changed != 0 || len(w.p.posts) != 1 || w.engine.lookups != looked {
		t.Errorf("%+v", sum)
	}
}

func TestAnAlertThatAppearsLateWithinTheOverlapIsFound(t *testing.T) {
	w := newWorld(t)
	w.clock.add(24 * time.Hour) // beyond any sweep of today
	w.sync()
	late := w.p.add("late", -time.Minute, threat("a"))
	late.visible = w.clock.now().Add(12 * time.Minute)
	w.clock.add(5 * time.Minute)
	w.sync() // not visible yet, though created before the new watermark
	w.clock.add(8 * time.Minute)
	w.sync()
	w.rec("late")
}

func TestWhatIsLaterThanTheOverlapIsFoundByTheDailySweep(t *testing.T) {
	w := newWorld(t)
	w.Settings.Wait = 0
	w.sync()
	late := w.p.add("late", time.Minute, threat("a"))
	late.visible = w.clock.now().Add(3 * time.Hour)
	w.clock.add(time.Hour)
	w.sync() // the watermark passes it
	w.clock.add(3 * time.Hour)
	w.sync()
	if w.seen() != 0 {
		t.Fatal("the overlap found it: this test tests nothing")
	}
	w.clock.add(21 * time.Hour)
	sum := w.sync()
	w.rec("late")
	if sum.Sources[0].Late != 1 || sum.New != 1 {
		t.Errorf("%+v", sum.Sources[0])
	}
	mark := w.cursor(source.Created).Watermark
	w.clock.add(time.Hour)
	w.p.windows = nil
	w.sync()
	for _, win := range w.p.windows {
		if win.From.Before(mark.Add(-time.Hour)) {
			t.Errorf("swept twice in a day: %+v", win)
		}
	}
}

func TestAFullWindowIsHalvedUntilItFits(t *testing.T) {
	w := newWorld(t)
	w.p.limit = 10
	w.fill(300)
	w.sync()
	if w.seen() != 300 {
		t.Errorf("%d of 300", w.seen())
	}
}

func TestMoreEqualTimesThanAProductListsIsAnErrorAndNotAnEndlessLoop(t *testing.T) {
	w := newWorld(t)
	w.p.limit = 10
	for i := range 20 {
		w.p.add(fmt.Sprint(i), time.Hour, threat("a"))
	}
	sum, err := w.trySync(w.Service)
	if err != nil || len(sum.Errors) != 1 || !fault.Is(sum.Errors[0].Err, fault.Unavailable) {
		t.Errorf("%+v, %v", sum.Errors, err)
	}
	if w.seen() != 10 {
		t.Error("what came is valid all the same")
	}
	if cur := w.cursor(source.Created); cur.Watermark.After(t0.Add(-2 * time.Hour)) {
		t.Error("the watermark passed what was not read")
	}
}

func TestEqualTimesAcrossPagesAndWindowsAreAllSeen(t *testing.T) {
	w := newWorld(t)
	w.p.size = 3
	edge := t0.Add(-10 * time.Hour)
	w.p.traits.MaxWindow = time.Hour
	for i := range 20 {
		h := w.p.add(fmt.Sprint(i), time.Hour, threat("a"))
		h.Created, h.Updated = edge.Add(-30*time.Second), edge.Add(-30*time.Second) // where two windows meet
	}
	w.sync()
	if w.seen() != 20 {
		t.Errorf("%d of 20", w.seen())
	}
}

func TestADeadTokenReadsTheWindowAgain(t *testing.T) {
	w := newWorld(t)
	w.fill(45)
	died := 0
	w.p.onPage = func(n int, token string) error {
		if token != "" && died < 3 && n%3 == 0 {
			died++
			return fmt.Errorf("wrapped: %w", source.ErrToken)
		}
		return nil
	}
	w.sync()
	if w.seen() != 45 || died != 3 {
		t.Errorf("%d of 45, %d tokens died", w.seen(), died)
	}
}

func TestTokensThatDieForEverAreAnErrorInTheEnd(t *testing.T) {
	w := newWorld(t)
	w.fill(45)
	w.p.onPage = func(_ int, token string) error {
		if token != "" {
			return source.ErrToken
		}
		return nil
	}
	sum, err := w.trySync(w.Service)
	if err != nil || len(sum.Errors) != 1 || !errors.Is(sum.Errors[0].Err, source.ErrToken) {
		t.Errorf("%+v, %v", sum.Errors, err)
	}
	if w.p.pages > 4*maxRestarts {
		t.Errorf("%d pages were asked for", w.p.pages)
	}
}

func TestAPageErrorIsResumedFromTheLastPageThatWasTakenIn(t *testing.T) {
	w := newWorld(t)
	w.fill(60)
	w.p.onPage = func(n int, _ string) error {
		if n >= 4 {
			return fault.New(fault.Unavailable, "away")
		}
		return nil
	}
	sum, err := w.trySync(w.Service)
	if err != nil || len(sum.Errors) != 1 {
		t.Fatal(sum.Errors, err)
	}
	cur := w.cursor(source.Created)
	if w.seen() != 30 || cur == nil || cur.Pass == nil || cur.Pass.Token != "30" || !cur.Watermark.IsZero() {
		t.Fatalf("%d seen, %+v", w.seen(), cur)
	}
	to := cur.Pass.To
	w.p.onPage, w.p.pages, w.p.windows = nil, 0, nil
	first := ""
	w.p.onPage = func(n int, token string) error {
		if n == 1 {
			first = token
		}
		return nil
	}
	w.clock.add(10 * time.Minute)
	w.sync()
	if w.seen() != 60 || first != "30" {
		t.Errorf("%d seen, the first page asked for is %q", w.seen(), first)
	}
	if from := w.p.windows[0].From; !from.Equal(to.Add(-w.p.traits.Overlap)) {
		t.Errorf("the pass after it starts at %v, the resumed one ended at %v", from, to)
	}
}

func TestAResumedTokenThatHasDiedReadsItsWindowAgain(t *testing.T) {
	w := newWorld(t)
	w.fill(60)
	w.p.onPage = func(n int, _ string) error {
		if n == 4 {
			return fault.New(fault.Unavailable, "away")
		}
		return nil
	}
	_, _ = w.trySync(w.Service)
	died := false
	w.p.onPage = func(_ int, token string) error {
		if token == "30" && !died {
			died = true
			return source.ErrToken
		}
		return nil
	}
	w.sync()
	if w.seen() != 60 || !died {
		t.Errorf("%d of 60", w.seen())
	}
}

func TestKilledBetweenTwoPagesTheNextRunCompletes(t *testing.T) {
	for _, after := range []bool{false, true} {
		for k := 2; k < 12; k++ {
			w := newWorld(t)
			w.fill(60)
			first := w.process("host/1/a", w.p)
			first.Store = &crash{Store: w.store, left: k, after: after}
			_, _ = first.Sync(w.ctx, SyncOptions{})
			w.clock.add(3 * time.Minute)
			w.Service = w.process("host/2/b", w.p)
			w.sync()
			if w.seen() != 60 {
				t.Fatalf("killed at commit %d (after %v): %d of 60", k, after, w.seen())
			}
		}
	}
}

func TestSinceReadsOneMoreWindowAndMovesNoWatermark(t *testing.T) {
	w := newWorld(t)
	w.sync()
	before := *w.cursor(source.Created)
	w.p.add("old", 20*24*time.Hour, threat("a"))
	w.p.windows = nil
	sum := w.sync(SyncOptions{Since: t0.Add(-30 * 24 * time.Hour)})
	w.rec("old")
	if sum.New != 1 {
		t.Errorf("%+v", sum)
	}
	if after := w.cursor(source.Created); !after.Watermark.Equal(before.Watermark) || after.Pass != nil {
		t.Errorf("%+v became %+v", before, after)
	}
	w.view(func(tx ledger.Tx) error {
		n := 0
		for _, err := range tx.Cursors("") {
			if n++; err != nil {
				return err
			}
		}
		if n != 2 {
			t.Errorf("%d cursors are kept, there are two feeds", n)
		}
		return nil
	})
}

func TestAProductWithOneFeedIsReadByUpdatesAlone(t *testing.T) {
	w := newWorld(t)
	w.p.traits.NoUpdated = true
	w.fill(3)
	w.sync()
	for _, win := range w.p.windows {
		if win.By != source.Updated {
			t.Errorf("%+v", win)
		}
	}
	if w.seen() != 3 {
		t.Error(w.seen())
	}
}

func TestAnUpdateOfAnOldAlertComesByTheSecondFeed(t *testing.T) {
	w := newWorld(t)
	w.sync()
	h := w.p.add("old", 30*24*time.Hour, threat("a"))
	w.clock.add(time.Minute)
	h.Updated = w.clock.now()
	w.clock.add(5 * time.Minute)
	w.sync()
	w.rec("old")
}

func TestTheLoserOfALeaseStopsAndWritesNothing(t *testing.T) {
	w := newWorld(t)
	w.fill(60)
	taken := false
	w.p.onPage = func(n int, _ string) error {
		if n != 3 || taken {
			return nil
		}
		taken = true
		for w.seen() < 20 { // the page before it is being taken in while this one is asked for
			time.Sleep(time.Millisecond)
		}
		w.clock.add(time.Hour) // it stands still; another one takes over
		other := w.process("host/2/b", w.p)
		lease, err := other.acquire(w.ctx, w.sid())
		if err != nil || lease.Holder != "host/2/b" {
			t.Error(lease, err)
		}
		return nil
	}
	sum, err := w.trySync(w.Service)
	if err != nil || len(sum.Errors) != 1 || !fault.Is(sum.Errors[0].Err, fault.Conflict) {
		t.Fatalf("%+v, %v", sum.Errors, err)
	}
	if n := w.seen(); n > 20 {
		t.Errorf("the loser took in %d alerts, 20 of them before", n)
	}
	w.view(func(tx ledger.Tx) error {
		l, err := tx.Lease(string(w.sid()))
		if l.Holder != "host/2/b" {
			t.Errorf("the loser gave the winner's lease away: %+v", l)
		}
		return err
	})
}

func TestASourceThatAnotherProcessReadsIsSaidToBeBusy(t *testing.T) {
	w := newWorld(t)
	w.fill(3)
	if _, err := w.process("host/2/b", w.p).acquire(w.ctx, w.sid()); err != nil {
		t.Fatal(err)
	}
	sum := w.sync()
	if sum.Sources[0].Busy == "" || w.seen() != 0 {
		t.Errorf("%+v", sum.Sources[0])
	}
	w.clock.add(3 * time.Minute) // it died
	if sum := w.sync(); sum.Sources[0].Busy != "" || sum.New != 3 {
		t.Errorf("%+v", sum.Sources[0])
	}
}

func TestALeaseIsGivenBackAndProgressRenewsIt(t *testing.T) {
	w := newWorld(t)
	w.fill(60)
	w.p.onPage = func(int, string) error { w.clock.add(time.Minute); return nil } // slower than the lease in all
	w.sync()
	if w.seen() != 60 {
		t.Error(w.seen())
	}
	if _, err := w.process("host/2/b", w.p).acquire(w.ctx, w.sid()); err != nil {
		t.Errorf("the lease was not given back: %v", err)
	}
}

func TestABadItemIsSetAsideAndTheWatermarkMovesOn(t *testing.T) {
	w := newWorld(t)
	w.fill(3)
	w.p.bad = []source.BadItem{{ID: "odd", Reason: "no creation time"}}
	sum := w.sync()
	if w.seen() != 3 || sum.Quarantined != 1 || w.cursor(source.Created).Watermark.IsZero() {
		t.Errorf("%d seen, %+v", w.seen(), sum)
	}
	q, err := w.Quarantine(w.ctx)
	if err != nil || len(q) != 1 || q[0].What != "alert" || q[0].Alert != "odd" || q[0].Reason != "no creation time" || q[0].Count != 2 {
		t.Fatalf("%+v, %v", q, err) // once by each feed
	}
	if _, err := w.Drop(w.ctx, []string{"Q-NONE"}); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if got, err := w.Drop(w.ctx, []string{q[0].ID}); err != nil || len(got) != 1 {
		t.Error(got, err)
	}
	w.p.bad = nil
	w.clock.add(time.Minute)
	if sum := w.sync(); sum.Quarantined != 0 {
		t.Errorf("%+v", sum)
	}
}

func TestABadItemThatIsRetriedIsReadAgain(t *testing.T) {
	w := newWorld(t)
	w.p.bad = []source.BadItem{{ID: "odd", Reason: "no creation time"}}
	w.sync()
	q, _ := w.Quarantine(w.ctx)
	if _, err := w.Retry(w.ctx, []string{q[0].ID}); err != nil {
		t.Fatal(err)
	}
	w.p.bad = nil
	w.p.add("odd", time.Hour, threat("a"))
	w.clock.add(25 * time.Hour)
	w.sync()
	w.rec("odd")
}
