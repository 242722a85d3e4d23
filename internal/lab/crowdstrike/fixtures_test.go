package crowdstrike

import (
	"strings"
	"testing"
	"time"

	"edrc/internal/lab/world"
	"edrc/internal/lab/world/worldtest"
)

func TestTheLabsRepliesHaveTheTypesOfRecordedOnes(t *testing.T) {
	u := newUser(t, world.Options{Alerts: 40, Files: []world.File{{Name: "x.exe", SHA256: strings.Repeat("ab", 32), MD5: strings.Repeat("cd", 16)}}})
	u.v.Add(1, time.Hour, false)
	checked := worldtest.SameTypes(t, "crowdstrike", map[string]map[string]any{
		"composite_id": worldtest.Object(t, u.v.render(u.v.alerts[0])), "device_id": worldtest.Object(t, u.v.device(u.v.hosts[0])),
	})
	if checked < 50 {
		t.Errorf("%d fields compared", checked)
	}
}
