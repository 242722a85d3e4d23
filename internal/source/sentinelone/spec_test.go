package sentinelone

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"

	"edrc/internal/alert"
	"edrc/internal/lab"
	"edrc/internal/source/sourcetest"
)

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

func newJudge(t *testing.T) *sourcetest.Judge {
	t.Helper()
	var v2 openapi2.T
	if err := json.Unmarshal(sourcetest.Spec(t, "sentinelone-2.1-swagger-subset.json"), &v2); err != nil {
		t.Fatal(err)
	}
	doc, err := openapi2conv.ToV3(&v2)
	if err != nil {
		t.Fatal(err)
	}
	for _, schema := range doc.Components.Schemas {
		nullable(schema)
	}
	j := sourcetest.NewJudge(t, doc)
	// 404 is left out of the specification for most paths.
	j.Unjudged = func(r *http.Response) bool { return r.StatusCode == http.StatusNotFound }
	return j
}

// below puts the API's path before those of calls.
func below(calls ...string) []string {
	for i, call := range calls {
		calls[i] = strings.Replace(call, " ", " "+apiPath, 1)
	}
	return calls
}

func TestRequestsAndTheLabsAnswersFollowTheVendorsSpecification(t *testing.T) {
	j := newJudge(t)
	for _, surface := range []string{surfaceThreats, surfaceUnified} {
		v := newVendor(t, surface, lab.Options{Alerts: 1500})
		v.wrap = j.Wrap
		useEverything(t, v.client(t, time.Minute))
	}
	j.Want(below(
		"GET /threats", "GET /agents", "GET /activities", "GET /system/info", "GET /user", "POST /threats/notes", "GET /threats/{threat_id}/notes",
		"DELETE /threats/{threat_id}/notes/{note_id}", "POST /threats/incident", "POST /threats/analyst-verdict",
	), below("POST /unifiedalerts/graphql", "POST /users/api-token-details"))
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
	all := sourcetest.UseAlerts(t, c, []alert.Severity{alert.High}, alert.Resolution{Verdict: "true_positive"},
		alert.Resolution{Status: alert.StatusResolved, Verdict: "false_positive"}, alert.Resolution{Status: alert.StatusNew})
	for n, err := range c.Notes(ctx, all[0].Handle) {
		must(err)
		must(c.RemoveNote(ctx, all[0].Handle, n.ID))
	}
	for _, by := range []string{all[0].Host.ID, all[0].Host.Name, "ab*"} {
		for _, err := range c.FindHosts(ctx, by) {
			must(err)
		}
	}
}
