package defender

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/lab/world"
	"edrc/internal/source"
)

func TestIncidentsAreReadPastTheLargestPage(t *testing.T) {
	v := newVendor(t, world.Options{})
	v.lab.Add(3*120, 20*time.Hour, false)
	v.lab.Add(3*70, 30*time.Hour, true) // 70 at one moment
	c := v.client(t, time.Minute)
	var ids, of []string
	for i, err := range c.ListIncidents(t.Context(), alert.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if i.Ref.String() != "mde-lab:incident/"+i.ID || i.Created.IsZero() || i.Title == "" || !strings.HasPrefix(i.URL, "https://") || len(i.Alerts) != 3 {
			t.Fatalf("%+v", i)
		}
		ids = append(ids, i.ID)
		for _, h := range i.Alerts {
			of = append(of, h.ID)
			if h.Group != i.ID || h.Note != h.ID {
				t.Fatalf("%+v", h)
			}
		}
	}
	var want []string
	for i := range 190 {
		want = append(want, fmt.Sprint(28000+i))
	}
	sameOnce(t, "incidents", ids, want)
	sameOnce(t, "their alerts", of, listed(t, c, alert.Query{}))
	n := 0
	for range c.ListIncidents(t.Context(), alert.Query{}) {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("stopped after %d", n)
	}
}

func TestAMergedIncidentGivesTheOtherOne(t *testing.T) {
	v := newVendor(t, world.Options{Alerts: 9})
	v.Control(t, "merge", map[string]any{"id": "28000", "into": "28002"})
	c := v.client(t, time.Minute)
	i, err := c.GetIncident(t.Context(), "28000")
	if err != nil || i.ID != "28002" || len(i.Alerts) != 6 {
		t.Errorf("%+v, %v", i, err)
	}
	v.Control(t, "merge", map[string]any{"id": "28002", "into": "28000"})
	if i, err := c.GetIncident(t.Context(), "28000"); !fault.Is(err, fault.Invalid) {
		t.Errorf("a circle: %+v, %v", i, err)
	}
	for _, id := range []string{"1", "", "..", "a b"} {
		if i, err := c.GetIncident(t.Context(), id); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: %+v, %v", id, i, err)
		}
	}
}

func TestAnIncidentIsNotedResolvedAndTagged(t *testing.T) {
	v := newVendor(t, world.Options{Alerts: 3})
	c := v.client(t, time.Minute)
	h := IncidentHandle("28000")
	rs, err := c.AddNote(t.Context(), "looked at", h)
	if err != nil || rs[0].Outcome != source.NoteDone || !slices.Equal(v.lab.State().Notes["incident/28000"], []string{"looked at"}) {
		t.Errorf("note: %+v, %v", rs, err)
	}
	a, err := c.Resolve(t.Context(), h, alert.Resolution{Status: alert.StatusResolved, Verdict: "benign", Assign: "ann@lab.example", Tags: []string{"edrc", "case-7"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{source.FieldStatus, source.FieldVerdict, source.FieldAssign, source.FieldTags} {
		if a.Fields[field].Outcome != source.FieldDone {
			t.Errorf("%s: %+v", field, a.Fields[field])
		}
	}
	i, err := c.GetIncident(t.Context(), "28000")
	if err != nil || i.Status != alert.StatusResolved {
		t.Errorf("%+v, %v", i, err)
	}
	// Tags are added to those that are there, also by way of an alert.
	a, err = c.Resolve(t.Context(), i.Alerts[0], alert.Resolution{Tags: []string{"EDRC", "third"}})
	if err != nil || a.Fields[source.FieldTags].Outcome != source.FieldDone || a.Fields[source.FieldTags].Before != "edrc,case-7" {
		t.Errorf("%+v, %v", a, err)
	}
	if i, _ := c.GetIncident(t.Context(), "28000"); !strings.Contains(string(i.Raw), `"customTags":["edrc","case-7","third"]`) {
		t.Errorf("%s", i.Raw)
	}
	if a, err = c.Resolve(t.Context(), h, alert.Resolution{Tags: []string{"third"}}); err != nil || a.Fields[source.FieldTags].Outcome != source.FieldUnchanged {
		t.Errorf("again: %+v, %v", a, err)
	}
	undo := alert.Resolution{Status: alert.StatusNew, Verdict: "undefined"}
	if a, err = c.Resolve(t.Context(), h, undo); err != nil || a.Fields[source.FieldStatus].Outcome != source.FieldDone || a.Fields[source.FieldVerdict].Before != "informationalExpectedActivity/confirmedActivity" {
		t.Errorf("undo: %+v, %v", a, err)
	}
}

func TestEveryVerdictCanBeSetAndSetBack(t *testing.T) {
	v := newVendor(t, world.Options{Alerts: 1})
	c := v.client(t, time.Minute)
	h := alert.Handle{ID: listed(t, c, alert.Query{})[0]}
	before := "undefined"
	words := []string{"true_positive", "false_positive", "benign", "truePositive/apt", "TRUEPOSITIVE/MALWARE", "falsePositive"}
	for _, pair := range Verdicts() {
		words = append(words, pair.String())
	}
	for _, word := range append(words, "undefined") {
		a, err := c.Resolve(t.Context(), h, alert.Resolution{Verdict: word})
		got := a.Fields[source.FieldVerdict]
		if err != nil || got.Before != before || got.Outcome == source.FieldUnknown {
			t.Errorf("%s: %+v, %v; before it was %s", word, a, err, before)
		}
		now, err := c.Get(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		if before = now[0].Analyst; before == "" {
			before = "undefined"
		}
		if want, _ := parseVerdict(word); before != want.String() && before != "undefined" {
			t.Errorf("%s became %s", word, before)
		}
	}
	if before != "undefined" {
		t.Errorf("it ends as %s", before)
	}
	for _, word := range []string{"truePositive/notMalicious", "malware", "truePositive/x", "/malware", "unknown/malware"} {
		if err := c.Supports(alert.Resolution{Verdict: word}); !fault.Is(err, fault.Unsupported) {
			t.Errorf("%s: %v", word, err)
		}
	}
}
