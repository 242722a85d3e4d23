package lab

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

type connection struct {
	TotalCount int
	PageInfo   struct {
		HasNextPage bool
		EndCursor   *string
	}
	Edges []struct {
		Node struct {
			ID, ExternalID, Status, Severity, AnalystVerdict string
			CreatedAt, UpdatedAt                             time.Time
			NoteExists                                       bool
		}
	}
}

const listQuery = `query List($first: Int!, $after: String, $filters: [FilterInput!], $or: OrFilterSelectionInput = null) {
	# the list
	alerts(first: $first, after: $after, viewType: ALL, filters: $filters, orFilter: $or, sorts: [{by: "createdAt", order: ASC}]) {
		totalCount pageInfo { hasNextPage endCursor } edges { cursor node { id externalId } }
	}
}`

func (w *bench) alerts(variables map[string]any) connection {
	w.Helper()
	var c connection
	if err := json.Unmarshal(w.graphql(listQuery, variables, "")["alerts"], &c); err != nil {
		w.Fatal(err)
	}
	return c
}

func TestUnifiedAlertsAreTheThreats(t *testing.T) {
	w := newWorld(t, Options{Alerts: 150})
	w.control("alerts", map[string]any{"count": 60, "age": "5m", "equal_times": true}, nil)
	var got []string
	vars := map[string]any{"first": 50}
	for range 10 {
		c := w.alerts(vars)
		for _, e := range c.Edges {
			got = append(got, e.Node.ExternalID)
		}
		if !c.PageInfo.HasNextPage {
			break
		}
		vars["after"] = *c.PageInfo.EndCursor
	}
	if want := w.walk("limit=1000&sortBy=createdAt"); !slices.Equal(got, want) {
		t.Errorf("%d alerts in pages, want the %d threats in their order", len(got), len(want))
	}
}

func TestUnifiedFilters(t *testing.T) {
	w := newWorld(t, Options{Alerts: 200})
	first := w.alerts(map[string]any{"first": 1}).Edges[0].Node
	text := func(field, kind string, value any) map[string]any {
		key := "value"
		if kind == "stringIn" {
			key = "values"
		}
		return map[string]any{"fieldId": field, kind: map[string]any{key: value}}
	}
	for name, c := range map[string]struct {
		filters []any
		want    int
	}{
		"id":         {[]any{text("id", "stringEqual", first.ID)}, 1},
		"externalId": {[]any{text("externalId", "stringIn", []string{first.ExternalID, "12"})}, 1},
		"both":       {[]any{text("id", "stringEqual", first.ID), text("externalId", "stringEqual", "12")}, 0},
		"notes":      {[]any{map[string]any{"fieldId": "alertNoteExists", "booleanEqual": map[string]bool{"value": true}}}, 3},
		"range": {[]any{map[string]any{"fieldId": "createdAt", "dateTimeRange": map[string]any{
			"start": first.CreatedAt.UnixMilli(), "end": first.CreatedAt.UnixMilli() + 1,
		}}}, 1},
		"status": {[]any{text("status", "stringIn", []string{"RESOLVED"})}, w.threats("incidentStatuses=resolved").Pagination.TotalItems},
		"not": {[]any{map[string]any{"fieldId": "status", "isNegated": true, "stringEqual": map[string]string{"value": "RESOLVED"}}},
			w.threats("incidentStatusesNin=resolved").Pagination.TotalItems},
	} {
		if got := w.alerts(map[string]any{"first": 5, "filters": c.filters}).TotalCount; got != c.want {
			t.Errorf("%s: %d alerts, want %d", name, got, c.want)
		}
	}
	or := map[string]any{"or": []any{
		map[string]any{"and": []any{text("id", "stringEqual", first.ID)}},
		map[string]any{"and": []any{text("status", "stringEqual", "RESOLVED")}},
	}}
	want := w.threats("incidentStatuses=resolved").Pagination.TotalItems
	if first.Status != "RESOLVED" {
		want++
	}
	if got := w.alerts(map[string]any{"first": 5, "or": or}).TotalCount; got != want {
		t.Errorf("or: %d alerts, want %d", got, want)
	}
	w.graphql(listQuery, map[string]any{"first": 5, "filters": []any{text("siteId", "stringEqual", "1")}}, "does not exist or not supported for FILTER API call")
	w.graphql(listQuery, map[string]any{"first": 5, "after": "garbage"}, "Invalid cursor")
	w.graphql("{ findAlerts(first: 1) { totalCount } }", nil, "undefined")
	w.graphql(`{ alert(id: "12") { id } }`, nil, "could not be parsed into a UUID")
	w.graphql(`{ alert(id: "019d114e-e4f4-7ad6-82c3-9829b6d0a801") { id } }`, nil, "not found")
	w.graphql(`{ alerts(first: 1, colour: "red") { totalCount } }`, nil, "unknown field")
	w.graphql(`{ alerts(first: `, nil, "Invalid syntax")
}

func TestUnifiedNotesAndActions(t *testing.T) {
	w := newWorld(t, Options{Alerts: 60})
	id := w.bare(1)[0]
	node := w.alerts(map[string]any{"first": 1, "filters": []any{
		map[string]any{"fieldId": "externalId", "stringEqual": map[string]string{"value": id}},
	}}).Edges[0].Node
	w.graphql(`mutation N($id: ID!, $t: String!) { a: addAlertNote(alertId: $id, text: $t, type: PLAIN_TEXT) { data { id } } }`,
		map[string]any{"id": node.ID, "t": "from {the} \"unified\" API"}, "")
	notes := w.notes(id, "")
	if len(notes.Data) != 1 || notes.Data[0].Text != `from {the} "unified" API` {
		t.Fatalf("notes %+v", notes)
	}
	const trigger = `mutation T($a: [ActionInput!]!, $f: OrFilterSelectionInput) {
		alertTriggerActions(actions: $a, filter: $f) { ... on ActionsTriggered { actions { actionId success { id } } } } }`
	actions := []any{
		map[string]any{"id": "S1/alert/statusUpdate", "payload": map[string]any{"status": map[string]string{"value": "RESOLVED"}}},
		map[string]any{"id": "S1/alert/analystVerdictUpdate", "payload": map[string]any{"analystVerdict": map[string]string{"value": "FALSE_POSITIVE_BENIGN"}}},
	}
	filter := map[string]any{"or": []any{map[string]any{"and": []any{
		map[string]any{"fieldId": "id", "stringIn": map[string]any{"values": []string{node.ID}}},
	}}}}
	for _, want := range []string{fmt.Sprintf(`"success":[{"id":%q}]`, node.ID), `"success":[]`} {
		out := string(w.graphql(trigger, map[string]any{"a": actions, "f": filter}, "")["alertTriggerActions"])
		if strings.Count(out, want) != 2 || !strings.Contains(out, `"__typename":"ActionsTriggered"`) {
			t.Errorf("%s, want twice %s", out, want)
		}
	}
	i := w.threats("ids=" + id).Data[0].ThreatInfo
	if i.IncidentStatus != "resolved" || i.AnalystVerdict != "false_positive" {
		t.Errorf("threat %+v", i)
	}
	for _, bad := range []map[string]any{
		{"a": actions}, // no filter: every alert
		{"f": filter, "a": []any{map[string]any{"id": "S1/alert/analystVerdictUpdate", "payload": map[string]any{"analystVerdict": map[string]string{"value": "FALSE_POSITIVE"}}}}},
		{"f": filter, "a": []any{map[string]any{"id": "S1/alert/paint", "payload": map[string]any{}}}},
	} {
		if out := string(w.graphql(trigger, bad, "")["alertTriggerActions"]); !strings.Contains(out, "TriggerActionsError") {
			t.Errorf("%v: %s", bad, out)
		}
	}
	w.graphql(`mutation { deleteAlertNote(alertNoteId: "`+notes.Data[0].ID+`") { data { id } } }`, nil, "")
	if p := w.notes(id, ""); len(p.Data) != 0 {
		t.Errorf("notes %+v", p)
	}
}

func TestAliasesAnswerSeveralAlertsInOneRequest(t *testing.T) {
	w := newWorld(t, Options{Alerts: 60})
	edges := w.alerts(map[string]any{"first": 2}).Edges
	a, b := edges[0].Node.ID, edges[1].Node.ID
	out := w.graphql(fmt.Sprintf(`query { one: alert(id: %q) { id } two: alert(id: %q) { id name } }`, a, b), nil, "")
	if !strings.Contains(string(out["one"]), a) || !strings.Contains(string(out["two"]), b) {
		t.Errorf("%s", out)
	}
}
