package crowdstrike

import (
	"context"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/lab/world"
)

func TestCasesAreIncidentsOfTheirAlerts(t *testing.T) {
	v := newVendor(t, world.Options{Alerts: 100})
	c := v.client(t, time.Minute)
	ctx := context.Background()
	all := map[string]alert.Alert{}
	for a, err := range c.List(ctx, alert.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		all[a.ID] = a
	}
	n := 0
	var before time.Time
	for in, err := range c.ListIncidents(ctx, alert.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if in.Title == "" || in.Status != alert.StatusNew || in.Created.IsZero() || in.Ref.String() != "falcon-lab:incident/"+in.ID || len(in.Alerts) != 3 || in.Raw == nil {
			t.Errorf("%+v", in)
		}
		if !before.IsZero() && in.Created.After(before) {
			t.Error("a newer case comes after an older one")
		}
		before = in.Created
		worst := alert.Unrated
		for _, h := range in.Alerts {
			a, ok := all[h.ID]
			if !ok || a.Group != in.ID || h.Note != a.Note {
				t.Errorf("alert %s of case %s: group %q", h.ID, in.ID, a.Group)
			}
			worst = max(worst, a.Severity)
		}
		if in.Severity != max(worst, alert.Low) {
			t.Errorf("severity %s, want %s", in.Severity, worst)
		}
		got, err := c.GetIncident(ctx, in.ID)
		if err != nil || got.ID != in.ID || len(got.Alerts) != len(in.Alerts) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if n != 5 {
		t.Errorf("%d cases, want 5", n)
	}
	for _, id := range []string{"", "no such case", "../cases"} {
		if _, err := c.GetIncident(ctx, id); !fault.Is(err, fault.NotFound) {
			t.Errorf("case %q: %v", id, err)
		}
	}
	for in := range c.ListIncidents(ctx, alert.Query{Since: before.Add(time.Millisecond)}) {
		if n--; in.Created.Before(before) {
			t.Error("a case of before the window")
		}
	}
	if n != 1 {
		t.Errorf("the window leaves out %d, want 1", n)
	}
}

func TestCasesThatCannotAllBeAskedForAreAnError(t *testing.T) {
	item := `{"id":"c1","created_timestamp":"2026-11-22T10:00:00Z"}`
	c, _ := scripted(t, map[string]string{
		"GET /cases/queries/cases/v1":   `200 {"meta":{},"resources":["c1","c2","c3","c4","c5","c6","c7","c8","c9","c10"]}`,
		"POST /cases/entities/cases/v2": `200 {"meta":{},"resources":[` + item + `,{"name":"no id"}]}`,
	})
	n, bad, partial := 0, 0, 0
	for _, err := range c.ListIncidents(context.Background(), alert.Query{}) {
		switch {
		case err == nil:
			n++
		case fault.Is(err, fault.Partial):
			partial++
		default:
			bad++
		}
	}
	if n != 1 || partial != 1 || bad == 0 {
		t.Errorf("%d cases, %d bad, %d partial", n, bad, partial)
	}
}
