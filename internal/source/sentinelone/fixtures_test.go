package sentinelone

import (
	"encoding/json"
	"strings"
	"testing"

	"edrc/internal/alert"
	"edrc/internal/source/sourcetest"
)

func TestRecordedThreatsLoseNothing(t *testing.T) {
	s := &threats{&api{source: "s1", console: "https://acme.sentinelone.net"}}
	n := 0
	sourcetest.Recorded(t, "sentinelone", func(file string, raw json.RawMessage, o map[string]any) {
		if o["id"] == nil || o["threatInfo"] == nil && o["agentRealtimeInfo"] == nil {
			return
		}
		n++
		a, bad := s.decode(raw)
		if bad != nil {
			t.Errorf("%s: %v", file, bad)
			return
		}
		sourcetest.Same(t, file, a.ID, sourcetest.Text(o, "id"))
		sourcetest.Same(t, file, a.Host.ID, sourcetest.Text(o, "agentRealtimeInfo.agentId"))
		sourcetest.Same(t, file, a.Host.Name, sourcetest.Text(o, "agentRealtimeInfo.agentComputerName"))
		sourcetest.SameTime(t, file, a.Updated, sourcetest.Text(o, "threatInfo.updatedAt"))
		sourcetest.SameTime(t, file, a.Created, sourcetest.Text(o, "threatInfo.createdAt"))
		sourcetest.SameTime(t, file, a.Detected, sourcetest.Text(o, "threatInfo.identifiedAt"))
		want := map[string]alert.Status{"unresolved": alert.StatusNew, "in_progress": alert.StatusInProgress, "resolved": alert.StatusResolved}
		if status := want[sourcetest.Text(o, "threatInfo.incidentStatus")]; a.Status != status {
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
	sourcetest.Recorded(t, "sentinelone", func(file string, raw json.RawMessage, o map[string]any) {
		if sourcetest.Text(o, "computerName") == "" || sourcetest.Text(o, "networkStatus") == "" {
			return
		}
		n++
		var a agent
		if err := json.Unmarshal(raw, &a); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		h := a.host()
		sourcetest.Same(t, file, h.ID, sourcetest.Text(o, "id"))
		sourcetest.Same(t, file, h.Name, sourcetest.Text(o, "computerName"))
		sourcetest.Same(t, file, h.OS, sourcetest.Text(o, "osName"))
		if active := o["isActive"] == true && o["isDecommissioned"] != true && o["isUninstalled"] != true; h.Reachable == nil || *h.Reachable != active {
			t.Errorf("%s: reachable %v, want %v", file, h.Reachable, active)
		}
		if status := sourcetest.Text(o, "networkStatus"); h.Isolation != isolationOf(status) || h.Isolation == "" {
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
	sourcetest.Recorded(t, "sentinelone", func(file string, raw json.RawMessage, o map[string]any) {
		if sourcetest.Text(o, "id") == "" || sourcetest.Text(o, "name") == "" || sourcetest.Text(o, "detectedAt") == "" {
			return
		}
		n++
		a, bad := u.decode(raw)
		if bad != nil {
			t.Errorf("%s: %v", file, bad)
			return
		}
		id := sourcetest.Text(o, "id")
		if external := sourcetest.Text(o, "externalId"); external != "" {
			id = external
		}
		sourcetest.Same(t, file, a.ID, id)
		sourcetest.Same(t, file, a.Title, sourcetest.Text(o, "name"))
		if uuids, _ := keys([]alert.Handle{a.Handle}); len(id) > 10 && (len(uuids) != 1 || uuids[0] != sourcetest.Text(o, "id")) {
			t.Errorf("%s: the handle leads to %v", file, uuids)
		}
		if s := sourcetest.Text(o, "severity"); s != "" && !strings.EqualFold(a.Severity.String(), s) {
			t.Errorf("%s: severity %s, want %s", file, a.Severity, s)
		}
		if s := sourcetest.Text(o, "createdAt"); s != "" {
			sourcetest.SameTime(t, file, a.Created, s)
		}
		if s := sourcetest.Text(o, "process.file.sha1"); len(s) == 40 {
			compareHashes(t, file, a, o, "process.file.")
		}
	})
	if n < 4 {
		t.Errorf("%d recorded unified alerts, want at least 4", n)
	}
}

func compareHashes(t *testing.T, file string, a alert.Alert, o map[string]any, at string) {
	t.Helper()
	for _, name := range []string{"sha256", "sha1", "md5"} {
		h, err := alert.ParseHash(sourcetest.Text(o, at+name))
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
	sourcetest.Recorded(t, "sentinelone", func(file string, raw json.RawMessage, o map[string]any) {
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
