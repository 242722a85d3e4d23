package defender

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"edrc/internal/lab/world"
)

// TestRepliesHaveTheFieldsOfRecordedOnes holds the lab's alerts, machines and actions to
// recorded ones: a field that is there must be here, of the same type. null fits all.
func TestRepliesHaveTheFieldsOfRecordedOnes(t *testing.T) {
	dir := os.Getenv("EDRC_FIXTURES")
	if dir == "" {
		t.Skip("EDRC_FIXTURES is not set: replies are not held to recorded ones")
	}
	v := serveTenant(t, world.Options{Alerts: 3})
	m := v.machines[0].id
	isolate := v.wants("POST", "/api/machines/"+m+"/isolate", `{"Comment":"x","IsolationType":"Full"}`, 201, "")
	for file, tc := range map[string]struct {
		got    map[string]any
		except []string // what only other products of Microsoft have, or nobody reads
	}{
		"openaev-graph-alerts/alert_sample_three.json":       {v.wants("GET", "/v1.0/security/alerts_v2/"+v.alerts[0].id, "", 200, ""), nil},
		"openaev-graph-alerts/alert_sample_zero.json":        {v.wants("GET", "/v1.0/security/alerts_v2/"+v.alerts[1].id, "", 200, ""), nil},
		"rapid7-mde/test_isolate_machine.json":               {isolate, nil},
		"rapid7-mde/test_get_machine_information_by_id.json": {v.wants("GET", "/api/machines/"+m, "", 200, ""), []string{"@odata.context", "osProcessor", "isAadJoined"}},
	} {
		raw, err := os.ReadFile(filepath.Join(dir, "defender", file))
		if err != nil {
			t.Fatal(err)
		}
		var want map[string]any
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		for _, name := range tc.except {
			delete(want, name)
		}
		for name, has := range want {
			got, ok := tc.got[name]
			if !ok || has != nil && got != nil && fmt.Sprintf("%T", has) != fmt.Sprintf("%T", got) {
				t.Errorf("%s: %q is a %T, here a %T", file, name, has, got)
			}
		}
		users := evidenceOf(want, "userEvidence")
		if mine := evidenceOf(tc.got, "userEvidence"); users != nil {
			for name := range users {
				if _, ok := mine[name]; !ok {
					t.Errorf("%s: the evidence of a user has no %q", file, name)
				}
			}
		}
	}
}

// evidenceOf gives the first evidence of a kind.
func evidenceOf(alert map[string]any, kind string) map[string]any {
	all, _ := alert["evidence"].([]any)
	for _, e := range all {
		if o, _ := e.(map[string]any); o["@odata.type"] == "#microsoft.graph.security."+kind {
			return o
		}
	}
	return nil
}
