package triage

import (
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

// repeater tells again what products of kind "fake" have found.
type repeater struct{ *product }

func (r repeater) Kind() string { return "repeater" }

func newRepeater(c *clock) repeater {
	r := repeater{newProduct("cloud", c)}
	r.traits.Repeats = []string{"fake"}
	return r
}

// again adds an alert that repeats one of "fake".
func (r repeater) again(id, finding string, age time.Duration, fs ...alert.File) *held {
	h := r.add(id, age, fs...)
	h.Kind, h.Repeats = "repeater", alert.Finding{Kind: "fake", ID: finding}
	return h
}

// withCloud is a world whose findings another product repeats.
func withCloud(t *testing.T) (*world, repeater) {
	t.Helper()
	w := newWorld(t)
	r := newRepeater(w.clock)
	w.Service = w.process("host/1/a", r, w.p)
	return w, r
}

func (w *world) of(src source.Source, id string) *ledger.Alert {
	w.t.Helper()
	var out *ledger.Alert
	sid := w.sidOf(src)
	w.view(func(tx ledger.Tx) (err error) { out, err = tx.Alert(sid, id); return err })
	if out == nil {
		w.t.Fatalf("alert %s is not remembered", id)
	}
	return out
}

func TestWhatRepeatsAListedFindingIsLeftOutAndNamedThere(t *testing.T) {
	w, r := withCloud(t)
	w.p.add("direct", time.Hour)
	other := w.p.add("by another id", time.Hour)
	other.OtherID = "system"
	r.again("c1", "direct", time.Hour)
	r.again("c2", "system", time.Hour)
	r.again("c3", "nobody has it", time.Hour)
	r.add("c4", time.Hour)
	for range 5 { // sources are read side by side
		l := w.list(ListOptions{})
		got := map[string]string{}
		for _, row := range l.Rows {
			got[row.Alert.ID] = fmt.Sprint(row.Same)
		}
		want := map[string]string{"direct": "[cloud:c1]", "by another id": "[cloud:c2]", "c3": "[]", "c4": "[]"}
		if fmt.Sprint(got) != fmt.Sprint(want) || l.Repeats != 2 || l.Total != 4 {
			t.Fatalf("%v, %d left out of %d", got, l.Repeats, l.Total)
		}
	}
	l := w.list(ListOptions{Repeats: true})
	for _, row := range l.Rows {
		if row.Alert.ID == "c1" && fmt.Sprint(row.Same) != "[fake:direct]" || row.Alert.ID == "direct" && fmt.Sprint(row.Same) != "[cloud:c1]" {
			t.Errorf("%s: %v", row.Alert.ID, row.Same)
		}
	}
	if len(l.Rows) != 6 || l.Repeats != 0 {
		t.Errorf("%v", idsOf(l))
	}
}

func TestARepeatIsShownWhereItsFindingIsNot(t *testing.T) {
	w, r := withCloud(t)
	low := w.p.add("low", time.Hour)
	low.Severity = alert.Low
	closed := w.p.add("closed", time.Hour)
	closed.Status = alert.StatusResolved
	r.again("of low", "low", time.Hour)
	r.again("of closed", "closed", time.Hour)
	for name, tc := range map[string]struct {
		o    ListOptions
		want []string
	}{
		"rated higher, or open alone": {ListOptions{}, []string{"closed", "low", "of closed", "of low"}},
		"the finding does not match":  {ListOptions{Query: alert.Query{Severities: []alert.Severity{alert.High}}}, []string{"closed", "of closed", "of low"}},
		"the finding is not asked":    {ListOptions{Sources: []string{"cloud"}}, []string{"of closed", "of low"}},
	} {
		got := idsOf(w.list(tc.o))
		if slices.Sort(got); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
	w.p.err = fault.New(fault.Unavailable, "down")
	w.p.alerts = nil
	if l := w.list(ListOptions{}); len(l.Rows) != 2 || len(l.Errors) != 1 {
		t.Errorf("its source is down: %v, %v", idsOf(l), l.Errors)
	}
}

func TestManyRepeatsWaitForWhatTheyRepeat(t *testing.T) {
	w, r := withCloud(t)
	const n = 2*heldMost + 7
	for i := range n {
		w.p.add(fmt.Sprint("d", i), time.Duration(i)*time.Second)
		r.again(fmt.Sprint("c", i), fmt.Sprint("d", i), time.Duration(i)*time.Second)
	}
	l := w.list(ListOptions{Limit: 3})
	if len(l.Rows) != 3 || l.Total != n || l.Repeats != n || l.Rows[0].Alert.ID != "d0" || len(l.Rows[0].Same) != 1 {
		t.Errorf("%v: %d of %d, %d left out", idsOf(l), len(l.Rows), l.Total, l.Repeats)
	}
}

func TestTheVerdictOfARepeatIsToldOnItsFindingAlone(t *testing.T) {
	w, r := withCloud(t)
	w.engine.set("a", alert.Malicious)
	r.again("c1", "direct", time.Hour, alert.File{Hashes: alert.Hashes{SHA1: hashesOf("a").SHA1}})
	w.p.add("direct", time.Hour, threat("a"))
	w.sync()
	w.one("direct")
	rec := w.of(r, "c1")
	if n := r.texts("c1"); len(n) != 0 || rec.State != ledger.AlertDone || !strings.Contains(rec.Reason, "fake:direct") || rec.Verdict != alert.Malicious {
		t.Errorf("%q, %s (%s), %s", n, rec.State, rec.Reason, rec.Verdict)
	}
	for range 2 {
		w.clock.add(time.Hour)
		w.sync()
	}
	if n := r.texts("c1"); len(n) != 0 {
		t.Errorf("noted later: %q", n)
	}
	w.one("direct")
}

func TestARepeatIsToldItsVerdictWhereItsFindingCannotBe(t *testing.T) {
	for name, change := range map[string]func(w *world, direct *held){
		"the finding is closed":       func(_ *world, d *held) { d.Status = alert.StatusResolved },
		"it does not name the file":   func(_ *world, d *held) { d.Files = []alert.File{threat("b")} },
		"it names no file":            func(_ *world, d *held) { d.Files = nil },
		"it cannot be annotated":      func(_ *world, d *held) { d.Note = "" },
		"its source does not know it": func(w *world, _ *held) { w.p.alerts = nil },
		"its source cannot be read": func(w *world, _ *held) {
			w.p.onPage = func(int, string) error { return fault.New(fault.Unavailable, "down") }
		},
		"the id is one of another product": func(_ *world, d *held) { d.ID, d.Note = "another", "another" },
	} {
		w, r := withCloud(t)
		w.engine.set("a", alert.Malicious)
		w.engine.set("b", alert.Trusted)
		r.again("c1", "direct", time.Hour, threat("a"))
		change(w, w.p.add("direct", time.Hour, threat("a")))
		_, _ = w.trySync(w.Service)
		if n := r.texts("c1"); len(n) != 1 {
			t.Errorf("%s: %q", name, n)
		}
	}
}

func TestASyncOfTheRepeatingSourceAloneLeavesTheNoteToTheOther(t *testing.T) {
	w, r := withCloud(t)
	w.Settings.Wait = 0
	w.p.add("direct", time.Hour, threat("a"))
	w.sync(SyncOptions{Sources: []string{"fake"}}) // the analysis runs
	w.engine.set("a", alert.Malicious)
	r.again("c1", "direct", time.Hour, threat("a"))
	w.clock.add(time.Hour)
	w.Service = w.process("host/2/b", r, w.p)
	w.sync(SyncOptions{Sources: []string{"cloud"}})
	if n := r.texts("c1"); len(n) != 0 {
		t.Errorf("%q", n)
	}
	w.clock.add(time.Hour)
	w.sync()
	w.one("direct")
}

func TestANoteInDoubtIsCarriedOnThoughItsFindingIsReadMeanwhile(t *testing.T) {
	w, r := withCloud(t)
	w.engine.set("a", alert.Malicious)
	r.again("c1", "direct", time.Hour, threat("a"))
	r.outcomes, r.silently = []source.NoteOutcome{source.NoteUnknown}, true
	w.Settings.Wait = 0
	_, _ = w.trySync(w.Service)
	w.p.add("direct", time.Minute, threat("a"))
	w.Settings.Wait = 10 * time.Minute
	w.clock.add(time.Hour)
	w.sync()
	if n := r.texts("c1"); len(n) != 1 || w.of(r, "c1").Noted != alert.Malicious {
		t.Errorf("%q, %+v", n, w.of(r, "c1"))
	}
	w.one("direct")
}

func TestGetOfEitherNamesTheOther(t *testing.T) {
	w, r := withCloud(t)
	direct := w.p.add("direct", time.Hour)
	again := r.again("c1", "direct", time.Hour)
	direct.Handle.Source, again.Handle.Source = w.sid(), w.sidOf(r)
	same := func(a alert.Alert, offline bool) string {
		t.Helper()
		refs, err := w.Same(w.ctx, a, offline)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(refs)
	}
	if got := same(again.Alert, false) + same(again.Alert, true) + same(direct.Alert, false); got != "[fake:direct][][]" {
		t.Errorf("before a sync: %s", got)
	}
	w.sync()
	for _, offline := range []bool{false, true} {
		if got := same(again.Alert, offline) + same(direct.Alert, offline); got != "[fake:direct][cloud:c1]" {
			t.Errorf("offline %v: %s", offline, got)
		}
	}
	w.p.alerts, w.p.err = nil, fault.New(fault.Unavailable, "down")
	w.Service = w.process("host/2/b", r, w.p)
	if got := same(again.Alert, false); got != "[]" { // who it is cannot be asked, so what is remembered of it is not found
		t.Errorf("its product is down: %s", got)
	}
}

func TestAForgottenRepeatIsNotNamedAnyMore(t *testing.T) {
	w, r := withCloud(t)
	direct := w.p.add("direct", time.Hour)
	direct.OtherID, direct.Handle.Source = "system", w.sid()
	r.again("c1", "system", time.Hour)
	w.sync()
	if refs, err := w.Same(w.ctx, direct.Alert, true); err != nil || fmt.Sprint(refs) != "[cloud:c1]" {
		t.Fatal(refs, err)
	}
	rec := w.of(r, "c1")
	w.update(func(tx ledger.Tx) error { return (&pruner{Service: w.Service}).forgetAlert(tx, rec) })
	if refs, err := w.Same(w.ctx, direct.Alert, true); err != nil || len(refs) != 0 {
		t.Error(refs, err)
	}
	w.view(func(tx ledger.Tx) error {
		keys, err := tx.Wanting(findingKey(alert.Finding{Kind: "fake", ID: "system"}), ledger.AlertKey{}, 5)
		if len(keys) != 1 { // the direct one has the id, too
			t.Errorf("%v", keys)
		}
		return err
	})
}

func TestOneFileSeenByTwoProductsIsOneScanAndANoteOnEachAlert(t *testing.T) {
	w := newWorld(t)
	x, y := newProduct("x", w.clock), newProduct("y", w.clock)
	w.Service = w.process("host/1/a", x, y, w.p)
	all := hashesOf("a")
	weak := func(h alert.Hashes) alert.File { return alert.File{Hashes: h, Role: alert.RoleThreat} }
	x.add("x1", time.Hour, weak(alert.Hashes{SHA1: all.SHA1}))
	y.add("y1", time.Hour, weak(alert.Hashes{MD5: all.MD5}))
	w.p.add("p1", time.Hour, weak(alert.Hashes{SHA256: all.SHA256}))
	w.p.add("p2", time.Hour, weak(alert.Hashes{SHA256: all.SHA256}))
	w.Settings.Wait = 0
	w.sync()
	w.engine.set("a", alert.Malicious)
	w.Settings.Wait = 10 * time.Minute
	w.clock.add(time.Hour)
	w.sync()
	scans := 0
	for _, n := range w.engine.scans {
		scans += n
	}
	if scans != 1 || w.engine.scans[all.SHA256] != 1 {
		t.Errorf("scans %v", w.engine.scans)
	}
	for _, at := range []struct {
		p  *product
		id string
	}{{x, "x1"}, {y, "y1"}, {w.p, "p1"}, {w.p, "p2"}} {
		if n := at.p.texts(at.id); len(n) != 1 {
			t.Errorf("%s: %q", at.id, n)
		}
	}
}
