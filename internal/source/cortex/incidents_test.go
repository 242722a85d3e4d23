package cortex

import (
	"context"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

func TestEveryIncidentIsListedOnceNewestFirst(t *testing.T) {
	versions(t, func(t *testing.T, v *vendor) {
		v.lab.Add(350, 50*time.Hour, false)
		v.lab.Add(230, 2*time.Hour, true)
		seen := map[string]bool{}
		for in, err := range v.client(t, time.Minute).ListIncidents(context.Background(), alert.Query{}) {
			switch {
			case err != nil || seen[in.ID]:
				t.Fatalf("%s comes twice, %v", in.ID, err)
			case !in.Ref.Incident || in.Title == "" || in.Created.IsZero() || in.Updated.IsZero() || in.Status != alert.StatusNew || in.Severity < alert.Low:
				t.Fatalf("not complete: %+v", in)
			case len(seen) == 0 && time.Since(in.Created) > 3*time.Hour:
				t.Errorf("the first one is of %s", in.Created)
			}
			seen[in.ID] = true
		}
		if len(seen) != 580 {
			t.Errorf("%d incidents, want 580", len(seen))
		}
	})
}

func TestAnIncidentHasAllItsAlertsHoweverMany(t *testing.T) {
	versions(t, func(t *testing.T, v *vendor) {
		v.lab.Add(300, 15*time.Minute, false) // others of the same time
		for _, n := range []int{1, 7, 1240} {
			id := v.lab.AddIncident(n, 10*time.Minute)
			c := v.client(t, time.Minute)
			in, err := c.GetIncident(context.Background(), id)
			if err != nil || in.ID != id {
				t.Fatalf("%+v, %v", in, err)
			}
			seen := map[string]bool{}
			for _, h := range in.Alerts {
				if h.Note != id || h.Group != id || seen[h.ID] {
					t.Fatalf("%+v", h)
				}
				seen[h.ID] = true
			}
			if len(seen) != n {
				t.Errorf("%d alerts, want %d", len(seen), n)
			}
			if got, err := c.Get(context.Background(), in.Alerts[0]); err != nil || len(got) != 1 || got[0].Group != id {
				t.Errorf("%+v, %v", got, err)
			}
		}
		for _, id := range []string{"", "1", "999999999", "../../x", "893 OR 1"} {
			if in, err := v.client(t, time.Minute).GetIncident(context.Background(), id); !fault.Is(err, fault.NotFound) {
				t.Errorf("%q: %+v, %v", id, in, err)
			}
		}
	})
}

func TestAnAlertIsReadByTheCallThatItCameFrom(t *testing.T) {
	versions(t, func(t *testing.T, v *vendor) {
		id := v.lab.Add(1, time.Hour, false)[0]
		ctx := context.Background()
		got, err := v.client(t, time.Minute).Get(ctx, alert.Handle{ID: id})
		if err != nil || len(got) != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
		// The tenant goes on to 5.x: what is stored can still be read and annotated.
		v.Control(t, "version", map[string]any{"version": "5"})
		c := v.client(t, time.Minute)
		again, err := c.Get(ctx, got[0].Handle)
		if err != nil || len(again) != 1 || string(again[0].Locator) != string(got[0].Locator) || again[0].Note != got[0].Note {
			t.Errorf("%+v, %v", again, err)
		}
		if rs, err := c.AddNote(ctx, "x", got[0].Handle); err != nil || rs[0].Outcome != source.NoteDone {
			t.Errorf("%+v, %v", rs, err)
		}
	})
}

func TestTheSeverityThatAPersonSetGoesFirst(t *testing.T) {
	for fields, want := range map[string]alert.Severity{
		`"severity":"low"`: alert.Low, `"severity":"low","manual_severity":"high"`: alert.High, `"severity":"low","manual_severity":null`: alert.Low,
		`"severity":"low","manual_severity":"none"`: alert.Low, `"severity":"low","user_severity":"critical"`: alert.Critical,
	} {
		in, bad := testClient(t).decodeIncident([]byte(`{"case_id":1,` + fields + `}`))
		if bad != nil || in.Severity != want {
			t.Errorf("%s: %s, %v", fields, in.Severity, bad)
		}
	}
}
