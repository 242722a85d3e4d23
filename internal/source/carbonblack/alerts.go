package carbonblack

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// streamName names the one stream of an organisation.
const streamName = "alerts"

// clock reads the cloud's clock off a small authenticated reply.
func (c *Client) clock(ctx context.Context) (time.Time, error) {
	const op = "read the cloud's clock"
	r, err := c.find(ctx, c.search(op, map[string]any{"rows": 1, "time_range": map[string]any{"range": "-1d"}}))
	if err != nil {
		return time.Time{}, err
	}
	if r.date.IsZero() {
		// Our own clock is no substitute: a pass would end in the vendor's future.
		return time.Time{}, c.api.fault(fault.Unavailable, op, "the reply has no Date header; a proxy may have removed it")
	}
	return r.date, nil
}

// Streams implements source.Feeder: one stream.
func (c *Client) Streams(ctx context.Context) ([]source.Stream, error) {
	now, err := c.clock(ctx)
	if err != nil {
		return nil, err
	}
	return []source.Stream{{Name: streamName, Now: now}}, nil
}

// token is where the next page of a window starts. The vendor has no tokens: this one
// does not die, and is good for its own window only.
type token struct {
	By    source.Change `json:"by"`
	From  time.Time     `json:"from"`
	To    time.Time     `json:"to"`
	At    time.Time     `json:"at"`
	Known []string      `json:"known"`
}

func (t token) String() string {
	raw, _ := json.Marshal(t) // times and strings always marshal
	return base64.RawURLEncoding.EncodeToString(raw)
}

// readToken gives the place that a token of this window stands for.
func readToken(s string, w source.Window) (place, error) {
	if s == "" {
		return place{}, nil
	}
	var t token
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(raw, &t)
	}
	if err != nil || t.By != w.By || !t.From.Equal(w.From) || !t.To.Equal(w.To) ||
		t.At.Before(w.From.Truncate(tick)) || t.At.After(w.To.Add(2*tick)) {
		return place{}, fmt.Errorf("%w: it is not of this window", source.ErrToken)
	}
	return place{At: t.At, Known: t.Known}, nil
}

// Page implements source.Feeder: windows by the time of creation, or of the last
// change, as the cloud's backend saw them. No window is ever too full.
func (c *Client) Page(ctx context.Context, s source.Stream, w source.Window, at string) (source.Page, error) {
	const op = "sync alerts"
	if s.Name != streamName {
		return source.Page{}, c.api.fault(fault.Invalid, op, fmt.Sprintf("there is no stream %q", s.Name))
	}
	from, err := readToken(at, w)
	if err != nil {
		return source.Page{}, err
	}
	way := walk{op: op, by: byCreated, from: w.From.Truncate(tick), to: ceil(w.To)}
	if w.By == source.Updated {
		way.by = byUpdated
	}
	items, next, over, date, err := c.step(ctx, way, from)
	if err != nil {
		return source.Page{}, err
	}
	out := source.Page{Date: date}
	if !over {
		out.Next = token{w.By, w.From, w.To, next.At, next.Known}.String()
	}
	for _, i := range items {
		if i.err != nil {
			out.Bad = append(out.Bad, *badItem(i.raw, i.err))
			continue
		}
		out.Alerts = append(out.Alerts, c.alert(i.wireAlert, i.raw))
	}
	return out, nil
}

// ceil rounds up to what the cloud can tell apart: a window must not end before the
// moment it was asked to end at.
func ceil(t time.Time) time.Time { return t.Truncate(tick).Add(tick - time.Microsecond) }

// List implements source.Lister, newest first. Time, severity and status are asked for;
// host and hash are not: whether the vendor's search looks at case is not documented,
// and a file may stand in several fields. Without a beginning, a listing goes back as
// far as the vendor keeps alerts.
func (c *Client) List(ctx context.Context, q alert.Query) iter.Seq2[alert.Alert, error] {
	return func(yield func(alert.Alert, error) bool) {
		w := walk{op: "list alerts", by: byCreated, desc: true, criteria: severityCriteria(q.Severities), exclusions: statusExclusions(q.Statuses)}
		var err error
		if w.from, w.to, err = c.bounds(ctx, q); err != nil {
			yield(alert.Alert{}, err)
			return
		}
		for i, err := range c.all(ctx, w) {
			if err != nil {
				yield(alert.Alert{}, err)
				return
			}
			if i.err != nil && !yield(alert.Alert{}, badItem(i.raw, i.err)) || i.err == nil && !yield(c.alert(i.wireAlert, i.raw), nil) {
				return
			}
		}
	}
}

// bounds are the ends of a query, by the cloud's clock.
func (c *Client) bounds(ctx context.Context, q alert.Query) (from, to time.Time, err error) {
	from, to = q.Since, q.Until
	if from.IsZero() || to.IsZero() {
		now, err := c.clock(ctx)
		if err != nil {
			return from, to, err
		}
		if from.IsZero() {
			from = now.Add(-retention)
		}
		if to.IsZero() {
			to = now.Add(time.Minute)
		}
	}
	return from.Truncate(tick), ceil(to), nil
}

// all walks to the end.
func (c *Client) all(ctx context.Context, w walk) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		for at, over := (place{}), false; !over; {
			var items []item
			var err error
			if items, at, over, _, err = c.step(ctx, w, at); err != nil {
				yield(item{}, err)
				return
			}
			for _, i := range items {
				if !yield(i, nil) {
					return
				}
			}
		}
	}
}

// severityCriteria asks for the lowest that is wanted: the API knows no upper end.
func severityCriteria(want []alert.Severity) map[string]any {
	if len(want) == 0 || slices.Contains(want, alert.Unrated) {
		return nil
	}
	for _, b := range bands() {
		if slices.Contains(want, b.severity) {
			return map[string]any{"minimum_severity": b.from}
		}
	}
	return nil
}

// statusExclusions excludes what is known not to be wanted rather than asks for what
// is: a status that this program has never heard of stays in.
func statusExclusions(want []alert.Status) map[string]any {
	var out []string
	for _, m := range Statuses() {
		if len(want) > 0 && !slices.Contains(want, alert.Status(m.Ours)) {
			out = append(out, m.Vendor)
		}
	}
	if len(out) == 0 { // an empty list would be a wildcard
		return nil
	}
	return map[string]any{"workflow_status": out}
}

// Get implements source.Getter, 500 alerts a request. An alert that cannot be read is a
// *source.BadItem in the error, and the others are returned nevertheless.
func (c *Client) Get(ctx context.Context, hs ...alert.Handle) ([]alert.Alert, error) {
	const op = "get alerts"
	var out []alert.Alert
	var unreadable error
	each := func(raw json.RawMessage) {
		a, bad := c.decode(raw)
		if bad != nil {
			unreadable = errors.Join(unreadable, bad)
			return
		}
		out = append(out, a)
	}
	if ids := source.Distinct(hs, alertID); len(ids) == 1 {
		_, raw, err := c.one(ctx, op, ids[0])
		if err != nil {
			return nil, err
		}
		if raw != nil {
			each(raw)
		}
		return out, unreadable
	}
	if err := c.byID(ctx, op, hs, each); err != nil {
		return out, err
	}
	return out, unreadable
}

// byID reads alerts in batches. The order is the vendor's; what it does not know is
// absent.
func (c *Client) byID(ctx context.Context, op string, hs []alert.Handle, each func(json.RawMessage)) error {
	for ids := range slices.Chunk(source.Distinct(hs, alertID), idsPerRequest) {
		r, err := c.find(ctx, c.search(op, map[string]any{
			"criteria": map[string]any{"id": ids}, "rows": len(ids), "time_range": map[string]any{"range": "-180d"},
		}))
		if err != nil {
			return err
		}
		for _, raw := range *r.Results {
			var named struct {
				ID text `json:"id"`
			}
			if _ = json.Unmarshal(raw, &named); slices.Contains(ids, string(named.ID)) {
				each(raw)
			}
		}
	}
	return nil
}

// one reads one alert by its own address, nil when the cloud does not have it. It is
// not the search's index, which may lag behind a change.
func (c *Client) one(ctx context.Context, op, id string) (*wireAlert, json.RawMessage, error) {
	if !isID(id) {
		return nil, nil, nil
	}
	var raw json.RawMessage
	_, err := c.api.read(ctx, call{Request: httpx.Request{Op: op, Path: c.api.path(alertsPath, "alerts", id)}, permission: permAlerts}, &raw)
	if fault.Is(err, fault.NotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	w, err := parseAlert(raw)
	if err != nil {
		return nil, nil, c.api.fault(fault.Unavailable, op, "the alert cannot be read: "+err.Error())
	}
	if string(w.ID) != id {
		return nil, nil, c.api.fault(fault.Unavailable, op, "the cloud gave another alert than was asked for")
	}
	return &w, raw, nil
}

// unknown is the error for an alert that is not there.
func (c *Client) unknown(op string) error {
	return c.api.fault(fault.NotFound, op, "the cloud does not know this alert (any more), or the API key does not see it")
}

// alertID is the id of a handle, "" when it cannot be one of an alert here.
func alertID(h alert.Handle) string {
	if !isID(h.ID) {
		return ""
	}
	return h.ID
}
