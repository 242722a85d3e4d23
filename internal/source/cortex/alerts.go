package cortex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

// The streams: each generation of the API has one, and a cursor of its own.
const (
	streamAlerts = "alerts"
	streamIssues = "issues"
)

const alertsPath = "/public_api/v2/alerts/get_alerts_multi_events"

// alertList is the list of alerts, or of issues, by the time that they came or were
// changed. Both times are the tenant's.
func alertList(op string, platform bool, by source.Change, order string, more ...filter) listing {
	l := listing{op: op, path: alertsPath, permission: permAlerts, rows: "alerts", total: "total_count", field: "server_creation_time", column: "local_insert_ts",
		filters: more, sort: &sorting{"creation_time", order}}
	if by == source.Updated {
		l.field, l.column = "last_modified_ts", "last_modified_ts"
	}
	if !platform {
		return l
	}
	l.path, l.rows, l.total, l.sort.Field = "issue/search", "DATA", "FILTER_COUNT", "issue_id"
	l.field, l.column = "_insert_time", "_insert_time"
	if by == source.Updated {
		l.field, l.column = "last_modified", "last_modified"
	}
	return l
}

func (c *Client) decode(platform bool, raw json.RawMessage) (alert.Alert, *source.BadItem) {
	if platform {
		return c.decodeIssue(raw)
	}
	return c.decodeAlert(raw)
}

// Streams implements source.Feeder: one stream, of alerts or of issues. The vendor's clock
// comes from a small authenticated reply.
func (c *Client) Streams(ctx context.Context) ([]source.Stream, error) {
	platform, err := c.platform(ctx)
	if err != nil {
		return nil, err
	}
	now, err := c.clock(ctx, alertList("read the tenant's clock", platform, source.Created, "desc"))
	if err != nil {
		return nil, err
	}
	name := streamAlerts
	if platform {
		name = streamIssues
	}
	return []source.Stream{{Name: name, Now: now}}, nil
}

// clock reads the tenant's clock off a list.
func (c *Client) clock(ctx context.Context, l listing) (time.Time, error) {
	p, err := c.ask(ctx, l, nil, 0, 1)
	if err == nil && p.date.IsZero() {
		// Our own clock is no substitute: a pass would end in the tenant's future.
		err = c.api.fault(fault.Unavailable, l.op, "the reply has no Date header; a proxy may have removed it")
	}
	return p.date, err
}

// Page implements source.Feeder. A page is a piece of the window that fits into one reply,
// or one millisecond whole. Its token says where the next piece starts; it is edrc's own
// and does not expire.
func (c *Client) Page(ctx context.Context, s source.Stream, w source.Window, token string) (source.Page, error) {
	const op = "sync alerts"
	if s.Name != streamAlerts && s.Name != streamIssues {
		return source.Page{}, c.api.fault(fault.Invalid, op, fmt.Sprintf("there is no stream %q", s.Name))
	}
	platform := s.Name == streamIssues
	k := walk{list: alertList(op, platform, w.By, "asc"), span: between(w.From, w.To)}
	if token != "" {
		var ok bool
		if k.progress, ok = readToken(token, k.span); !ok {
			return source.Page{}, source.ErrToken
		}
	}
	rows, date, err := c.step(ctx, &k)
	if err != nil {
		return source.Page{}, err
	}
	out := source.Page{Date: date}
	for _, raw := range rows {
		if a, bad := c.decode(platform, raw); bad != nil {
			out.Bad = append(out.Bad, *bad)
		} else {
			out.Alerts = append(out.Alerts, a)
		}
	}
	if !k.over() {
		out.Next = k.token()
	}
	return out, nil
}

// token is a place in a walk, with the span that it is of.
func (w *walk) token() string {
	return fmt.Sprintf("1.%d.%d.%d.%d.%d.%d", w.span.from, w.span.to, w.Pos, w.Width, w.Known, w.Left)
}

func readToken(token string, s span) (progress, bool) {
	var n []int64
	for part := range strings.SplitSeq(token, ".") {
		v, err := strconv.ParseInt(part, 10, 64)
		if err != nil || v < 0 {
			return progress{}, false
		}
		n = append(n, v)
	}
	if len(n) != 7 || n[0] != 1 || n[1] != s.from || n[2] != s.to {
		return progress{}, false
	}
	p, length := progress{n[3], n[4], n[5], n[6]}, s.to-s.from+1
	return p, p.Pos < length && p.Width > 0 && p.Known <= length
}

// Get implements source.Getter, 100 alerts a request. An alert that cannot be read is a
// *source.BadItem in the error, and the others are returned nevertheless.
func (c *Client) Get(ctx context.Context, hs ...alert.Handle) ([]alert.Alert, error) {
	var out []alert.Alert
	var unreadable error
	err := c.byID(ctx, "get alerts", hs, func(platform bool, raw json.RawMessage) {
		a, bad := c.decode(platform, raw)
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

// byID reads alerts by id, each by the call that it came from. What is no number is no
// alert, and is not asked for.
func (c *Client) byID(ctx context.Context, op string, hs []alert.Handle, each func(platform bool, raw json.RawMessage)) error {
	ids := map[bool][]json.Number{}
	seen := map[string]bool{}
	for _, h := range hs {
		if !isNumber(h.ID) {
			continue
		}
		platform, err := c.speaks(ctx, h)
		if err != nil {
			return err
		}
		if key := fmt.Sprint(platform, h.ID); !seen[key] {
			seen[key] = true
			ids[platform] = append(ids[platform], json.Number(strconv.FormatInt(number(h.ID), 10)))
		}
	}
	for _, platform := range []bool{false, true} {
		by := "alert_id_list"
		if platform {
			by = "id"
		}
		for batch := range slices.Chunk(ids[platform], pageSize) {
			p, err := c.ask(ctx, alertList(op, platform, source.Created, "asc"), []filter{{by, "in", batch}}, 0, pageSize)
			if err != nil {
				return err
			}
			for _, raw := range p.rows {
				each(platform, raw)
			}
		}
	}
	return nil
}

// number is the value of digits; isNumber has checked them.
func number(id string) int64 {
	n, _ := strconv.ParseInt(id, 10, 64)
	return n
}

// speaks says by which call an alert is read: the one that it came from, else the
// tenant's.
func (c *Client) speaks(ctx context.Context, h alert.Handle) (platform bool, err error) {
	var s surface
	_ = json.Unmarshal(h.Locator, &s)
	switch s.API {
	case surfaceAlert:
		return false, nil
	case surfaceIssue:
		return true, nil
	}
	return c.platform(ctx)
}

// one reads one alert, nil when the tenant does not have it.
func (c *Client) one(ctx context.Context, op string, h alert.Handle) (found *alert.Alert, platform bool, err error) {
	var bad error
	err = c.byID(ctx, op, []alert.Handle{h}, func(p bool, raw json.RawMessage) {
		a, b := c.decode(p, raw)
		switch {
		case b != nil:
			bad = c.api.fault(fault.Unavailable, op, "the alert cannot be read: "+b.Reason)
		case a.ID == h.ID:
			found, platform = &a, p
		}
	})
	if err == nil && found == nil {
		err = bad
	}
	return found, platform, err
}

// mustOne is one for an alert that has to be there.
func (c *Client) mustOne(ctx context.Context, op string, h alert.Handle) (*alert.Alert, bool, error) {
	a, platform, err := c.one(ctx, op, h)
	if err == nil && a == nil {
		err = c.api.fault(fault.NotFound, op, "the tenant does not know this alert, or the API key does not see it")
	}
	return a, platform, err
}
