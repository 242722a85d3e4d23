package wiz

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/lab/world"
	"edrc/internal/source"
)

func issueReply(status, reason, kind string) string {
	raw, _ := json.Marshal(map[string]any{"data": map[string]any{"issue": map[string]any{"id": threatID, "type": kind, "status": status, "resolutionReason": reason}}})
	return "200 " + string(raw)
}

func TestAResolutionFollowsTheRulesOfTheVendor(t *testing.T) {
	for name, tc := range map[string]struct {
		status, reason string // now
		r              alert.Resolution
		patch          string // "" is none
		fields         map[string]source.FieldResult
	}{
		"true positive": {"OPEN", "", alert.Resolution{Status: alert.StatusResolved, Verdict: "true_positive", Reason: "seen it"},
			`{"resolutionNote":"seen it","resolutionReason":"MALICIOUS_THREAT","status":"RESOLVED"}`, fields("done", "new", "done", undecided)},
		"benign": {"IN_PROGRESS", "", alert.Resolution{Status: alert.StatusResolved, Verdict: "benign"},
			`{"resolutionReason":"NOT_MALICIOUS_THREAT","status":"RESOLVED"}`, fields("done", "in_progress", "done", undecided)},
		"false positive": {"OPEN", "FALSE_POSITIVE", alert.Resolution{Status: alert.StatusResolved, Verdict: "false_positive", Reason: "known tool"},
			`{"note":"known tool","resolutionReason":"FALSE_POSITIVE","status":"REJECTED"}`, fields("done", "new", "done", undecided)},
		"the vendor's own": {"OPEN", "", alert.Resolution{Status: alert.StatusResolved, Verdict: "SECURITY_TEST_THREAT"},
			`{"resolutionReason":"SECURITY_TEST_THREAT","status":"RESOLVED"}`, fields("done", "new", "done", undecided)},
		"another reason": {"RESOLVED", "MALICIOUS_THREAT", alert.Resolution{Verdict: "false_positive"},
			`{"resolutionReason":"FALSE_POSITIVE","status":"REJECTED"}`, map[string]source.FieldResult{"verdict": {Outcome: "done", Before: "MALICIOUS_THREAT"}}},
		"as it is": {"REJECTED", "FALSE_POSITIVE", alert.Resolution{Status: alert.StatusResolved, Verdict: "false_positive"}, "", fields("unchanged", "resolved", "unchanged", "FALSE_POSITIVE")},
		"reopen":   {"REJECTED", "EXCEPTION", alert.Resolution{Status: alert.StatusNew}, `{"status":"OPEN"}`, fields("done", "resolved", "done", "EXCEPTION")},
		"start":    {"OPEN", "", alert.Resolution{Status: alert.StatusInProgress}, `{"status":"IN_PROGRESS"}`, map[string]source.FieldResult{"status": {Outcome: "done", Before: "new"}}},
		"is new":   {"OPEN", "", alert.Resolution{Status: alert.StatusNew, Verdict: undecided}, "", fields("unchanged", "new", "unchanged", undecided)},
	} {
		t.Run(name, func(t *testing.T) {
			var patch map[string]any
			_ = json.Unmarshal([]byte(tc.patch), &patch)
			after, _ := patch["status"].(string)
			reason, _ := patch["resolutionReason"].(string)
			c, s := scripted(t, map[string]string{"issue": issueReply(tc.status, tc.reason, typeThreat),
				"updateIssue": strings.NewReplacer(`"issue":{`, `"updateIssue":{"issue":{`, `}}}`, `}}}}`).Replace(issueReply(after, reason, typeThreat))})
			a, err := c.Resolve(context.Background(), onThreat(), tc.r)
			if err != nil || !maps.Equal(a.Fields, tc.fields) {
				t.Errorf("%+v, %v, want %+v", a.Fields, err, tc.fields)
			}
			if tc.patch == "" {
				if n := s.count("updateIssue"); n != 0 {
					t.Errorf("%d changes were sent", n)
				}
				return
			}
			got, _ := json.Marshal(s.sent[len(s.sent)-1].Variables)
			if want := `{"issueId":"` + threatID + `","patch":` + tc.patch + `}`; string(got) != want {
				t.Errorf("sent %s\nwant %s", got, want)
			}
		})
	}
}

func fields(status, was, verdict, before string) map[string]source.FieldResult {
	return map[string]source.FieldResult{"status": {Outcome: status, Before: was}, "verdict": {Outcome: verdict, Before: before}}
}

func TestWhatWizCannotExpressIsNamedBeforeAnythingIsSent(t *testing.T) {
	c, s := scripted(t, nil)
	for word, r := range map[string]alert.Resolution{
		"without a verdict":   {Status: alert.StatusResolved},
		"OBJECT_DELETED":      {Status: alert.StatusResolved, Verdict: "OBJECT_DELETED"},
		"on an open threat":   {Status: alert.StatusNew, Verdict: "benign"},
		"assign":              {Assign: "ana"},
		"tags":                {Tags: []string{"a"}},
		"the status \"done\"": {Status: "done", Verdict: "benign"},
	} {
		if err := c.Supports(r); !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", word, err)
		}
	}
	for _, r := range reasons() {
		if err := c.Supports(alert.Resolution{Status: alert.StatusResolved, Verdict: r.word}); err != nil {
			t.Errorf("%s: %v", r.word, err)
		}
	}
	if len(s.sent) > 0 {
		t.Errorf("sent %v", s.sent)
	}
}

func TestWhatDependsOnTheThreatIsNamedWithoutAChange(t *testing.T) {
	for name, tc := range map[string]struct {
		status, reason, kind string
		r                    alert.Resolution
	}{
		"a verdict without closing": {"OPEN", "", typeThreat, alert.Resolution{Verdict: "benign"}},
		"no verdict while closed":   {"RESOLVED", "MALICIOUS_THREAT", typeThreat, alert.Resolution{Verdict: undecided}},
		"resolving no threat":       {"OPEN", "", "TOXIC_COMBINATION", alert.Resolution{Status: alert.StatusResolved, Verdict: "benign"}},
	} {
		c, s := scripted(t, map[string]string{"issue": issueReply(tc.status, tc.reason, tc.kind)})
		if a, err := c.Resolve(context.Background(), onThreat(), tc.r); !fault.Is(err, fault.Unsupported) || s.count("updateIssue") > 0 || len(a.Fields) > 0 {
			t.Errorf("%s: %+v, %v, sent %d", name, a, err, s.count("updateIssue"))
		}
	}
}

func TestAChangeWhoseAnswerIsLostIsReadBack(t *testing.T) {
	closing := alert.Resolution{Status: alert.StatusResolved, Verdict: "benign"}
	for name, tc := range map[string]struct {
		update, then string
		outcome      string
		kind         fault.Kind
	}{
		"it was applied":      {`500 {}`, issueReply("RESOLVED", "NOT_MALICIOUS_THREAT", typeThreat), "done", ""},
		"it was not":          {`500 {}`, issueReply("OPEN", "", typeThreat), "unknown", fault.InDoubt},
		"it shows otherwise":  {`200 {"data":{"updateIssue":{"issue":{"id":"x","status":"OPEN"}}}}`, issueReply("OPEN", "", typeThreat), "unknown", fault.InDoubt},
		"nobody can tell":     {`500 {}`, `500 {}`, "unknown", fault.InDoubt},
		"it was refused":      {failed("BAD_USER_INPUT", "no"), issueReply("OPEN", "", typeThreat), "unchanged", fault.Invalid},
		"a scope is missing":  {failed("FORBIDDEN", denied), issueReply("OPEN", "", typeThreat), "unchanged", fault.Denied},
		"the reply has no id": {`200 {"data":{"updateIssue":null}}`, issueReply("RESOLVED", "NOT_MALICIOUS_THREAT", typeThreat), "done", ""},
	} {
		c, s := scripted(t, map[string]string{"issue": issueReply("OPEN", "", typeThreat) + "\n" + tc.then, "updateIssue": tc.update})
		a, err := c.Resolve(context.Background(), onThreat(), closing)
		if a.Fields["status"].Outcome != tc.outcome || a.Fields["verdict"].Outcome != tc.outcome || (tc.kind == "") != (err == nil) || tc.kind != "" && !fault.Is(err, tc.kind) {
			t.Errorf("%s: %+v, %v", name, a.Fields, err)
		}
		if n := s.count("updateIssue"); n != 1 {
			t.Errorf("%s: sent %d times", name, n)
		}
	}
}

func TestClosingAndReopeningAThreatIsUndoneWithTheValuesBefore(t *testing.T) {
	v := newVendor(t, world.Options{})
	id := v.wiz.Add(1, time.Hour, false)[0]
	c := v.client(t, time.Minute)
	h := alert.Handle{ID: id, Note: v.wiz.ThreatOf(id)}
	var seen []string
	r := alert.Resolution{Status: alert.StatusResolved, Verdict: "WONT_FIX", Reason: "not ours"}
	for range 4 {
		a, err := c.Resolve(context.Background(), h, r)
		if err != nil || a.Fields["status"].Outcome != "done" || a.Fields["verdict"].Outcome != "done" {
			t.Fatalf("%+v: %+v, %v", r, a, err)
		}
		got, err := c.Get(context.Background(), h)
		if err != nil || len(got) != 1 {
			t.Fatal(err)
		}
		seen = append(seen, string(got[0].Status)+" "+got[0].Analyst)
		r = alert.Resolution{Status: alert.Status(a.Fields["status"].Before), Verdict: a.Fields["verdict"].Before}
	}
	if want := []string{"resolved WONT_FIX", "new ", "resolved WONT_FIX", "new "}; !slices.Equal(seen, want) {
		t.Errorf("%q, want %q", seen, want)
	}
}
