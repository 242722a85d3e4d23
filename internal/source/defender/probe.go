package defender

import (
	"cmp"
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
)

// place is the Locator of an alert's handle: when it was created, which is what Graph can
// find many alerts by. There is no filter by id.
type place struct {
	Created time.Time `json:"created"`
}

func locator(created time.Time) json.RawMessage {
	if created.IsZero() {
		return nil
	}
	b, _ := json.Marshal(place{created}) // a time that was read always marshals
	return b
}

func createdOf(h alert.Handle) time.Time {
	var at place
	_ = json.Unmarshal(h.Locator, &at) // an older handle has none
	return at.Created
}

// probeShare is how many alerts a request of a probe should tell about; to read one alone
// costs a request, too.
const probeShare = 4

// ProbeNotes implements source.NoteProber: the comments stand in each alert of a list. The
// list of the time that the handles span is read, and given up where few of its alerts
// are asked for. What was not found is absent, and so are incidents.
func (c *Client) ProbeNotes(ctx context.Context, hs ...alert.Handle) (map[string]alert.Has, error) {
	out := map[string]alert.Has{}
	asked := map[string]bool{}
	var wanted []alert.Handle
	for _, h := range hs {
		if !createdOf(h).IsZero() && isID(h.ID) && cmp.Or(h.Note, h.ID) == h.ID && !asked[h.ID] {
			asked[h.ID] = true
			wanted = append(wanted, h)
		}
	}
	if len(wanted) == 0 || c.graph.unordered(probePath) {
		return out, nil
	}
	byTime := func(a, b alert.Handle) int { return createdOf(a).Compare(createdOf(b)) }
	next := c.probeCall(createdOf(slices.MinFunc(wanted, byTime)), createdOf(slices.MaxFunc(wanted, byTime)))
	for requests := (len(wanted) + probeShare - 1) / probeShare; requests > 0 && len(out) < len(wanted); requests-- {
		p, err := c.graph.list(ctx, next)
		if e, ok := err.(*fault.Error); ok && e.Kind == fault.Invalid {
			c.graph.refuses.Store(probePath, true) // that it selects is UNCERTAIN: each is read alone
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		for _, raw := range p.items {
			if w, bad := decodeWire(raw); bad == nil && asked[string(w.ID)] && w.notes() != alert.Unsaid {
				out[string(w.ID)] = w.notes()
			}
		}
		if p.next == "" {
			break
		}
		if next, err = c.graph.follow(next, p.next); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// probePath marks the list with nothing but ids and comments among those that Graph refuses.
const probePath = alertsPath + "?$select"

// probeCall asks for the comments of the alerts from one moment to another.
func (c *Client) probeCall(from, to time.Time) call {
	return call{httpx.Request{Op: "look for notes", Path: alertsPath, Query: url.Values{
		"$select": {"id,comments"}, "$top": {strconv.Itoa(c.top)},
		"$filter": {strings.Join([]string{
			fieldCreated + " ge " + literal(from.Truncate(time.Millisecond)), fieldCreated + " lt " + literal(to.Truncate(time.Millisecond).Add(time.Millisecond)),
		}, " and ")},
	}}, permAlerts}
}
