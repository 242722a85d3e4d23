package wiz

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

func TestRecordedRepliesLoseNothing(t *testing.T) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(sourcetest.RecordedFile(t, "wiz/secops-hub/mock_data.json"), &all); err != nil {
		t.Fatal(err)
	}
	ask := func(name, field string, replies map[string]string) (*Client, *script) {
		t.Helper()
		if len(all[name]) == 0 {
			t.Fatalf("%s is not recorded", name)
		}
		flat, err := json.Marshal(all[name])
		if err != nil {
			t.Fatal(err)
		}
		if replies == nil {
			replies = map[string]string{}
		}
		replies[field] = "200 " + string(flat)
		return scripted(t, replies)
	}

	c, _ := ask("get_issue_details", "issue", nil)
	in, err := c.GetIncident(t.Context(), threatID)
	if err == nil || in.ID != "abc" { // the detections are not recorded
		t.Errorf("%+v, %v", in, err)
	}
	if in.Severity != alert.Info || in.Status != alert.StatusNew || in.Title != "abc (system:cluster-autoscaler)" ||
		!in.Created.Equal(at(t, "2024-03-16T22:12:10.685397Z")) || !in.Updated.Equal(at(t, "2025-07-30T00:59:29.355466Z")) {
		t.Errorf("issue %+v", in)
	}

	c, _ = ask("invalid_issue", "issue", nil)
	if _, err := c.GetIncident(t.Context(), threatID); !fault.Is(err, fault.NotFound) {
		t.Errorf("no such issue: %v", err)
	}
	c, _ = ask("add_comment_to_issue", "createIssueNote", nil)
	if rs, err := c.AddNote(t.Context(), "x", onThreat()); err != nil || rs[0].Outcome != source.NoteDone || rs[0].NoteID != noteID {
		t.Errorf("note: %+v, %v", rs, err)
	}
	for name, want := range map[string]alert.Status{"ignore_issue": alert.StatusResolved, "reopen_issue": alert.StatusNew, "resolve_issue": alert.StatusResolved} {
		var reply struct {
			Data struct {
				Update struct {
					Issue issue `json:"issue"`
				} `json:"updateIssue"`
			} `json:"data"`
		}
		if err := json.Unmarshal(all[name], &reply); err != nil || statusOf(reply.Data.Update.Issue.Status) != want || reply.Data.Update.Issue.Reason != "FALSE_POSITIVE" {
			t.Errorf("%s: %+v, %v", name, reply, err)
		}
	}
	c, _ = ask("ignore_issue", "updateIssue", map[string]string{"issue": issueReply("OPEN", "", typeThreat)})
	if a, err := c.Resolve(t.Context(), onThreat(), alert.Resolution{Status: alert.StatusResolved, Verdict: "false_positive"}); err != nil || a.Fields["status"].Outcome != "done" {
		t.Errorf("reject: %+v, %v", a, err)
	}
	c, _ = ask("valid_token", "token", nil)
	if got, err := c.api.tokens.get(t.Context(), false); err != nil || got != "valid_token" {
		t.Errorf("token %q, %v", got, err)
	}
	for name, want := range map[string]string{"invalid_token": "Invalid token.", "invalid_alert": "You do not have permission to perform this action.", "invalid_close_alert": "Invalid permissions"} {
		if got := decodeError(http.StatusUnauthorized, all[name]); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestRecordedTokensAndAddressesAreUnderstood(t *testing.T) {
	var all struct {
		Addresses [][2]string `json:"test_wiz_create_url_from_tenant"`
		Tokens    []struct {
			Expires count `json:"expires_in"`
		} `json:"test_wiz_refresher_always_provide_fresh_token"`
	}
	if err := json.Unmarshal(sourcetest.RecordedFile(t, "wiz/sekoia-tests/Wiz__tests__client__test_token_refresher.json"), &all); err != nil || len(all.Addresses) < 4 || len(all.Tokens) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	for _, pair := range all.Addresses {
		u, err := address("url", pair[0], "")
		if err != nil { // "random" is no address, and nothing is guessed from it
			continue
		}
		if got := authFor(u.Hostname()); got != pair[1] {
			t.Errorf("%s: tokens from %q, want %q", pair[0], got, pair[1])
		}
	}
}

func TestRecordedIssuesOfExportsLoseNothing(t *testing.T) {
	var file struct {
		Tests []struct {
			Log map[string]any `yaml:"Log"`
		} `yaml:"Tests"`
	}
	if err := yaml.Unmarshal(sourcetest.RecordedFile(t, "wiz/panther-rules/wiz_alert_passthrough.yml"), &file); err != nil || len(file.Tests) != 3 {
		t.Fatalf("%d, %v", len(file.Tests), err)
	}
	c := testClient(t)
	for _, one := range file.Tests {
		raw, err := json.Marshal(one.Log)
		if err != nil {
			t.Fatal(err)
		}
		in, i, bad := c.decodeIssue(raw)
		if bad != nil {
			t.Fatal(bad)
		}
		created := time.Date(2024, 6, 4, 2, 28, 6, 763277000, time.UTC)
		if in.ID != "54321" || !in.Created.Equal(created) || !strings.EqualFold(in.Severity.String(), one.Log["severity"].(string)) ||
			in.Status.Closed() != (one.Log["status"] == "RESOLVED") || in.Title != "Alert Name (someName)" {
			t.Errorf("%+v", in)
		}
		if !i.Changed.Equal(created.Add(-165922 * time.Microsecond)) {
			t.Errorf("changed %s", i.Changed)
		}
		if a := i.Rule.attack(); in.Status == alert.StatusNew && (len(a) != 1 || a[0] != alert.Technique{ID: "T1190", Name: "Exploit Public-Facing Application", Tactic: "Initial Access"}) {
			t.Errorf("attack %+v", a)
		}
	}
}

func TestRecordedWordsOfWebhooksAreUnderstood(t *testing.T) {
	var file struct {
		Tests []struct {
			Log struct {
				Issue struct{ Severity, Status string } `yaml:"issue"`
			} `yaml:"Log"`
		} `yaml:"Tests"`
	}
	if err := yaml.Unmarshal(sourcetest.RecordedFile(t, "wiz/panther-rules/wiz_issue_alert_passthrough.yml"), &file); err != nil || len(file.Tests) != 3 {
		t.Fatalf("%d, %v", len(file.Tests), err)
	}
	for _, one := range file.Tests {
		i := one.Log.Issue
		if s := severityOf(text(i.Severity)); !strings.EqualFold(s.String(), i.Severity) {
			t.Errorf("severity %s is %s", i.Severity, s)
		}
		if s := statusOf(text(i.Status)); s.Closed() != strings.EqualFold(i.Status, "resolved") {
			t.Errorf("status %s is %s", i.Status, s)
		}
	}
}
