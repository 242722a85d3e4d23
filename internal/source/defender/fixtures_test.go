package defender

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
)

// recorded walks every recorded reply of the vendor and gives each JSON object with
// its bytes and the file it is in.
func recorded(t *testing.T, visit func(file string, raw json.RawMessage, o map[string]any)) {
	t.Helper()
	dir := os.Getenv("EDRC_FIXTURES")
	if dir == "" {
		t.Skip("EDRC_FIXTURES is not set: the vendor's recorded replies are not checked")
	}
	err := filepath.WalkDir(filepath.Join(dir, "defender"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err == nil && json.Valid(raw) {
			objects(raw, func(raw json.RawMessage, o map[string]any) { visit(filepath.Base(path), raw, o) })
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func objects(raw json.RawMessage, visit func(json.RawMessage, map[string]any)) {
	var list []json.RawMessage
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) == nil && fields != nil {
		var o map[string]any
		d := json.NewDecoder(strings.NewReader(string(raw)))
		d.UseNumber()
		_ = d.Decode(&o)
		visit(raw, o)
		for _, v := range fields {
			objects(v, visit)
		}
	} else if json.Unmarshal(raw, &list) == nil {
		for _, v := range list {
			objects(v, visit)
		}
	}
}

// any of some fields of an object, as text; "" when none is a text or a number.
func field(o map[string]any, names ...string) string {
	for _, name := range names {
		switch v := o[name].(type) {
		case string:
			return v
		case json.Number:
			return v.String()
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
	recorded(t, func(file string, raw json.RawMessage, o map[string]any) {
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
		sameTime(t, file, a.Created, field(o, "createdDateTime", "alertCreationTime", "creationTime"))
		sameTime(t, file, a.Updated, field(o, "lastUpdateDateTime", "lastUpdateTime", "lastUpdatedTime"))
		sameTime(t, file, a.Detected, field(o, "firstActivityDateTime", "firstEventTime", "firstActivity"))
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
	objects(raw, func(_ json.RawMessage, e map[string]any) {
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

func sameTime(t *testing.T, file string, got time.Time, want string) {
	t.Helper()
	if at, err := time.Parse(time.RFC3339Nano, want); want != "" && (err != nil || !got.Equal(at)) {
		t.Errorf("%s: time %s, want %q", file, got, want)
	}
}

func TestRecordedIncidentsLoseNothing(t *testing.T) {
	c := &Client{name: "mde", portal: "https://security.microsoft.com"}
	n, alerts := 0, 0
	recorded(t, func(file string, raw json.RawMessage, o map[string]any) {
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
	recorded(t, func(file string, raw json.RawMessage, o map[string]any) {
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
