package wiz

import (
	"context"
	"encoding/json"
	"iter"
	"slices"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

// issue is the part of an issue that edrc reads. One of type THREAT_DETECTION is a threat.
type issue struct {
	ID          text       `json:"id"`
	Type        text       `json:"type"`
	URL         text       `json:"url"`
	Status      text       `json:"status"`
	Severity    text       `json:"severity"`
	Description text       `json:"description"`
	Created     stamp      `json:"createdAt"`
	Updated     stamp      `json:"updatedAt"`
	Changed     stamp      `json:"statusChangedAt"`
	Reason      text       `json:"resolutionReason"`
	Rule        rule       `json:"sourceRule"`
	Rules       list[rule] `json:"sourceRules"` // the newer field
	Entity      struct {
		Name text `json:"name"`
	} `json:"entitySnapshot"`
	Threats struct {
		Detections struct {
			Nodes list[struct {
				ID text `json:"id"`
			}] `json:"nodes"`
		} `json:"detections"`
	} `json:"threatDetectionDetails"`
}

const typeThreat = "THREAT_DETECTION"

// title is the rule's name, and the resource: one rule raises many threats.
func (i issue) title() string {
	names := []text{i.Rule.Name}
	for _, r := range i.Rules {
		names = append(names, r.Name)
	}
	title := lenient.FirstText(append(names, text(firstLine(string(i.Description))), i.Entity.Name, i.ID)...)
	if name := string(i.Entity.Name); name != "" && name != title {
		title += " (" + name + ")"
	}
	return title
}

// detectionIDs are those that the issue names, and whether that may not be all.
func (i issue) detectionIDs() (ids []string, more bool) {
	nodes := i.Threats.Detections.Nodes
	for _, n := range nodes {
		if n.ID != "" {
			ids = append(ids, string(n.ID))
		}
	}
	return ids, len(nodes) >= issuesPage
}

// decodeIssue maps one issue, or says why it cannot be used.
func (c *Client) decodeIssue(raw json.RawMessage) (alert.Incident, issue, *source.BadItem) {
	var i issue
	if !lenient.Decode(raw, &i) || i.ID == "" {
		return alert.Incident{}, i, bad(raw, "it is no issue, or has no id")
	}
	id := string(i.ID)
	return alert.Incident{
		Ref: alert.Ref{Source: c.name, Incident: true, ID: id}, ID: id, Title: i.title(),
		Severity: severityOf(i.Severity), Status: statusOf(i.Status), Created: lenient.First(i.Created, i.Updated), Updated: i.Updated.Time,
		URL: c.issueLink(i.URL, i.ID), Raw: raw,
	}, i, nil
}

// members are the handles of detections that belong to a threat.
func members(threat string, ids []string) []alert.Handle {
	out := make([]alert.Handle, len(ids))
	for i, id := range ids {
		out[i] = alert.Handle{ID: id, Note: threat, Group: threat}
	}
	return out
}

// ListIncidents implements source.Incidents: threats, newest first, each with all of its
// detections. Time, severity and status are asked for.
func (c *Client) ListIncidents(ctx context.Context, q alert.Query) iter.Seq2[alert.Incident, error] {
	return func(yield func(alert.Incident, error) bool) {
		var failed error
		err := c.api.walk(ctx, func() operation {
			return threats("list threats", issuesDocument, issueFilter(q), pageSize, descending())
		}, "issues", func(raw json.RawMessage) bool {
			in, i, bad := c.decodeIssue(raw)
			if bad != nil {
				return yield(alert.Incident{}, bad)
			}
			ids, more := i.detectionIDs()
			if more {
				if ids, failed = c.detectionsOf(ctx, in.ID); failed != nil {
					return false
				}
			}
			in.Alerts = members(in.ID, ids)
			return yield(in, nil)
		})
		if failed != nil {
			err = failed
		}
		if err != nil {
			yield(alert.Incident{}, err)
		}
	}
}

func issueFilter(q alert.Query) filter {
	by := filter{}
	if at := between(q.Since, q.Until); at != nil {
		by["createdAt"] = at
	}
	if words := severityWords(q.Severities); words != nil {
		by["severity"] = words
	}
	if words := statusWords(q.Statuses); words != nil {
		by["status"] = words
	}
	return by
}

// GetIncident implements source.Incidents: a threat with all of its detections.
func (c *Client) GetIncident(ctx context.Context, id string) (alert.Incident, error) {
	const op = "get a threat"
	raw, err := c.issueRaw(ctx, op, issueDocument, id)
	if err != nil {
		return alert.Incident{}, err
	}
	in, _, bad := c.decodeIssue(raw)
	if bad != nil {
		return alert.Incident{}, c.api.fault(fault.Unavailable, op, bad.Error())
	}
	ids, err := c.detectionsOf(ctx, in.ID)
	in.Alerts = members(in.ID, ids)
	return in, fault.At(err, c.name, op)
}

// issueRaw reads one issue by id.
func (c *Client) issueRaw(ctx context.Context, op, document, id string) (json.RawMessage, error) {
	missing := c.api.fault(fault.NotFound, op, "Wiz does not know this threat, or the service account does not see its project")
	if !isID(id) {
		return nil, missing
	}
	raw, _, err := c.api.run(ctx, operation{
		op: op, document: document, variables: map[string]any{"id": id}, class: httpx.Read, scope: scopeIssues,
	}, "issue")
	if err == nil && raw == nil {
		err = missing
	}
	return raw, err
}

// detectionsOf gives the ids of all detections of a threat, however many.
func (c *Client) detectionsOf(ctx context.Context, threat string) (ids []string, err error) {
	err = c.api.walk(ctx, func() operation {
		return detections("list the detections of a threat", idsDocument, filter{"issueId": threat}, issuesPage, ascending())
	}, "detections", func(raw json.RawMessage) bool {
		if id := lenient.Field(raw, "id"); id != "" {
			ids = append(ids, id)
		}
		return true
	})
	return ids, err
}

// changedThreats is a page of the second stream: the detections of threats whose status
// was changed within a window. A new severity or a note moves only updatedAt, for which
// there is no filter: the daily comparison finds them.
func (c *Client) changedThreats(ctx context.Context, w source.Window, token string) (source.Page, error) {
	const op = "sync threats"
	changed := between(w.From, time.Time{}) // no upper bound is documented
	nodes, next, date, err := c.api.page(ctx, threats(op, issueChangesDocument, filter{"statusChangedAt": changed}, pageSize, ascending()), "issues", token)
	if err != nil {
		return source.Page{}, tokenError(err, token)
	}
	out := source.Page{Next: next, Date: date}
	var ids []string
	for _, raw := range nodes {
		_, i, bad := c.decodeIssue(raw)
		switch {
		case bad != nil:
			out.Bad = append(out.Bad, *bad)
			continue
		case i.Changed.After(w.To) || i.untouched():
			continue
		}
		mine, more := i.detectionIDs()
		if more {
			if mine, err = c.detectionsOf(ctx, string(i.ID)); err != nil {
				return source.Page{}, err
			}
		}
		ids = append(ids, mine...)
	}
	slices.Sort(ids)
	found, err := c.get(ctx, op, slices.DeleteFunc(slices.Compact(ids), func(id string) bool { return !isID(id) }))
	out.Alerts = found
	for _, b := range badItems(err) {
		out.Bad = append(out.Bad, *b)
		err = nil
	}
	return out, err
}

// untouched reports a threat that is as it was raised: its detections are in the first
// stream.
func (i issue) untouched() bool {
	return i.Status == "OPEN" && !i.Created.IsZero() && !i.Changed.IsZero() && i.Changed.Sub(i.Created.Time) < time.Minute
}

// badItems takes the unreadable items out of an error that consists of them.
func badItems(err error) []*source.BadItem {
	switch e := err.(type) {
	case *source.BadItem:
		return []*source.BadItem{e}
	case interface{ Unwrap() []error }:
		var out []*source.BadItem
		for _, one := range e.Unwrap() {
			out = append(out, badItems(one)...)
		}
		return out
	}
	return nil
}
