package wiz

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
)

func testClient(t testing.TB) *Client {
	t.Helper()
	return &Client{name: "wiz", console: "https://app.wiz.io"}
}

// guardDuty is a detection as the vendor's partners show it, with the parts that theirs
// leaves out.
const guardDuty = `{"id":"edb74e2d-e1bd-49a6-bcd7-ec6b2f5e4980","type":"MATCH_ONLY","origins":["AWS_GUARD_DUTY"],"severity":"LOW",
 "createdAt":"2026-07-01T15:12:18.1559021Z","updatedAt":"2026-07-01T15:13:36.3181301Z","issue":null,"actors":null,"cloudOrganizations":null,
 "primaryActor":{"id":"","name":null},"primaryResource":{"type":"VIRTUAL_MACHINE","name":"example-vm-1","externalId":"i-0000000000000001","region":"us-east-2","id":"afd6a19a-0000-4000-a000-000000000001"},
 "resources":[{"id":"afd6a19a-0000-4000-a000-000000000002","name":"other"},{"id":"afd6a19a-0000-4000-a000-000000000001","providerUniqueId":"arn:aws:ec2:us-east-2:100000000001:instance/i-0000000000000001"}],
 "cloudAccounts":[{"externalId":100000000001,"cloudProvider":"AWS","name":"example-cloud-account","id":"32a7e699-0000-4000-a000-000000000001"}],
 "triggeringEvents":{"totalCountV2":1,"nodes":[{"id":"031e0c27-0000-4000-a000-000000000001","actorIP":"192.0.2.10","timestamp":"2026-07-01T15:05:03.533Z","commandLine":null,"runtimeProgram":{"name":null}}]},
 "firstEvent":{"nodes":[{"id":"031e0c27-0000-4000-a000-000000000001","rawAuditLogRecord":{"detail":{"id":"0123456789abcdef0123456789abcdef","region":"us-east-2"}}}]},
 "ruleMatch":{"rule":{"id":"f0568339-0000-4000-a000-000000000001","name":"UnauthorizedAccess:EC2/SSHBruteForce","builtin":true,
  "securitySubCategories":[{"id":"wsct-id-3522","title":"Brute Force","category":{"name":"Credential Access","framework":{"id":"wf-id-34"}}}]}}}`

// sensor is one of the sensor, in a threat.
const sensor = `{"id":"0a1b2c3d-0000-4000-a000-00000000000a","type":"GENERATED_THREAT","origins":["WIZ_SENSOR"],"severity":"CRITICAL","description":"first line\nsecond",
 "createdAt":"2026-07-01T15:12:18Z","startedAt":"2026-07-01T15:10:00.000000001Z",
 "issue":{"id":"fff9cffd-64a7-412c-9535-cf837f4b0b40","url":"https://tenant.app.wiz.io/issues#~(issue~'fff9cffd)","status":"RESOLVED","resolutionReason":"MALICIOUS_THREAT","notes":[{"id":"x"}]},
 "primaryActor":{"id":"","name":"root"},"primaryResource":{"id":"1","name":"node-7","type":"CONTAINER"},
 "triggeringEvents":{"nodes":[{},{"commandLine":"/tmp/x --go","extraDetails":{"processTree":[
   {"command":"/tmp/x --go","path":"/tmp/x","hash":"A94A8FE5CCB19BA61C4C0873D391E987982FBBD3","size":4,"userName":"www"},
   {"command":"bash -c","path":"/usr/bin/bash","hash":"da39a3ee5e6b4b0d3255bfef95601890afd80709","size":"1396520"}]},
  "trigger":{"fileReputationHashMatch":{"name":"x","md5":"098f6bcd4621d373cade4e832627b4f6","sha1":"a94a8fe5ccb19ba61c4c0873d391e987982fbbd3","sha256":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
   "sensorEngineRules":[{"rule":{"MITRETactics":["TA0005"],"MITRETechniques":["T1070.006","TA0043-T1595"]}}]}}]},
 "ruleMatch":{"rule":{"name":"Malware executed","securitySubCategories":[{"title":"T1190 Exploit Public-Facing Application","category":{"name":"TA0001 Initial Access","framework":{"name":"MITRE ATT&CK Matrix"}}}]}}}`

func decoded(t *testing.T, raw string) alert.Alert {
	t.Helper()
	a, bad := testClient(t).decode(json.RawMessage(raw))
	if bad != nil {
		t.Fatal(bad)
	}
	return a
}

func at(t *testing.T, s string) time.Time {
	t.Helper()
	out, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestADetectionThatOnlyMatchedLosesNothing(t *testing.T) {
	a := decoded(t, guardDuty)
	for what, ok := range map[string]bool{
		"id": a.ID == matchID && a.Note == "" && a.Group == "", "title": a.Title == "UnauthorizedAccess:EC2/SSHBruteForce", "severity": a.Severity == alert.Low,
		"status": a.Status == alert.StatusNew && a.Analyst == "", "created": a.Created.Equal(at(t, "2026-07-01T15:12:18.1559021Z")),
		"updated": a.Updated.Equal(at(t, "2026-07-01T15:13:36.3181301Z")), "host": a.Host == alert.Host{ID: "i-0000000000000001", Name: "example-vm-1"},
		"files": len(a.Files) == 0, "notes": a.Notes == alert.Unsaid, "url": a.URL == "", "raw": string(a.Raw) == guardDuty,
	} {
		if !ok {
			t.Errorf("%s: %+v", what, a)
		}
	}
	if want := (alert.Finding{Kind: "guardduty", ID: "us-east-2/0123456789abcdef0123456789abcdef"}); a.Repeats != want {
		t.Errorf("repeats %+v", a.Repeats)
	}
	r, ok := ResourceOf(a.Handle)
	if want := (Resource{"AWS", "100000000001", "us-east-2", "i-0000000000000001", "arn:aws:ec2:us-east-2:100000000001:instance/i-0000000000000001", "VIRTUAL_MACHINE"}); !ok || r != want {
		t.Errorf("resource %+v", r)
	}
}

func TestADetectionOfTheSensorLosesNothing(t *testing.T) {
	a := decoded(t, sensor)
	for what, ok := range map[string]bool{
		"container": a.Note == threatID && a.Group == threatID, "title": a.Title == "Malware executed", "severity": a.Severity == alert.Critical,
		"status": a.Status == alert.StatusResolved && a.Analyst == "MALICIOUS_THREAT", "detected": a.Detected.Equal(at(t, "2026-07-01T15:10:00.000000001Z")),
		"host": a.Host.Name == "node-7", "user": a.User == "root", "command": a.Command == "/tmp/x --go", "notes": a.Notes == alert.Some,
		"url":    a.URL == "https://tenant.app.wiz.io/issues#~(issue~'fff9cffd)",
		"attack": slices.Equal(a.Attack, []alert.Technique{{ID: "T1190", Name: "Exploit Public-Facing Application", Tactic: "Initial Access"}, {ID: "T1070.006"}, {ID: "T1595"}}),
		"files": slices.Equal(a.Files, []alert.File{
			{Hashes: alert.NewHashes("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3", "098f6bcd4621d373cade4e832627b4f6"),
				Path: "/tmp/x", Name: "x", Size: 4, Role: alert.RoleThreat},
			{Path: "/usr/bin/bash", Name: "bash", Size: 1396520, Role: alert.RoleImage}}),
	} {
		if !ok {
			t.Errorf("%s: %+v", what, a)
		}
	}
	if a.Repeats != (alert.Finding{}) {
		t.Error("the sensor's own detection is taken for another product's")
	}
}

func TestAnOpenThreatHasNoVerdictThoughAnEarlierReasonIsKept(t *testing.T) {
	for status, want := range map[string]string{"OPEN": "", "IN_PROGRESS": "", "REJECTED": "FALSE_POSITIVE", "": "", "SOMETHING": ""} {
		a := decoded(t, `{"id":"x","issue":{"id":"y","status":"`+status+`","resolutionReason":"FALSE_POSITIVE","notes":[]}}`)
		if a.Analyst != want || a.Status.Closed() != (want != "") || a.Notes != alert.None || a.Title != "x" {
			t.Errorf("%s: %+v", status, a)
		}
	}
}

func TestTheFindingOfAnotherProductIsNamed(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	for name, tc := range map[string]struct{ origin, event, kind, id string }{
		"the ARN":         {"AWS_GUARD_DUTY", `"rawAuditLogRecord":{"Arn":"arn:aws-us-gov:guardduty:us-gov-west-1:111122223333:detector/ab12/finding/` + id + `"}`, "guardduty", "us-gov-west-1/" + id},
		"JSON in text":    {"AWS_GUARD_DUTY", `"rawAuditLogRecord":"{\"id\":\"` + id + `\",\"region\":\"eu-west-1\"}"`, "guardduty", "eu-west-1/" + id},
		"the link":        {"AWS_GUARD_DUTY", `"cloudProviderUrl":"https://eu-west-1.console.aws.amazon.com/guardduty/home?region=eu-west-1#/findings?macros=current&fId=` + id + `"`, "guardduty", "eu-west-1/" + id},
		"nothing":         {"AWS_GUARD_DUTY", `"rawAuditLogRecord":{}`, "", ""},
		"a foreign id":    {"AWS_GUARD_DUTY", `"rawAuditLogRecord":{"id":"../../x","region":"us-east-1"}`, "", ""},
		"Defender":        {"AZURE_DEFENDER_FOR_CLOUD", `"rawAuditLogRecord":{"properties":{"SystemAlertId":"2517_0123456789ab"}}`, "defender", "2517_0123456789ab"},
		"Falcon":          {"WIN_CROWD_STRIKE", `"rawAuditLogRecord":{"composite_id":"` + id + `:ind:a1:0-1-2"}`, "crowdstrike", id + ":ind:a1:0-1-2"},
		"SentinelOne":     {"WIN_SENTINEL_ONE", `"rawAuditLogRecord":[{"threatInfo":{"threatId":"1698432198765432101"}}]`, "sentinelone", "1698432198765432101"},
		"much too long":   {"WIN_SENTINEL_ONE", `"rawAuditLogRecord":{"threatId":"` + strings.Repeat("9", 900) + `"}`, "", ""},
		"anybody's":       {"WIN_CROWD_STRIKE", `"rawAuditLogRecord":{"composite_id":"ind:a:1"}`, "", ""},
		"nobody else's":   {"AWS_CLOUDTRAIL", `"rawAuditLogRecord":{"id":"x"}`, "", ""},
		"the second kind": {`WIZ_THREAT_DETECTION","WIN_CROWD_STRIKE`, `"rawAuditLogRecord":{"composite_id":"` + id + `:ind:a1:0-1-2"}`, "crowdstrike", id + ":ind:a1:0-1-2"},
	} {
		a := decoded(t, `{"id":"x","origins":["`+tc.origin+`"],"firstEvent":{"nodes":[{`+tc.event+`}]}}`)
		if want := (alert.Finding{Kind: tc.kind, ID: tc.id}); a.Repeats != want {
			t.Errorf("%s: %+v", name, a.Repeats)
		}
	}
}

func TestALocatorIsSmallWhateverTheVendorSends(t *testing.T) {
	long := strings.Repeat(`\u0001`, 250)
	a := decoded(t, `{"id":"x","origins":["WIN_CROWD_STRIKE"],"firstEvent":{"nodes":[{"rawAuditLogRecord":{"composite_id":"`+long+`"}}]},"primaryResource":{"externalId":"`+long+`","type":"`+long+`","region":"`+long+`"}}`)
	if len(a.Locator) > maxLocator || !json.Valid(a.Locator) {
		t.Errorf("%d bytes: %s", len(a.Locator), a.Locator)
	}
}

func TestALinkLeadsToTheVendorOrNowhere(t *testing.T) {
	const own = "https://app.wiz.io/issues#~(issue~'" + threatID + ")"
	for link, want := range map[string]string{
		"https://eu1.app.wiz.io/x": "https://eu1.app.wiz.io/x", "": own, "javascript:alert(1)": own, "https://wiz.io.evil.example/x": own,
		"http://app.wiz.io/x": own, "https://u:p@app.wiz.io/x": own, "https://app.wiz.us/x": "https://app.wiz.us/x", "https://evilwiz.io/": own,
	} {
		if got := testClient(t).issueLink(text(link), threatID); got != want {
			t.Errorf("%q: %q", link, got)
		}
	}
	if got := testClient(t).issueLink("", "x')"); got != "" {
		t.Errorf("a hostile id became %q", got)
	}
	if got := (&Client{}).issueLink("", threatID); got != "" {
		t.Errorf("a console that is not known has the page %q", got)
	}
}

func TestWhatWizCannotDoIsSaidWithWhatCanBeDoneInstead(t *testing.T) {
	c := testClient(t)
	a := decoded(t, guardDuty)
	commands := []string{"edrc isolate instance i-0000000000000001", "edrc isolate role i-0000000000000001"}
	for name, tc := range map[string]struct {
		what  string
		about alert.Alert
		words []string
	}{
		"isolate":           {"isolate hosts", a, append(commands, "100000000001", "us-east-2", "AWS")},
		"isolate by handle": {"isolate hosts", alert.Alert{Handle: a.Handle}, append(commands, "100000000001", "us-east-2")},
		"isolate by host":   {"isolate hosts", alert.Alert{Host: a.Host}, commands},
		"fetch":             {"fetch files", a, []string{"no files", "hash"}},
		"note":              {"take a note on this alert", a, []string{"MATCH_ONLY"}},
		"anything else":     {"set tags", a, []string{"edrc sources"}},
	} {
		err := c.Instead(tc.what, tc.about)
		e, ok := errors.AsType[*fault.Error](err)
		if !ok || e.Kind != fault.Unsupported || !strings.Contains(e.Error(), tc.what) {
			t.Fatalf("%s: %v", name, err)
		}
		for _, word := range tc.words {
			if !strings.Contains(e.Hint, word) {
				t.Errorf("%s: %q does not say %q", name, e.Hint, word)
			}
		}
	}
	hostile := decoded(t, `{"id":"x","primaryResource":{"externalId":"i-0000; rm -rf","region":"\u001b[31m"},"cloudAccounts":[{"cloudProvider":"AWS"}]}`)
	for _, about := range []alert.Alert{hostile, {Host: alert.Host{ID: "$(x)"}}, {}} {
		if e, ok := errors.AsType[*fault.Error](c.Instead("isolate hosts", about)); !ok || strings.ContainsAny(e.Hint, "\x1b$") || !strings.Contains(e.Hint, "response policies") {
			t.Errorf("%+v", e)
		}
	}
}

func TestTheTablesOfTheDocumentationCoverEveryWord(t *testing.T) {
	for _, m := range Severities() {
		if s := severityOf(text(strings.ToLower(m.Vendor))); s.String() != m.Ours || s == alert.Unrated {
			t.Errorf("%s is %s", m.Vendor, s)
		}
	}
	for _, m := range Statuses() {
		if s := statusOf(text(m.Vendor)); string(s) != m.Ours {
			t.Errorf("%s is %s", m.Vendor, s)
		}
	}
	for _, m := range Verdicts() {
		if r, ok := reasonFor(m.Ours); !ok || r.word != m.Vendor {
			t.Errorf("%s is %s", m.Ours, r.word)
		}
	}
	if severityOf("WHATEVER") != alert.Unrated || statusOf("WHATEVER").Closed() {
		t.Error("a word that is not known is rated, or closes")
	}
}
