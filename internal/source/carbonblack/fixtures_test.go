package carbonblack

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

// recorded walks every recorded reply of the vendor and gives each JSON object with its
// bytes, the file it is in and the key that it stands under.
func recorded(t *testing.T, visit func(at string, raw json.RawMessage, o map[string]any)) {
	t.Helper()
	dir := os.Getenv("EDRC_FIXTURES")
	if dir == "" {
		t.Skip("EDRC_FIXTURES is not set: the vendor's recorded replies are not checked")
	}
	err := filepath.WalkDir(filepath.Join(dir, "carbonblack"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err == nil && json.Valid(raw) {
			objects(filepath.Base(path), raw, visit)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func objects(at string, raw json.RawMessage, visit func(string, json.RawMessage, map[string]any)) {
	var list []json.RawMessage
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) == nil && fields != nil {
		var o map[string]any
		d := json.NewDecoder(strings.NewReader(string(raw)))
		d.UseNumber()
		_ = d.Decode(&o)
		visit(at, raw, o)
		for k, v := range fields {
			objects(at+" "+k, v, visit)
		}
	} else if json.Unmarshal(raw, &list) == nil {
		for _, v := range list {
			objects(at, v, visit)
		}
	}
}

// str gives a field as text, "" when it is absent, null or an object.
func str(o map[string]any, name string) string {
	switch v := o[name].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// isAlert tells an alert of the schema v7.
func isAlert(o map[string]any) bool {
	return str(o, "id") != "" && str(o, "type") != "" && o["workflow"] != nil && o["progress"] == nil && o["create_time"] == nil
}

func TestRecordedAlertsLoseNothing(t *testing.T) {
	c, _ := scripted(t, nil)
	n := 0
	recorded(t, func(at string, raw json.RawMessage, o map[string]any) {
		if !isAlert(o) {
			return
		}
		n++
		a, bad := c.decode(raw)
		if bad != nil {
			t.Errorf("%s: %v", at, bad)
			return
		}
		compare(t, at, "id", a.ID, str(o, "id"))
		compare(t, at, "threat", a.Group, str(o, "threat_id"))
		compare(t, at, "host id", a.Host.ID, str(o, "device_id"))
		compare(t, at, "command", a.Command, str(o, "process_cmdline"))
		if name := str(o, "device_name"); name != "" {
			compare(t, at, "host", a.Host.Name, name)
		}
		if reason := str(o, "reason"); reason != "" {
			compare(t, at, "title", a.Title, reason)
		}
		if user := str(o, "process_username"); user != "" {
			compare(t, at, "user", a.User, user)
		}
		compareTime(t, at, a.Created, str(o, "backend_timestamp"))
		compareTime(t, at, a.Updated, str(o, "backend_update_timestamp"))
		compareTime(t, at, a.Detected, str(o, "detection_timestamp"))
		compareWords(t, at, a, o)
		compareFiles(t, at, a, o)
		if string(a.Raw) != string(raw) {
			t.Errorf("%s: raw is not whole", at)
		}
		if u := str(o, "alert_url"); u != "" && a.URL != "https://"+strings.TrimPrefix(strings.Join(strings.Fields(u), ""), "https://") {
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
	status := map[string]alert.Status{"OPEN": alert.StatusNew, "IN_PROGRESS": alert.StatusInProgress, "CLOSED": alert.StatusResolved}[str(flow, "status")]
	if a.Status != status {
		t.Errorf("%s: status %q, want %q", at, a.Status, status)
	}
	if s := str(o, "severity"); s != "" && a.Severity == alert.Unrated {
		t.Errorf("%s: severity %s is %s", at, s, a.Severity)
	}
	if id := str(o, "attack_technique"); id != "" && (len(a.Attack) != 1 || a.Attack[0].ID != id || a.Attack[0].Tactic != str(o, "attack_tactic")) {
		t.Errorf("%s: technique %s is %+v", at, id, a.Attack)
	}
	ttps, _ := o["ttps"].([]any)
	for _, ttp := range ttps {
		s, _ := ttp.(string)
		id, _, _ := strings.Cut(strings.TrimPrefix(s, "MITRE_"), "_")
		if strings.HasPrefix(s, "MITRE_") && str(o, "attack_technique") == "" && !slices.ContainsFunc(a.Attack, func(x alert.Technique) bool { return strings.HasPrefix(x.ID, id) }) {
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
		h, err := alert.ParseHash(str(o, name))
		if err != nil || h.Refused() {
			continue // the recording has a placeholder
		}
		if !slices.ContainsFunc(a.Files, func(f alert.File) bool { return f.Has(h) }) {
			t.Errorf("%s: %s %s is lost", at, name, h)
		}
	}
	if path := str(o, "process_name"); path != "" && !slices.ContainsFunc(a.Files, func(f alert.File) bool { return f.Path == path }) {
		t.Errorf("%s: %s is lost", at, path)
	}
}

func compare(t *testing.T, at, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %s %q, want %q", at, what, got, want)
	}
}

func compareTime(t *testing.T, at string, got time.Time, want string) {
	t.Helper()
	when, err := time.Parse(time.RFC3339Nano, want)
	if want != "" && (err != nil || !got.Equal(when)) {
		t.Errorf("%s: time %s, want %q", at, got, want)
	}
}

func TestRecordedThreatsLoseNothing(t *testing.T) {
	c, _ := scripted(t, nil)
	n := 0
	recorded(t, func(at string, raw json.RawMessage, o map[string]any) {
		recent, _ := o["most_recent_alert"].(map[string]any)
		if str(o, "count") == "" || recent == nil {
			return
		}
		n++
		ins, bad := c.incidents([]json.RawMessage{raw})
		if len(bad) > 0 {
			t.Errorf("%s: %v", at, bad)
			return
		}
		in := ins[0]
		compare(t, at, "id", in.ID, str(recent, "threat_id"))
		compare(t, at, "title", in.Title, str(recent, "reason"))
		compareTime(t, at, in.Created, str(o, "first_alert_timestamp"))
		compareTime(t, at, in.Updated, str(o, "last_alert_timestamp"))
		if in.Severity != severityOf(str(o, "highest_severity")) || in.Severity == alert.Unrated {
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
	recorded(t, func(at string, raw json.RawMessage, o map[string]any) {
		if str(o, "sensor_version") == "" || o["quarantined"] == nil {
			return
		}
		n++
		var d device
		if err := json.Unmarshal(raw, &d); err != nil {
			t.Fatalf("%s: %v", at, err)
		}
		h := d.host(noon)
		compare(t, at, "id", h.ID, str(o, "id"))
		compare(t, at, "name", h.Name, str(o, "name"))
		compare(t, at, "system", h.OS, str(o, "os_version"))
		compare(t, at, "platform", h.Platform, "windows")
		compareTime(t, at, d.Contact.Time, str(o, "last_contact_time"))
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
	recorded(t, func(at string, raw json.RawMessage, o map[string]any) {
		switch {
		case str(o, "note") != "" && str(o, "create_timestamp") != "" && str(o, "id") != "":
			var n note
			_ = json.Unmarshal(raw, &n)
			compare(t, at, "note", string(n.ID)+string(n.Author)+string(n.Text), str(o, "id")+str(o, "author")+str(o, "note"))
			compareTime(t, at, n.Created.Time, str(o, "create_timestamp"))
			seen["note"]++
		case o["available_file_size"] != nil:
			var b binary
			_ = json.Unmarshal(raw, &b)
			if !b.Available.Yes || b.Size != 918656 || b.Stored != b.Size {
				t.Errorf("%s: %+v", at, b)
			}
			seen["file"]++
		case str(o, "sha256") != "" && str(o, "url") != "":
			c, _ := scripted(t, nil)
			if err := c.trusted("open", str(o, "url")); err != nil {
				t.Errorf("%s: %v", at, err)
			}
			seen["link"]++
		case str(o, "error_code") != "":
			if m := decodeError(raw); !strings.Contains(m, str(o, "error_code")) || !strings.Contains(m, str(o, "message")) {
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
	recorded(t, func(at string, _ json.RawMessage, o map[string]any) {
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
				if bad == nil && (a.ID == "" || name != "id" && a.ID != str(o, "id")) {
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
