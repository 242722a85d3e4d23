package carbonblack

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"edrc/internal/lab/world"
)

// ask sends one request with the key.
func ask(t *testing.T, v *Vendor, method, path, body string) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("X-Auth-Token", APISecret+"/"+APIID)
	w := httptest.NewRecorder()
	v.ServeHTTP(w, r)
	var out map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &out)
	return w.Code, out
}

const (
	searchPath   = "/api/alerts/v7/orgs/" + OrgKey + "/alerts/_search"
	workflowPath = "/api/alerts/v7/orgs/" + OrgKey + "/alerts/workflow"
)

func TestASearchHasTheLimitsOfTheRealOne(t *testing.T) {
	v := New(world.Options{})
	v.Add(5, time.Hour, true)
	v.Add(3, 20*24*time.Hour, true)
	for body, want := range map[string]string{
		`{}`:                              "200 5", // two weeks
		`{"rows":2}`:                      "200 2",
		`{"start":1,"rows":10000}`:        "200 5",
		`{"start":5,"rows":5}`:            "200 1",
		`{"start":2,"rows":10000}`:        "500 0",
		`{"start":9902,"rows":100}`:       "500 0",
		`{"rows":10001}`:                  "400 0",
		`{"start":0}`:                     "400 0",
		`{"criteria":{"id":[]}}`:          "200 5", // empty is everything
		`{"criteria":{"id":["x"]}}`:       "200 0",
		`{"criteria":{"name":"x"}}`:       "400 0",
		`{"nonsense":1}`:                  "400 0",
		`{"query":"type:WATCHLIST"}`:      "200 2",
		`{"time_range":{"range":"-30d"}}`: "200 8",
		`{"time_range":{"range":"-30d","start":"2026-01-01T00:00:00Z"}}`:                               "400 0",
		`{"time_range":{"start":"2026-01-02T00:00:00Z","end":"2026-01-01T00:00:00Z"}}`:                 "400 0",
		`{"time_range":{"range":"-30d"},"criteria":{"backend_update_timestamp":{"range":"-1d"}}}`:      "200 5",
		`{"time_range":{"range":"-30d"},"exclusions":{"workflow_status":["OPEN"]}}`:                    "200 0",
		`{"sort":[{"field":"severity","order":"ASC"}]}`:                                                "400 0",
		`{"sort":[{"field":"backend_timestamp","order":"ASC"}],"rows":1,"time_range":{"range":"-1M"}}`: "200 1",
		`{"criteria":{"minimum_severity":11}}`:                                                         "400 0",
		`{"criteria":{"type":["WATCHLIST"]},"exclusions":{"type":["WATCHLIST"]}}`:                      "200 0",
		`{"criteria":{"minimum_severity":1},"exclusions":{"type":[]},"time_range":{"range":"-100w"}}`:  "200 8",
	} {
		code, out := ask(t, v, http.MethodPost, searchPath, body)
		results, _ := out["results"].([]any)
		if got := fmt.Sprint(code, " ", len(results)); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}

func TestAChangeWithEmptyCriteriaChangesEverything(t *testing.T) {
	v := New(world.Options{Alerts: 10})
	if code, _ := ask(t, v, http.MethodPost, workflowPath, `{"criteria":{},"status":"CLOSED"}`); code != http.StatusOK || v.MassChanges() != 1 {
		t.Errorf("%d, %d changes of everything", code, v.MassChanges())
	}
	job := "/jobs/v1/orgs/" + OrgKey + "/jobs/666666"
	for range 4 {
		ask(t, v, http.MethodGet, job, "")
	}
	for _, a := range v.alerts {
		if a.status != "CLOSED" {
			t.Errorf("alert %s is %s", a.id, a.status)
		}
	}
}

func TestTheKeyAndItsPermissionsAreAskedFor(t *testing.T) {
	v := New(world.Options{Alerts: 1})
	for key, want := range map[string]int{"": 401, APISecret: 401, APISecret + "/": 401, APIID + "/" + APISecret: 401, APISecret + "/" + APIID: 200} {
		r := httptest.NewRequest(http.MethodPost, searchPath, strings.NewReader(`{}`))
		r.Header.Set("X-Auth-Token", key)
		w := httptest.NewRecorder()
		if v.ServeHTTP(w, r); w.Code != want {
			t.Errorf("key %q: %d, want %d", key, w.Code, want)
		}
	}
	if code, _ := ask(t, v, http.MethodPost, "/api/alerts/v7/orgs/OTHER/alerts/_search", `{}`); code != http.StatusForbidden {
		t.Errorf("another organisation: %d", code)
	}
	if err := v.Control("permission", []byte(`{"permission":"org.alerts READ","missing":true}`)); err != nil {
		t.Fatal(err)
	}
	if code, _ := ask(t, v, http.MethodPost, searchPath, `{}`); code != http.StatusForbidden {
		t.Errorf("without the permission: %d", code)
	}
	if err := v.Control("nonsense", nil); err == nil {
		t.Error("an unknown verb is no error")
	}
}

// TestTheLabsFieldsAreThoseOfRecordedReplies holds the lab to the vendor: a field that
// both have has the same type, and the lab invents none.
func TestTheLabsFieldsAreThoseOfRecordedReplies(t *testing.T) {
	dir := os.Getenv("EDRC_FIXTURES")
	if dir == "" {
		t.Skip("EDRC_FIXTURES is not set: the lab is not held against recorded replies")
	}
	alerts, devices := map[string]map[string]bool{}, map[string]map[string]bool{}
	err := filepath.WalkDir(filepath.Join(dir, "carbonblack"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		raw, err := os.ReadFile(path)
		var v any
		if err == nil {
			err = json.Unmarshal(raw, &v)
		}
		collect(v, alerts, devices)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	v := New(world.Options{Alerts: 60, Files: []world.File{{Name: "a.exe", SHA256: strings.Repeat("ab", 32), MD5: strings.Repeat("cd", 16), Malicious: true}, {Name: "b.exe"}}})
	_, out := ask(t, v, http.MethodPost, searchPath, `{"rows":60}`)
	said := map[string]bool{}
	check := func(what string, known map[string]map[string]bool, o map[string]any) {
		for name, value := range o {
			// Schema 2.1 has them; no recording does.
			if strings.HasPrefix(name, "blocked_") || name == "asset_group" || said[what+name] {
				continue
			}
			if k := kindOf(value); len(known[name]) == 0 || k != "null" && !known[name][k] {
				said[what+name] = true
				t.Errorf("%s: %s is a %s, recorded as %v", what, name, k, known[name])
			}
		}
	}
	results, _ := out["results"].([]any)
	if len(results) != 60 || len(alerts) < 50 || len(devices) < 20 {
		t.Fatalf("%d alerts, %d recorded fields of alerts, %d of devices", len(results), len(alerts), len(devices))
	}
	for _, a := range results {
		check("alert", alerts, a.(map[string]any))
	}
	_, out = ask(t, v, http.MethodPost, "/appservices/v6/orgs/"+OrgKey+"/devices/_search", `{}`)
	for _, d := range out["results"].([]any) {
		check("device", devices, d.(map[string]any))
	}
}

// collect gathers the types of the fields of alerts and of devices.
func collect(v any, alerts, devices map[string]map[string]bool) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			collect(item, alerts, devices)
		}
	case map[string]any:
		into := map[string]map[string]bool{}
		switch {
		case v["alert_url"] != nil && v["backend_timestamp"] != nil:
			into = alerts
		case v["sensor_version"] != nil:
			into = devices
		}
		for name, value := range v {
			if into[name] == nil {
				into[name] = map[string]bool{}
			}
			into[name][kindOf(value)] = true
			collect(value, alerts, devices)
		}
	}
}

func kindOf(v any) string {
	if v == nil {
		return "null"
	}
	return reflect.TypeOf(v).Kind().String()
}

func TestWhatWasJustSeenIsUploadedSoon(t *testing.T) {
	now := time.Now()
	var files []world.File
	for i := range 9 {
		files = append(files, world.File{Name: "a.exe", SHA256: fmt.Sprintf("%064x", i+1), Size: 1})
	}
	v := New(world.Options{Files: files, Alerts: 4000, Now: func() time.Time { return now }, FetchTime: 30 * time.Second})
	fresh := 0
	for _, a := range v.alerts {
		f := v.about(a)
		if f == nil || now.Sub(a.created) >= uploadTime {
			continue
		}
		fresh++
		if status, body := ask(t, v, http.MethodGet, "/ubs/v1/orgs/"+OrgKey+"/sha256/"+f.SHA256+"/metadata", ""); status != http.StatusOK || a.blocked {
			t.Errorf("the file of an alert from %s ago: %d %v", now.Sub(a.created), status, body)
		}
	}
	if fresh == 0 {
		t.Error("no alert is fresh")
	}
}
