package cortex

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	err := filepath.WalkDir(filepath.Join(dir, "cortexxdr"), func(path string, d fs.DirEntry, err error) error {
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
		if json.Unmarshal(raw, &o) == nil {
			visit(raw, o)
		}
		for _, v := range fields {
			objects(v, visit)
		}
	} else if json.Unmarshal(raw, &list) == nil {
		for _, v := range list {
			objects(v, visit)
		}
	}
}

// at gives a value of a decoded object as text; "" when it is absent.
func at(o map[string]any, name string) string {
	switch v := o[name].(type) {
	case string:
		return v
	case float64:
		return fmt.Sprintf("%.0f", v)
	}
	return ""
}

func compare(t *testing.T, file, what, got, want string) {
	t.Helper()
	if want != "" && got != want {
		t.Errorf("%s: %s %q, want %q", file, what, got, want)
	}
}

func compareTime(t *testing.T, file, what string, got time.Time, o map[string]any, name string) {
	t.Helper()
	want, ok := o[name].(float64)
	if !ok {
		return
	}
	if got.UnixMilli() != int64(want) && got.Unix() != int64(want) {
		t.Errorf("%s: %s %s, want %.0f", file, what, got, want)
	}
}

func testClient(t testing.TB) *Client {
	t.Helper()
	return &Client{name: "cortex", options: Options{URL: "https://api-acme.xdr.us.paloaltonetworks.com"}}
}

func TestRecordedAlertsLoseNothing(t *testing.T) {
	c, n := testClient(t), 0
	recorded(t, func(file string, raw json.RawMessage, o map[string]any) {
		if at(o, "alert_id") == "" {
			return
		}
		n++
		a, bad := c.decodeAlert(raw)
		if bad != nil {
			t.Errorf("%s: %v", file, bad)
			return
		}
		compare(t, file, "id", a.ID, at(o, "alert_id"))
		compare(t, file, "title", a.Title, at(o, "name"))
		compare(t, file, "host", a.Host.Name, at(o, "host_name"))
		compare(t, file, "endpoint", a.Host.ID, at(o, "endpoint_id"))
		compare(t, file, "user", a.User, at(o, "user_name"))
		compare(t, file, "incident", a.Group, at(o, "case_id"))
		compare(t, file, "severity", a.Severity.String(), at(o, "severity"))
		compareTime(t, file, "detected", a.Detected, o, "detection_timestamp")
		compareTime(t, file, "created", a.Created, o, "local_insert_ts")
		compareTime(t, file, "updated", a.Updated, o, "last_modified_ts")
		if s := at(o, "resolution_status"); strings.HasSuffix(s, "UNDER_INVESTIGATION") && a.Status != alert.StatusInProgress {
			t.Errorf("%s: status %s of %s", file, a.Status, s)
		}
		if technique := at(o, "mitre_technique_id_and_name"); technique != "" && (len(a.Attack) == 0 || !strings.HasPrefix(technique, a.Attack[0].ID)) {
			t.Errorf("%s: %v of %q", file, a.Attack, technique)
		}
		for _, name := range []string{"actor_process_image_name", "action_file_name"} {
			if file := at(o, name); file != "" && !named(a.Files, file) {
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
	recorded(t, func(file string, raw json.RawMessage, o map[string]any) {
		switch {
		case at(o, "incident_id") != "":
			incidents++
			in, bad := c.decodeIncident(raw)
			if bad != nil {
				t.Errorf("%s: %v", file, bad)
				return
			}
			compare(t, file, "id", in.ID, at(o, "incident_id"))
			compare(t, file, "title", in.Title, at(o, "description"))
			compare(t, file, "severity", in.Severity.String(), at(o, "severity"))
			compare(t, file, "link", in.URL, "https://acme.xdr.us.paloaltonetworks.com/incident-view?caseId="+in.ID)
			compareTime(t, file, "created", in.Created, o, "creation_time")
			compareTime(t, file, "updated", in.Updated, o, "modification_time")
			if (in.Status == alert.StatusInProgress) != (at(o, "status") == "under_investigation") {
				t.Errorf("%s: status %s", file, in.Status)
			}
		case at(o, "endpoint_name") != "":
			endpoints++
			var e endpoint
			if err := json.Unmarshal(raw, &e); err != nil {
				t.Fatal(err)
			}
			h := e.host()
			compare(t, file, "id", h.ID, at(o, "endpoint_id"))
			compare(t, file, "name", h.Name, at(o, "endpoint_name"))
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
	recorded(t, func(file string, raw json.RawMessage, o map[string]any) {
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
