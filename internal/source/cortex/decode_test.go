package cortex

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
)

// sampleAlert is an alert in the form of v2, made for this test.
const sampleAlert = `{"alert_id":"104173821","external_id":"x","case_id":9629,"name":"WildFire Malware","category":"Malware","severity":"high","source":"XDR Agent",
"description":[{"pretty_name":"Suspicious"},{"pretty_name":"file"}],"detection_timestamp":1705912900118,"local_insert_ts":1705912960118,"last_modified_ts":1705913000118,
"endpoint_id":"5c1f0a7be0a94c0e8d6f0c9a1e2b3d4f","host_name":"WS-1","agent_os_type":"Windows","agent_os_sub_type":"10.0.22631","resolution_status":"STATUS_090_TRUE_POSITIVE",
"user_name":[null,"CORP\\ana"],"mitre_tactic_id_and_name":["TA0005 - Defense Evasion"],"mitre_technique_id_and_name":["T1027 - Obfuscated Files","T1204.002 - Malicious File","junk"],"events":null,
"action_file_path":["C:\\Users\\ana\\x.exe",null,"C:\\Users\\ana\\y.dll"],"action_file_name":["x.exe",null,null],
"action_file_sha256":["b26a6791b72753d2317efd5e1363d93fdd33e611c8b9e08a3b24ea4d755b81fd",null,"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
"action_file_md5":["cdf9cfebb400ce89d5b6032bfcdc693b"],
"actor_process_image_name":["cmd.exe","cmd.exe"],"actor_process_image_path":["C:\\Windows\\cmd.exe","C:\\Windows\\cmd.exe"],
"actor_process_image_sha256":["0b25a6791b72753d2317efd5e1363d93fdd33e611c8b9e08a3b24ea4d755b81f","0b25a6791b72753d2317efd5e1363d93fdd33e611c8b9e08a3b24ea4d755b81f"],
"actor_process_command_line":["cmd /c x.exe"],"causality_actor_process_image_name":["explorer.exe"],
"causality_actor_process_image_sha256":["aa25a6791b72753d2317efd5e1363d93fdd33e611c8b9e08a3b24ea4d755b81f"]}`

func TestAnAlertKeepsWhatAnAnalystNeeds(t *testing.T) {
	a, bad := testClient(t).decodeAlert(json.RawMessage(sampleAlert))
	if bad != nil {
		t.Fatal(bad)
	}
	for what, ok := range map[string]bool{
		"severity": a.Severity == alert.High, "status": a.Status == alert.StatusResolved, "analyst": a.Analyst == "true_positive",
		"group": a.Group == "9629" && a.Note == "9629", "user": a.User == `CORP\ana`, "command": a.Command == "cmd /c x.exe", "notes": a.Notes == alert.Unsaid,
		"created": a.Created.Equal(time.UnixMilli(1705912960118)), "detected": a.Detected.Equal(time.UnixMilli(1705912900118)), "updated": a.Updated.Equal(time.UnixMilli(1705913000118)),
		"host":   a.Host == alert.Host{ID: aid, Name: "WS-1", OS: "Windows 10.0.22631", Platform: "windows"},
		"url":    a.URL == "https://acme.xdr.us.paloaltonetworks.com/incident-view?caseId=9629",
		"attack": len(a.Attack) == 2 && a.Attack[1] == alert.Technique{ID: "T1204.002", Name: "Malicious File", Tactic: "Defense Evasion"},
		"files":  len(a.Files) == 3,
	} {
		if !ok {
			t.Errorf("%s: %+v", what, a)
		}
	}
	for i, want := range []struct {
		name string
		role alert.Role
		has  bool
	}{{"x.exe", alert.RoleThreat, true}, {"y.dll", alert.RoleThreat, false}, {"cmd.exe", alert.RoleImage, true}} {
		f := a.Files[i]
		if f.Name != want.name || f.Role != want.role || (f.SHA256 != "") != want.has {
			t.Errorf("file %d: %+v", i, f)
		}
	}
	// The events of v1 are objects, and say the same.
	v1, bad := testClient(t).decodeAlert(json.RawMessage(`{"alert_id":1,"description":"d","events":[{"user_name":"u","actor_process_image_name":"a.exe",
		"actor_process_image_sha256":"b26a6791b72753d2317efd5e1363d93fdd33e611c8b9e08a3b24ea4d755b81fd"},{"actor_process_command_line":"line"},7]}`))
	if bad != nil || v1.User != "u" || len(v1.Files) != 1 || v1.Files[0].Role != alert.RoleImage || v1.Command != "line" || v1.Title != "d" {
		t.Errorf("%+v, %v", v1, bad)
	}
}

func TestOnlyAFileThatWasJudgedIsTheThreat(t *testing.T) {
	const columns = `,"action_process_image_name":"b.exe","actor_process_image_name":"c.exe"`
	for name, want := range map[string]string{"WildFire Malware": "a threat", "Local Analysis Malware": "a threat", "Behavioral Threat": "a module", "": "a module"} {
		a, _ := testClient(t).decodeAlert(json.RawMessage(`{"alert_id":1,"name":"` + name + `","action_file_name":"a"` + columns + `}`))
		if len(a.Files) != 3 || a.Files[0].Name+" "+string(a.Files[0].Role) != want || a.Files[1].Role != alert.RoleImage || a.Files[2].Role != alert.RoleImage {
			t.Errorf("%q: %+v", name, a.Files)
		}
	}
	a, _ := testClient(t).decodeAlert(json.RawMessage(`{"alert_id":1,"name":"Local Analysis Malware","actor_process_image_name":"c.exe","causality_actor_process_image_name":"e.exe"}`))
	if len(a.Files) != 1 || a.Files[0].Role != alert.RoleThreat {
		t.Errorf("%+v", a.Files)
	}
	a, _ = testClient(t).decodeAlert(json.RawMessage(`{"alert_id":1,"name":"Local Analysis Malware","causality_actor_process_image_name":"e.exe"}`))
	if len(a.Files) != 1 || a.Files[0].Role != alert.RoleImage {
		t.Errorf("%+v", a.Files)
	}
}

const sampleIssue = `{"id":555,"name":"Local Analysis Malware","description":"d","severity":"HIGH","status.progress":"Resolved","status.resolution_reason":"Resolved - False Positive",
"observation_time":1705912900118,"_insert_time":1705912960118,"last_update_timestamp":1705913000118,"case_ids":[893],"asset_names":["WS-1"],
"normalized_fields":{"xdm.file.path":"/tmp/x","xdm.file.filename":"x","xdm.file.sha256":"b26a6791b72753d2317efd5e1363d93fdd33e611c8b9e08a3b24ea4d755b81fd",
"xdm.source.process.executable.filename":["sh"],"xdm.source.agent.identifier":"5c1f0a7be0a94c0e8d6f0c9a1e2b3d4f","xdm.source.identity.username":["ana"]}}`

func TestAnIssueKeepsWhatAnAnalystNeeds(t *testing.T) {
	a, bad := testClient(t).decodeIssue(json.RawMessage(sampleIssue))
	if bad != nil {
		t.Fatal(bad)
	}
	for what, ok := range map[string]bool{
		"id": a.ID == "555" && a.Group == "893" && a.Note == "893", "severity": a.Severity == alert.High, "status": a.Status == alert.StatusResolved, "analyst": a.Analyst == "false_positive",
		"created": a.Created.Equal(time.UnixMilli(1705912960118)), "updated": a.Updated.Equal(time.UnixMilli(1705913000118)),
		"host": a.Host.Name == "WS-1" && a.Host.ID == aid, "user": a.User == "ana",
		"files": len(a.Files) == 2 && a.Files[0].Role == alert.RoleThreat && a.Files[0].Best() != "" && a.Files[1].Role == alert.RoleImage,
		"url":   strings.HasSuffix(a.URL, "caseId=893"),
	} {
		if !ok {
			t.Errorf("%s: %+v", what, a)
		}
	}
}

func TestALinkLeadsToTheVendorOrNowhere(t *testing.T) {
	const own = "https://acme.xdr.us.paloaltonetworks.com/incident-view?caseId=893"
	for link, want := range map[string]string{
		"https://test.xdr.eu.paloaltonetworks.com/incident-view?caseId=893": "https://test.xdr.eu.paloaltonetworks.com/incident-view?caseId=893",
		"": own, "javascript:alert(1)": own, "https://paloaltonetworks.com.evil.example/x": own, "http://acme.xdr.us.paloaltonetworks.com/x": own,
		"https://u:p@acme.xdr.us.paloaltonetworks.com/x": own,
	} {
		if got := testClient(t).incidentURL("893", link); got != want {
			t.Errorf("%q: %q", link, got)
		}
	}
	if got := testClient(t).incidentURL(`1"><script>`, ""); got != "" {
		t.Errorf("%q", got)
	}
	gateway := &Client{options: Options{URL: "https://gateway.example"}}
	if got := gateway.incidentURL("893", ""); got != "" {
		t.Errorf("a gateway has the console %q", got)
	}
}

func TestABadAlertKeepsItsName(t *testing.T) {
	for raw, want := range map[string]string{`{"external_id":"x","name":"y"}`: "x", `{"name":"y"}`: "", `[]`: "", `7`: ""} {
		_, bad := testClient(t).decodeAlert(json.RawMessage(raw))
		if bad == nil || bad.ID != want || bad.Reason == "" {
			t.Errorf("%s: %+v", raw, bad)
		}
	}
}
