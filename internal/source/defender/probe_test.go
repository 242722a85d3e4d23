package defender

import (
	"encoding/json"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/lab/world"
)

// listedHandles are the handles of all alerts, the newest first.
func listedHandles(t *testing.T, c *Client) []alert.Handle {
	t.Helper()
	var out []alert.Handle
	for a, err := range c.List(t.Context(), alert.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, a.Handle)
	}
	return out
}

func TestNotesOfManyAlertsAreLookedForInFewRequests(t *testing.T) {
	v := newVendor(t, world.Options{})
	v.lab.Add(2400, 20*time.Hour, false)
	v.top = 1000
	c := v.client(t, time.Minute)
	hs := listedHandles(t, c)
	v.Plant(t, hs[0].ID, "of another tool")
	v.Plant(t, hs[2399].ID, "of another tool")
	before := v.lab.Calls()
	got, err := c.ProbeNotes(t.Context(), hs...)
	if err != nil || len(got) != len(hs) || got[hs[0].ID] != alert.Some || got[hs[2399].ID] != alert.Some || got[hs[7].ID] != alert.None {
		t.Errorf("told about %d of %d, %v", len(got), len(hs), err)
	}
	if n := v.lab.Calls()["GET alerts_v2"] - before["GET alerts_v2"]; n != 3 {
		t.Errorf("%d requests for 2,400 alerts, want 3", n)
	}
	if one, err := c.ProbeNotes(t.Context(), hs[1234]); err != nil || len(one) != 1 || one[hs[1234].ID] != alert.None {
		t.Errorf("one alone: %v, %v", one, err)
	}
}

func TestAProbeOfFewAmongManyGivesUpAndClaimsNothing(t *testing.T) {
	v := newVendor(t, world.Options{})
	v.lab.Add(1000, 20*time.Hour, false)
	v.top = 100
	c := v.client(t, time.Minute)
	hs := listedHandles(t, c)
	few := []alert.Handle{hs[0], hs[300], hs[600], hs[990], hs[999]}
	before := v.lab.Calls()
	got, err := c.ProbeNotes(t.Context(), few...)
	if err != nil || len(got) != 1 || got[hs[0].ID] != alert.None {
		t.Errorf("%v, %v", got, err)
	}
	if n := v.lab.Calls()["GET alerts_v2"] - before["GET alerts_v2"]; n != 2 {
		t.Errorf("%d requests for 5 alerts, want 2", n)
	}
	for name, h := range map[string]alert.Handle{
		"an older handle": {ID: hs[0].ID, Note: hs[0].ID}, "an incident": IncidentHandle("28000"), "nothing": {}, "no id": {ID: "a b", Locator: hs[0].Locator},
		"what it is not": {ID: hs[0].ID, Note: "incident/28000", Locator: hs[0].Locator},
		"a bad locator":  {ID: hs[0].ID, Note: hs[0].ID, Locator: json.RawMessage(`{"created":7}`)},
	} {
		if got, err := c.ProbeNotes(t.Context(), h); err != nil || len(got) > 0 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if n := v.lab.Calls()["GET alerts_v2"] - before["GET alerts_v2"]; n != 2 {
		t.Errorf("%d requests: what cannot be found was looked for", n)
	}
}

func TestAProbeThatGraphDoesNotServeIsNotTriedAgain(t *testing.T) {
	c, s := scripted(t, map[string]string{"GET " + alertsPath: `400 {"error":{"code":"BadRequest","message":"$select"}}`})
	h := alert.Handle{ID: one, Note: one, Locator: locator(time.Now())}
	for range 3 {
		if got, err := c.ProbeNotes(t.Context(), h); err != nil || len(got) > 0 {
			t.Errorf("%v, %v", got, err)
		}
	}
	if len(s.sent) != 1 {
		t.Errorf("asked %v, want once", s.sent)
	}
	// Comments that are not told are not "none".
	c, _ = scripted(t, map[string]string{"GET " + alertsPath: `200 {"value":[{"id":"` + one + `"},7]}`})
	if got, err := c.ProbeNotes(t.Context(), h); err != nil || len(got) > 0 {
		t.Errorf("%v, %v", got, err)
	}
}
