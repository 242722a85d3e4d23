package wiz

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/lab/world"
	"edrc/internal/source"
)

func TestEveryDetectionOfEitherTypeBeyondThePagesIsSeenOnce(t *testing.T) {
	v := newVendor(t, world.Options{})
	want := append(v.wiz.Add(620, 3*time.Hour, false), v.wiz.AddMatches(630, time.Hour, true)...)
	slices.Sort(want)
	c := v.client(t, time.Minute)
	st, err := c.Streams(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, by := range []source.Change{source.Created, source.Updated} {
		var got []string
		for token := ""; ; {
			p, err := c.Page(context.Background(), st[0], source.Window{By: by, From: st[0].Now.Add(-5 * time.Hour), To: st[0].Now}, token)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range p.Alerts {
				got = append(got, a.ID)
			}
			if token = p.Next; token == "" {
				break
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: %d detections, want %d", by, len(got), len(want))
		}
	}
	var hs []alert.Handle
	annotated := 0
	for a, err := range c.List(context.Background(), alert.Query{Since: time.Now().Add(-5 * time.Hour)}) {
		if err != nil {
			t.Fatal(err)
		}
		if a.Note != "" {
			annotated++
		}
		hs = append(hs, a.Handle)
	}
	if len(hs) != len(want) || annotated != 620 {
		t.Errorf("listed %d detections, %d with a threat", len(hs), annotated)
	}
	found, err := c.Get(context.Background(), hs...)
	if err != nil || len(found) != len(want) {
		t.Errorf("got %d by id, %v", len(found), err)
	}
	has, err := c.ProbeNotes(context.Background(), hs...)
	if err != nil || len(has) != 620 {
		t.Errorf("probed %d, %v", len(has), err)
	}
}

func TestEveryDetectionOfAThreatBeyondTheNestedLimitIsNamed(t *testing.T) {
	v := newVendor(t, world.Options{})
	big, ids := v.wiz.AddThreat(740, 2*time.Hour)
	v.wiz.Add(130, time.Hour, true)
	v.wiz.AddIssue("TOXIC_COMBINATION", time.Hour)
	c := v.client(t, time.Minute)
	slices.Sort(ids)
	seen := map[string]bool{}
	for in, err := range c.ListIncidents(context.Background(), alert.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if seen[in.ID] {
			t.Errorf("threat %s comes twice", in.ID)
		}
		seen[in.ID] = true
		if in.ID == big {
			wantMembers(t, in, ids)
		}
	}
	if len(seen) != 131 {
		t.Errorf("%d threats, want 131", len(seen))
	}
	in, err := c.GetIncident(context.Background(), big)
	if err != nil || in.Status != alert.StatusNew || in.Title == "" || in.URL != "https://app.wiz.io/issues#~(issue~'"+big+")" || in.Created.IsZero() {
		t.Errorf("%+v, %v", in, err)
	}
	wantMembers(t, in, ids)
	for _, id := range []string{"no such", "", nobody, strings.ToUpper(big) + "'"} {
		if _, err := c.GetIncident(context.Background(), id); !fault.Is(err, fault.NotFound) {
			t.Errorf("threat %q: %v", id, err)
		}
	}
}

func wantMembers(t *testing.T, in alert.Incident, ids []string) {
	t.Helper()
	var got []string
	for _, h := range in.Alerts {
		if h.Note != in.ID || h.Group != in.ID {
			t.Fatalf("handle %+v", h)
		}
		got = append(got, h.ID)
	}
	if slices.Sort(got); !slices.Equal(got, ids) {
		t.Errorf("%d detections of the threat, want %d", len(got), len(ids))
	}
}

func TestIncidentsAreNarrowedByWhatIsAskedFor(t *testing.T) {
	v := newVendor(t, world.Options{Alerts: 300})
	c := v.client(t, time.Minute)
	all := map[string]alert.Incident{}
	for in, err := range c.ListIncidents(context.Background(), alert.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		all[in.ID] = in
	}
	since := time.Now().Add(-24 * time.Hour)
	for name, q := range map[string]alert.Query{
		"open": {Statuses: []alert.Status{alert.StatusNew, alert.StatusInProgress}}, "closed": {Statuses: []alert.Status{alert.StatusResolved}},
		"severe": {Severities: []alert.Severity{alert.High, alert.Critical}}, "since": {Since: since}, "until": {Until: since},
	} {
		want, got := 0, 0
		match := func(in alert.Incident) bool {
			return q.Match(alert.Alert{Created: in.Created, Severity: in.Severity, Status: in.Status})
		}
		for _, in := range all {
			if match(in) {
				want++
			}
		}
		for in, err := range c.ListIncidents(context.Background(), q) {
			if err != nil {
				t.Fatal(err)
			}
			if match(in) {
				got++
			}
		}
		if got != want || want == 0 || want == len(all) {
			t.Errorf("%s: %d of %d, want %d", name, got, len(all), want)
		}
	}
}

func TestAFileInALaterEventIsNotLost(t *testing.T) {
	v := newVendor(t, world.Options{})
	id := v.wiz.Add(1, time.Hour, false)[0]
	v.wiz.Shape(id, "WIZ_SENSOR", "", 3, 50)
	got, err := v.client(t, time.Minute).Get(context.Background(), alert.Handle{ID: id})
	if err != nil || len(got) != 1 || len(got[0].Files) == 0 || !got[0].Files[0].Has(alert.Hash(files()[3].SHA1)) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAChangedThreatBringsItsDetectionsAgain(t *testing.T) {
	v := newVendor(t, world.Options{})
	v.wiz.Add(20, 3*time.Hour, false)
	big, ids := v.wiz.AddThreat(520, 2*time.Hour)
	other := v.wiz.Add(1, 2*time.Hour, false)
	c := v.client(t, time.Minute)
	for _, id := range []string{big, other[0]} {
		v.Control(t, "status", map[string]any{"id": id, "status": "RESOLVED", "reason": "MALICIOUS_THREAT"})
	}
	st, err := c.Streams(context.Background())
	if err != nil || len(st) != 2 {
		t.Fatalf("%v, %v", st, err)
	}
	w := source.Window{By: source.Updated, From: st[1].Now.Add(-10 * time.Hour), To: st[1].Now.Add(time.Minute)}
	p, err := c.Page(context.Background(), st[1], w, "")
	if err != nil || p.Next != "" || len(p.Bad) > 0 || p.Date.IsZero() {
		t.Fatalf("%+v, %v", p, err)
	}
	var got []string
	for _, a := range p.Alerts {
		if !a.Status.Closed() {
			t.Fatalf("detection %s is %s", a.ID, a.Status)
		}
		got = append(got, a.ID)
	}
	want := append(ids, other...)
	slices.Sort(want)
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("%d detections, want %d", len(got), len(want))
	}
	w.To = st[1].Now.Add(-time.Hour)
	if p, err := c.Page(context.Background(), st[1], w, ""); err != nil || len(p.Alerts) > 0 {
		t.Errorf("before the change: %d, %v", len(p.Alerts), err)
	}
	if p, err := c.Page(context.Background(), st[1], source.Window{By: source.Created, From: w.From, To: w.To}, ""); err != nil || len(p.Alerts) > 0 || p.Next != "" {
		t.Errorf("the created feed of the second stream: %+v, %v", p, err)
	}
	if _, err := c.Page(context.Background(), source.Stream{Name: "other"}, w, ""); !fault.Is(err, fault.Invalid) {
		t.Errorf("another stream: %v", err)
	}
}

func TestValuesCannotLeaveTheirVariables(t *testing.T) {
	v := newVendor(t, world.Options{Alerts: 10})
	c := v.client(t, time.Minute)
	for _, value := range append(hostile(), `"}) { id } }`, `$x`, "{}", `\`) {
		if got, err := c.Get(context.Background(), alert.Handle{ID: value}); err != nil || len(got) > 0 {
			t.Errorf("get %q: %v, %v", value, got, err)
		}
		if _, err := c.GetIncident(context.Background(), value); !fault.Is(err, fault.NotFound) {
			t.Errorf("threat %q: %v", value, err)
		}
		if err := c.RemoveNote(context.Background(), alert.Handle{}, value); !fault.Is(err, fault.NotFound) {
			t.Errorf("note %q: %v", value, err)
		}
		id := v.wiz.Add(1, time.Hour, false)[0]
		h := alert.Handle{ID: id, Note: v.wiz.ThreatOf(id)}
		rs, err := c.AddNote(context.Background(), value+"x", h)
		if err != nil || rs[0].Outcome != source.NoteDone || !slices.Equal(v.Notes(t, id), []string{value + "x"}) {
			t.Errorf("note %q: %+v, %v", value, rs, err)
		}
	}
}

func TestANoteIsThereOnceAlsoBeforeItIsVisible(t *testing.T) {
	for _, lag := range []time.Duration{0, time.Hour} {
		v := newVendor(t, world.Options{NoteLag: lag, Echo: true})
		_, ids := v.wiz.AddThreat(3, time.Hour)
		c := v.client(t, time.Minute)
		h := alert.Handle{ID: ids[0], Note: v.wiz.ThreatOf(ids[0])}
		const marker = "[edrc:5b1f09c2a94e7d10]"
		body := strings.Repeat("é", c.Traits().NoteMax-len(marker)-1) + "\n" + marker
		rs, err := c.AddNote(context.Background(), body, h)
		if err != nil || rs[0].Outcome != source.NoteDone || c.Traits().NoteSettle != lag {
			t.Fatalf("%+v, %v", rs, err)
		}
		if got := v.Notes(t, ids[2]); !slices.Equal(got, []string{body}) {
			t.Errorf("the threat has %d notes", len(got))
		}
		got, err := c.Get(context.Background(), h)
		has, probeErr := c.ProbeNotes(context.Background(), h)
		want := map[bool]alert.Has{true: alert.Some, false: alert.None}[lag == 0]
		if err != nil || probeErr != nil || got[0].Notes != want || has[h.ID] != want {
			t.Errorf("lag %s: alert says %d, probe says %d", lag, got[0].Notes, has[h.ID])
		}
		if !got[0].Updated.After(got[0].Created) {
			t.Errorf("lag %s: our note did not move the time", lag)
		}
	}
}
