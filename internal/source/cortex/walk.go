package cortex

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"time"

	"edrc/internal/fault"
	"edrc/internal/source/lenient"
)

// filter is one of a request's filters; all of them must hold.
type filter struct {
	Field    string `json:"field"`
	Operator string `json:"operator"`
	Value    any    `json:"value"`
}

type sorting struct {
	Field   string `json:"field"`
	Keyword string `json:"keyword"` // asc, desc
}

// search is the body of every list. To is exclusive, or inclusive: the vendor's clients
// disagree, so a row more may come, and come again on the next page.
type search struct {
	Filters []filter `json:"filters,omitempty"`
	From    int      `json:"search_from"`
	To      int      `json:"search_to"`
	Sort    *sorting `json:"sort,omitempty"`
}

// listing is a list that can be asked for by a time.
type listing struct {
	op, path, permission string
	rows, total          string // their names in the reply
	field                string // the time that it is asked by
	column               string // where a row has that time
	filters              []filter
	sort                 *sorting
}

// page is one reply of a list.
type page struct {
	rows  []json.RawMessage
	total int // of all that match, 0 when the reply does not tell
	date  time.Time
}

// ask reads at most pageSize rows from an offset on.
func (c *Client) ask(ctx context.Context, l listing, fs []filter, from, to int) (page, error) {
	q := post(l.op, l.path, l.permission, search{Filters: append(fs, l.filters...), From: from, To: to, Sort: l.sort}).withoutIDs()
	if l.path[0] == '/' {
		q.Path = l.path
	}
	var reply map[string]json.RawMessage
	date, err := c.api.send(ctx, q, &reply)
	if err != nil {
		return page{}, err
	}
	raw, ok := reply[l.rows]
	p := page{date: date}
	if !ok || json.Unmarshal(raw, &p.rows) != nil {
		return page{}, c.api.fault(fault.Unavailable, l.op, "the reply has no list of "+l.rows)
	}
	var n count
	_ = n.UnmarshalJSON(reply[l.total])
	p.total = int(min(n, math.MaxInt32))
	return p, nil
}

// span is a closed interval of the tenant's time, in epoch milliseconds, which is as fine
// as the filters are.
type span struct{ from, to int64 }

// between gives the span of two moments; a part of a millisecond counts whole.
func between(from, to time.Time) span {
	s := span{from.UnixMilli(), to.UnixMilli()}
	if to.After(time.UnixMilli(s.to)) {
		s.to++
	}
	s.from, s.to = max(s.from, 0), max(s.to, 0)
	return s
}

// progress is how far a walk has come. All are milliseconds from its start, but Left: what
// is left of a piece that was found to be too large, up to Known.
type progress struct{ Pos, Width, Known, Left int64 }

// walk reads a span piece by piece, each in one reply. It does not page: rows that change
// leave the list while it is read and shift those behind them, and the vendor sorts by
// nothing that is unique. Only one millisecond with more rows than a reply holds is paged,
// over and over until no row is missing.
type walk struct {
	list   listing
	span   span
	newest bool // from the end backwards
	progress
}

const (
	// aim is how many rows a piece should have: near a full reply, and seldom more.
	aim = 80
	// grow bounds how much larger than the last one a piece may be.
	grow = 64
)

func (w *walk) length() int64 { return w.span.to - w.span.from + 1 }

func (w *walk) over() bool { return w.Pos >= w.length() }

// piece gives the next part of the span.
func (w *walk) piece() span {
	if w.Width <= 0 {
		w.Width = w.length()
	}
	w.Width = min(w.Width, w.length()-w.Pos)
	if w.newest {
		return span{w.span.to - w.Pos - w.Width + 1, w.span.to - w.Pos}
	}
	return span{w.span.from + w.Pos, w.span.from + w.Pos + w.Width - 1}
}

// shrink makes the piece smaller, which had too many rows. at are the places of those that
// came: where rows crowd, the piece ends among them, or right before all of them.
func (w *walk) shrink(rows int, at []int64) {
	w.Known, w.Left = w.Pos+w.Width, int64(rows)
	n := max(rows, 2*aim)
	width := w.Width * aim / int64(n)
	if len(at) > 0 {
		slices.Sort(at)
		least, cut := at[0], at[min(len(at)-1, len(at)*aim/n)]
		switch {
		case least == at[len(at)-1] && least == w.Pos:
			width = 1
		case cut == least:
			width = max(width, least-w.Pos)
		default:
			width = max(width, cut-w.Pos+1)
		}
	}
	if width >= w.Width {
		width = w.Width / 2
	}
	w.Width = max(1, width)
}

// places are where in the walk rows stand; those that do not tell are left out.
func (w *walk) places(rows []json.RawMessage) []int64 {
	var out []int64
	for _, raw := range rows {
		var t stamp
		_ = t.UnmarshalJSON(lenient.Member(raw, w.list.column))
		at := t.UnixMilli() - w.span.from
		if w.newest {
			at = w.span.to - t.UnixMilli()
		}
		if !t.IsZero() && at >= w.Pos && at < w.Pos+w.Width {
			out = append(out, at)
		}
	}
	return out
}

// pass goes on to the next piece, and chooses how large it is.
func (w *walk) pass(rows int) {
	w.Pos += w.Width
	rest := w.Known - w.Pos
	if rest <= 0 { // nothing is known of what follows but what was seen
		factor := aim / float64(max(rows, 1))
		w.Width = int64(math.Ceil(float64(w.Width) * max(1, min(factor, grow))))
		return
	}
	w.Left = max(w.Left-int64(rows), 1)
	even := float64(rest) * aim / float64(w.Left)
	if rows == 0 { // they are not spread evenly
		even = max(even, min(2*float64(w.Width), float64(rest)/2))
	}
	w.Width = max(1, min(int64(even), rest))
}

// step reads on until there are rows, or the walk is over.
func (c *Client) step(ctx context.Context, w *walk) (rows []json.RawMessage, date time.Time, err error) {
	for !w.over() {
		s := w.piece()
		p, err := c.ask(ctx, w.list, w.list.within(s), 0, pageSize)
		if err != nil {
			return nil, date, err
		}
		date = p.date
		whole, err := c.whole(ctx, w.list, s, p)
		switch {
		case err != nil:
			return nil, date, err
		case whole:
			rows = p.rows
		case w.Width > 1:
			w.shrink(max(p.total, len(p.rows)), w.places(p.rows))
			continue
		default:
			if rows, err = c.instant(ctx, w.list, s); err != nil {
				return nil, date, err
			}
		}
		if w.pass(len(rows)); len(rows) > 0 {
			return rows, date, nil
		}
	}
	return nil, date, nil
}

// within are the filters of a piece.
func (l listing) within(s span) []filter {
	return []filter{{l.field, "gte", s.from}, {l.field, "lte", s.to}}
}

// whole reports whether a reply has all there is. A total alone does not say: it may count
// what this key is not shown.
func (c *Client) whole(ctx context.Context, l listing, s span, p page) (bool, error) {
	if len(p.rows) >= pageSize || len(p.rows) >= p.total {
		return len(p.rows) < pageSize, nil
	}
	more, err := c.ask(ctx, l, l.within(s), len(p.rows), len(p.rows)+pageSize)
	return len(more.rows) == 0, err
}

const (
	// quiet passes in a row without a new row end the reading of one millisecond, if the
	// total has not ended it before.
	quiet = 6
	// passes bound it.
	passes = 60
)

// instant reads the rows of one millisecond by offset. Rows of one time stand in no
// certain order: one may be skipped at the edge of a page, and another come twice. So the
// pages are read until as many different rows have come as there are.
func (c *Client) instant(ctx context.Context, l listing, s span) (rows []json.RawMessage, err error) {
	seen := map[string]bool{}
	for pass, silent := 0, 0; pass < passes; pass++ {
		before, total := len(rows), 0
		for from := 0; ; {
			p, err := c.ask(ctx, l, l.within(s), from, from+pageSize)
			if err != nil {
				return nil, err
			}
			news := len(rows)
			for _, raw := range p.rows {
				if id := rowID(raw); !seen[id] {
					seen[id] = true
					rows = append(rows, raw)
				}
			}
			total = p.total
			from += min(len(p.rows), pageSize)
			if len(p.rows) == 0 || len(rows) == news && from >= total {
				break
			}
		}
		if silent++; len(rows) > before {
			silent = 0
		}
		if total > 0 && len(rows) >= total || silent == quiet {
			return rows, nil
		}
	}
	return nil, c.api.fault(fault.Unavailable, l.op, "the rows of one moment do not come to an end")
}

// rowID identifies a row of any list; one without an id is itself.
func rowID(raw json.RawMessage) string {
	for _, name := range []string{"alert_id", "id", "issue_id", "incident_id"} {
		if id := lenient.Field(raw, name); id != "" {
			return id
		}
	}
	if id := lenient.Field(raw, "case_id"); id != "" {
		return id
	}
	return string(raw)
}
