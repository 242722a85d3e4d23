package wiz

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/lab/world"
)

// user asks the vendor as a client would, without a network.
type user struct {
	t     *testing.T
	v     *Vendor
	token string
}

func newUser(t *testing.T, o world.Options) *user {
	t.Helper()
	u := &user{t: t, v: New(o)}
	status, reply := u.sign(u.v.secret, "wiz-api")
	if status != http.StatusOK || reply["token_type"] != "Bearer" || reply["expires_in"] != float64(tokenLife) {
		t.Fatalf("%d %v", status, reply)
	}
	u.token, _ = reply["access_token"].(string)
	return u
}

func (u *user) sign(secret, audience string) (int, map[string]any) {
	u.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "audience": {audience}, "client_id": {u.v.id}, "client_secret": {secret}}
	r := httptest.NewRequest(http.MethodPost, "/oauth/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return u.send(r)
}

func (u *user) send(r *http.Request) (int, map[string]any) {
	u.t.Helper()
	w := httptest.NewRecorder()
	u.v.ServeHTTP(w, r)
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil && w.Code != http.StatusNotFound {
		u.t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Code, out
}

func (u *user) request(query string, variables map[string]any) *http.Request {
	u.t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		u.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(string(body)))
	r.Header.Set("Authorization", "Bearer "+u.token)
	return r
}

// ask gives the data, and the message and code of the first error.
func (u *user) ask(query string, variables map[string]any) (data map[string]any, message, code string) {
	u.t.Helper()
	_, out := u.send(u.request(query, variables))
	data, _ = out["data"].(map[string]any)
	if errs, ok := out["errors"].([]any); ok {
		first := errs[0].(map[string]any)
		message, _ = first["message"].(string)
		code, _ = first["extensions"].(map[string]any)["code"].(string)
	}
	return data, message, code
}

// ids are those of a list.
func ids(data map[string]any, field string) []string {
	list, _ := data[field].(map[string]any)
	nodes, _ := list["nodes"].([]any)
	out := []string{}
	for _, n := range nodes {
		out = append(out, n.(map[string]any)["id"].(string))
	}
	return out
}

const listQuery = `query D($f: DetectionFilters, $n: Int, $a: String) {
  detections(filterBy: $f, first: $n, after: $a, orderBy: {field: CREATED_AT, direction: ASC}) { nodes { id } pageInfo { hasNextPage endCursor } } }`

func TestATokenIsNeededAndEnds(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	u := newUser(t, world.Options{Now: func() time.Time { return now }})
	if status, _ := u.sign("wrong", "wiz-api"); status != http.StatusUnauthorized {
		t.Errorf("a wrong secret: %d", status)
	}
	if status, _ := u.sign(u.v.secret, "beyond-api"); status != http.StatusBadRequest {
		t.Errorf("another audience: %d", status)
	}
	if _, message, _ := u.ask(listQuery, nil); message != "" {
		t.Errorf("with a token: %s", message)
	}
	now = now.Add(tokenLife * time.Second)
	if status, _ := u.send(u.request(listQuery, nil)); status != http.StatusUnauthorized {
		t.Errorf("after its end: %d", status)
	}
	u.v.how.Auth = true
	if status, out := u.send(u.request(listQuery, nil)); status != http.StatusOK || out["errors"] == nil || out["data"] != nil {
		t.Errorf("told in a 200: %d %v", status, out)
	}
}

func TestAQueryIsHeldToTheSchema(t *testing.T) {
	u := newUser(t, world.Options{Alerts: 5})
	for query, want := range map[string]string{
		`{ detections { nodes { id nonsense } } }`:                                                              `Cannot query field "nonsense" on type "Detection"`,
		`{ nonsense { id } }`:                                                                                   `Cannot query field "nonsense" on type "Query"`,
		`{ detections(last: 3) { nodes { id } } }`:                                                              `Unknown argument "last"`,
		`{ detections { nodes } }`:                                                                              `subfields`,
		`{ detections { nodes { id { x } } } }`:                                                                 `subfields`,
		`{ detections(filterBy: {status: {equals: ["OPEN"]}}) { nodes { id } } }`:                               `"status" is not defined by type "DetectionFilters"`,
		`{ detections(filterBy: {severity: ["LOW"]}) { nodes { id } } }`:                                        `equals`,
		`query Q($f: IssueFilters) { detections(filterBy: $f) { nodes { id } } }`:                               `of type "IssueFilters"`,
		`{ detections { nodes { triggeringEvents(first: 51) { nodes { ... on CloudEvent { id } } } } } }`:       `at most 50`,
		`{ issuesV2 { nodes { threatDetectionDetails { detections(first: 501) { nodes { id } } } } } }`:         `at most 500`,
		`{ detections { nodes { triggeringEvents { nodes { ... on Control { id } } } } } }`:                     `can never be`,
		`{ detections(first: 501) { nodes { id } } }`:                                                           `at most 500`,
		`{ detections(after: "x") { nodes { id } } }`:                                                           `cursor`,
		`{ detections(filterBy: {id: {equals: ["x"]}}) { nodes { id } } }`:                                      `UUID`,
		`{ detections(filterBy: {createdAt: {after: "yesterday"}}) { nodes { id } } }`:                          `date`,
		`{ detections(orderBy: {field: SEVERITY}) { nodes { id } } }`:                                           `sort`,
		`mutation { detections { nodes { id } } }`:                                                              `on type "Mutation"`,
		`{ detections { nodes { id } }`:                                                                         `Syntax Error`,
		`nonsense`:                                                                                              `Syntax Error`,
		`query Q($id: ID!) { issue(id: $id) { id } }`:                                                           `required type`,
		`{ issue(id: "00000000-0000-0000-0000-000000000000") { id } }`:                                          `valid service issue id`,
		`mutation { createIssueNote(input: {issueId: "x", body: "y"}) { issueNote { id } } }`:                   `"body" is not defined`,
		`mutation { updateIssue(input: {id: "x", patch: {assignee: "y"}}) { issue { id } } }`:                   `"assignee" is not defined`,
		`mutation { deleteIssueNote(input: {id: "00000000-0000-0000-0000-000000000000"}) { _stub } }`:           `valid note id`,
		`{ detections { nodes { id } } } { issue(id: "x") { id } }`:                                             `more than one operation`,
		`{ issuesV2(filterBy: {id: ["00000000-0000-0000-0000-000000000000", "x"]}) { nodes { id } } }`:          `UUID`,
		`{ issuesV2(filterScope: ALL_ISSUE_DETECTIONS, filterBy: {updatedAt: {after: "x"}}) { nodes { id } } }`: `"updatedAt" is not defined by type "IssueFilters"`,
	} {
		if _, message, code := u.ask(query, nil); !strings.Contains(message, want) || code == "" {
			t.Errorf("%s: %q (%s), want %q", query, message, code, want)
		}
	}
	data, message, _ := u.ask(`{ few: detections(first: 2) { nodes { ref: id triggeringEvents(first: 1) { totalCountV2 nodes { ... on CloudEvent { origin } } } } } }`, nil)
	list, _ := data["few"].(map[string]any)
	if raw, err := json.Marshal(list); err != nil || message != "" || strings.Count(string(raw), `"ref"`) != 2 || strings.Contains(string(raw), `"severity"`) || !strings.Contains(string(raw), `"origin"`) {
		t.Errorf("only what is selected: %s, %q", raw, message)
	}
}

func TestAFilterLeavesOutMatchesUnlessTheyAreAskedFor(t *testing.T) {
	u := newUser(t, world.Options{})
	threats, matches := u.v.Add(3, time.Hour, true), u.v.AddMatches(4, time.Hour, false)
	for name, tc := range map[string]struct {
		filter any
		want   int
	}{
		"none": {nil, 7}, "another": {map[string]any{"createdAt": map[string]any{"after": "2020-01-01T00:00:00Z"}}, 3}, "empty": {map[string]any{}, 3},
		"both":  {map[string]any{"type": map[string]any{"equals": []string{"GENERATED_THREAT", "MATCH_ONLY"}}}, 7},
		"one":   {map[string]any{"type": map[string]any{"equals": []string{"MATCH_ONLY"}}}, 4},
		"ids":   {map[string]any{"id": map[string]any{"equals": []string{threats[0], matches[0]}}}, 1},
		"issue": {map[string]any{"issueId": u.v.ThreatOf(threats[1])}, 1},
	} {
		data, message, _ := u.ask(listQuery, map[string]any{"f": tc.filter})
		if got := ids(data, "detections"); len(got) != tc.want || message != "" {
			t.Errorf("%s: %d, want %d, %q", name, len(got), tc.want, message)
		}
	}
}

func TestBoundsAreExclusiveAndCursorsBelongToTheirList(t *testing.T) {
	u := newUser(t, world.Options{})
	all := u.v.Add(5, time.Hour, true)
	at := u.v.byID[all[0]].created
	for name, tc := range map[string]struct {
		after, before time.Time
		want          int
	}{
		"after itself": {at, at.Add(time.Hour), 0}, "just before": {at.Add(-1), at.Add(1), 5}, "before itself": {at.Add(-time.Hour), at, 0},
	} {
		f := map[string]any{"createdAt": map[string]any{"after": tc.after.Format(time.RFC3339Nano), "before": tc.before.Format(time.RFC3339Nano)}}
		if data, _, _ := u.ask(listQuery, map[string]any{"f": f}); len(ids(data, "detections")) != tc.want {
			t.Errorf("%s: %v", name, data)
		}
	}
	var got []string
	after := ""
	for range 3 {
		data, message, _ := u.ask(listQuery, map[string]any{"n": 2, "a": after})
		if message != "" {
			t.Fatal(message)
		}
		got = append(got, ids(data, "detections")...)
		after, _ = data["detections"].(map[string]any)["pageInfo"].(map[string]any)["endCursor"].(string)
	}
	slices.Sort(all)
	if !slices.Equal(got, all) {
		t.Errorf("pages have %v, want %v", got, all)
	}
	if _, message, code := u.ask(listQuery, map[string]any{"n": 2, "a": after, "f": map[string]any{"issueId": "x"}}); code != "BAD_USER_INPUT" {
		t.Errorf("the cursor of another list: %q", message)
	}
}

const updateQuery = `mutation U($i: ID!, $p: UpdateIssuePatch) { updateIssue(input: {id: $i, patch: $p}) { issue { id status resolutionReason } } }`

func TestStatusesFollowTheirRules(t *testing.T) {
	u := newUser(t, world.Options{})
	threat := u.v.ThreatOf(u.v.Add(1, time.Hour, false)[0])
	toxic := u.v.AddIssue("TOXIC_COMBINATION", time.Hour)
	for _, tc := range []struct {
		id, status, reason string
		ok                 bool
	}{
		{threat, "RESOLVED", "", false}, {threat, "RESOLVED", "FALSE_POSITIVE", false}, {threat, "RESOLVED", "MALICIOUS_THREAT", true},
		{threat, "REJECTED", "MALICIOUS_THREAT", false}, {threat, "REJECTED", "WONT_FIX", true}, {threat, "OPEN", "", true}, {threat, "CLOSED", "", false},
		{toxic, "RESOLVED", "MALICIOUS_THREAT", false}, {toxic, "REJECTED", "EXCEPTION", true}, {"x", "OPEN", "", false},
	} {
		patch := map[string]any{"status": tc.status}
		if tc.reason != "" {
			patch["resolutionReason"] = tc.reason
		}
		data, message, code := u.ask(updateQuery, map[string]any{"i": tc.id, "p": patch})
		if tc.ok != (message == "") || !tc.ok && code != "BAD_USER_INPUT" {
			t.Errorf("%+v: %q, %v", tc, message, data)
		}
	}
	data, _, _ := u.ask(`query Q($id: ID!) { issue(id: $id) { status resolutionReason } }`, map[string]any{"id": threat})
	if got := fmt.Sprint(data["issue"]); got != "map[resolutionReason:WONT_FIX status:OPEN]" {
		t.Errorf("the reason of an earlier closing is gone: %s", got)
	}
}

func TestANoteIsOneOfTheThreatAndVisibleAfterTheLag(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	u := newUser(t, world.Options{Now: func() time.Time { return now }, NoteLag: time.Minute, Echo: true})
	threat, detections := u.v.AddThreat(3, time.Hour)
	create := u.request(`mutation N($input: CreateIssueNoteInput!) { createIssueNote(input: $input) { issueNote { id createdAt text } } }`,
		map[string]any{"input": map[string]any{"issueId": threat, "text": "a <b> note"}})
	if !u.v.Writes(create) || u.v.Writes(u.request(listQuery, nil)) {
		t.Error("what writes is not told apart from what reads")
	}
	if _, out := u.send(create); out["errors"] != nil {
		t.Fatal(out)
	}
	count := func() int {
		data, _, _ := u.ask(`query Q($id: ID!) { issue(id: $id) { notes { text } } }`, map[string]any{"id": threat})
		return len(data["issue"].(map[string]any)["notes"].([]any))
	}
	if count() != 0 || !slices.Equal(u.v.State().Notes[threat], []string{"a <b> note"}) {
		t.Errorf("%d notes are visible at once, the state has %v", count(), u.v.State().Notes)
	}
	now = now.Add(time.Minute)
	if count() != 1 {
		t.Errorf("%d notes are visible after the lag", count())
	}
	if u.v.byID[detections[2]].updated.Equal(u.v.byID[detections[2]].created) {
		t.Error("an own write is not echoed")
	}
}

func TestControlSaysWhatItDoesNotKnow(t *testing.T) {
	u := newUser(t, world.Options{Alerts: 40})
	one := u.v.AddMatches(1, time.Hour, false)[0]
	for verb, body := range map[string]string{"nonsense": "{}", "note": `{"id":"x"}`, "status": `{"id":"` + one + `"}`, "scope": "7", "alerts": `{"age":"x"}`} {
		if err := u.v.Control(verb, []byte(body)); err == nil {
			t.Errorf("%s %s is no error", verb, body)
		}
	}
	before := u.v.State().Alerts
	if err := u.v.Control("alerts", []byte(`{"count":3,"age":"1h"}`)); err != nil || u.v.State().Alerts != before+3 {
		t.Errorf("%v, %d alerts", err, u.v.State().Alerts)
	}
	if err := u.v.Control("purge", []byte(`{"ids":["`+one+`"]}`)); err != nil || u.v.State().Alerts != before+2 {
		t.Errorf("%v, %d alerts", err, u.v.State().Alerts)
	}
	for _, tc := range []struct {
		verb string
		want int
	}{{"moved", http.StatusNotFound}, {"throttle", http.StatusTooManyRequests}, {"expire", http.StatusUnauthorized}} {
		if err := u.v.Control(tc.verb, []byte(`{"on":true,"count":1}`)); err != nil {
			t.Fatal(err)
		}
		if status, _ := u.send(u.request(listQuery, nil)); status != tc.want {
			t.Errorf("%s: %d", tc.verb, status)
		}
		if err := u.v.Control("moved", []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
}
