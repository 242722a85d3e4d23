package carbonblack

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// handle is the alert of the tests.
func handle() alert.Handle { return alert.Handle{ID: one, Note: one} }

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestRequestsAreWhatTheVendorsClientsSend(t *testing.T) {
	empty := `200 {"results":[],"num_found":0,"num_available":0}`
	group := `200 {"results":[{"count":2,"most_recent_alert":` + anAlert + `}],"num_found":1}`
	window := source.Window{By: source.Created, From: noon.Add(-time.Hour), To: noon}
	for name, tc := range map[string]struct {
		replies map[string]string
		do      func(c *Client) error
		want    []string
	}{
		"feed by creation": {map[string]string{"POST " + orgAlerts + "alerts/_search": empty},
			func(c *Client) error {
				_, err := c.Page(context.Background(), source.Stream{Name: streamName}, window, "")
				return err
			},
			[]string{"POST " + orgAlerts + `alerts/_search {"rows":1000,"sort":[{"field":"backend_timestamp","order":"ASC"}],"time_range":{"end":"2026-11-22T12:00:00.000999Z","start":"2026-11-22T11:00:00.000000Z"}}`}},
		"feed by change": {map[string]string{"POST " + orgAlerts + "alerts/_search": empty},
			func(c *Client) error {
				w := window
				w.By = source.Updated
				_, err := c.Page(context.Background(), source.Stream{Name: streamName}, w, "")
				return err
			},
			[]string{"POST " + orgAlerts + `alerts/_search {"criteria":{"backend_update_timestamp":{"end":"2026-11-22T12:00:00.000999Z","start":"2026-11-22T11:00:00.000000Z"}},"rows":1000,` +
				`"sort":[{"field":"backend_update_timestamp","order":"ASC"}],"time_range":{"end":"2026-11-22T12:00:00.000999Z","start":"2026-05-26T12:00:00.000999Z"}}`}},
		"list": {map[string]string{"POST " + orgAlerts + "alerts/_search": empty},
			func(c *Client) error {
				for _, err := range c.List(context.Background(), alert.Query{Since: window.From, Until: window.To, Severities: []alert.Severity{alert.High}, Statuses: []alert.Status{alert.StatusNew}}) {
					return err
				}
				return nil
			},
			[]string{"POST " + orgAlerts + `alerts/_search {"criteria":{"minimum_severity":7},"exclusions":{"workflow_status":["IN_PROGRESS","CLOSED"]},"rows":1000,` +
				`"sort":[{"field":"backend_timestamp","order":"DESC"}],"time_range":{"end":"2026-11-22T12:00:00.000999Z","start":"2026-11-22T11:00:00.000000Z"}}`}},
		"get one": {map[string]string{"GET " + orgAlerts + "alerts/" + one: "200 " + anAlert},
			func(c *Client) error { _, err := c.Get(context.Background(), handle()); return err },
			[]string{"GET " + orgAlerts + "alerts/" + one}},
		"get several": {map[string]string{"POST " + orgAlerts + "alerts/_search": empty},
			func(c *Client) error {
				_, err := c.Get(context.Background(), handle(), alert.Handle{ID: "two"})
				return err
			},
			[]string{"POST " + orgAlerts + `alerts/_search {"criteria":{"id":["` + one + `","two"]},"rows":2,"time_range":{"range":"-180d"}}`}},
		"incident": {map[string]string{"POST " + orgAlerts + "alerts/_search": empty, "POST " + orgAlerts + "grouped_alerts/_search": group},
			func(c *Client) error {
				_, err := c.GetIncident(context.Background(), "C21CA826573A8D974C1E93C8471AAB7F")
				return err
			},
			[]string{"POST " + orgAlerts + `alerts/_search {"rows":1,"time_range":{"range":"-1d"}}`,
				"POST " + orgAlerts + `grouped_alerts/_search {"criteria":{"threat_id":["C21CA826573A8D974C1E93C8471AAB7F"]},"group_by":{"field":"THREAT_ID"},"rows":1,"time_range":{"end":"2026-11-22T12:01:00.000999Z","start":"2026-05-26T12:00:00.000000Z"}}`,
				"POST " + orgAlerts + `alerts/_search {"criteria":{"threat_id":["C21CA826573A8D974C1E93C8471AAB7F"]},"rows":1000,"sort":[{"field":"backend_timestamp","order":"DESC"}],` +
					`"time_range":{"end":"2026-11-22T12:01:00.000999Z","start":"2026-05-26T12:00:00.000000Z"}}`}},
		"note": {map[string]string{"POST " + orgAlerts + "alerts/" + one + "/notes": `200 {"id":"2","note":"text"}`},
			func(c *Client) error { _, err := c.AddNote(context.Background(), "text", handle()); return err },
			[]string{"POST " + orgAlerts + "alerts/" + one + `/notes {"note":"text"}`}},
		"read notes": {map[string]string{"GET " + orgAlerts + "alerts/" + one + "/notes": empty},
			func(c *Client) error {
				for _, err := range c.Notes(context.Background(), handle()) {
					return err
				}
				return nil
			},
			[]string{"GET " + orgAlerts + "alerts/" + one + "/notes"}},
		"remove a note": {map[string]string{"DELETE " + orgAlerts + "alerts/" + one + "/notes/2": `204 `},
			func(c *Client) error { return c.RemoveNote(context.Background(), handle(), "2") },
			[]string{"DELETE " + orgAlerts + "alerts/" + one + "/notes/2"}},
		"resolve": {map[string]string{
			"GET " + orgAlerts + "alerts/" + one: "200 " + anAlert + "\n200 " + closed("FALSE_POSITIVE"), "POST " + orgAlerts + "alerts/workflow": `200 {"request_id":"666666"}`,
			"GET " + orgJobs + "666666": `404 {}` + "\n" + `200 {"status":"CREATED"}` + "\n" + `200 {"id":666666,"status":"COMPLETED","progress":{"num_total":0}}`},
			func(c *Client) error {
				_, err := c.Resolve(context.Background(), handle(), alert.Resolution{Status: alert.StatusResolved, Verdict: "false_positive"})
				return err
			},
			[]string{"GET " + orgAlerts + "alerts/" + one,
				"POST " + orgAlerts + `alerts/workflow {"closure_reason":"RESOLVED_BENIGN_KNOWN_GOOD","criteria":{"id":["` + one + `"]},"determination":"FALSE_POSITIVE","status":"CLOSED","time_range":{"range":"-6M"}}`,
				"GET " + orgJobs + "666666", "GET " + orgJobs + "666666", "GET " + orgJobs + "666666", "GET " + orgAlerts + "alerts/" + one}},
		"find a file": {map[string]string{"GET " + orgAlerts + "alerts/" + one: "200 " + anAlert, "GET " + orgUBS + "sha256/" + aHash + "/metadata": `200 {"file_available":true,"available_file_size":5,"file_size":5}`},
			func(c *Client) error {
				_, err := c.StartFetch(context.Background(), source.FetchRequest{Handle: handle(), File: alert.File{Hashes: alert.NewHashes(aHash)}})
				return err
			},
			[]string{"GET " + orgAlerts + "alerts/" + one, "GET " + orgUBS + "sha256/" + aHash + "/metadata"}},
		"link to a file": {map[string]string{"POST " + orgUBS + "file/_download": `200 {"found":[{"sha256":"` + strings.ToUpper(aHash) + `","url":"https://x.s3.amazonaws.com/a.zip"}],"not_found":[],"error":[]}`},
			func(c *Client) error { _, err := c.fileLink(context.Background(), "fetch", aHash); return err },
			[]string{"POST " + orgUBS + `file/_download {"expiration_seconds":300,"sha256":["` + aHash + `"]}`}},
		"isolate": {map[string]string{"POST " + orgOther + "device_actions": `204 `},
			func(c *Client) error {
				_, err := c.Isolate(context.Background(), alert.Host{ID: "6023"}, source.Containment{})
				return err
			},
			[]string{"POST " + orgOther + `device_actions {"action_type":"QUARANTINE","device_id":[6023],"options":{"toggle":"ON"}}`}},
		"release": {map[string]string{"POST " + orgOther + "device_actions": `200 {}`},
			func(c *Client) error {
				_, err := c.Release(context.Background(), alert.Host{ID: "6023"})
				return err
			},
			[]string{"POST " + orgOther + `device_actions {"action_type":"QUARANTINE","device_id":[6023],"options":{"toggle":"OFF"}}`}},
		"isolation": {map[string]string{"GET " + orgOther + "devices/6023": `200 {"id":6023,"quarantined":true}`},
			func(c *Client) error {
				_, err := c.Isolation(context.Background(), alert.Host{ID: "6023"}, source.Operation{})
				return err
			},
			[]string{"GET " + orgOther + "devices/6023"}},
		"find hosts": {map[string]string{"POST " + orgOther + "devices/_search": empty, "POST " + orgOther + "devices/_scroll": `200 {"results":[{"id":1,"name":"a"}],"search_after":"x"}` + "\n" + `200 {"results":[],"search_after":""}`},
			func(c *Client) error {
				for _, err := range c.FindHosts(context.Background(), "win7x64") {
					return err
				}
				return nil
			},
			[]string{"POST " + orgOther + `devices/_search {"criteria":{"name":["win7x64"]},"rows":2000}`, "POST " + orgOther + `devices/_scroll {"rows":2000}`, "POST " + orgOther + `devices/_scroll {"rows":2000,"search_after":"x"}`}},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := scripted(t, tc.replies)
			if err := tc.do(c); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(s.sent, tc.want) {
				t.Errorf("sent\n%s\nwant\n%s", strings.Join(s.sent, "\n"), strings.Join(tc.want, "\n"))
			}
			for _, h := range s.heads {
				if h.Get("X-Auth-Token") != secretOfTests+"/ABCDEFGHIJ" {
					t.Errorf("the key is sent as %q", h.Get("X-Auth-Token"))
				}
			}
		})
	}
}

// closed is the alert of the tests after it was closed.
func closed(verdict string) string {
	return strings.Replace(strings.Replace(anAlert, `"OPEN"`, `"CLOSED"`, 1), `"determination":null`, `"determination":{"value":"`+verdict+`"}`, 1)
}

func TestASecretPastedWithItsIDIsUnderstood(t *testing.T) {
	c, s := scripted(t, nil)
	o := c.options
	o.APISecret = httpx.Literal(secretOfTests + "/ABCDEFGHIJ")
	c, err := New(o, Env{Name: "cbc-prod", HTTP: httpx.Config{Transport: s, Attempts: 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = c.Get(context.Background(), handle())
	if got := s.heads[0].Get("X-Auth-Token"); got != secretOfTests+"/ABCDEFGHIJ" {
		t.Errorf("sent %q", got)
	}
}
