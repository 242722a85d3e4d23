package defender

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
)

// How lists are read. Graph pages by counting rows ($skip), newest first: a row that
// comes or goes shifts all behind it over the edge of a page, and is lost or comes
// twice. So lists are not paged; they are read in slices of time, each small enough
// for one reply. A reply that is full says that its slice must be narrower, and its
// rows are only a hint where to cut: whether Graph obeys $orderby is not documented,
// and nothing here rests on it. Only a slice that cannot be narrowed (a second with
// more rows than a page has) is paged, again and again until two readings agree.

// collection is a list of Graph that has times: alerts, or incidents.
type collection struct {
	op         string
	path       string
	permission permission
	top        int    // rows asked for at once
	field      string // the time that slices are cut by
	expand     string
	filters    []string // beside the time
}

// span is a stretch of time, half open: from <= t < before. A zero end is open.
type span struct{ from, before time.Time }

// row is one item and its time in the collection's field.
type row struct {
	raw json.RawMessage
	at  time.Time // zero when it cannot be read
}

// slice is one slice of a span that was read.
type slice struct {
	items []json.RawMessage
	rest  time.Time     // read on with what is before it; zero: there is nothing left
	width time.Duration // that the next slice may have; 0: as wide as the span
	date  time.Time     // of the reply
}

const (
	// shortest is what is not narrowed any more.
	shortest = time.Second
	// widest keeps widths far from what a Duration holds.
	widest = 100 * 365 * 24 * time.Hour
	// rereads bounds how often a list is read until two readings agree.
	rereads = 6
)

// slice reads the newest part of a span, which is width long if that fits.
func (a *api) slice(ctx context.Context, c collection, s span, width time.Duration) (slice, error) {
	part := s
	if width > 0 && !s.before.IsZero() {
		part.from = later(s.before.Add(-width).Truncate(time.Millisecond), s.from)
	}
	for {
		rows, full, date, err := a.read(ctx, c, part)
		if err != nil {
			return slice{}, err
		}
		if !full {
			out := slice{items: rawOf(rows), date: date}
			if part.from.After(s.from) {
				out.rest = part.from
			}
			// After an empty slice nothing is known, and all that is left may fit.
			if len(rows) > 0 && !part.before.IsZero() && !part.from.IsZero() {
				if out.width = part.before.Sub(part.from); len(rows) < c.top/2 {
					out.width = min(out.width, widest/4) * 4
				}
			}
			return out, nil
		}
		cut, ok := narrower(rows, part)
		if !ok {
			if rows == nil { // a reply that was too large
				c.top = max(c.top/10, 1)
			}
			return a.dense(ctx, c, part, s.from)
		}
		part.from = cut
	}
}

// narrower gives a later start for a span that has too many rows: one that leaves most
// of the rows that came, if they came in order, else the middle. There is none for a
// span that is short already.
func narrower(rows []row, s span) (time.Time, bool) {
	// There are no alerts from before the product, nor from the next century.
	from := later(s.from, time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC))
	before := earlier(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), s.before)
	if before.Sub(from) <= shortest {
		return time.Time{}, false
	}
	candidates := []time.Time{from.Add(before.Sub(from) / 2).Truncate(time.Millisecond)}
	if descending(rows) {
		at := rows[len(rows)*4/5].at.Truncate(time.Millisecond)
		// Behind the moment; and if that is the end already, from it on.
		candidates = append([]time.Time{at.Add(time.Millisecond), at}, candidates...)
	}
	for _, cut := range candidates {
		if cut.After(from) && cut.Before(before) {
			return cut, true
		}
	}
	return time.Time{}, false
}

// dense reads a span that holds more rows than a page, and cannot be divided.
func (a *api) dense(ctx context.Context, c collection, s span, start time.Time) (slice, error) {
	out := slice{rest: s.from}
	if !s.from.After(start) {
		out.rest = time.Time{}
	}
	var last []string
	for range rereads {
		items := map[string]json.RawMessage{}
		err := a.pages(ctx, a.call(c, s), func(p page) bool {
			out.date = p.date
			for _, r := range c.rows(p.items, s) {
				items[keyOf(r.raw)] = r.raw
			}
			return true
		})
		if err != nil {
			return slice{}, err
		}
		keys := make([]string, 0, len(items))
		for k := range items {
			keys = append(keys, k)
		}
		if slices.Sort(keys); slices.Equal(keys, last) {
			for _, k := range keys {
				out.items = append(out.items, items[k])
			}
			return out, nil
		}
		last = keys
	}
	return slice{}, a.fault(fault.Unavailable, c.op, "the list changes faster than it can be read")
}

// keyOf tells rows apart: by their id, or by themselves where they have none.
func keyOf(raw json.RawMessage) string {
	var o struct {
		ID text `json:"id"`
	}
	if json.Unmarshal(raw, &o) != nil || o.ID == "" {
		return string(raw)
	}
	return string(o.ID)
}

// read reads one page of a span, newest first. full: there may be more.
func (a *api) read(ctx context.Context, c collection, s span) (rows []row, full bool, date time.Time, err error) {
	p, err := a.list(ctx, a.call(c, s))
	if e, ok := err.(*fault.Error); ok && e.Status == http.StatusBadRequest && !a.unordered(c.path) {
		// Whether a list can be sorted is not documented for all of them.
		a.refuses.Store(c.path, true)
		if p, err = a.list(ctx, a.call(c, s)); err != nil {
			a.refuses.Delete(c.path)
			return nil, false, time.Time{}, e
		}
	}
	if tooLarge(err) {
		return nil, true, time.Time{}, nil
	}
	if err != nil {
		return nil, false, time.Time{}, err
	}
	return c.rows(p.items, s), p.next != "" || len(p.items) >= c.top, p.date, nil
}

// tooLarge reports a reply with more bytes than httpx reads: there is no status, and
// no answer.
func tooLarge(err error) bool {
	e, ok := err.(*fault.Error)
	return ok && e.Kind == fault.Invalid && e.Status == 0
}

// unordered reports that Graph has refused to sort a list.
func (a *api) unordered(path string) bool {
	_, is := a.refuses.Load(path)
	return is
}

func (a *api) call(c collection, s span) call {
	filters := slices.Clone(c.filters)
	if !s.from.IsZero() {
		filters = append(filters, c.field+" ge "+literal(s.from.Truncate(time.Millisecond)))
	}
	if !s.before.IsZero() {
		filters = append(filters, c.field+" lt "+literal(ceil(s.before, time.Millisecond)))
	}
	q := url.Values{"$top": {strconv.Itoa(c.top)}}
	if !a.unordered(c.path) {
		q.Set("$orderby", c.field+" desc")
	}
	if len(filters) > 0 {
		q.Set("$filter", strings.Join(filters, " and "))
	}
	if c.expand != "" {
		q.Set("$expand", c.expand)
	}
	return call{httpx.Request{Op: c.op, Path: c.path, Query: q}, c.permission}
}

// rows reads the times of items, and drops what is behind the end. The filter is
// rounded outwards: whether the vendor compares all seven digits of its times is not
// documented.
func (c collection) rows(items []json.RawMessage, s span) []row {
	out := make([]row, 0, len(items))
	for _, raw := range items {
		r := row{raw: raw}
		var o struct {
			Created stamp `json:"createdDateTime"`
			Updated stamp `json:"lastUpdateDateTime"`
		}
		if json.Unmarshal(raw, &o) == nil {
			if r.at = o.Created.Time; c.field == fieldUpdated {
				r.at = o.Updated.Time
			}
		}
		if r.at.IsZero() || s.before.IsZero() || r.at.Before(s.before) {
			out = append(out, r)
		}
	}
	return out
}

// descending reports whether the rows come newest first, those with a time at least.
func descending(rows []row) bool {
	var last time.Time
	for _, r := range rows {
		if r.at.IsZero() {
			continue
		}
		if !last.IsZero() && r.at.After(last) {
			return false
		}
		last = r.at
	}
	return !last.IsZero()
}

func rawOf(rows []row) []json.RawMessage {
	out := make([]json.RawMessage, len(rows))
	for i, r := range rows {
		out[i] = r.raw
	}
	return out
}

// The times that Graph filters by.
const (
	fieldCreated = "createdDateTime"
	fieldUpdated = "lastUpdateDateTime"
)

// literal is a moment in a filter, not quoted.
func literal(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// ceil rounds up.
func ceil(t time.Time, unit time.Duration) time.Time {
	if down := t.Truncate(unit); down.Before(t) {
		return down.Add(unit)
	}
	return t
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// earlier gives the earlier one; a zero b is no bound.
func earlier(a, b time.Time) time.Time {
	if !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// excluding are filters that leave words out. What is known not to be wanted is
// excluded, rather than asked for what is: a word that this program has never heard
// of stays in. Chains of "or" are not documented, those of "and" are.
func excluding(field string, words []string) []string {
	var out []string
	for _, w := range words {
		out = append(out, fmt.Sprintf("%s ne '%s'", field, w))
	}
	return out
}
