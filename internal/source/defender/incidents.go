package defender

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/url"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

// incidentsPath is where Graph has incidents.
const incidentsPath = "/security/incidents"

// incidentsTop is the most that Graph gives at once.
const incidentsTop = 50

// incidentPrefix marks an incident where an alert's id could stand: in a Handle, and
// so in the container of a note.
const incidentPrefix = "incident/"

// IncidentHandle is what to note on, and to resolve, an incident by. Its comments and
// its status are its own; those of its alerts stay as they are.
func IncidentHandle(id string) alert.Handle {
	return alert.Handle{ID: incidentPrefix + id, Note: incidentPrefix + id, Group: id}
}

// incident is the part of a Graph incident that edrc reads; the last group has the
// names of the older API.
type incident struct {
	ID             text                  `json:"id"`
	DisplayName    text                  `json:"displayName"`
	Severity       text                  `json:"severity"`
	Status         text                  `json:"status"`
	Classification text                  `json:"classification"`
	Determination  text                  `json:"determination"`
	AssignedTo     text                  `json:"assignedTo"`
	Tags           list[text]            `json:"customTags"`
	RedirectID     text                  `json:"redirectIncidentId"`
	WebURL         text                  `json:"incidentWebUrl"`
	Comments       list[comment]         `json:"comments"`
	Alerts         list[json.RawMessage] `json:"alerts"`
	Created        stamp                 `json:"createdDateTime"`
	Updated        stamp                 `json:"lastUpdateDateTime"`

	IncidentID text  `json:"incidentId"`
	Name       text  `json:"incidentName"`
	OldCreated stamp `json:"createdTime"`
	OldUpdated stamp `json:"lastUpdateTime"`
}

func decodeIncident(raw json.RawMessage) (incident, *source.BadItem) {
	var i incident
	err := json.Unmarshal(raw, &i)
	if i.ID == "" {
		i.ID = i.IncidentID
	}
	if err == nil && i.ID == "" {
		err = errors.New("it has no id")
	}
	if err != nil {
		return incident{}, badItem(raw, err)
	}
	return i, nil
}

func (c *Client) incidentOf(i incident, raw json.RawMessage) alert.Incident {
	out := alert.Incident{
		Ref: alert.Ref{Source: c.name, Incident: true, ID: string(i.ID)}, ID: string(i.ID), Title: lenient.FirstText(i.DisplayName, i.Name),
		Severity: severityOf(string(i.Severity)), Status: statusOf(IncidentStatuses(), string(i.Status)),
		Created: lenient.First(i.Created, i.OldCreated, i.Updated, i.OldUpdated), Updated: lenient.First(i.Updated, i.OldUpdated),
		URL: c.portal + "/incidents/" + url.PathEscape(string(i.ID)), Raw: raw,
	}
	if u, err := url.Parse(string(i.WebURL)); err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil {
		out.URL = string(i.WebURL)
	}
	for _, item := range i.Alerts {
		if w, bad := decodeWire(item); bad == nil {
			out.Alerts = append(out.Alerts, alert.Handle{ID: string(w.ID), Note: string(w.ID), Group: string(i.ID), Locator: locator(w.created())})
		}
	}
	return out
}

// ListIncidents implements source.Incidents, newest first, with the alerts of each.
func (c *Client) ListIncidents(ctx context.Context, q alert.Query) iter.Seq2[alert.Incident, error] {
	all := collection{op: "list incidents", path: incidentsPath, permission: permIncidents, top: incidentsTop, field: fieldCreated, expand: "alerts"}
	all.filters = append(excluding("severity", unwanted(severityWords(), q.Severities, severityOf)),
		excluding("status", unwanted(words(IncidentStatuses()), q.Statuses, func(w string) alert.Status { return statusOf(IncidentStatuses(), w) }))...)
	return func(yield func(alert.Incident, error) bool) {
		for raw, err := range c.graph.walk(ctx, all, spanOf(q)) {
			if err != nil {
				yield(alert.Incident{}, err)
				return
			}
			i, bad := decodeIncident(raw)
			if bad != nil && !yield(alert.Incident{}, bad) || bad == nil && !yield(c.incidentOf(i, raw), nil) {
				return
			}
		}
	}
}

// GetIncident implements source.Incidents. One that was merged into another gives
// that other.
func (c *Client) GetIncident(ctx context.Context, id string) (alert.Incident, error) {
	const op = "get incident"
	const hops = 5
	for range hops {
		i, raw, err := c.incident(ctx, op, id)
		if err != nil {
			return alert.Incident{}, err
		}
		if !strings.EqualFold(string(i.Status), redirected) || i.RedirectID == "" || string(i.RedirectID) == id {
			return c.incidentOf(i, raw), nil
		}
		id = string(i.RedirectID)
	}
	return alert.Incident{}, c.graph.fault(fault.Invalid, op, "the incident was merged into others in a circle")
}

// incident reads one incident with its alerts.
func (c *Client) incident(ctx context.Context, op, id string) (incident, json.RawMessage, error) {
	if !isID(id) {
		return incident{}, nil, c.graph.fault(fault.NotFound, op, "this is not an incident of Defender")
	}
	resp, err := c.graph.do(ctx, call{httpx.Request{
		Op: op, Path: incidentsPath + "/" + url.PathEscape(id), Query: url.Values{"$expand": {"alerts"}},
	}, permIncidents})
	if err != nil {
		return incident{}, nil, err
	}
	var raw json.RawMessage
	if err := resp.Decode(&raw); err != nil {
		return incident{}, nil, err
	}
	i, bad := decodeIncident(raw)
	if bad != nil {
		return incident{}, nil, c.graph.fault(fault.Unavailable, op, bad.Error())
	}
	return i, raw, nil
}
