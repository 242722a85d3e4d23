package carbonblack

import (
	"context"
	"slices"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/lab/world"
)

func TestAThreatHasAllOfItsAlerts(t *testing.T) {
	v := newVendor(t, world.Options{})
	ids := v.lab.Add(9, time.Hour, false)
	c := v.client(t, time.Minute)
	first, err := c.Get(context.Background(), alert.Handle{ID: ids[0]})
	if err != nil {
		t.Fatal(err)
	}
	v.Control(t, "touch", map[string]any{"id": ids[0], "status": "CLOSED"})
	v.Control(t, "touch", map[string]any{"id": ids[1], "status": "IN_PROGRESS"})
	v.Control(t, "touch", map[string]any{"id": ids[2], "status": "CLOSED"})
	in, err := c.GetIncident(context.Background(), first[0].Group)
	if err != nil || in.ID != first[0].Group || in.Ref.String() != "cbc-lab:incident/"+in.ID || len(in.Alerts) != 3 || in.Status != alert.StatusInProgress || in.Title == "" || in.URL == "" || len(in.Raw) == 0 {
		t.Fatalf("%+v, %v", in, err)
	}
	var got []string
	for _, h := range in.Alerts {
		got = append(got, h.ID)
		if h.Note != h.ID || h.Group != in.ID {
			t.Errorf("handle %+v", h)
		}
	}
	if !slices.Equal(got, ids[:3]) { // newest first
		t.Errorf("alerts %v, want %v", got, ids[:3])
	}
	if !in.Created.Before(in.Updated) || in.Severity == alert.Unrated {
		t.Errorf("from %s to %s, %s", in.Created, in.Updated, in.Severity)
	}
	n := 0
	for in, err := range c.ListIncidents(context.Background(), alert.Query{Since: time.Now().Add(-2 * time.Hour)}) {
		if n++; err != nil || len(in.Alerts) != 3 {
			t.Errorf("%+v, %v", in, err)
		}
	}
	if n != 3 {
		t.Errorf("%d threats, want 3", n)
	}
	for in, err := range c.ListIncidents(context.Background(), alert.Query{Until: time.Now().Add(-2 * time.Hour)}) {
		t.Errorf("%+v, %v", in, err)
	}
	if _, err := c.GetIncident(context.Background(), "C21CA826573A8D974C1E93C8471AAB7F"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a threat that is none: %v", err)
	}
}

func TestAThreatIsAsOpenAsItsMostOpenAlert(t *testing.T) {
	for want, all := range map[alert.Status][]states{
		alert.StatusNew:        {{"OPEN": 1, "CLOSED": 7}, {"IN_PROGRESS": 1, "OPEN": 1}, {"WHATEVER": 1, "CLOSED": 1}, {}, nil},
		alert.StatusInProgress: {{"IN_PROGRESS": 2, "CLOSED": 5}, {"IN_PROGRESS": 1, "OPEN": 0}},
		alert.StatusResolved:   {{"CLOSED": 3}, {"CLOSED": 3, "OPEN": 0}},
	} {
		for _, s := range all {
			if got := s.status(); got != want {
				t.Errorf("%v is %s, want %s", s, got, want)
			}
		}
	}
}
