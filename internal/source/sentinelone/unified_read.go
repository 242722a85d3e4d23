package sentinelone

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"edrc/internal/alert"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// graphPage is the page size of Google's and of n8n's clients; a larger one is not
// documented.
const graphPage = 100

// alertsDocument lists alerts. The scope is a variable that is null without one.
const alertsDocument = `query EdrcAlerts($first: Int, $after: String, $scope: ScopeSelectorInput, $filters: [FilterInput!], $sorts: [SortInput!]) {
 alerts(first: $first, after: $after, scope: $scope, viewType: ALL, filters: $filters, sorts: $sorts) {
 pageInfo { hasNextPage endCursor } edges { node { ` + listFields + ` } } } }`

const alertDocument = `query EdrcAlert($id: ID!) { alert(id: $id) { ` + detailFields + ` } }`

// filter is one FilterInput. All of a list must hold.
type filter struct {
	FieldID   string    `json:"fieldId"`
	IsNegated bool      `json:"isNegated,omitempty"`
	StringIn  *values   `json:"stringIn,omitempty"`
	Range     *msRange  `json:"dateTimeRange,omitempty"`
	Boolean   *oneValue `json:"booleanEqual,omitempty"`
}

type values struct {
	Values []string `json:"values"`
}

type oneValue struct {
	Value bool `json:"value"`
}

// msRange is closed at both ends; nil is open. Filters have milliseconds where
// times have more digits.
type msRange struct {
	Start *int64 `json:"start,omitempty"`
	End   *int64 `json:"end,omitempty"`
}

// between rounds outwards, so that the edges are inside. Times that this surface
// shows are cut off to a millisecond: what is shown as the end may lie behind it by
// nearly one.
func between(field string, from, to time.Time) []filter {
	r := &msRange{}
	if !from.IsZero() {
		ms := from.Truncate(time.Millisecond).UnixMilli()
		r.Start = &ms
	}
	if !to.IsZero() {
		ms := to.Truncate(time.Millisecond).UnixMilli() + 1
		r.End = &ms
	}
	if r.Start == nil && r.End == nil {
		return nil
	}
	return []filter{{FieldID: field, Range: r}}
}

// connection is what alerts returns.
type connection struct {
	PageInfo *struct {
		HasNextPage bool `json:"hasNextPage"`
		EndCursor   text `json:"endCursor"`
	} `json:"pageInfo"`
	Edges *[]struct {
		Node json.RawMessage `json:"node"`
	} `json:"edges"`
}

// read reads one page. What could hide alerts is an error: no edges, or a next page
// without a cursor.
func (u *unified) read(ctx context.Context, op string, filters []filter, by, order, after string) (page, error) {
	vars := map[string]any{
		"first": graphPage, "filters": filters, "scope": u.selector(), "after": nil,
		"sorts": []map[string]string{{"by": by, "order": order}},
	}
	if after != "" {
		vars["after"] = after
	}
	o := operation{op: op, name: "EdrcAlerts", document: alertsDocument, variables: vars, class: httpx.Read, permission: permThreats}
	var conn connection
	date, err := u.run(ctx, o, "alerts", &conn)
	if err != nil {
		return page{}, err
	}
	if conn.Edges == nil || conn.PageInfo == nil {
		return page{}, u.broken(o, "the reply is not a list of alerts")
	}
	p := page{date: date}
	for _, e := range *conn.Edges {
		p.items = append(p.items, e.Node)
	}
	if conn.PageInfo.HasNextPage {
		p.next = string(conn.PageInfo.EndCursor)
		if p.next == "" || p.next == after {
			return page{}, u.broken(o, "there is a next page, and no cursor to it")
		}
	}
	return p, nil
}

// selector is the configured scope, nil without one.
func (u *unified) selector() any {
	for kind, ids := range map[string][]string{"ACCOUNT": u.scope.Accounts, "SITE": u.scope.Sites, "GROUP": u.scope.Groups} {
		if len(ids) > 0 {
			return map[string]any{"scopeIds": ids, "scopeType": kind}
		}
	}
	return nil
}

func (u *unified) probe(ctx context.Context) error {
	_, err := u.read(ctx, "list alerts", []filter{{FieldID: "id", StringIn: &values{[]string{nilUUID}}}}, "createdAt", "ASC", "")
	return err
}

// nilUUID is the id of no alert.
const nilUUID = "00000000-0000-7000-8000-000000000000"

func (u *unified) page(ctx context.Context, w source.Window, token string) (source.Page, error) {
	field := fieldOf(w.By)
	p, err := u.read(ctx, "sync alerts", between(field, w.From, w.To), field, "ASC", token)
	if err != nil {
		return source.Page{}, tokenError(err, token)
	}
	out := source.Page{Next: p.next, Date: p.date}
	out.Alerts, out.Bad = decodeAll(p.items, u.decode)
	return out, nil
}

// list excludes what is known not to be wanted, like the other surface does.
func (u *unified) list(ctx context.Context, q alert.Query) iter.Seq2[alert.Alert, error] {
	filters := between("createdAt", q.Since, q.Until)
	for field, words := range map[string][]string{
		"severity": unwanted(severities(), q.Severities, severityOf), "status": unwanted(unifiedStatuses(), q.Statuses, statusOf),
	} {
		if len(words) > 0 {
			filters = append(filters, filter{FieldID: field, IsNegated: true, StringIn: &values{words}})
		}
	}
	fields := map[alert.Algo]string{alert.SHA256: "fileSha256", alert.SHA1: "fileSha1", alert.MD5: "fileMd5"}
	if field := fields[q.Hash.Algo()]; field != "" {
		filters = append(filters, filter{FieldID: field, StringIn: &values{[]string{string(q.Hash)}}})
	}
	return func(yield func(alert.Alert, error) bool) {
		for after := ""; ; {
			p, err := u.read(ctx, "list alerts", filters, "createdAt", "DESC", after)
			if err != nil {
				yield(alert.Alert{}, err)
				return
			}
			for _, raw := range p.items {
				if !yieldItem(yield, raw, u.decode) {
					return
				}
			}
			if after = p.next; after == "" {
				return
			}
		}
	}
}
