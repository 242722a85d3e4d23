package cortex

import (
	"testing"
	"time"

	"edrc/internal/lab/world"
	"edrc/internal/lab/world/worldtest"
)

func TestTheLabsRepliesHaveTheTypesOfRecordedOnes(t *testing.T) {
	v := New(world.Options{Files: []world.File{{Name: "x.exe", SHA256: "ab", MD5: "cd"}}})
	v.Add(5, time.Hour, false)
	var scalar *xdrAlert
	for _, a := range v.alerts {
		if a.id%4 == 0 && a.id%3 != 0 { // its columns came as single values, its id as a text
			scalar = a
		}
	}
	checked := worldtest.SameTypes(t, "cortexxdr", map[string]map[string]any{
		"alert_id": worldtest.Object(t, v.multiEvent(scalar)), "incident_id": worldtest.Object(t, v.incidentJSON(v.cases[0])),
		"endpoint_name": worldtest.Object(t, v.endpoint(v.hosts[0])),
	}, "is_whitelisted") // "No" or false
	if checked < 500 {
		t.Errorf("%d fields compared", checked)
	}
}
