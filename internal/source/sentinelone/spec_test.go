// This test needs kin-openapi, whose own dependencies are not in go.sum. Once they
// are (go get github.com/getkin/kin-openapi/openapi3filter@v0.152.0), the tag may go.

package sentinelone

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"edrc/internal/alert"
	"edrc/internal/lab"
	"edrc/internal/source"
)

// judge is a transport that holds both sides to the vendor's own specification: what
// the client sends, and what the lab answers.
type judge struct {
	t      *testing.T
	next   http.RoundTripper
	router routers.Router

	mu      sync.Mutex
	judged  map[string]int
	unknown map[string]int // called, and not in the specification
}

func newJudge(t *testing.T) *judge {
	t.Helper()
	dir := os.Getenv("EDRC_SPECS")
	if dir == "" {
		t.Skip("EDRC_SPECS is not set: requests are not held to the vendor's specification")
	}
	raw, err := os.ReadFile(filepath.Join(dir, "sentinelone-2.1-swagger-subset.json"))
	if err != nil {
		t.Fatal(err)
	}
	var v2 openapi2.T
	if err := json.Unmarshal(raw, &v2); err != nil {
		t.Fatal(err)
	}
	doc, err := openapi2conv.ToV3(&v2)
	if err != nil {
		t.Fatal(err)
	}
	for _, schema := range doc.Components.Schemas {
		nullable(schema)
	}
	router, err := legacy.NewRouter(doc, openapi3.DisableExamplesValidation(), openapi3.DisableSchemaDefaultsValidation())
	if err != nil {
		t.Fatal(err)
	}
	return &judge{t: t, router: router, judged: map[string]int{}, unknown: map[string]int{}}
}

// nullable lets every field be null: recordings have it where the specification does
// not say so.
func nullable(ref *openapi3.SchemaRef) {
	if ref == nil || ref.Value == nil || ref.Value.Nullable {
		return
	}
	ref.Value.Nullable = true
	nullable(ref.Value.Items)
	for _, p := range ref.Value.Properties {
		nullable(p)
	}
}

func (j *judge) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		_ = r.Body.Close()
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	// The specification has no server: its paths start at the root.
	asked := r.Clone(context.WithoutCancel(r.Context()))
	asked.URL.Scheme, asked.URL.Host, asked.Host = "", "", ""
	asked.Body = io.NopCloser(bytes.NewReader(body))
	route, params, err := j.router.FindRoute(asked)
	if err != nil {
		j.count(j.unknown, r.Method+" "+strings.TrimPrefix(r.URL.Path, apiPath))
		return j.next.RoundTrip(r)
	}
	j.count(j.judged, r.Method+" "+strings.TrimPrefix(route.Path, apiPath))
	j.strangers(route, r)
	in := &openapi3filter.RequestValidationInput{
		Request: asked, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true, IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateRequest(asked.Context(), in); err != nil {
		j.t.Errorf("the client's %s %s: %v", r.Method, r.URL, err)
	}
	resp, err := j.next.RoundTrip(r)
	if err != nil || resp.StatusCode == http.StatusNotFound {
		return resp, err // 404 is left out of the specification for most paths
	}
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(answer))
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: resp.StatusCode, Options: in.Options,
		// Consoles answer as text/plain now and then; it is JSON all the same.
		Header: http.Header{"Content-Type": {"application/json"}}}
	if err := openapi3filter.ValidateResponse(asked.Context(), out.SetBodyBytes(answer)); err != nil {
		j.t.Errorf("the lab's answer to %s %s: %.600v", r.Method, r.URL, err)
	}
	return resp, nil
}

// strangers reports parameters that the specification does not have: a validator of
// requests takes any.
func (j *judge) strangers(route *routers.Route, r *http.Request) {
	known := map[string]bool{}
	for _, p := range route.Operation.Parameters {
		known[p.Value.Name] = true
	}
	for name := range r.URL.Query() {
		if !known[name] {
			j.t.Errorf("%s %s has no parameter %q", r.Method, route.Path, name)
		}
	}
}

func (j *judge) CloseIdleConnections() {
	if c, ok := j.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func (j *judge) count(of map[string]int, what string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	of[what]++
}

func TestRequestsAndTheLabsAnswersFollowTheVendorsSpecification(t *testing.T) {
	j := newJudge(t)
	for _, surface := range []string{surfaceThreats, surfaceUnified} {
		v := newVendor(t, surface, lab.Options{Alerts: 1500})
		v.wrap = func(next http.RoundTripper) http.RoundTripper {
			j.next = next
			return j
		}
		useEverything(t, v.client(t, time.Minute))
	}
	t.Logf("judged: %v", j.judged)
	t.Logf("called, and not in the specification: %v", j.unknown)
	want := []string{"POST /unifiedalerts/graphql", "POST /users/api-token-details"}
	var got []string
	for call := range j.unknown {
		got = append(got, call)
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("not in the specification: %v, want %v", got, want)
	}
	for _, call := range []string{
		"GET /threats", "GET /agents", "GET /activities", "GET /system/info", "GET /user", "POST /threats/notes", "GET /threats/{threat_id}/notes",
		"DELETE /threats/{threat_id}/notes/{note_id}", "POST /threats/incident", "POST /threats/analyst-verdict",
	} {
		if j.judged[call] == 0 {
			t.Errorf("%s was not called", call)
		}
	}
}

// useEverything calls each method once or more, with every filter.
func useEverything(t *testing.T, c *Client) {
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	_, err := c.Check(ctx)
	must(err)
	streams, err := c.Streams(ctx)
	must(err)
	var all []alert.Alert
	for a, err := range c.List(ctx, alert.Query{}) {
		must(err)
		all = append(all, a)
	}
	now := streams[0].Now
	for _, q := range []alert.Query{
		{Since: now.Add(-48 * time.Hour), Until: now}, {Statuses: []alert.Status{alert.StatusResolved}},
		{Severities: []alert.Severity{alert.High}, Host: all[0].Host.Name}, {Hash: alert.Hash(strings.Repeat("a", 40))},
	} {
		for _, err := range c.List(ctx, q) {
			must(err)
		}
	}
	for _, w := range allWindows(now) {
		for token := ""; ; {
			p, err := c.Page(ctx, streams[0], w, token)
			must(err)
			if token = p.Next; token == "" {
				break
			}
		}
	}
	h := all[0].Handle
	_, err = c.Get(ctx, h, all[1].Handle)
	must(err)
	_, err = c.AddNote(ctx, "a note\n[edrc:5b1f09c2a94e7d10]", h)
	must(err)
	_, err = c.ProbeNotes(ctx, h)
	must(err)
	for n, err := range c.Notes(ctx, h) {
		must(err)
		must(c.RemoveNote(ctx, h, n.ID))
	}
	for _, r := range []alert.Resolution{{Verdict: "true_positive"}, {Status: alert.StatusResolved, Verdict: "false_positive"}, {Status: alert.StatusNew}} {
		_, err = c.Resolve(ctx, h, r)
		must(err)
	}
	for _, by := range []string{all[0].Host.ID, all[0].Host.Name, "ab*"} {
		for _, err := range c.FindHosts(ctx, by) {
			must(err)
		}
	}
}

func allWindows(now time.Time) []source.Window {
	return []source.Window{
		{By: source.Created, From: now.Add(-80 * time.Hour), To: now},
		{By: source.Updated, From: now.Add(-80 * time.Hour), To: now},
	}
}
