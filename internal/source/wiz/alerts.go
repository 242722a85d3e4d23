package wiz

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

// The streams of a tenant. The second has the detections of threats whose status was
// changed: that does not touch the detections themselves.
const (
	streamDetections = "detections"
	streamThreats    = "threats"
)

// Streams implements source.Feeder. The vendor's clock comes from a small authenticated
// reply.
func (c *Client) Streams(ctx context.Context) ([]source.Stream, error) {
	const op = "read the API's clock"
	o := detections(op, idsDocument, filter{}, 1, descending())
	_, _, date, err := c.api.page(ctx, o, "detections", "")
	if err != nil {
		return nil, err
	}
	if date.IsZero() {
		// Our own clock is no substitute: a pass would end in the vendor's future.
		return nil, c.api.fault(fault.Unavailable, op, "the reply has no Date header; a proxy may have removed it")
	}
	return []source.Stream{{Name: streamDetections, Now: date}, {Name: streamThreats, Now: date}}, nil
}

// Page implements source.Feeder. Both feeds are sorted by the time of creation, which
// never changes. A token is the vendor's cursor: good for the same window only.
func (c *Client) Page(ctx context.Context, s source.Stream, w source.Window, token string) (source.Page, error) {
	const op = "sync detections"
	switch {
	case s.Name == streamThreats && w.By == source.Updated:
		return c.changedThreats(ctx, w, token)
	case s.Name == streamThreats:
		return source.Page{Date: s.Now}, nil // what is new is in the other stream
	case s.Name != streamDetections:
		return source.Page{}, c.api.fault(fault.Invalid, op, fmt.Sprintf("there is no stream %q", s.Name))
	}
	o := detections(op, feedDocument, filter{"createdAt": between(w.From, w.To)}, pageSize, ascending())
	if w.By == source.Updated {
		// There is no upper bound to ask for, and holding back for what is being
		// created has no meaning here.
		o = detections(op, detectionsDocument, filter{"updatedAt": between(w.From, time.Time{})}, pageSize, ascending())
	}
	nodes, next, date, err := c.api.page(ctx, o, "detections", token)
	if err != nil {
		return source.Page{}, tokenError(err, token)
	}
	out := source.Page{Next: next, Date: date}
	for _, raw := range nodes {
		a, bad := c.decode(raw)
		switch {
		case bad != nil:
			out.Bad = append(out.Bad, *bad)
		case w.By == source.Updated && a.Updated.After(w.To): // the next window has it
		default:
			out.Alerts = append(out.Alerts, a)
		}
	}
	return out, nil
}

// tokenError turns a refusal of a request that had a page token into source.ErrToken:
// the same request without one was accepted a moment ago.
func tokenError(err error, token string) error {
	if token == "" {
		return err
	}
	switch fault.KindOf(err) {
	case fault.Invalid, fault.Gone, fault.NotFound:
		return fmt.Errorf("%w: %w", source.ErrToken, err)
	}
	return err
}

// List implements source.Lister, newest first. Time and severity are asked for. Status,
// host and hash are not: a detection has no status of its own, and for the others the
// vendor wants ids of its own.
func (c *Client) List(ctx context.Context, q alert.Query) iter.Seq2[alert.Alert, error] {
	return func(yield func(alert.Alert, error) bool) {
		err := c.api.walk(ctx, func() operation {
			by := filter{}
			if at := between(q.Since, q.Until); at != nil {
				by["createdAt"] = at
			}
			if words := severityWords(q.Severities); words != nil {
				by["severity"] = equals(words...)
			}
			return detections("list detections", detectionsDocument, by, pageSize, descending())
		}, "detections", func(raw json.RawMessage) bool {
			a, bad := c.decode(raw)
			if bad != nil {
				return yield(alert.Alert{}, bad)
			}
			return yield(a, nil)
		})
		if err != nil {
			yield(alert.Alert{}, err)
		}
	}
}

// Get implements source.Getter, 100 detections a request. One that cannot be read is a
// *source.BadItem in the error, and the others are returned nevertheless.
func (c *Client) Get(ctx context.Context, hs ...alert.Handle) ([]alert.Alert, error) {
	var ids []string
	for _, h := range hs {
		if isID(h.ID) {
			ids = append(ids, h.ID)
		}
	}
	slices.Sort(ids)
	return c.get(ctx, "get detections", slices.Compact(ids))
}

func (c *Client) get(ctx context.Context, op string, ids []string) (out []alert.Alert, err error) {
	var unreadable error
	for some := range slices.Chunk(ids, pageSize) {
		err := c.api.walk(ctx, func() operation {
			return detections(op, detectionsDocument, filter{"id": equals(some...)}, pageSize, ascending())
		}, "detections", func(raw json.RawMessage) bool {
			if a, bad := c.decode(raw); bad != nil {
				unreadable = errors.Join(unreadable, bad)
			} else {
				out = append(out, a)
			}
			return true
		})
		if err != nil {
			return out, err
		}
	}
	return out, unreadable
}
