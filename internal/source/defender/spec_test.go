package defender

import (
	"net/http"
	"path"
	"slices"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"edrc/internal/alert"
	"edrc/internal/lab/world"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

func TestRequestsAndTheLabsAnswersFollowTheSpecificationOfGraph(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(sourcetest.Spec(t, "msgraph-security-v1.0-openapi3.json"))
	if err != nil {
		t.Fatal(err)
	}
	doc.Info.Version = "1.0" // it has none, which the validator does not like
	j := sourcetest.NewJudge(t, doc)
	j.Root = "/v1.0"
	// The reference shows an alert where the specification has no content.
	j.Unjudged = func(r *http.Response) bool {
		return r.Request.Method == http.MethodPatch && r.StatusCode == http.StatusOK
	}
	v := newVendor(t, world.Options{Alerts: 40})
	v.Wrap = j.Wrap
	useEverything(t, v, v.client(t, time.Minute))
	want := []string{
		"GET /security/alerts_v2", "GET /security/alerts_v2/{id_1}", "GET /security/incidents", "GET /security/incidents/{id_1}",
		"PATCH /security/alerts_v2/{id_1}", "PATCH /security/incidents/{id_1}",
	}
	if got := j.Judged(); !slices.Equal(got, want) {
		t.Errorf("judged %v, want %v", got, want)
	}
	// Actions are in the reference, and not in this specification: comments of one alert, and of one incident.
	var got []string
	for _, call := range j.Unknown() {
		got = append(got, path.Dir(path.Dir(call)))
	}
	if !slices.Equal(slices.Compact(got), []string{"POST /security/alerts_v2", "POST /security/incidents"}) {
		t.Errorf("not in the specification: %v", j.Unknown())
	}
}

// useEverything calls each method that talks to Graph once or more, with every filter.
func useEverything(t *testing.T, v *vendor, c *Client) {
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	_, err := c.Check(ctx)
	must(err)
	all := listed(t, c, alert.Query{})
	now := time.Now()
	for _, q := range []alert.Query{
		{Since: now.Add(-48 * time.Hour), Until: now}, {Statuses: []alert.Status{alert.StatusResolved}}, {Severities: []alert.Severity{alert.High}},
	} {
		listed(t, c, q)
		for _, err := range c.ListIncidents(ctx, q) {
			must(err)
		}
	}
	for _, by := range []source.Change{source.Created, source.Updated} {
		window(t, c, wideOpen(by))
	}
	h := alert.Handle{ID: all[0], Note: all[0]}
	_, err = c.Get(ctx, h)
	must(err)
	_, err = c.AddNote(ctx, "a note\n[edrc:5b1f09c2a94e7d10]", h)
	must(err)
	for _, err := range c.Notes(ctx, h) {
		must(err)
	}
	_, err = c.ProbeNotes(ctx, alert.Handle{ID: all[0], Note: all[0], Locator: locator(now.Add(-time.Hour))})
	must(err)
	for _, r := range []alert.Resolution{
		{Verdict: "true_positive"}, {Status: alert.StatusResolved, Verdict: "false_positive", Assign: "ann@lab.example", Tags: []string{"edrc"}}, {Status: alert.StatusNew, Verdict: "undefined"},
	} {
		_, err = c.Resolve(ctx, h, r)
		must(err)
	}
	i, err := c.GetIncident(ctx, "28000")
	must(err)
	_, err = c.AddNote(ctx, "a note", IncidentHandle(i.ID))
	must(err)
	_, err = c.Resolve(ctx, IncidentHandle(i.ID), alert.Resolution{Status: alert.StatusInProgress})
	must(err)
}
