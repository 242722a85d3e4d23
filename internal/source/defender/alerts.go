package defender

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/url"
	"strings"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// alertsPath is where Graph has alerts.
const alertsPath = "/security/alerts_v2"

// alertsTop is how many alerts are asked for at once. Graph gives 2,000 at most; half
// of them, with their evidence, are some ten megabytes already.
const alertsTop = 1000

func (c *Client) alerts(op, field string) collection {
	return collection{op: op, path: alertsPath, permission: permAlerts, top: c.top, field: field}
}

// List implements source.Lister, newest first.
func (c *Client) List(ctx context.Context, q alert.Query) iter.Seq2[alert.Alert, error] {
	all := c.alerts("list alerts", fieldCreated)
	all.filters = append(excluding("severity", unwanted(severityWords(), q.Severities, severityOf)),
		excluding("status", unwanted(words(AlertStatuses()), q.Statuses, func(w string) alert.Status { return statusOf(AlertStatuses(), w) }))...)
	return func(yield func(alert.Alert, error) bool) {
		for raw, err := range c.graph.walk(ctx, all, spanOf(q)) {
			if err != nil {
				yield(alert.Alert{}, err)
				return
			}
			a, bad := c.decode(raw)
			if bad != nil && !yield(alert.Alert{}, bad) || bad == nil && !yield(a, nil) {
				return
			}
		}
	}
}

// walk gives the items of a span, newest first, and stops reading when it is left.
func (a *api) walk(ctx context.Context, c collection, s span) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for width := time.Duration(0); ; {
			part, err := a.slice(ctx, c, s, width)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, raw := range part.items {
				if !yield(raw, nil) {
					return
				}
			}
			if s.before, width = part.rest, part.width; s.before.IsZero() || !s.before.After(s.from) {
				return
			}
		}
	}
}

// spanOf is the time of a query, whose ends both belong to it.
func spanOf(q alert.Query) span {
	s := span{from: q.Since}
	if !q.Until.IsZero() {
		s.before = q.Until.Add(1)
	}
	return s
}

// severityWords are those that Graph's filter knows.
func severityWords() []string {
	var out []string
	for _, s := range Severities() {
		if s.Word != "unspecified" { // of the older API
			out = append(out, s.Word)
		}
	}
	return out
}

func words(of []StatusWord) []string {
	var out []string
	for _, s := range of {
		out = append(out, s.Word)
	}
	return out
}

// Get implements source.Getter, an alert a request: Graph does not filter by id. An
// alert that cannot be read is a *source.BadItem in the error, and the others are
// returned nevertheless.
func (c *Client) Get(ctx context.Context, hs ...alert.Handle) ([]alert.Alert, error) {
	var out []alert.Alert
	var unreadable error
	asked := map[string]bool{}
	for _, h := range hs {
		if asked[h.ID] {
			continue
		}
		asked[h.ID] = true
		raw, err := c.alert(ctx, "get alerts", h.ID)
		switch {
		case notFound(err):
			continue
		case err != nil:
			return out, err
		}
		a, bad := c.decode(raw)
		if bad != nil {
			unreadable = errors.Join(unreadable, bad)
			continue
		}
		out = append(out, a)
	}
	return out, unreadable
}

// alert reads one alert. One that cannot be, by its id, is not asked for.
func (c *Client) alert(ctx context.Context, op, id string) (json.RawMessage, error) {
	if !isID(id) {
		return nil, c.graph.fault(fault.NotFound, op, "this is not an alert of Defender")
	}
	resp, err := c.graph.do(ctx, call{httpx.Request{Op: op, Path: alertsPath + "/" + url.PathEscape(id)}, permAlerts})
	if err != nil {
		return nil, err
	}
	var o json.RawMessage
	if err := resp.Decode(&o); err != nil {
		return nil, err
	}
	return o, nil
}

// isID reports whether s can be the id of an alert, an incident, a machine or an
// action: Microsoft uses numbers, hex, GUIDs and ids like da637551227677560813_-961444813.
func isID(s string) bool {
	return len(s) > 0 && len(s) <= 200 && strings.Trim(s, ".") != "" &&
		strings.Trim(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.~!") == ""
}

// streamName is the one stream of a tenant.
const streamName = "alerts"

// Streams implements source.Feeder: one stream. The vendor's clock comes from a small
// authenticated reply.
func (c *Client) Streams(ctx context.Context) ([]source.Stream, error) {
	date, err := c.probe(ctx)
	if err != nil {
		return nil, err
	}
	if date.IsZero() {
		// Our own clock is no substitute: a pass would end in the vendor's future.
		return nil, c.graph.fault(fault.Unavailable, "read the clock of Microsoft Graph", "the reply has no Date header; a proxy may have removed it")
	}
	return []source.Stream{{Name: streamName, Now: date}}, nil
}

// probe is the smallest read of alerts; it gives the vendor's clock.
func (c *Client) probe(ctx context.Context) (time.Time, error) {
	p, err := c.graph.list(ctx, call{httpx.Request{Op: "read alerts", Path: alertsPath, Query: url.Values{"$top": {"1"}}}, permAlerts})
	return p.date, err
}

// Page implements source.Feeder, newest first. A token is the moment that the window
// is still to be read before, and how wide the next slice may be: it does not expire.
// A window never comes back full; see walk.go for what is done instead.
func (c *Client) Page(ctx context.Context, s source.Stream, w source.Window, token string) (source.Page, error) {
	const op = "sync alerts"
	if s.Name != streamName {
		return source.Page{}, c.graph.fault(fault.Invalid, op, "there is no stream "+s.Name)
	}
	field := fieldCreated
	if w.By == source.Updated {
		field = fieldUpdated
	}
	before, width, ok := readToken(token, w)
	if !ok {
		return source.Page{}, source.ErrToken
	}
	part, err := c.graph.slice(ctx, c.alerts(op, field), span{w.From, before}, width)
	if err != nil {
		return source.Page{}, err
	}
	out := source.Page{Date: part.date}
	if part.rest.After(w.From) {
		out.Next = part.rest.UTC().Format(time.RFC3339Nano) + tokenMark + part.width.String()
	}
	for _, raw := range part.items {
		if a, bad := c.decode(raw); bad != nil {
			out.Bad = append(out.Bad, *bad)
		} else {
			out.Alerts = append(out.Alerts, a)
		}
	}
	return out, nil
}

// tokenMark separates the parts of a page token.
const tokenMark = "/"

// readToken reads a page token of a window; "" is the window's end.
func readToken(token string, w source.Window) (before time.Time, width time.Duration, ok bool) {
	end := w.To.Add(1) // the window's end belongs to it
	if token == "" {
		return end, 0, true
	}
	at, wide, _ := strings.Cut(token, tokenMark)
	before, err := time.Parse(time.RFC3339Nano, at)
	width, err2 := time.ParseDuration(wide)
	return before, width, err == nil && err2 == nil && width >= 0 && before.After(w.From) && !before.After(end)
}
