package crowdstrike

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"edrc/internal/alert"
	"edrc/internal/source/sourcetest"
)

func testClient(t testing.TB) *Client {
	t.Helper()
	return &Client{name: "falcon", options: Options{Cloud: "us-1"}}
}

func TestRecordedAlertsLoseNothing(t *testing.T) {
	c, n := testClient(t), 0
	sourcetest.Recorded(t, "crowdstrike", func(file string, raw json.RawMessage, o map[string]any) {
		if sourcetest.Text(o, "composite_id") == "" {
			return
		}
		n++
		a, bad := c.decode(raw)
		if bad != nil {
			t.Errorf("%s: %v", file, bad)
			return
		}
		sourcetest.Same(t, file, a.ID, sourcetest.Text(o, "composite_id"))
		if name := sourcetest.Text(o, "display_name"); name != "" {
			sourcetest.Same(t, file, a.Title, name)
		}
		sourcetest.Same(t, file, a.Host.Name, sourcetest.Text(o, "device.hostname"))
		sourcetest.SameTime(t, file, a.Created, sourcetest.Text(o, "created_timestamp"))
		sourcetest.SameTime(t, file, a.Updated, sourcetest.Text(o, "updated_timestamp"))
		if name := sourcetest.Text(o, "filename"); name != "" {
			sourcetest.Same(t, file, a.Files[0].Name, name)
		}
		sourcetest.Same(t, file, string(a.Raw), string(raw))
	})
	if n < 5 {
		t.Errorf("%d recorded alerts, want at least 5", n)
	}
}

func TestRecordedHostsAndCasesLoseNothing(t *testing.T) {
	c, hosts, cases := testClient(t), 0, 0
	sourcetest.Recorded(t, "crowdstrike", func(file string, raw json.RawMessage, o map[string]any) {
		switch {
		case sourcetest.Text(o, "device_id") != "" && sourcetest.Text(o, "platform_name") != "":
			hosts++
			var d device
			if err := json.Unmarshal(raw, &d); err != nil {
				t.Fatal(err)
			}
			h := d.host()
			sourcetest.Same(t, file, h.ID, sourcetest.Text(o, "device_id"))
			sourcetest.Same(t, file, h.Name, sourcetest.Text(o, "hostname"))
			if os := sourcetest.Text(o, "os_version"); os != "" {
				sourcetest.Same(t, file, h.OS, os)
			}
			if p := sourcetest.Text(o, "platform_name"); p != "Mac" {
				sourcetest.Same(t, file, h.Platform, strings.ToLower(p))
			}
		case strings.HasPrefix(sourcetest.Text(o, "id"), "case-id"):
			cases++
			in, bad := c.decodeCase(raw)
			severity, err := o["severity"].(json.Number).Float64()
			if err != nil || bad != nil || in.Severity != severityOf(number{true, severity}, "") {
				t.Errorf("%s: %+v, %v", file, in, bad)
			}
			sourcetest.Same(t, file, in.ID, sourcetest.Text(o, "id"))
			sourcetest.Same(t, file, in.Title, sourcetest.Text(o, "name"))
		}
	})
	if hosts < 10 || cases < 2 {
		t.Errorf("%d recorded hosts, %d cases", hosts, cases)
	}
}

func TestRecordedErrorsAreReadWhateverTheirShape(t *testing.T) {
	n := 0
	sourcetest.Recorded(t, "crowdstrike", func(file string, raw json.RawMessage, o map[string]any) {
		if _, has := o["errors"]; !has {
			return
		}
		n++
		var r reply
		if err := json.Unmarshal(raw, &r); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		said := decodeError(400, raw)
		if bytes.Contains(raw, []byte(`"message": "`)) && said == "" || bytes.Contains(raw, []byte(`"filter"`)) && !strings.Contains(said, "filter") {
			t.Errorf("%s: read %q of %s", file, said, raw)
		}
	})
	if n < 8 {
		t.Errorf("%d recorded replies with errors", n)
	}
}

// sampleAlert is an alert as the vendor's integrations show it, made for this test.
const sampleAlert = `{"composite_id":"c1d:ind:2ce412d17b334ad4adc8c1c54dbfec4b:1-5761-2","agent_id":"2ce412d17b334ad4adc8c1c54dbfec4b","cid":"c1d",
"display_name":"PUP","severity":30,"severity_name":"Low","status":"in_progress","cloud_indicator":"false","local_process_id":"17076",
"created_timestamp":"2023-11-03T18:01:23.995794943Z","updated_timestamp":"2023-11-03T19:00:23.985007341Z","timestamp":"2023-11-03T18:00:22.328Z",
"filename":"x.exe","filepath":"\\Device\\HarddiskVolume3\\Users\\u\\x.exe","cmdline":"\"C:\\x.exe\" /s","user_name":"ana",
"sha256":"b26a6791b72753d2317efd5e1363d93fdd33e611c8b9e08a3b24ea4d755b81fd","sha1":"0000000000000000000000000000000000000000","md5":"cdf9cfebb400ce89d5b6032bfcdc693b",
"tactic":"Execution","tactic_id":"TA0002","technique":"PowerShell","technique_id":"T1059.001",
"mitre_attack":[{"pattern_id":1,"tactic":"Execution","tactic_id":"TA0002","technique":"PowerShell","technique_id":"T1059.001"},{"technique_id":"CST0007","tactic":"Machine Learning"},{"technique_id":"T1027","tactic":"Defense Evasion","technique":"Obfuscation"}],
"ioc_context":[{"type":"module","sha256":"0b25a6791b72753d2317efd5e1363d93fdd33e611c8b9e08a3b24ea4d755b81f","md5":"ddf9cfebb400ce89d5b6032bfcdc693b","ioc_description":"\\Device\\HarddiskVolume3\\m.dll"}],
"quarantined_files":[{"id":"x_y","sha256":"CC25a6791b72753d2317efd5e1363d93fdd33e611c8b9e08a3b24ea4d755b81f","filename":"\\Device\\HarddiskVolume3\\q.exe","state":"quarantined"}],
"tags":["fc/x","True_Positive"],"linked_case_ids":["case-7"],"comments":[{"falcon_user_id":"u","timestamp":"2023-11-03T18:05:00Z","value":"hi"}],
"device":{"device_id":"2ce412d17b334ad4adc8c1c54dbfec4b","hostname":"ABC709-1175","os_version":"Windows11","platform_name":"Windows","pod_labels":null,"status":"contained"},
"falcon_host_link":"https://falcon.us-2.crowdstrike.com/activity-v2/detections/c1d:ind:2ce4"}`

func TestAnAlertKeepsWhatAnAnalystNeeds(t *testing.T) {
	c := testClient(t)
	a, bad := c.decode(json.RawMessage(sampleAlert))
	if bad != nil {
		t.Fatal(bad)
	}
	for what, ok := range map[string]bool{
		"severity": a.Severity == alert.Low, "status": a.Status == alert.StatusInProgress, "analyst": a.Analyst == "true_positive",
		"group": a.Group == "case-7", "notes": a.Notes == alert.Some, "user": a.User == "ana", "command": a.Command == `"C:\x.exe" /s`,
		"created":  a.Created.Equal(stampOf(t, "2023-11-03T18:01:23.995794943Z")),
		"detected": a.Detected.Equal(stampOf(t, "2023-11-03T18:00:22.328Z")),
		"host":     a.Host == alert.Host{ID: aid, Name: "ABC709-1175", OS: "Windows11", Platform: "windows", Isolation: "isolated"},
		"url":      a.URL == "https://falcon.us-2.crowdstrike.com/activity-v2/detections/c1d:ind:2ce4",
		"attack":   len(a.Attack) == 2 && a.Attack[0] == alert.Technique{ID: "T1059.001", Name: "PowerShell", Tactic: "Execution"} && a.Attack[1].ID == "T1027",
		"files":    len(a.Files) == 3,
	} {
		if !ok {
			t.Errorf("%s: %+v", what, a)
		}
	}
	for i, want := range []struct {
		name string
		role alert.Role
		best alert.Algo
	}{{"x.exe", alert.RoleImage, alert.SHA256}, {"q.exe", alert.RoleThreat, alert.SHA256}, {"m.dll", alert.RoleModule, alert.SHA256}} {
		f := a.Files[i]
		if f.Name != want.name || f.Role != want.role || f.Best().Algo() != want.best || f.SHA1 != "" {
			t.Errorf("file %d: %+v", i, f)
		}
	}
}

func TestAProcessIsOnlyTheThreatWhenItsFileWasJudged(t *testing.T) {
	const sha = `"sha256":"b26a6791b72753d2317efd5e1363d93fdd33e611c8b9e08a3b24ea4d755b81fd"`
	for fields, want := range map[string]alert.Role{
		sha:                                 alert.RoleImage,
		sha + `,"tactic":"MachineLearning"`: alert.RoleThreat,
		sha + `,"tactic":"x","tactic_id":"CSTA0004"`: alert.RoleThreat,
		sha + `,"ioc_type":"hash_sha256","ioc_value":"B26A6791b72753d2317efd5e1363d93fdd33e611c8b9e08a3b24ea4d755b81fd"`: alert.RoleThreat,
		sha + `,"ioc_type":"hash_sha256","ioc_value":"00"`:                                                               alert.RoleImage,
		sha + `,"ioc_type":"domain","ioc_value":"evil.example"`:                                                          alert.RoleImage,
		sha + `,"quarantined_files":[{` + sha + `}]`:                                                                     alert.RoleThreat,
	} {
		a, bad := testClient(t).decode(json.RawMessage(`{"composite_id":"x",` + fields + `}`))
		if bad != nil || len(a.Files) != 1 || a.Files[0].Role != want {
			t.Errorf("%s: %+v, %v", fields, a.Files, bad)
		}
	}
}

func TestALinkLeadsToTheVendorOrNowhere(t *testing.T) {
	const own = "https://falcon.crowdstrike.com/unified-detections/a%2Fb%22"
	for link, want := range map[string]string{
		"https://falcon.eu-1.crowdstrike.com/x": "https://falcon.eu-1.crowdstrike.com/x", "": own, "javascript:alert(1)": own,
		"https://crowdstrike.com.evil.example/x": own, "https://evil.example/.crowdstrike.com": own, "http://falcon.crowdstrike.com/x": own,
		"https://u:p@falcon.crowdstrike.com/x": own,
	} {
		raw, err := json.Marshal(map[string]string{"composite_id": `a/b"`, "falcon_host_link": link})
		if err != nil {
			t.Fatal(err)
		}
		if a, bad := testClient(t).decode(raw); bad != nil || a.URL != want {
			t.Errorf("%q: %q, %v", link, a.URL, bad)
		}
	}
	c := &Client{name: "falcon", options: Options{BaseURL: "http://127.0.0.1:1"}}
	if a, _ := c.decode(json.RawMessage(`{"composite_id":"x"}`)); a.URL != "" {
		t.Errorf("a console that is not known has the page %q", a.URL)
	}
}

func TestNotesAreOnlyDeniedWhereTheListSaysSo(t *testing.T) {
	for comments, want := range map[string]alert.Has{
		"": alert.Unsaid, `,"comments":null`: alert.Unsaid, `,"comments":"odd"`: alert.Unsaid, `,"comments":[]`: alert.None, `,"comments":[{"value":"x"}]`: alert.Some,
	} {
		a, bad := testClient(t).decode(json.RawMessage(`{"composite_id":"x"` + comments + `}`))
		if bad != nil || a.Notes != want {
			t.Errorf("%s: %d, want %d", comments, a.Notes, want)
		}
	}
}

func TestABadAlertKeepsItsName(t *testing.T) {
	_, bad := testClient(t).decode(json.RawMessage(`{"id":"ind:1","name":"x"}`))
	if bad == nil || bad.ID != "ind:1" || !errors.Is(bad, bad) || bad.Reason == "" {
		t.Errorf("%+v", bad)
	}
}
