package cortex

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

// like holds a sent request against the vendor's example, whatever the order of its
// fields.
func like(t *testing.T, sent, path, example string) {
	t.Helper()
	at, body, _ := strings.Cut(sent, " ")
	var got, want any
	if err := errors.Join(json.Unmarshal([]byte(body), &got), json.Unmarshal([]byte(example), &want)); err != nil {
		t.Fatalf("%s: %v", sent, err)
	}
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(want)
	if at != path || string(a) != string(b) {
		t.Errorf("sent %s %s\nwant %s %s", at, a, path, b)
	}
}

func TestRequestsAreTheVendorsExamples(t *testing.T) {
	ctx := context.Background()
	drain := func(c *Client, q alert.Query) {
		for range c.List(ctx, q) {
			break
		}
	}
	since, until := time.UnixMilli(1767225600000), time.UnixMilli(1767225700000)
	covered, numbers := map[string]bool{}, regexp.MustCompile(`[0-9]+$|abc$`)
	window := source.Window{By: source.Created, From: since, To: until}
	updated := source.Window{By: source.Updated, From: since, To: until.Add(time.Microsecond)}
	for name, tc := range map[string]struct {
		o             Options
		replies       map[string][]string
		do            func(*Client)
		n             int // which request
		path, example string
	}{
		"alerts that came": {do: func(c *Client) { _, _ = c.Page(ctx, source.Stream{Name: streamAlerts}, window, "") }, path: alertsCall,
			example: `{"request_data":{"filters":[{"field":"server_creation_time","operator":"gte","value":1767225600000},{"field":"server_creation_time","operator":"lte","value":1767225700000}],
				"search_from":0,"search_to":100,"sort":{"field":"creation_time","keyword":"asc"}}}`},
		"alerts that were changed": {do: func(c *Client) { _, _ = c.Page(ctx, source.Stream{Name: streamAlerts}, updated, "") }, path: alertsCall,
			example: `{"request_data":{"filters":[{"field":"last_modified_ts","operator":"gte","value":1767225600000},{"field":"last_modified_ts","operator":"lte","value":1767225700001}],
				"search_from":0,"search_to":100,"sort":{"field":"creation_time","keyword":"asc"}}}`},
		"issues that came": {do: func(c *Client) { _, _ = c.Page(ctx, source.Stream{Name: streamIssues}, window, "") }, path: "v1/issue/search",
			example: `{"request_data":{"filters":[{"field":"_insert_time","operator":"gte","value":1767225600000},{"field":"_insert_time","operator":"lte","value":1767225700000}],
				"search_from":0,"search_to":100,"sort":{"field":"issue_id","keyword":"asc"}}}`},
		"issues that were changed": {do: func(c *Client) { _, _ = c.Page(ctx, source.Stream{Name: streamIssues}, updated, "") }, path: "v1/issue/search",
			example: `{"request_data":{"filters":[{"field":"last_modified","operator":"gte","value":1767225600000},{"field":"last_modified","operator":"lte","value":1767225700001}],
				"search_from":0,"search_to":100,"sort":{"field":"issue_id","keyword":"asc"}}}`},
		"alerts of a severity": {do: func(c *Client) {
			drain(c, alert.Query{Since: since, Until: until, Severities: []alert.Severity{alert.High, alert.Critical}})
		}, path: alertsCall,
			example: `{"request_data":{"filters":[{"field":"server_creation_time","operator":"gte","value":1767225600000},{"field":"server_creation_time","operator":"lte","value":1767225700000},
				{"field":"severity","operator":"in","value":["high","critical"]}],"search_from":0,"search_to":100,"sort":{"field":"creation_time","keyword":"desc"}}}`},
		"issues of a severity": {o: Options{Version: version5}, do: func(c *Client) {
			drain(c, alert.Query{Since: since, Until: until, Severities: []alert.Severity{alert.Low}})
		}, path: "v1/issue/search",
			example: `{"request_data":{"filters":[{"field":"_insert_time","operator":"gte","value":1767225600000},{"field":"_insert_time","operator":"lte","value":1767225700000},
				{"field":"severity","operator":"in","value":["LOW"]}],"search_from":0,"search_to":100,"sort":{"field":"issue_id","keyword":"desc"}}}`},
		"alerts by id": {do: func(c *Client) { _, _ = c.Get(ctx, handle(), alert.Handle{ID: "2"}, alert.Handle{ID: "x; drop"}) }, path: alertsCall,
			example: `{"request_data":{"filters":[{"field":"alert_id_list","operator":"in","value":[104173821,2]}],"search_from":0,"search_to":100,"sort":{"field":"creation_time","keyword":"asc"}}}`},
		"issues by id": {do: func(c *Client) { _, _ = c.Get(ctx, issueHandle()) }, path: "v1/issue/search",
			example: `{"request_data":{"filters":[{"field":"id","operator":"in","value":[555]}],"search_from":0,"search_to":100,"sort":{"field":"issue_id","keyword":"asc"}}}`},
		"an incident": {do: func(c *Client) { _, _ = c.GetIncident(ctx, "893") }, path: extraCall,
			example: `{"request_data":{"incident_id":"893","alerts_limit":1000}}`},
		"a case": {o: Options{Version: version5}, do: func(c *Client) { _, _ = c.GetIncident(ctx, "893") }, path: "v1/case/search",
			example: `{"request_data":{"filters":[{"field":"case_id","operator":"in","value":[893]}],"search_from":0,"search_to":100,"sort":{"field":"creation_time","keyword":"asc"}}}`},
		"a comment": {do: func(c *Client) { _, _ = c.AddNote(ctx, "Intezer verdict: malicious …", handle()) }, path: updateCall,
			example: `{"request_data":{"incident_id":"893","update_data":{"comment":{"comment_action":"add","value":"Intezer verdict: malicious …"}}}}`},
		"the status of an alert": {replies: map[string][]string{alertsCall: {alertReply(`,"resolution_status":"STATUS_010_NEW"`)}}, n: 1, path: "v1/alerts/update_alerts",
			do: func(c *Client) {
				_, _ = c.Resolve(ctx, handle(), alert.Resolution{Status: "resolved", Verdict: "other", Reason: "seen"})
			},
			example: `{"request_data":{"alert_id_list":["104173821"],"update_data":{"status":"resolved_other","comment":"seen"}}}`},
		"the status of an issue": {replies: map[string][]string{"v1/issue/search": {`200 {"reply":{"DATA":[{"id":555,"status.progress":"New"}]}}`}}, n: 1, path: "v1/issue/555",
			do: func(c *Client) {
				_, _ = c.Resolve(ctx, issueHandle(), alert.Resolution{Status: "resolved", Verdict: "other", Reason: "seen"})
			},
			example: `{"request_data":{"update_data":{"status":"Resolved","status_resolution_reason":"Resolved - Other","status_resolution_comment":"seen"}}}`},
		"who works on an incident": {replies: map[string][]string{alertsCall: {alertReply("")}, incidentsCall: {`200 {"reply":{"incidents":[{"incident_id":"893"}]}}`}}, n: 2, path: updateCall,
			do:      func(c *Client) { _, _ = c.Resolve(ctx, handle(), alert.Resolution{Assign: "ana@example.com"}) },
			example: `{"request_data":{"incident_id":"893","update_data":{"assigned_user_mail":"ana@example.com"}}}`},
		"nobody works on an incident": {replies: map[string][]string{alertsCall: {alertReply("")}, incidentsCall: {`200 {"reply":{"incidents":[{"incident_id":"893","assigned_user_mail":"x@y"}]}}`}}, n: 2, path: updateCall,
			do:      func(c *Client) { _, _ = c.Resolve(ctx, handle(), alert.Resolution{Assign: unassigned}) },
			example: `{"request_data":{"incident_id":"893","update_data":{"assigned_user_mail":"none"}}}`},
		"who works on a case": {replies: map[string][]string{"v1/issue/search": {`200 {"reply":{"DATA":[{"id":555,"case_ids":[893]}]}}`}, "v1/case/search": {`200 {"reply":{"DATA":[{"case_id":893}]}}`}}, n: 2, path: "v1/case/update/893",
			do:      func(c *Client) { _, _ = c.Resolve(ctx, issueHandle(), alert.Resolution{Assign: "ana@example.com"}) },
			example: `{"request_data":{"update_data":{"assigned_user":"ana@example.com"}}}`},
		"an endpoint": {do: func(c *Client) { _, _ = c.Isolation(ctx, alert.Host{ID: aid}, source.Operation{}) }, path: endpointCall,
			example: `{"request_data":{"filters":[{"field":"endpoint_id_list","operator":"in","value":["` + aid + `"]}],"search_from":0,"search_to":100}}`},
		"isolate": {replies: map[string][]string{endpointCall: {endpointIs("AGENT_UNISOLATED")}}, n: 1, path: isolateCall,
			do: func(c *Client) { _, _ = c.Isolate(ctx, alert.Host{ID: aid}, source.Containment{}) }, example: `{"request_data":{"endpoint_id":"` + aid + `"}}`},
		"unisolate": {replies: map[string][]string{endpointCall: {endpointIs("AGENT_ISOLATED")}}, n: 1, path: "v1/endpoints/unisolate",
			do: func(c *Client) { _, _ = c.Release(ctx, alert.Host{ID: aid}) }, example: `{"request_data":{"endpoint_id":"` + aid + `"}}`},
		"an action": {replies: map[string][]string{endpointCall: {endpointIs("AGENT_UNISOLATED")}}, n: 1, path: statusCall,
			do:      func(c *Client) { _, _ = c.Isolation(ctx, alert.Host{ID: aid}, source.Operation{ID: "isolate/123"}) },
			example: `{"request_data":{"group_action_id":123}}`},
		"a file": {replies: map[string][]string{alertsCall: {alertReply("")}, endpointCall: {endpointIs("")}}, n: 2, path: "v1/endpoints/file_retrieval",
			do: func(c *Client) {
				_, _ = c.StartFetch(ctx, source.FetchRequest{Handle: handle(), File: alert.File{Path: `C:\Users\a\x.exe`}, Endpoint: true})
			},
			example: `{"request_data":{"filters":[{"field":"endpoint_id_list","operator":"in","value":["` + aid + `"]}],"files":{"windows":["C:\\Users\\a\\x.exe"]},"incident_id":"893"}}`},
		"hosts by name": {do: func(c *Client) {
			for range c.FindHosts(ctx, "ws-1") {
				break
			}
		}, path: "v1/endpoints/get_endpoints", example: `{"request_data":{}}`},
		"who the key is": {do: func(c *Client) { _, _ = c.Check(ctx) }, path: "v1/system/get_tenant_info", example: `{"request_data":{}}`},
		"incidents": {do: func(c *Client) {
			for range c.ListIncidents(ctx, alert.Query{Since: since, Until: until}) {
				break
			}
		}, path: incidentsCall,
			example: `{"request_data":{"filters":[{"field":"creation_time","operator":"gte","value":1767225600000},{"field":"creation_time","operator":"lte","value":1767225700000}],
				"search_from":0,"search_to":100,"sort":{"field":"creation_time","keyword":"desc"}}}`},
		"the file": {replies: map[string][]string{"v1/actions/file_retrieval_details": {
			`200 {"reply":{"data":{"` + aid + `":"https://api-acme.xdr.us.paloaltonetworks.com/public_api/v1/download/abc"}}}`}}, n: 1, path: "v1/download/abc",
			do: func(c *Client) { _, _ = c.OpenFetch(ctx, readyTicket(), "x", nil) }, example: `{}`},
		"where a file is": {do: func(c *Client) { _, _ = c.OpenFetch(ctx, readyTicket(), "x", nil) }, path: "v1/actions/file_retrieval_details",
			example: `{"request_data":{"group_action_id":123}}`},
	} {
		if tc.o.Version == "" {
			tc.o.Version = version3
		}
		c, s := scriptedAs(t, tc.o, tc.replies)
		tc.do(c)
		if len(s.sent) <= tc.n {
			t.Errorf("%s: sent %v", name, s.sent)
			continue
		}
		t.Run(name, func(t *testing.T) { like(t, s.sent[tc.n], tc.path, tc.example) })
		covered[numbers.ReplaceAllString(tc.path, "{id}")] = true
		for _, r := range s.asked {
			if r.Method != http.MethodPost || r.URL.Host != "api-acme.xdr.us.paloaltonetworks.com" || r.URL.Scheme != "https" || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s: %s %s %v", name, r.Method, r.URL, r.Header)
			}
		}
	}
	// What the client calls of a tenant, whatever it does there.
	versions(t, func(t *testing.T, v *vendor) {
		useEverything(t, v)
		for _, asked := range v.Asked() {
			path := strings.TrimPrefix(asked[strings.Index(asked, "/"):], "/public_api/")
			if i := strings.LastIndexByte(path, '/'); path[:i] == "v1/download" || numbers.MatchString(path) {
				path = path[:i] + "/{id}"
			}
			if !covered[path] {
				t.Errorf("no example holds %s", asked)
			}
		}
	})
}

// useEverything calls each method once or more.
func useEverything(t *testing.T, v *vendor) {
	ctx := context.Background()
	c := v.client(t, time.Minute)
	r := fetchRequest(t, c, v.AddFile(t, true))
	_, _ = c.Check(ctx)
	_, _ = c.Streams(ctx)
	for range c.ListIncidents(ctx, alert.Query{}) {
		break
	}
	_, _ = c.Get(ctx, r.Handle)
	_, _ = c.GetIncident(ctx, r.Handle.Group)
	_, _ = c.AddNote(ctx, "x", r.Handle)
	for range c.Notes(ctx, r.Handle) {
		break
	}
	_, _ = c.Resolve(ctx, r.Handle, alert.Resolution{Status: alert.StatusResolved, Verdict: "other", Assign: "ana@example.com"})
	host := sourcetest.Host(t, c, "win-anna")
	op, _ := c.Isolate(ctx, host, source.Containment{})
	_, _ = c.Isolation(ctx, host, op)
	_, _ = c.Release(ctx, host)
	step, err := c.StartFetch(ctx, r)
	for err == nil && step.State == source.FetchPending {
		step, err = c.PollFetch(ctx, step.Ticket)
	}
	if err != nil || step.State != source.FetchReady {
		t.Fatalf("%+v, %v", step, err)
	}
	a, err := c.OpenFetch(ctx, step.Ticket, r.Password, sourcetest.Spool(t))
	if err != nil {
		t.Fatal(err)
	}
	_ = a.Close()
}
