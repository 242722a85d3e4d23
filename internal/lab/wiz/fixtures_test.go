package wiz

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"edrc/internal/lab/world"
)

func TestEverythingRecordedOfAnIssueStandsInTheLabs(t *testing.T) {
	dir := os.Getenv("EDRC_FIXTURES")
	if dir == "" {
		t.Skip("EDRC_FIXTURES is not set: the lab is not held to recorded replies")
	}
	raw, err := os.ReadFile(filepath.Join(dir, "wiz", "secops-hub", "mock_data.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]struct {
		Data map[string]map[string]any `json:"data"`
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	u := newUser(t, world.Options{})
	threat := u.v.ThreatOf(u.v.Add(1, time.Hour, false)[0])
	data, message, _ := u.ask(`query Q($id: ID!) { issue(id: $id) { id createdAt updatedAt status severity type description resolvedAt
      entitySnapshot { cloudPlatform id name region subscriptionName type } projects { id name } sourceRules { id name description } } }`, map[string]any{"id": threat})
	if message != "" || len(all["get_issue_details"].Data["issue"]) < 8 {
		t.Fatalf("%q, %d fields recorded", message, len(all["get_issue_details"].Data["issue"]))
	}
	same(t, "issue", all["get_issue_details"].Data["issue"], data["issue"])
}

// same fails where what is recorded has a path that the lab has not, or has in another type.
func same(t *testing.T, path string, recorded, ours any) {
	t.Helper()
	switch recorded := recorded.(type) {
	case nil:
	case map[string]any:
		object, _ := ours.(map[string]any)
		for key, value := range recorded {
			if _, has := object[key]; !has {
				t.Errorf("%s.%s is missing", path, key)
				continue
			}
			same(t, path+"."+key, value, object[key])
		}
	case []any:
		list, _ := ours.([]any)
		if len(list) == 0 {
			t.Errorf("%s is empty", path)
			return
		}
		same(t, path+"[]", recorded[0], list[0])
	default:
		if fmt.Sprintf("%T", recorded) != fmt.Sprintf("%T", ours) {
			t.Errorf("%s is a %T, recorded is a %T", path, ours, recorded)
		}
	}
}
