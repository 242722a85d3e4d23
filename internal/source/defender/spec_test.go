package defender

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"edrc/internal/alert"
	"edrc/internal/lab/world"
	"edrc/internal/source"
)

// judge is a transport that holds both sides to the specification of Microsoft Graph:
// what the client sends, and what the lab answers.
type judge struct {
	t      *testing.T
	next   http.RoundTripper
	router routers.Router

	mu      sync.Mutex
	judged  map[string]int
	unknown map[string]int // called at Graph, and not in the specification
}

func newJudge(t *testing.T) *judge {
	t.Helper()
	dir := os.Getenv("EDRC_SPECS")
	if dir == "" {
		t.Skip("EDRC_SPECS is not set: requests are not held to the specification of Microsoft Graph")
	}
	doc, err := openapi3.NewLoader().LoadFromFile(filepath.Join(dir, "msgraph-security-v1.0-openapi3.json"))
	if err != nil {
		t.Fatal(err)
	}
	doc.Info.Version = "1.0" // it has none, which the validator does not like
	doc.Servers = nil        // paths start at the root: see RoundTrip
	router, err := legacy.NewRouter(doc, openapi3.DisableExamplesValidation(), openapi3.DisableSchemaDefaultsValidation(), openapi3.DisableSchemaPatternValidation())
	if err != nil {
		t.Fatal(err)
	}
	return &judge{t: t, router: router, judged: map[string]int{}, unknown: map[string]int{}}
}

func (j *judge) RoundTrip(r *http.Request) (*http.Response, error) {
	path, graph := strings.CutPrefix(r.URL.Path, "/v1.0")
	if !graph {
		return j.next.RoundTrip(r)
	}
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		_ = r.Body.Close()
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	asked := r.Clone(context.WithoutCancel(r.Context()))
	asked.URL.Scheme, asked.URL.Host, asked.Host, asked.URL.Path, asked.URL.RawPath = "", "", "", path, ""
	asked.Body = io.NopCloser(bytes.NewReader(body))
	route, params, err := j.router.FindRoute(asked)
	if err != nil {
		j.count(j.unknown, r.Method+" "+path[:strings.LastIndexByte(path, '/')])
		return j.next.RoundTrip(r)
	}
	j.count(j.judged, r.Method+" "+route.Path)
	known := map[string]bool{}
	for _, p := range route.Operation.Parameters {
		known[p.Value.Name] = true
	}
	for name := range r.URL.Query() {
		if !known[name] {
			j.t.Errorf("%s %s has no parameter %q", r.Method, route.Path, name)
		}
	}
	in := &openapi3filter.RequestValidationInput{
		Request: asked, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true, IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateRequest(asked.Context(), in); err != nil {
		j.t.Errorf("the client's %s %s: %.600v", r.Method, r.URL, err)
	}
	resp, err := j.next.RoundTrip(r)
	if err != nil || r.Method == http.MethodPatch && resp.StatusCode == http.StatusOK {
		return resp, err // the reference shows an alert where the specification has no content
	}
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(answer))
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: resp.StatusCode, Options: in.Options, Header: http.Header{"Content-Type": {"application/json"}},
	}
	if len(answer) > 0 {
		out.SetBodyBytes(answer)
	}
	if err := openapi3filter.ValidateResponse(asked.Context(), out); err != nil {
		j.t.Errorf("the lab's answer to %s %s: %.600v", r.Method, r.URL, err)
	}
	return resp, nil
}

func (j *judge) count(of map[string]int, what string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	of[what]++
}

func TestRequestsAndTheLabsAnswersFollowTheSpecificationOfGraph(t *testing.T) {
	j := newJudge(t)
	v := newVendor(t, world.Options{Alerts: 40})
	v.wrap = func(next http.RoundTripper) http.RoundTripper {
		j.next = next
		return j
	}
	useEverything(t, v, v.client(t, time.Minute))
	want := []string{
		"GET /security/alerts_v2", "GET /security/alerts_v2/{id_1}", "GET /security/incidents", "GET /security/incidents/{id_1}",
		"PATCH /security/alerts_v2/{id_1}", "PATCH /security/incidents/{id_1}",
	}
	if got := slices.Sorted(maps.Keys(j.judged)); !slices.Equal(got, want) {
		t.Errorf("judged %v, want %v", got, want)
	}
	// Actions are in the reference, and not in this specification: comments of one alert, and of one incident.
	var got []string
	for call := range j.unknown {
		got = append(got, call[:strings.LastIndexByte(call, '/')])
	}
	if slices.Sort(got); !slices.Equal(got, []string{"POST /security/alerts_v2", "POST /security/incidents"}) {
		t.Errorf("not in the specification: %v", j.unknown)
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
