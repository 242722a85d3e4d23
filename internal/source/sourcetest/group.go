package sourcetest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

// checkIncidents: the incident that an alert names is listed once, and has the alert.
func checkIncidents(t *testing.T, h Harness) {
	v := h.New(t)
	s := v.Source(t, patience)
	in := capability[source.Incidents](t, s)
	ctx := context.Background()
	v.Add(t, 30, 5*time.Hour, false)
	groups := map[string][]string{}
	for _, a := range listAll(t, capability[source.Lister](t, s), alert.Query{}) {
		if a.Group != "" {
			groups[a.Group] = append(groups[a.Group], a.ID)
		}
	}
	listed := map[string]bool{}
	for i, err := range in.ListIncidents(ctx, alert.Query{}) {
		switch {
		case err != nil:
			t.Fatal(err)
		case listed[i.ID]:
			t.Errorf("incident %s is listed twice", i.ID)
		case i.ID == "" || i.Title == "" || i.Created.IsZero() || i.Ref != (alert.Ref{Source: s.Name(), Incident: true, ID: i.ID}):
			t.Errorf("incident %+v is not complete", i)
		}
		listed[i.ID] = true
	}
	for range in.ListIncidents(ctx, alert.Query{}) {
		break // leaving early must not hang
	}
	for id, want := range groups {
		i, err := in.GetIncident(ctx, id)
		if err != nil || i.ID != id || !listed[id] {
			t.Fatalf("incident %s, listed %v: %+v, %v", id, listed[id], i, err)
		}
		var has []string
		for _, a := range i.Alerts {
			has = append(has, a.ID)
		}
		if missing := less(want, has); len(missing) > 0 {
			t.Errorf("incident %s lacks %v", id, missing)
		}
	}
	for _, id := range []string{"no such incident", ""} {
		if i, err := in.GetIncident(ctx, id); !fault.Is(err, fault.NotFound) {
			t.Errorf("incident %q: %+v, %v", id, i, err)
		}
	}
}

// checkHostile: words that an attacker chose find nothing and break nothing, wherever a
// name or an id may stand.
func checkHostile(t *testing.T, h Harness) {
	v := h.New(t)
	s := v.Source(t, patience)
	ids := v.Add(t, 10, time.Hour, false)
	words := append(slices.Clone(h.Hostile), `x' or '1'='1`, `x"}],"y":[{"`, `x\`, "x%2f%00", "../x", "x&y=z#", "x\x00", "x)(*", strings.Repeat("A", 5000))
	for _, word := range words {
		checkWord(t, s, word)
	}
	for _, id := range ids {
		if got := v.Notes(t, id); len(got) > 0 {
			t.Errorf("alert %s got %q", id, got)
		}
	}
}

func checkWord(t *testing.T, s source.Source, word string) {
	t.Helper()
	ctx := context.Background()
	refused := func(what string, err error) {
		t.Helper()
		switch fault.KindOf(err) {
		case fault.NotFound, fault.Invalid, fault.Usage, fault.Unsupported:
		default:
			t.Errorf("%s %.40q: %v", what, word, err)
		}
	}
	at := alert.Handle{ID: word, Note: word, Group: word}
	if l, ok := s.(source.Lister); ok {
		q := alert.Query{Host: word}
		for a, err := range l.List(ctx, q) {
			if err != nil {
				refused("alerts of host", err)
			} else if q.Match(a) {
				t.Errorf("host %.40q has alert %s", word, a.ID)
			}
		}
	}
	if g, ok := s.(source.Getter); ok {
		if got, err := g.Get(ctx, at); err != nil || len(got) > 0 {
			t.Errorf("alert %.40q: %v, %v", word, got, err)
		}
	}
	if f, ok := s.(source.HostFinder); ok {
		for host, err := range f.FindHosts(ctx, word) {
			if refused("hosts", err); err == nil {
				t.Errorf("host %+v", host)
			}
		}
	}
	if in, ok := s.(source.Incidents); ok {
		_, err := in.GetIncident(ctx, word)
		refused("incident", err)
	}
	if r, ok := s.(source.NoteReader); ok {
		for n, err := range r.Notes(ctx, at) {
			if refused("notes of", err); err == nil {
				t.Errorf("note %+v", n)
			}
		}
	}
	if n, ok := s.(source.Noter); ok {
		rs, err := n.AddNote(ctx, "to nobody", at)
		if err == nil && rs[0].Outcome == source.NoteRefused {
			err = rs[0].Err
		}
		refused("note on", err)
	}
}
