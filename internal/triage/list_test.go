package triage

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/source"
)

func (w *world) list(o ListOptions) *Listing {
	w.t.Helper()
	l, err := w.List(w.ctx, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func idsOf(l *Listing) []string {
	var out []string
	for _, r := range l.Rows {
		out = append(out, r.Alert.ID)
	}
	return out
}

func TestWorstFirstWithALimitIsTheHeadOfTheFullSort(t *testing.T) {
	w := newWorld(t)
	other := newProduct("other", w.clock)
	w.Service = w.process("host/1/a", w.p, other)
	rapid.Check(t, func(rt *rapid.T) {
		w.p.alerts, other.alerts = nil, nil
		for i := range rapid.IntRange(0, 40).Draw(rt, "alerts") {
			p := rapid.SampledFrom([]*product{w.p, other}).Draw(rt, "source")
			age := time.Duration(rapid.IntRange(0, 3).Draw(rt, "age")) * time.Hour
			p.add(fmt.Sprint(i), age).Severity = alert.Severity(rapid.IntRange(0, 5).Draw(rt, "severity"))
		}
		byTime := rapid.Bool().Draw(rt, "by time")
		all := w.list(ListOptions{ByTime: byTime})
		limit := rapid.IntRange(1, 45).Draw(rt, "limit")
		some := w.list(ListOptions{ByTime: byTime, Limit: limit})
		want := all.Rows[:min(limit, len(all.Rows))]
		same := slices.EqualFunc(some.Rows, want, func(a, b Row) bool { return a.Alert.Ref == b.Alert.Ref })
		if !same || some.Total != len(all.Rows) || all.Total != len(w.p.alerts)+len(other.alerts) {
			rt.Fatalf("limit %d: %v, want the head of %v", limit, idsOf(some), idsOf(all))
		}
		sorted := slices.IsSortedFunc(all.Rows, func(a, b Row) int {
			if a.Alert.Severity != b.Alert.Severity && !byTime {
				return int(b.Alert.Severity) - int(a.Alert.Severity)
			}
			return b.Alert.Created.Compare(a.Alert.Created)
		})
		if !sorted {
			rt.Fatalf("out of order: %v", idsOf(all))
		}
	})
}

func TestFiltersAreCheckedAgainWhateverTheProductReturns(t *testing.T) {
	w := newWorld(t) // the product in memory ignores the query
	hit := w.p.add("hit", time.Hour, threat("a"))
	hit.Severity = alert.Critical
	w.p.add("old", 10*time.Hour, threat("a")).Severity = alert.Critical
	w.p.add("mild", time.Hour, threat("a")).Severity = alert.Low
	w.p.add("closed", time.Hour, threat("a")).Status = alert.StatusResolved
	w.p.alerts[3].Severity = alert.Critical
	elsewhere := w.p.add("elsewhere", time.Hour, threat("a"))
	elsewhere.Severity, elsewhere.Host = alert.Critical, alert.Host{ID: "h2", Name: "other"}
	w.p.add("file", time.Hour, threat("b")).Severity = alert.Critical
	l := w.list(ListOptions{Query: alert.Query{Since: t0.Add(-2 * time.Hour), Until: t0, Severities: []alert.Severity{alert.Critical},
		Statuses: []alert.Status{alert.StatusNew}, Host: "HOST-*", Hash: hashesOf("a").SHA1}})
	if !slices.Equal(idsOf(l), []string{"hit"}) || l.Total != 1 || l.Files != 1 {
		t.Errorf("%v, %+v", idsOf(l), l)
	}
}

func TestOnlyAlertsOfTheWantedVerdictAreListed(t *testing.T) {
	w := newWorld(t)
	w.Settings.Wait = 0
	w.engine.set("bad", alert.Malicious)
	w.engine.set("good", alert.Trusted)
	w.p.add("1", time.Hour, threat("bad"))
	w.p.add("2", time.Hour, threat("good"))
	w.p.add("3", time.Hour, threat("running"))
	w.sync()
	l := w.list(ListOptions{Verdicts: []alert.Class{alert.Malicious, alert.Suspicious}})
	if !slices.Equal(idsOf(l), []string{"1"}) || l.Rows[0].Verdict.Class != alert.Malicious || l.Rows[0].Record == nil {
		t.Errorf("%v", idsOf(l))
	}
}

func TestAListSaysWhyThereIsNoVerdict(t *testing.T) {
	w := newWorld(t)
	w.Settings.Wait = 0
	w.engine.unheld[hashesOf("missing").SHA256] = true
	w.p.add("running", time.Hour, threat("running"))
	w.p.add("missing", time.Hour, threat("missing"))
	w.p.add("nofile", time.Hour)
	w.p.add("nohash", time.Hour, alert.File{Path: "/x"})
	w.sync()
	w.p.add("unseen", time.Hour, threat("unseen"))
	w.p.add("unseen-nohash", time.Hour, alert.File{Path: "/x"})
	w.clock.add(time.Minute)
	want := map[string]string{"running": "analysis running", "missing": "file needed: the engine does not hold it, next try 21:00 UTC", "nofile": SkipNoFile,
		"nohash": SkipNoHash, "unseen": "", "unseen-nohash": SkipNoHash}
	for _, r := range w.list(ListOptions{}).Rows {
		if got := r.Scan; got != want[r.Alert.ID] {
			t.Errorf("%s: %q, want %q", r.Alert.ID, got, want[r.Alert.ID])
		}
	}
}

func TestAlertsOfOtherSourcesOnTheSameFileAndHostAreLinked(t *testing.T) {
	w := newWorld(t)
	x, y := newProduct("x", w.clock), newProduct("y", w.clock)
	w.Service = w.process("host/1/a", x, w.p, y)
	x.add("x1", time.Hour, threat("a"), threat("b"))
	x.add("x2", time.Hour, threat("a"))
	w.p.add("p1", time.Hour, threat("a"))
	y.add("y1", time.Hour, threat("b"))
	y.add("y2", time.Hour, threat("a")).Host.Name = "elsewhere"
	y.add("y3", time.Hour, threat("a")).Host.Name = ""
	want := map[string]string{"x1": "[fake:p1 y:y1]", "x2": "[fake:p1]", "p1": "[x:x1 x:x2]", "y1": "[x:x1]", "y2": "[]", "y3": "[]"}
	for range 5 {
		for _, r := range w.list(ListOptions{}).Rows {
			if got := fmt.Sprint(r.Also); got != want[r.Alert.ID] {
				t.Errorf("%s: %s, want %s", r.Alert.ID, got, want[r.Alert.ID])
			}
		}
	}
}

func TestASourceThatCannotBeListedDoesNotStopTheOthers(t *testing.T) {
	w := newWorld(t)
	broken := newProduct("broken", w.clock)
	broken.add("b1", time.Hour)
	unlisted := bare{newProduct("unlisted", w.clock)}
	w.Service = w.process("host/1/a", broken, w.p, unlisted)
	w.p.add("1", time.Hour)
	w.p.bad = []source.BadItem{{ID: "odd", Reason: "no time"}}
	half := halfway{broken}
	w.Sources[0] = half
	l := w.list(ListOptions{})
	got := idsOf(l)
	slices.Sort(got)
	if !slices.Equal(got, []string{"1", "b1"}) || l.Sources != 3 {
		t.Errorf("%v", got)
	}
	kinds := map[string]fault.Kind{}
	for _, e := range l.Errors {
		kinds[e.Source] = fault.KindOf(e.Err)
	}
	if len(kinds) != 2 || kinds["broken"] != fault.Unavailable || kinds["unlisted"] != fault.Unsupported || len(l.Bad) != 1 || l.Bad[0].Source != "fake" {
		t.Errorf("%v, %+v", kinds, l.Bad)
	}
}

// halfway fails at the end of its list.
type halfway struct{ *product }

func (h halfway) List(ctx ctxT, q alert.Query) seqT {
	return func(yield func(alert.Alert, error) bool) {
		for a, err := range h.product.List(ctx, q) {
			if !yield(a, err) {
				return
			}
		}
		yield(alert.Alert{}, fault.New(fault.Unavailable, "the connection was lost"))
	}
}

func TestOfflineListsWhatIsRemembered(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	w.p.add("1", time.Hour, threat("a"))
	w.p.add("2", 100*time.Hour, threat("a")) // before the look-back
	w.sync()
	w.p.alerts = nil
	l := w.list(ListOptions{Offline: true, Query: alert.Query{Since: t0.Add(-2 * time.Hour)}})
	if !slices.Equal(idsOf(l), []string{"1"}) || l.Rows[0].Verdict == nil || l.Rows[0].Alert.Ref != w.ref("1") {
		t.Errorf("%+v", l)
	}
}

func TestALongListIsReadInBatches(t *testing.T) {
	w := newWorld(t)
	w.fill(2*listBatch + 7)
	if l := w.list(ListOptions{Limit: 5}); len(l.Rows) != 5 || l.Total != 2*listBatch+7 {
		t.Errorf("%d of %d", len(l.Rows), l.Total)
	}
}

func TestGetShowsAllThatIsKnown(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	w.p.add("1", time.Hour, threat("a"), image("b"))
	w.Settings.Wait = 0
	w.sync()
	d, err := w.Get(w.ctx, w.ref("1"), false)
	if err != nil || d.Verdict == nil || d.Verdict.Class != alert.Malicious || len(d.Files) != 2 || d.Files[0].From != ledger.LookedUp ||
		d.Files[1].Reason == "" || d.Effect == nil || d.Effect.State != ledger.EffectDone {
		t.Fatalf("%+v, %v", d, err)
	}
	w.p.alerts = nil
	if _, err := w.Get(w.ctx, w.ref("1"), false); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if d, err := w.Get(w.ctx, w.ref("1"), true); err != nil || d.Alert.Title != "alert 1" {
		t.Error(d, err)
	}
	if _, err := w.Get(w.ctx, w.ref("nobody"), true); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if _, err := w.Get(w.ctx, alert.Ref{Source: "nobody", ID: "1"}, false); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	w.Service = w.process("host/1/a", bare{w.p})
	if _, err := w.Get(w.ctx, w.ref("1"), false); !fault.Is(err, fault.Unsupported) {
		t.Error(err)
	}
}

func TestAShortenedRefIsExpandedWhenExactlyOneAlertFits(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"1000088213", "2000088213", "1000077777"} {
		w.p.add(id, time.Hour)
	}
	w.sync()
	for text, want := range map[string]string{"fake:…77777": "1000077777", "fake:...77": "1000077777", "fake:1000088213": "1000088213",
		"fake:…1000088213": "1000088213", w.ref("1000077777").Short(): "1000077777", "fake:whatever": "whatever"} {
		if got, err := w.Expand(w.ctx, text); err != nil || got.ID != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for text, kind := range map[string]fault.Kind{"fake:…88213": fault.Usage, "fake:…99999": fault.NotFound, "nobody:…88213": fault.NotFound, "junk": fault.Usage} {
		if got, err := w.Expand(w.ctx, text); !fault.Is(err, kind) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

func TestAListWithoutRowsIsNotAnError(t *testing.T) {
	w := newWorld(t)
	if l := w.list(ListOptions{Limit: 3}); len(l.Rows) != 0 || l.Total != 0 || l.Sources != 1 {
		t.Errorf("%+v", l)
	}
	if _, err := w.List(w.ctx, ListOptions{Sources: []string{"nobody"}}); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}
