package sentinelone

import (
	"encoding/json"
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
	err := filepath.WalkDir(filepath.Join(dir, "sentinelone"), func(path string, d fs.DirEntry, err error) error {
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

// at gives a field of a decoded object, by path; nil when it is absent.
func at(o map[string]any, path string) any {
	head, rest, more := strings.Cut(path, ".")
	if !more {
		return o[head]
	}
	inner, _ := o[head].(map[string]any)
	return at(inner, rest)
}

func str(o map[string]any, path string) string {
	s, _ := at(o, path).(string)
	return s
}

func TestRecordedThreatsLoseNothing(t *testing.T) {
	s := &threats{&api{source: "s1", console: "https://acme.sentinelone.net"}}
	n := 0
	recorded(t, func(file string, raw json.RawMessage, o map[string]any) {
		if o["id"] == nil || o["threatInfo"] == nil && o["agentRealtimeInfo"] == nil {
			return
		}
		n++
		a, bad := s.decode(raw)
		if bad != nil {
			t.Errorf("%s: %v", file, bad)
			return
		}
		compare(t, file, a.ID, str(o, "id"))
		compare(t, file, a.Host.ID, str(o, "agentRealtimeInfo.agentId"))
		compare(t, file, a.Host.Name, str(o, "agentRealtimeInfo.agentComputerName"))
		compareTime(t, file, a.Updated, str(o, "threatInfo.updatedAt"))
		compareTime(t, file, a.Created, str(o, "threatInfo.createdAt"))
		compareTime(t, file, a.Detected, str(o, "threatInfo.identifiedAt"))
		want := map[string]alert.Status{"unresolved": alert.StatusNew, "in_progress": alert.StatusInProgress, "resolved": alert.StatusResolved}
		if status := want[str(o, "threatInfo.incidentStatus")]; a.Status != status {
			t.Errorf("%s: status %q, want %q", file, a.Status, status)
		}
		compareHashes(t, file, a, o, "threatInfo.")
		if string(a.Raw) != string(raw) {
			t.Errorf("%s: raw is not whole", file)
		}
	})
	if n < 5 {
		t.Errorf("%d recorded threats, want at least 5", n)
	}
}

func TestRecordedAgentsLoseNothing(t *testing.T) {
	n := 0
	recorded(t, func(file string, raw json.RawMessage, o map[string]any) {
		if str(o, "computerName") == "" || str(o, "networkStatus") == "" {
			return
		}
		n++
		var a agent
		if err := json.Unmarshal(raw, &a); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		h := a.host()
		compare(t, file, h.ID, str(o, "id"))
		compare(t, file, h.Name, str(o, "computerName"))
		compare(t, file, h.OS, str(o, "osName"))
		if active := at(o, "isActive") == true && at(o, "isDecommissioned") != true && at(o, "isUninstalled") != true; h.Reachable == nil || *h.Reachable != active {
			t.Errorf("%s: reachable %v, want %v", file, h.Reachable, active)
		}
		if status := str(o, "networkStatus"); h.Isolation != isolationOf(status) || h.Isolation == "" {
			t.Errorf("%s: %q is isolation %q", file, status, h.Isolation)
		}
	})
	if n < 10 {
		t.Errorf("%d recorded agents, want at least 10", n)
	}
}

func TestRecordedUnifiedAlertsLoseNothing(t *testing.T) {
	u := &unified{&api{source: "s1", console: "https://acme.sentinelone.net"}}
	n := 0
	recorded(t, func(file string, raw json.RawMessage, o map[string]any) {
		if str(o, "id") == "" || str(o, "name") == "" || str(o, "detectedAt") == "" {
			return
		}
		n++
		a, bad := u.decode(raw)
		if bad != nil {
			t.Errorf("%s: %v", file, bad)
			return
		}
		id := str(o, "id")
		if external := str(o, "externalId"); external != "" {
			id = external
		}
		compare(t, file, a.ID, id)
		compare(t, file, a.Title, str(o, "name"))
		if uuids, _ := keys([]alert.Handle{a.Handle}); len(id) > 10 && (len(uuids) != 1 || uuids[0] != str(o, "id")) {
			t.Errorf("%s: the handle leads to %v", file, uuids)
		}
		if s := str(o, "severity"); s != "" && !strings.EqualFold(a.Severity.String(), s) {
			t.Errorf("%s: severity %s, want %s", file, a.Severity, s)
		}
		if s := str(o, "createdAt"); s != "" {
			compareTime(t, file, a.Created, s)
		}
		if s := str(o, "process.file.sha1"); len(s) == 40 {
			compareHashes(t, file, a, o, "process.file.")
		}
	})
	if n < 4 {
		t.Errorf("%d recorded unified alerts, want at least 4", n)
	}
}

func compare(t *testing.T, file, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", file, got, want)
	}
}

func compareTime(t *testing.T, file string, got time.Time, want string) {
	t.Helper()
	if at, err := time.Parse(time.RFC3339Nano, want); want != "" && (err != nil || !got.Equal(at)) {
		t.Errorf("%s: time %s, want %q", file, got, want)
	}
}

func compareHashes(t *testing.T, file string, a alert.Alert, o map[string]any, at string) {
	t.Helper()
	for _, name := range []string{"sha256", "sha1", "md5"} {
		h, err := alert.ParseHash(str(o, at+name))
		if err != nil || h.Refused() {
			continue // the recording has a placeholder
		}
		if len(a.Files) == 0 || !a.Files[0].Has(h) {
			t.Errorf("%s: %s %s is lost", file, name, h)
		}
	}
}

func TestRecordedErrorsAreReadInTheVendorsWords(t *testing.T) {
	n := 0
	recorded(t, func(file string, raw json.RawMessage, o map[string]any) {
		if list, ok := o["errors"].([]any); !ok || len(list) == 0 || o["data"] != nil {
			return
		}
		n++
		if decodeError(400, raw) == "" && !strings.Contains(string(raw), "[{}]") {
			t.Errorf("%s: nothing is read of %s", file, raw)
		}
	})
	if n == 0 {
		t.Error("no recorded error")
	}
}
