package carbonblack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
)

// The fields that a search can be sorted by and walked along.
const (
	byCreated = "backend_timestamp"
	byUpdated = "backend_update_timestamp"
)

// tick is the resolution of the vendor's times.
const tick = time.Millisecond

// span is a range of time as the API takes it: both ends belong to it.
func span(from, to time.Time) map[string]any {
	const layout = "2006-01-02T15:04:05.000000Z"
	return map[string]any{"start": from.UTC().Format(layout), "end": to.UTC().Format(layout)}
}

// search is POST /alerts/_search: alerts whole, a page from the start of what matches.
func (c *Client) search(op string, body map[string]any) call {
	return call{Request: httpx.Request{
		Op: op, Method: http.MethodPost, Path: c.api.path(alertsPath, "alerts", "_search"), Class: httpx.Read, JSON: body,
	}, permission: permAlerts, whole: true}
}

// found is the answer to a search.
type found struct {
	Results *[]json.RawMessage `json:"results"`
	Total   count              `json:"num_found"`

	date time.Time
}

// find sends a search. A 200 that is no reply is never an empty list: an alert that is
// not seen is worse than a failed read.
func (c *Client) find(ctx context.Context, s call) (*found, error) {
	out := &found{}
	resp, err := c.api.read(ctx, s, out)
	if err != nil {
		return nil, err
	}
	if out.Results == nil {
		return nil, c.api.fault(fault.Unavailable, s.Op, "the reply has no results")
	}
	out.date = resp.Date
	return out, nil
}

// walk is a way through all alerts of a span of time. A search reaches 10,000 alerts
// far and its pages shift while alerts change, so no offset is ever used: each page
// starts at the moment where the one before ended, with that moment included, and what
// is known of it is left out. The vendor's own advice, a millisecond later, loses
// alerts of equal times.
type walk struct {
	op         string
	by         string // the field that it goes along
	from, to   time.Time
	desc       bool
	criteria   map[string]any
	exclusions map[string]any
}

// crowd is how many alerts of one moment are still passed by leaving out what is known:
// each page asks for those again.
const crowd = 2 * pageSize

// place is how far a walk has come: the moment of the last alert, and which alerts of
// that moment were seen, as digests.
type place struct {
	At    time.Time
	Known []string
}

// step gives the next alerts of a walk that starts, or goes on, at a place. over says
// that there are no more.
func (c *Client) step(ctx context.Context, w walk, at place) (fresh []item, next place, over bool, date time.Time, err error) {
	if !at.At.IsZero() && w.desc {
		w.to = at.At.Add(tick - time.Microsecond)
	} else if !at.At.IsZero() {
		w.from = at.At
	}
	if w.to.Before(w.from) {
		return nil, place{}, true, time.Time{}, nil
	}
	rows := min(pageSize+len(at.Known), window)
	r, err := c.find(ctx, c.search(w.op, w.body(rows)))
	if err != nil {
		return nil, place{}, false, time.Time{}, err
	}
	page := *r.Results
	fresh, next, ordered := w.sift(page, at)
	over = len(page) == 0 || len(page) < rows && int(r.Total) <= len(page)
	switch {
	case over:
		return fresh, place{}, true, r.date, nil
	case !ordered:
		return nil, place{}, false, time.Time{}, c.api.fault(fault.Unavailable, w.op, "the alerts do not come in the order that was asked for, so that some would be missed")
	case len(next.Known) > crowd:
		more, err := c.moment(ctx, w, next.At)
		if err != nil {
			return nil, place{}, false, time.Time{}, err
		}
		rest, _, _ := w.sift(more, next)
		next = place{At: next.At.Add(tick)}
		if over = next.At.After(w.to); w.desc {
			next.At = next.At.Add(-2 * tick)
			over = next.At.Before(w.from)
		}
		return append(fresh, rest...), next, over, r.date, nil
	case next.At.IsZero():
		return nil, place{}, false, time.Time{}, c.api.fault(fault.Unavailable, w.op, "the alerts have no "+w.by+", by which the next page could be asked for")
	case len(fresh) == 0:
		return nil, place{}, false, time.Time{}, c.api.fault(fault.Unavailable, w.op, "the cloud gives the same alerts again and again")
	}
	return fresh, next, false, r.date, nil
}

// body is the search for a page.
func (w walk) body(rows int) map[string]any {
	order := "ASC"
	if w.desc {
		order = "DESC"
	}
	body := map[string]any{"rows": rows, "sort": []map[string]string{{"field": w.by, "order": order}}, "time_range": span(w.from, w.to)}
	criteria := maps.Clone(w.criteria)
	if w.by == byUpdated {
		if criteria == nil {
			criteria = map[string]any{}
		}
		criteria[byUpdated] = span(w.from, w.to)
		// This one is about the time of creation, and would be the last two weeks.
		body["time_range"] = span(w.to.Add(-retention), w.to)
	}
	if len(criteria) > 0 {
		body["criteria"] = criteria
	}
	if len(w.exclusions) > 0 {
		body["exclusions"] = w.exclusions
	}
	return body
}

// item is one alert as it came; err says why it cannot be used.
type item struct {
	raw json.RawMessage
	wireAlert
	err error
}

// digest is what a walk remembers of an alert. One that cannot be read is told from
// another by its bytes.
func (i item) digest() string {
	sum := sha256.Sum256([]byte(i.ID))
	if i.err != nil {
		sum = sha256.Sum256(i.raw)
	}
	return hex.EncodeToString(sum[:8])
}

// when is the time that a walk goes along, at the vendor's resolution.
func (w walk) when(i item) time.Time {
	if w.by == byUpdated {
		return i.Updated.Truncate(tick)
	}
	return i.Created.Truncate(tick)
}

// sift leaves out what is known at a place, and gives the place behind the page.
func (w walk) sift(page []json.RawMessage, at place) (fresh []item, next place, ordered bool) {
	seen, last := map[string]bool{}, []string{}
	for _, d := range at.Known {
		seen[d] = true
	}
	ordered = true
	for _, raw := range page {
		i := item{raw: raw}
		i.wireAlert, i.err = parseAlert(raw)
		d, when := i.digest(), w.when(i)
		if !seen[d] {
			seen[d] = true
			fresh = append(fresh, i)
		}
		switch {
		case when.IsZero():
			continue
		case next.At.IsZero() || !when.Equal(next.At) && when.After(next.At) != w.desc:
			next.At, last = when, last[:0]
		case !when.Equal(next.At):
			ordered = false
			continue
		}
		last = append(last, d)
	}
	if next.At.Equal(at.At) {
		last = append(last, at.Known...)
	}
	slices.Sort(last)
	next.Known = slices.Compact(last)
	return fresh, next, ordered
}

// types are the types of alert that there are. Others are asked for together.
func types() []string {
	return []string{"CB_ANALYTICS", "WATCHLIST", "DEVICE_CONTROL", "CONTAINER_RUNTIME", "HOST_BASED_FIREWALL", "INTRUSION_DETECTION_SYSTEM"}
}

// moment reads all alerts of one millisecond, where a search may not reach all of them:
// by type, and where that is still too much by severity.
func (c *Client) moment(ctx context.Context, w walk, at time.Time) ([]json.RawMessage, error) {
	w.from, w.to = at, at.Add(tick-time.Microsecond)
	var out []json.RawMessage
	for _, name := range append(types(), "") {
		part := w
		if name == "" {
			part.exclusions = with(w.exclusions, "type", types())
		} else {
			part.criteria = with(w.criteria, "type", []string{name})
		}
		r, err := c.find(ctx, c.search(w.op, part.body(window)))
		if err != nil {
			return nil, err
		}
		if int(r.Total) <= len(*r.Results) {
			out = append(out, *r.Results...)
			continue
		}
		more, err := c.bySeverity(ctx, part, int(r.Total))
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

func (c *Client) bySeverity(ctx context.Context, w walk, total int) ([]json.RawMessage, error) {
	var out []json.RawMessage
	for severity := 1; severity <= 10; severity++ {
		body := w.body(window)
		body["query"] = "severity:" + strconv.Itoa(severity)
		r, err := c.find(ctx, c.search(w.op, body))
		if err != nil {
			return nil, err
		}
		out = append(out, *r.Results...)
	}
	if len(out) < total {
		return nil, c.api.fault(fault.Partial, w.op, fmt.Sprintf("%d alerts of one moment (%s), and the cloud gives only %d of them", total, w.from.Format(time.RFC3339Nano), len(out)))
	}
	return out, nil
}

// with is a copy of criteria with one more.
func with(criteria map[string]any, name string, value any) map[string]any {
	out := maps.Clone(criteria)
	if out == nil {
		out = map[string]any{}
	}
	out[name] = value
	return out
}
