package crowdstrike

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// streamName names the one stream of a tenant.
const streamName = "alerts"

// combined is POST /alerts/combined/alerts/v1: alerts whole, page by page, with no end
// to how many. Sorted by what never changes, or a change on the way would move alerts
// across the edge of a page.
func combined(op, filter, order string, limit int, after string) call {
	body := map[string]any{"limit": limit, "sort": "created_timestamp|" + order}
	if filter != "" {
		body["filter"] = filter
	}
	if after != "" {
		body["after"] = after
	}
	return call{Request: httpx.Request{
		Op: op, Method: http.MethodPost, Path: "/alerts/combined/alerts/v1", Class: httpx.Read, JSON: body,
	}, scope: scopeAlertsRead, whole: true}
}

// Streams implements source.Feeder: one stream. The vendor's clock comes from a small
// authenticated reply.
func (c *Client) Streams(ctx context.Context) ([]source.Stream, error) {
	const op = "read the cloud's clock"
	r, err := c.api.read(ctx, combined(op, "", "asc", 1, ""))
	if err != nil {
		return nil, err
	}
	if r.date.IsZero() {
		// Our own clock is no substitute: a pass would end in the vendor's future.
		return nil, c.api.fault(fault.Unavailable, op, "the reply has no Date header; a proxy may have removed it")
	}
	return []source.Stream{{Name: streamName, Now: r.date}}, nil
}

// Page implements source.Feeder. Both feeds are sorted by the time of creation, which
// never changes. A token is the vendor's: good for the same window only, for a while.
func (c *Client) Page(ctx context.Context, s source.Stream, w source.Window, token string) (source.Page, error) {
	const op = "sync alerts"
	if s.Name != streamName {
		return source.Page{}, c.api.fault(fault.Invalid, op, fmt.Sprintf("there is no stream %q", s.Name))
	}
	by := "created_timestamp"
	if w.By == source.Updated {
		by = "updated_timestamp"
	}
	items, next, r, err := c.page(ctx, combined(op, between(by, w.From, w.To), "asc", pageSize, token), token)
	if err != nil {
		return source.Page{}, tokenError(err, token)
	}
	out := source.Page{Next: next, Date: r.date}
	out.Alerts, out.Bad = c.decodeAll(items)
	return out, nil
}

// page reads one page of a combined list.
func (c *Client) page(ctx context.Context, list call, after string) (items []json.RawMessage, next string, r *reply, err error) {
	if r, err = c.api.read(ctx, list); err != nil {
		return nil, "", nil, err
	}
	if r.Meta == nil {
		// Where the next page starts stands there: without it the list may be cut off.
		return nil, "", nil, c.api.fault(fault.Unavailable, list.Op, "the reply has no meta")
	}
	if next = string(r.Meta.Pagination.After); next != "" && next == after {
		return nil, "", nil, c.api.fault(fault.Unavailable, list.Op, "the cloud gave the same page twice")
	}
	return r.items(), next, r, nil
}

// tokenError turns a refusal of a request that had a page token into source.ErrToken:
// the same request without one was accepted a moment ago.
func tokenError(err error, token string) error {
	if token == "" {
		return err
	}
	switch fault.KindOf(err) {
	case fault.Invalid, fault.Gone, fault.NotFound, fault.Unsupported:
		return fmt.Errorf("%w: %w", source.ErrToken, err)
	}
	return err
}

// List implements source.Lister, newest first. Time, severity, status and a host's
// whole name are asked for; a hash is not: the vendor's filter knows it of the alert's
// own file alone, and would lose those that were quarantined.
func (c *Client) List(ctx context.Context, q alert.Query) iter.Seq2[alert.Alert, error] {
	filter := all(between("created_timestamp", q.Since, q.Until), severityFilter(q.Severities), statusFilter(q.Statuses), hostFilter(q.Host))
	return func(yield func(alert.Alert, error) bool) {
		for after := ""; ; {
			items, next, _, err := c.page(ctx, combined("list alerts", filter, "desc", pageSize, after), after)
			if err != nil {
				yield(alert.Alert{}, err)
				return
			}
			for _, raw := range items {
				a, bad := c.decode(raw)
				if bad != nil && !yield(alert.Alert{}, bad) || bad == nil && !yield(a, nil) {
					return
				}
			}
			if after = next; after == "" {
				return
			}
		}
	}
}

// severityFilter asks for ranges, and for the names of alerts that have no number.
func severityFilter(want []alert.Severity) string {
	if len(want) == 0 || slices.Contains(want, alert.Unrated) {
		return ""
	}
	var out []string
	bs := bands()
	for i, b := range bs {
		if !slices.Contains(want, b.severity) {
			continue
		}
		low := fmt.Sprintf("severity:>=%d", b.from)
		if i+1 < len(bs) {
			low = all(low, fmt.Sprintf("severity:<%d", bs[i+1].from))
		}
		out = append(out, "("+low+")", "severity_name:"+quote(b.name))
	}
	return some(out...)
}

// statusFilter excludes what is known not to be wanted rather than asks for what is: a
// status that this program has never heard of stays in.
func statusFilter(want []alert.Status) string {
	var out []string
	for _, m := range Statuses() {
		if len(want) > 0 && !slices.Contains(want, alert.Status(m.Ours)) {
			out = append(out, "status:!"+quote(m.Vendor))
		}
	}
	return all(out...)
}

// hostFilter finds a host by its whole name in any case, or by its id. The start of a
// name is not asked for: whether wildcards look at case is not documented.
func hostFilter(host string) string {
	if host == "" || strings.HasSuffix(host, "*") {
		return ""
	}
	return some(named("device.hostname", host), "device.device_id:"+quote(host), "agent_id:"+quote(host))
}

// Get implements source.Getter, 500 alerts a request. An alert that cannot be read is a
// *source.BadItem in the error, and the others are returned nevertheless.
func (c *Client) Get(ctx context.Context, hs ...alert.Handle) ([]alert.Alert, error) {
	var out []alert.Alert
	var unreadable error
	err := c.entities(ctx, "get alerts", hs, func(raw json.RawMessage) {
		a, bad := c.decode(raw)
		if bad != nil {
			unreadable = errors.Join(unreadable, bad)
			return
		}
		out = append(out, a)
	})
	if err != nil {
		return out, err
	}
	return out, unreadable
}

// entities reads alerts by id, in batches. The order is the vendor's; what it does not
// know is absent.
func (c *Client) entities(ctx context.Context, op string, hs []alert.Handle, each func(json.RawMessage)) error {
	for ids := range slices.Chunk(source.Distinct(hs, container), idsPerRequest) {
		r, err := c.api.read(ctx, call{Request: httpx.Request{
			Op: op, Method: http.MethodPost, Path: "/alerts/entities/alerts/v2", Class: httpx.Read,
			JSON: map[string]any{"composite_ids": ids},
		}, scope: scopeAlertsRead, whole: true})
		if err != nil {
			return err
		}
		for _, raw := range r.items() {
			each(raw)
		}
	}
	return nil
}

// one reads one alert, nil when the cloud does not have it.
func (c *Client) one(ctx context.Context, op, id string) (found *falconAlert, raw json.RawMessage, err error) {
	var bad error
	err = c.entities(ctx, op, []alert.Handle{{ID: id}}, func(item json.RawMessage) {
		f, err := parseAlert(item)
		switch {
		case err != nil:
			bad = c.api.fault(fault.Unavailable, op, "the alert cannot be read: "+err.Error())
		case string(f.CompositeID) == id:
			found, raw = &f, item
		}
	})
	if err == nil && found == nil {
		err = bad
	}
	return found, raw, err
}

func (c *Client) decodeAll(items []json.RawMessage) (alerts []alert.Alert, bad []source.BadItem) {
	for _, raw := range items {
		if a, b := c.decode(raw); b != nil {
			bad = append(bad, *b)
		} else {
			alerts = append(alerts, a)
		}
	}
	return alerts, bad
}

// container is what a note on h lands on: the alert itself.
func container(h alert.Handle) string { return cmp.Or(h.Note, h.ID) }
