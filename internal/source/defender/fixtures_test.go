package defender

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"edrc/internal/alert"
	"edrc/internal/source/sourcetest"
)

// any of some fields of an object, as text; "" when none is a text or a number.
func field(o map[string]any, names ...string) string {
	for _, name := range names {
		if s := sourcetest.Text(o, name); s != "" {
			return s
		}
	}
	return ""
}

// isAlert tells an alert of Graph or of the older APIs from the other objects.
func isAlert(o map[string]any) bool {
	return field(o, "title") != "" && field(o, "severity") != "" && field(o, "id", "alertId") != "" && field(o, "indicatorValue") == "" &&
		field(o, "createdDateTime", "alertCreationTime", "creationTime") != ""
}

func TestRecordedAlertsLoseNothing(t *testing.T) {
	c := &Client{name: "mde", portal: "https://security.microsoft.com"}
	n, withHost, withUser := 0, 0, 0
	sourcetest.Recorded(t, "defender", func(file string, raw json.RawMessage, o map[string]any) {
		if !isAlert(o) {
			return
		}
		n++
		a, bad := c.decode(raw)
		if bad != nil {
			t.Errorf("%s: %v", file, bad)
			return
		}
		same := func(what, got, want string) {
			t.Helper()
			if want != "" && got != want {
				t.Errorf("%s: %s is %q, want %q", file, what, got, want)
			}
		}
		same("id", a.ID, field(o, "id", "alertId"))
		same("title", a.Title, field(o, "title"))
		same("incident", a.Group, field(o, "incidentId"))
		same("page", a.URL, field(o, "alertWebUrl"))
		same("host id", a.Host.ID, field(o, "machineId"))
		same("host", a.Host.Name, field(o, "computerDnsName"))
		severity := map[string]string{"informational": "info"}
		word := strings.ToLower(field(o, "severity"))
		if s, ok := severity[word]; ok {
			word = s
		}
		same("severity", a.Severity.String(), word)
		status := map[string]alert.Status{"new": "new", "inprogress": "in_progress", "resolved": "resolved", "": "new", "active": "new"}
		same("status", string(a.Status), string(status[strings.ToLower(field(o, "status"))]))
		sourcetest.SameTime(t, file, a.Created, field(o, "createdDateTime", "alertCreationTime", "creationTime"))
		sourcetest.SameTime(t, file, a.Updated, field(o, "lastUpdateDateTime", "lastUpdateTime", "lastUpdatedTime"))
		sourcetest.SameTime(t, file, a.Detected, field(o, "firstActivityDateTime", "firstEventTime", "firstActivity"))
		techniques, _ := o["mitreTechniques"].([]any)
		for _, want := range techniques {
			if !slices.ContainsFunc(a.Attack, func(got alert.Technique) bool { return got.ID == want }) {
				t.Errorf("%s: technique %v is lost", file, want)
			}
		}
		sameEvidence(t, file, a, raw)
		if strings.Contains(string(raw), "mdeDeviceId\":\"") || field(o, "machineId") != "" {
			withHost++
			if a.Host.ID == "" {
				t.Errorf("%s: the host is lost", file)
			}
		}
		if a.User != "" {
			withUser++
		}
		if string(a.Raw) != string(raw) {
			t.Errorf("%s: raw is not whole", file)
		}
	})
	if n < 15 || withHost == 0 || withUser < 4 {
		t.Errorf("%d recorded alerts, %d with a host, %d with a user", n, withHost, withUser)
	}
}

// sameEvidence looks for every usable hash, command line and user of the evidence.
func sameEvidence(t *testing.T, file string, a alert.Alert, raw json.RawMessage) {
	t.Helper()
	sourcetest.Objects(file, raw, func(_ string, _ json.RawMessage, e map[string]any) {
		for _, name := range []string{"sha256", "sha1", "md5"} {
			h, err := alert.ParseHash(field(e, name))
			if err == nil && !h.Refused() && !slices.ContainsFunc(a.Files, func(f alert.File) bool { return f.Has(h) }) {
				t.Errorf("%s: %s %s is lost", file, name, h)
			}
		}
		if command := field(e, "processCommandLine"); command != "" && a.Command == "" {
			t.Errorf("%s: the command line %q is lost", file, command)
		}
		if user := field(e, "userPrincipalName"); user != "" && a.User == "" {
			t.Errorf("%s: the user %q is lost", file, user)
		}
		if name := field(e, "fileName"); name != "" && !slices.ContainsFunc(a.Files, func(f alert.File) bool { return f.Name == name }) {
			t.Errorf("%s: the file %q is lost", file, name)
		}
	})
}

func TestRecordedIncidentsLoseNothing(t *testing.T) {
	c := &Client{name: "mde", portal: "https://security.microsoft.com"}
	n, alerts := 0, 0
	sourcetest.Recorded(t, "defender", func(file string, raw json.RawMessage, o map[string]any) {
		if field(o, "displayName", "incidentName") == "" || field(o, "severity") == "" {
			return
		}
		n++
		i, bad := decodeIncident(raw)
		if bad != nil {
			t.Errorf("%s: %v", file, bad)
			return
		}
		in := c.incidentOf(i, raw)
		if in.ID != field(o, "id", "incidentId") || in.Title != field(o, "displayName", "incidentName") || in.Severity == alert.Unrated || in.Created.IsZero() {
			t.Errorf("%s: %+v", file, in)
		}
		if list, _ := o["alerts"].([]any); len(list) != len(in.Alerts) {
			t.Errorf("%s: %d alerts of %d", file, len(in.Alerts), len(list))
		}
		if list, _ := o["comments"].([]any); len(list) != len(i.Comments) {
			t.Errorf("%s: %d comments of %d", file, len(i.Comments), len(list))
		}
		alerts += len(in.Alerts)
	})
	if n < 3 || alerts == 0 {
		t.Errorf("%d recorded incidents with %d alerts", n, alerts)
	}
}

func TestRecordedMachinesAndActionsLoseNothing(t *testing.T) {
	machines, actions := 0, 0
	sourcetest.Recorded(t, "defender", func(file string, raw json.RawMessage, o map[string]any) {
		switch {
		case field(o, "healthStatus") != "" && field(o, "computerDnsName") != "":
			machines++
			var m machine
			if err := json.Unmarshal(raw, &m); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			h := m.host()
			if h.ID != field(o, "id") || h.Name != field(o, "computerDnsName") || !strings.HasPrefix(h.OS, field(o, "osPlatform")) || h.Platform != "windows" {
				t.Errorf("%s: %+v", file, h)
			}
			if active := field(o, "healthStatus") == "Active"; h.Reachable == nil || *h.Reachable != active {
				t.Errorf("%s: reachable %v, want %v", file, h.Reachable, active)
			}
		case field(o, "requestor") != "" && field(o, "machineId") != "":
			actions++
			var a action
			if err := json.Unmarshal(raw, &a); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if string(a.ID) != field(o, "id") || string(a.MachineID) != field(o, "machineId") || string(a.Requestor) != field(o, "requestor") ||
				a.under() != (field(o, "status") == "Pending") || a.changed().IsZero() {
				t.Errorf("%s: %+v", file, a)
			}
		}
	})
	if machines < 5 || actions < 5 {
		t.Errorf("%d recorded machines, %d actions", machines, actions)
	}
}
