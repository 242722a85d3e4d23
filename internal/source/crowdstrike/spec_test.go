package crowdstrike

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"edrc/internal/alert"
	"edrc/internal/lab/world"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

// The bodies of the vendor's operations are only known to be objects.
func TestRequestsFollowTheVendorsSpecification(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(sourcetest.Spec(t, "crowdstrike-falconpy-ops-openapi3.json"))
	if err != nil {
		t.Fatal(err)
	}
	j := sourcetest.NewJudge(t, doc)
	j.Unjudged = func(r *http.Response) bool {
		return !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json")
	}
	v := newVendor(t, world.Options{Alerts: 1500})
	v.Wrap = j.Wrap
	useEverything(t, v, v.client(t, time.Minute))
	j.Want([]string{
		"POST /oauth2/token", "POST /alerts/combined/alerts/v1", "POST /alerts/entities/alerts/v2", "PATCH /alerts/entities/alerts/v3",
		"GET /cases/queries/cases/v1", "POST /cases/entities/cases/v2", "GET /devices/queries/devices-scroll/v1", "POST /devices/entities/devices/v2",
		"GET /devices/entities/online-state/v1", "POST /devices/entities/devices-actions/v2", "GET /quarantine/queries/quarantined-files/v1",
		"POST /quarantine/entities/quarantined-files/GET/v1", "POST /real-time-response/entities/sessions/v1",
		"POST /real-time-response/entities/active-responder-command/v1", "GET /real-time-response/entities/active-responder-command/v1",
		"GET /real-time-response/entities/file/v2", "GET /real-time-response/entities/extracted-file-contents/v1",
		"POST /real-time-response/entities/refresh-session/v1",
	}, []string{ // both are in falconpy, and not in this part of it
		"GET /samples/entities/samples/v3", "GET /sensors/queries/installers/ccid/v1",
	})
}

// useEverything calls each method once or more, with every filter.
func useEverything(t *testing.T, v *vendor, c *Client) {
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	sourcetest.UseAlerts(t, c, []alert.Severity{alert.High, alert.Info}, alert.Resolution{Verdict: "true_positive"},
		alert.Resolution{Status: alert.StatusResolved, Verdict: "false_positive", Assign: "x", Tags: []string{"t"}}, alert.Resolution{Status: alert.StatusNew})
	for in, err := range c.ListIncidents(ctx, alert.Query{Since: time.Now().Add(-100 * time.Hour)}) {
		must(err)
		_, err := c.GetIncident(ctx, in.ID)
		must(err)
		break
	}
	host := sourcetest.Host(t, c, "win-anna")
	_, err := c.Isolate(ctx, host, source.Containment{})
	must(err)
	_, err = c.Isolation(ctx, host, source.Operation{})
	must(err)
	_, err = c.Release(ctx, host)
	must(err)
	fetchEverything(t, v, c)
}

func fetchEverything(t *testing.T, v *vendor, c *Client) {
	ctx := context.Background()
	r := request(t, c, v.falcon.AddAbout(endpointFile, true), true)
	v.FetchTime(t, time.Hour)
	step, err := c.StartFetch(ctx, r)
	if err == nil {
		step, err = c.PollFetch(ctx, step.Ticket)
	}
	v.FetchTime(t, 0)
	if err == nil {
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
	r = request(t, c, v.falcon.AddAbout(cloudFile, true), false)
	v.Control(t, "sample", map[string]any{"sha256": r.File.SHA256, "held": false})
	if step, err := c.StartFetch(ctx, r); err != nil || step.State != source.FetchPending {
		t.Errorf("%+v, %v", step, err)
	}
}
