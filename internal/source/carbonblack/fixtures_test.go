package carbonblack

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"edrc/internal/alert"
	"edrc/internal/source/sourcetest"
)

// isAlert tells an alert of the schema v7.
func isAlert(o map[string]any) bool {
	return sourcetest.Text(o, "id") != "" && sourcetest.Text(o, "type") != "" && o["workflow"] != nil && o["progress"] == nil && o["create_time"] == nil
}

func TestRecordedAlertsLoseNothing(t *testing.T) {
	c, _ := scripted(t, nil)
	n := 0
	sourcetest.Recorded(t, "carbonblack", func(at string, raw json.RawMessage, o map[string]any) {
		if !isAlert(o) {
			return
		}
		n++
		a, bad := c.decode(raw)
		if bad != nil {
			t.Errorf("%s: %v", at, bad)
			return
		}
		sourcetest.Same(t, at+" "+"id", a.ID, sourcetest.Text(o, "id"))
		sourcetest.Same(t, at+" "+"threat", a.Group, sourcetest.Text(o, "threat_id"))
		sourcetest.Same(t, at+" "+"host id", a.Host.ID, sourcetest.Text(o, "device_id"))
		sourcetest.Same(t, at+" "+"command", a.Command, sourcetest.Text(o, "process_cmdline"))
		if name := sourcetest.Text(o, "device_name"); name != "" {
			sourcetest.Same(t, at+" "+"host", a.Host.Name, name)
		}
		if reason := sourcetest.Text(o, "reason"); reason != "" {
			sourcetest.Same(t, at+" "+"title", a.Title, reason)
		}
		if user := sourcetest.Text(o, "process_username"); user != "" {
			sourcetest.Same(t, at+" "+"user", a.User, user)
		}
		sourcetest.SameTime(t, at, a.Created, sourcetest.Text(o, "backend_timestamp"))
		sourcetest.SameTime(t, at, a.Updated, sourcetest.Text(o, "backend_update_timestamp"))
		sourcetest.SameTime(t, at, a.Detected, sourcetest.Text(o, "detection_timestamp"))
		compareWords(t, at, a, o)
		compareFiles(t, at, a, o)
		if string(a.Raw) != string(raw) {
			t.Errorf("%s: raw is not whole", at)
		}
		if u := sourcetest.Text(o, "alert_url"); u != "" && a.URL != "https://"+strings.TrimPrefix(strings.Join(strings.Fields(u), ""), "https://") {
			t.Errorf("%s: %q became %q", at, u, a.URL)
		}
	})
	if n < 20 {
		t.Errorf("%d recorded alerts, want at least 20", n)
	}
}

func compareWords(t *testing.T, at string, a alert.Alert, o map[string]any) {
	t.Helper()
	flow, _ := o["workflow"].(map[string]any)
	status := map[string]alert.Status{"OPEN": alert.StatusNew, "IN_PROGRESS": alert.StatusInProgress, "CLOSED": alert.StatusResolved}[sourcetest.Text(flow, "status")]
	if a.Status != status {
		t.Errorf("%s: status %q, want %q", at, a.Status, status)
	}
	if s := sourcetest.Text(o, "severity"); s != "" && a.Severity == alert.Unrated {
		t.Errorf("%s: severity %s is %s", at, s, a.Severity)
	}
	if id := sourcetest.Text(o, "attack_technique"); id != "" && (len(a.Attack) != 1 || a.Attack[0].ID != id || a.Attack[0].Tactic != sourcetest.Text(o, "attack_tactic")) {
		t.Errorf("%s: technique %s is %+v", at, id, a.Attack)
	}
	ttps, _ := o["ttps"].([]any)
	for _, ttp := range ttps {
		s, _ := ttp.(string)
		id, _, _ := strings.Cut(strings.TrimPrefix(s, "MITRE_"), "_")
		if strings.HasPrefix(s, "MITRE_") && sourcetest.Text(o, "attack_technique") == "" && !slices.ContainsFunc(a.Attack, func(x alert.Technique) bool { return strings.HasPrefix(x.ID, id) }) {
			t.Errorf("%s: %s is lost: %+v", at, s, a.Attack)
		}
	}
	if want := map[string]alert.Has{"true": alert.Some, "false": alert.None}[strings.Trim(toJSON(o["alert_notes_present"]), `"`)]; a.Notes != want {
		t.Errorf("%s: notes %d, want %d", at, a.Notes, want)
	}
}

func toJSON(v any) string {
	raw, _ := json.Marshal(v)
	return string(raw)
}

func compareFiles(t *testing.T, at string, a alert.Alert, o map[string]any) {
	t.Helper()
	for _, name := range []string{"process_sha256", "process_md5", "blocked_sha256", "blocked_md5", "childproc_sha256", "childproc_md5"} {
		h, err := alert.ParseHash(sourcetest.Text(o, name))
		if err != nil || h.Refused() {
			continue // the recording has a placeholder
		}
		if !slices.ContainsFunc(a.Files, func(f alert.File) bool { return f.Has(h) }) {
			t.Errorf("%s: %s %s is lost", at, name, h)
		}
	}
	if path := sourcetest.Text(o, "process_name"); path != "" && !slices.ContainsFunc(a.Files, func(f alert.File) bool { return f.Path == path }) {
		t.Errorf("%s: %s is lost", at, path)
	}
}

func TestRecordedThreatsLoseNothing(t *testing.T) {
	c, _ := scripted(t, nil)
	n := 0
	sourcetest.Recorded(t, "carbonblack", func(at string, raw json.RawMessage, o map[string]any) {
		recent, _ := o["most_recent_alert"].(map[string]any)
		if sourcetest.Text(o, "count") == "" || recent == nil {
			return
		}
		n++
		ins, bad := c.incidents([]json.RawMessage{raw})
		if len(bad) > 0 {
			t.Errorf("%s: %v", at, bad)
			return
		}
		in := ins[0]
		sourcetest.Same(t, at+" "+"id", in.ID, sourcetest.Text(recent, "threat_id"))
		sourcetest.Same(t, at+" "+"title", in.Title, sourcetest.Text(recent, "reason"))
		sourcetest.SameTime(t, at, in.Created, sourcetest.Text(o, "first_alert_timestamp"))
		sourcetest.SameTime(t, at, in.Updated, sourcetest.Text(o, "last_alert_timestamp"))
		if in.Severity != severityOf(sourcetest.Text(o, "highest_severity")) || in.Severity == alert.Unrated {
			t.Errorf("%s: severity %s", at, in.Severity)
		}
		want := alert.StatusResolved
		if strings.Contains(toJSON(o["workflow_states"]), "OPEN") {
			want = alert.StatusNew
		}
		if in.Status != want {
			t.Errorf("%s: status %s, want %s", at, in.Status, want)
		}
	})
	if n < 6 {
		t.Errorf("%d recorded threats, want at least 6", n)
	}
}

func TestRecordedDevicesLoseNothing(t *testing.T) {
	n := 0
	sourcetest.Recorded(t, "carbonblack", func(at string, raw json.RawMessage, o map[string]any) {
		if sourcetest.Text(o, "sensor_version") == "" || o["quarantined"] == nil {
			return
		}
		n++
		var d device
		if err := json.Unmarshal(raw, &d); err != nil {
			t.Fatalf("%s: %v", at, err)
		}
		h := d.host(noon)
		sourcetest.Same(t, at+" "+"id", h.ID, sourcetest.Text(o, "id"))
		sourcetest.Same(t, at+" "+"name", h.Name, sourcetest.Text(o, "name"))
		sourcetest.Same(t, at+" "+"system", h.OS, sourcetest.Text(o, "os_version"))
		sourcetest.Same(t, at+" "+"platform", h.Platform, "windows")
		sourcetest.SameTime(t, at, d.Contact.Time, sourcetest.Text(o, "last_contact_time"))
		if h.Isolation != map[bool]string{true: "isolated", false: "none"}[o["quarantined"] == true] || h.Reachable == nil || *h.Reachable {
			t.Errorf("%s: %+v", at, h)
		}
	})
	if n < 4 {
		t.Errorf("%d recorded devices, want at least 4", n)
	}
}

func TestRecordedRepliesOfOtherKindsAreRead(t *testing.T) {
	seen := map[string]int{}
	sourcetest.Recorded(t, "carbonblack", func(at string, raw json.RawMessage, o map[string]any) {
		switch {
		case sourcetest.Text(o, "note") != "" && sourcetest.Text(o, "create_timestamp") != "" && sourcetest.Text(o, "id") != "":
			var n note
			_ = json.Unmarshal(raw, &n)
			sourcetest.Same(t, at+" "+"note", string(n.ID)+string(n.Author)+string(n.Text), sourcetest.Text(o, "id")+sourcetest.Text(o, "author")+sourcetest.Text(o, "note"))
			sourcetest.SameTime(t, at, n.Created.Time, sourcetest.Text(o, "create_timestamp"))
			seen["note"]++
		case o["available_file_size"] != nil:
			var b binary
			_ = json.Unmarshal(raw, &b)
			if !b.Available.Yes || b.Size != 918656 || b.Stored != b.Size {
				t.Errorf("%s: %+v", at, b)
			}
			seen["file"]++
		case sourcetest.Text(o, "sha256") != "" && sourcetest.Text(o, "url") != "":
			c, _ := scripted(t, nil)
			if err := c.trusted("open", sourcetest.Text(o, "url")); err != nil {
				t.Errorf("%s: %v", at, err)
			}
			seen["link"]++
		case sourcetest.Text(o, "error_code") != "":
			if m := decodeError(raw); !strings.Contains(m, sourcetest.Text(o, "error_code")) || !strings.Contains(m, sourcetest.Text(o, "message")) {
				t.Errorf("%s: %q", at, m)
			}
			seen["error"]++
		}
	})
	for _, kind := range []string{"note", "file", "link", "error"} {
		if seen[kind] == 0 {
			t.Errorf("no recorded %s", kind)
		}
	}
}

// TestMutatedRepliesNeverPanic changes recorded replies in every way that a field can
// be wrong.
func TestMutatedRepliesNeverPanic(t *testing.T) {
	c, _ := scripted(t, nil)
	wrong := []any{nil, true, json.Number("-1"), json.Number("1e99"), "", "x\x00\u202e", []any{}, []any{nil, map[string]any{}}, map[string]any{"status": map[string]any{}}}
	n := 0
	sourcetest.Recorded(t, "carbonblack", func(at string, _ json.RawMessage, o map[string]any) {
		if !isAlert(o) && o["most_recent_alert"] == nil && o["quarantined"] == nil {
			return
		}
		for name, was := range o {
			for range 3 {
				v := wrong[n%len(wrong)]
				o[name] = v
				raw, err := json.Marshal(o)
				if err != nil {
					t.Fatal(err)
				}
				a, bad := c.decode(raw)
				if bad == nil && (a.ID == "" || name != "id" && a.ID != sourcetest.Text(o, "id")) {
					t.Errorf("%s: %s = %v costs the id", at, name, v)
				}
				if bad != nil && name != "id" && isAlert(o) {
					t.Errorf("%s: %s = %v costs the alert: %v", at, name, v, bad)
				}
				_, _ = c.incidents([]json.RawMessage{raw})
				var d device
				if json.Unmarshal(raw, &d) == nil {
					_ = d.host(noon)
				}
				n++
			}
			o[name] = was
		}
	})
	if n < 1000 {
		t.Errorf("only %d mutations", n)
	}
}
