package carbonblack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

// group is a threat: the alerts that share a threat_id, on any device.
type group struct {
	Count    count             `json:"count"`
	States   object[states]    `json:"workflow_states"`
	Severity text              `json:"highest_severity"`
	First    stamp             `json:"first_alert_timestamp"`
	Last     stamp             `json:"last_alert_timestamp"`
	Recent   object[wireAlert] `json:"most_recent_alert"`
}

// states counts alerts by status.
type states map[string]count

// status is that of the alert that is furthest from being closed.
func (s states) status() alert.Status {
	out := alert.StatusResolved
	if len(s) == 0 {
		return alert.StatusNew
	}
	for word, n := range s {
		switch is := statusOf(word); {
		case n == 0:
		case is == alert.StatusNew:
			return is
		case is == alert.StatusInProgress:
			out = is
		}
	}
	return out
}

// groups is POST /grouped_alerts/_search: threats with a count of their alerts.
func (c *Client) groups(ctx context.Context, op string, from, to time.Time, rows int, criteria map[string]any) (*found, error) {
	body := map[string]any{"group_by": map[string]string{"field": "THREAT_ID"}, "rows": rows, "time_range": span(from, to)}
	if len(criteria) > 0 {
		body["criteria"] = criteria
	}
	return c.find(ctx, call{Request: httpx.Request{
		Op: op, Method: http.MethodPost, Path: c.api.path(alertsPath, "grouped_alerts", "_search"), Class: httpx.Read, JSON: body,
	}, permission: permAlerts, whole: true})
}

// ListIncidents implements source.Incidents: the threats that had alerts in the time of
// the query, with those alerts. A threat may be older: Created is the first of its
// alerts in that time.
func (c *Client) ListIncidents(ctx context.Context, q alert.Query) iter.Seq2[alert.Incident, error] {
	return func(yield func(alert.Incident, error) bool) {
		const op = "list incidents"
		from, to, err := c.bounds(ctx, q)
		if err != nil {
			yield(alert.Incident{}, err)
			return
		}
		for batch, err := range c.threats(ctx, op, from, to) {
			if err != nil {
				yield(alert.Incident{}, err)
				return
			}
			ins, bad := c.incidents(batch)
			if err := c.members(ctx, op, from, to, ins); err != nil {
				yield(alert.Incident{}, err)
				return
			}
			for _, b := range bad {
				if !yield(alert.Incident{}, &b) {
					return
				}
			}
			for _, in := range ins {
				if !yield(in, nil) {
					return
				}
			}
		}
	}
}

// threats gives the groups of a time in batches. They have no order that pages could
// rely on, so a time with more groups than one page is halved; a group that was seen in
// a half of it is read again over the whole.
func (c *Client) threats(ctx context.Context, op string, from, to time.Time) iter.Seq2[[]json.RawMessage, error] {
	return func(yield func([]json.RawMessage, error) bool) {
		type part struct{ from, to time.Time }
		seen := map[string]bool{}
		for todo := []part{{from, to}}; len(todo) > 0; {
			p := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			r, err := c.groups(ctx, op, p.from, p.to, pageSize, nil)
			if err == nil && int(r.Total) > len(*r.Results) {
				if half := p.to.Sub(p.from) / 2; half >= tick {
					mid := p.from.Add(half).Truncate(tick)
					todo = append(todo, part{p.from, mid.Add(-time.Microsecond)}, part{mid, p.to}) // the newer half is next
					continue
				}
				if r, err = c.groups(ctx, op, p.from, p.to, window, nil); err == nil && int(r.Total) > len(*r.Results) {
					err = c.api.fault(fault.Partial, op, fmt.Sprintf("%d threats of one moment, and the cloud gives only %d of them", r.Total, len(*r.Results)))
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
			whole := p.from.Equal(from) && p.to.Equal(to)
			if whole {
				yield(*r.Results, nil)
				return
			}
			for ids := range slices.Chunk(unseen(*r.Results, seen), idsPerRequest) {
				again, err := c.groups(ctx, op, from, to, len(ids), map[string]any{"threat_id": ids})
				if err != nil {
					yield(nil, err)
					return
				}
				if !yield(*again.Results, nil) {
					return
				}
			}
		}
	}
}

// unseen are the ids of groups that come for the first time.
func unseen(groups []json.RawMessage, seen map[string]bool) []string {
	var ids []string
	for _, raw := range groups {
		if g, err := parseGroup(raw); err == nil && !seen[g.id()] {
			seen[g.id()] = true
			ids = append(ids, g.id())
		}
	}
	return ids
}

// id is the threat's, which stands in its alerts.
func (g group) id() string { return string(g.Recent.V.ThreatID) }

func parseGroup(raw json.RawMessage) (group, error) {
	var g group
	if err := json.Unmarshal(raw, &g); err != nil {
		return g, err
	}
	if !isID(g.id()) {
		return g, errors.New("its most recent alert has no threat_id")
	}
	return g, nil
}

// incidents maps groups; those that cannot be read are told beside.
func (c *Client) incidents(groups []json.RawMessage) (ins []alert.Incident, bad []source.BadItem) {
	for _, raw := range groups {
		g, err := parseGroup(raw)
		if err != nil {
			bad = append(bad, *badItem(raw, err))
			continue
		}
		w := g.Recent.V
		in := alert.Incident{
			Ref: alert.Ref{Source: c.name, Incident: true, ID: g.id()}, ID: g.id(),
			Title:    lenient.FirstText(w.Reason, w.ThreatName, w.ReportName, w.ThreatID),
			Severity: severityOf(string(g.Severity)), Status: g.States.V.status(),
			Created: lenient.First(g.First, w.Created), Updated: lenient.First(g.Last, w.Updated), URL: c.console("threat_id:" + g.id()), Raw: raw,
		}
		if g.Count == 1 && isID(string(w.ID)) {
			in.Alerts = []alert.Handle{{ID: string(w.ID), Note: string(w.ID), Group: g.id()}}
		}
		ins = append(ins, in)
	}
	return ins, bad
}

// members fills in the alerts of incidents that have more than the one that the group
// shows, the newest first.
func (c *Client) members(ctx context.Context, op string, from, to time.Time, ins []alert.Incident) error {
	byID := map[string]*alert.Incident{}
	var ids []string
	for i := range ins {
		if len(ins[i].Alerts) == 0 {
			byID[ins[i].ID] = &ins[i]
			ids = append(ids, ins[i].ID)
		}
	}
	for batch := range slices.Chunk(ids, idsPerRequest) {
		w := walk{op: op, by: byCreated, from: from, to: to, desc: true, criteria: map[string]any{"threat_id": batch}}
		for i, err := range c.all(ctx, w) {
			if err != nil {
				return err
			}
			if in := byID[string(i.ThreatID)]; i.err == nil && in != nil {
				in.Alerts = append(in.Alerts, alert.Handle{ID: string(i.ID), Note: string(i.ID), Group: in.ID})
			}
		}
	}
	return nil
}

// GetIncident implements source.Incidents: a threat with all of its alerts that the
// vendor still has.
func (c *Client) GetIncident(ctx context.Context, id string) (alert.Incident, error) {
	const op = "get incident"
	missing := c.api.fault(fault.NotFound, op, "the cloud does not know this threat (any more), or the API key does not see it")
	if !isID(id) {
		return alert.Incident{}, missing
	}
	from, to, err := c.bounds(ctx, alert.Query{})
	if err != nil {
		return alert.Incident{}, err
	}
	r, err := c.groups(ctx, op, from, to, 1, map[string]any{"threat_id": []string{id}})
	if err != nil {
		return alert.Incident{}, err
	}
	ins, bad := c.incidents(*r.Results)
	switch {
	case len(bad) > 0:
		return alert.Incident{}, c.api.fault(fault.Unavailable, op, bad[0].Error())
	case len(ins) == 0 || ins[0].ID != id:
		return alert.Incident{}, missing
	}
	if err := c.members(ctx, op, from, to, ins[:1]); err != nil {
		return alert.Incident{}, err
	}
	return ins[0], nil
}
