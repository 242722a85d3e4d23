package cortex

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/source/sourcetest"
)

func compare(t *testing.T, file, what, got, want string) {
	t.Helper()
	if want != "" {
		sourcetest.Same(t, file+": "+what, got, want)
	}
}

func compareTime(t *testing.T, file, what string, got time.Time, o map[string]any, name string) {
	t.Helper()
	want, ok := o[name].(json.Number)
	if !ok {
		return
	}
	if at, err := want.Int64(); err != nil || got.UnixMilli() != at && got.Unix() != at {
		t.Errorf("%s: %s %s, want %s", file, what, got, want)
	}
}

func testClient(t testing.TB) *Client {
	t.Helper()
	return &Client{name: "cortex", options: Options{URL: "https://api-acme.xdr.us.paloaltonetworks.com"}}
}

func TestRecordedAlertsLoseNothing(t *testing.T) {
	c, n := testClient(t), 0
	sourcetest.Recorded(t, "cortexxdr", func(file string, raw json.RawMessage, o map[string]any) {
		if sourcetest.Text(o, "alert_id") == "" {
			return
		}
		n++
		a, bad := c.decodeAlert(raw)
		if bad != nil {
			t.Errorf("%s: %v", file, bad)
			return
		}
		compare(t, file, "id", a.ID, sourcetest.Text(o, "alert_id"))
		compare(t, file, "title", a.Title, sourcetest.Text(o, "name"))
		compare(t, file, "host", a.Host.Name, sourcetest.Text(o, "host_name"))
		compare(t, file, "endpoint", a.Host.ID, sourcetest.Text(o, "endpoint_id"))
		compare(t, file, "user", a.User, sourcetest.Text(o, "user_name"))
		compare(t, file, "incident", a.Group, sourcetest.Text(o, "case_id"))
		compare(t, file, "severity", a.Severity.String(), sourcetest.Text(o, "severity"))
		compareTime(t, file, "detected", a.Detected, o, "detection_timestamp")
		compareTime(t, file, "created", a.Created, o, "local_insert_ts")
		compareTime(t, file, "updated", a.Updated, o, "last_modified_ts")
		if s := sourcetest.Text(o, "resolution_status"); strings.HasSuffix(s, "UNDER_INVESTIGATION") && a.Status != alert.StatusInProgress {
			t.Errorf("%s: status %s of %s", file, a.Status, s)
		}
		if technique := sourcetest.Text(o, "mitre_technique_id_and_name"); technique != "" && (len(a.Attack) == 0 || !strings.HasPrefix(technique, a.Attack[0].ID)) {
			t.Errorf("%s: %v of %q", file, a.Attack, technique)
		}
		for _, name := range []string{"actor_process_image_name", "action_file_name"} {
			if file := sourcetest.Text(o, name); file != "" && !named(a.Files, file) {
				t.Errorf("%s: no file %q", name, file)
			}
		}
		compare(t, file, "raw", string(a.Raw), string(raw))
	})
	if n < 100 {
		t.Errorf("%d recorded alerts, want at least 100", n)
	}
}

func named(files []alert.File, name string) bool {
	for _, f := range files {
		if f.Name == name {
			return true
		}
	}
	return false
}

func TestRecordedIncidentsAndEndpointsLoseNothing(t *testing.T) {
	c, incidents, endpoints := testClient(t), 0, 0
	sourcetest.Recorded(t, "cortexxdr", func(file string, raw json.RawMessage, o map[string]any) {
		switch {
		case sourcetest.Text(o, "incident_id") != "":
			incidents++
			in, bad := c.decodeIncident(raw)
			if bad != nil {
				t.Errorf("%s: %v", file, bad)
				return
			}
			compare(t, file, "id", in.ID, sourcetest.Text(o, "incident_id"))
			compare(t, file, "title", in.Title, sourcetest.Text(o, "description"))
			compare(t, file, "severity", in.Severity.String(), sourcetest.Text(o, "severity"))
			compare(t, file, "link", in.URL, "https://acme.xdr.us.paloaltonetworks.com/incident-view?caseId="+in.ID)
			compareTime(t, file, "created", in.Created, o, "creation_time")
			compareTime(t, file, "updated", in.Updated, o, "modification_time")
			if (in.Status == alert.StatusInProgress) != (sourcetest.Text(o, "status") == "under_investigation") {
				t.Errorf("%s: status %s", file, in.Status)
			}
		case sourcetest.Text(o, "endpoint_name") != "":
			endpoints++
			var e endpoint
			if err := json.Unmarshal(raw, &e); err != nil {
				t.Fatal(err)
			}
			h := e.host()
			compare(t, file, "id", h.ID, sourcetest.Text(o, "endpoint_id"))
			compare(t, file, "name", h.Name, sourcetest.Text(o, "endpoint_name"))
			if h.Platform != "linux" || h.Isolation != "none" || h.Reachable == nil || !*h.Reachable {
				t.Errorf("%s: %+v", file, h)
			}
		}
	})
	if incidents < 4 || endpoints < 3 {
		t.Errorf("%d recorded incidents, %d endpoints", incidents, endpoints)
	}
}

func TestRecordedErrorsAreReadWhateverTheirForm(t *testing.T) {
	n := 0
	sourcetest.Recorded(t, "cortexxdr", func(file string, raw json.RawMessage, o map[string]any) {
		if _, ok := o["err_code"]; !ok {
			return
		}
		n++
		e := readVendorError([]byte(`{"reply":` + string(raw) + `}`))
		if e.code != 401 || !strings.Contains(e.String(), "Unauthorized access") || !strings.Contains(e.String(), "EXTRA_DATA") {
			t.Errorf("%s: %+v", file, e)
		}
	})
	if n < 1 {
		t.Errorf("%d recorded errors", n)
	}
}
