package cortex

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

// incident is the part of an incident (3.x) or a case (5.x) that edrc reads.
type incident struct {
	ID          text `json:"incident_id"`
	CaseID      text `json:"case_id"`
	Name        text `json:"incident_name"`
	CaseName    text `json:"case_name"`
	Description text `json:"description"`
	Manual      text `json:"manual_description"`

	Severity       text `json:"severity"`
	ManualSeverity text `json:"manual_severity"`
	UserSeverity   text `json:"user_severity"`
	Status         text `json:"status"`
	Progress       text `json:"status_progress"`
	Assigned       text `json:"assigned_user_mail"`

	Created  stamp `json:"creation_time"`
	Modified stamp `json:"modification_time"`

	URL      text          `json:"xdr_url"`
	Issues   many          `json:"issue_ids"`
	Count    count         `json:"issue_count"`
	Comments list[comment] `json:"comments"`
}

func (f incident) id() string { return lenient.FirstText(f.ID, f.CaseID) }

func parseIncident(raw json.RawMessage) (incident, error) {
	var f incident
	if err := json.Unmarshal(raw, &f); err != nil {
		return f, err
	}
	if f.id() == "" {
		return f, errors.New("it has no id")
	}
	return f, nil
}

// decodeIncident maps one incident or case. A case has the ids of its issues; the alerts
// of an incident are read with it alone.
func (c *Client) decodeIncident(raw json.RawMessage) (alert.Incident, *source.BadItem) {
	f, err := parseIncident(raw)
	if err != nil {
		return alert.Incident{}, badItem(raw, err)
	}
	id := f.id()
	in := alert.Incident{
		Ref: alert.Ref{Source: c.name, Incident: true, ID: id}, ID: id,
		Title:    orElse(lenient.FirstText(f.CaseName, f.Name, f.Manual, f.Description), id),
		Severity: severityOf(f.severity()), Status: statusOf(lenient.FirstText(f.Progress, f.Status)),
		Created: lenient.First(f.Created, f.Modified), Updated: f.Modified.Time, URL: c.incidentURL(id, string(f.URL)), Raw: raw,
	}
	for _, issue := range f.Issues {
		if issue != "" {
			in.Alerts = append(in.Alerts, alert.Handle{ID: issue, Note: id, Group: id, Locator: locator(surfaceIssue)})
		}
	}
	return in, nil
}

// severity is the one that a person has set, else the product's.
func (f incident) severity() string {
	for _, own := range []text{f.UserSeverity, f.ManualSeverity} {
		if own != "" && !strings.EqualFold(string(own), "none") {
			return string(own)
		}
	}
	return string(f.Severity)
}

// incidentList is the list of incidents, or of cases, by the time of their creation.
func incidentList(op string, platform bool, order string, more ...filter) listing {
	l := listing{op: op, path: "incidents/get_incidents", permission: permAlerts, rows: "incidents", total: "total_count",
		field: "creation_time", column: "creation_time", filters: more, sort: &sorting{"creation_time", order}}
	if platform {
		l.path, l.rows, l.total = "case/search", "DATA", "FILTER_COUNT"
	}
	return l
}

// ListIncidents implements source.Incidents: incidents or cases, newest first.
func (c *Client) ListIncidents(ctx context.Context, q alert.Query) iter.Seq2[alert.Incident, error] {
	return func(yield func(alert.Incident, error) bool) {
		platform, err := c.platform(ctx)
		if err != nil {
			yield(alert.Incident{}, err)
			return
		}
		for raw, err := range c.newestFirst(ctx, incidentList("list incidents", platform, "desc"), q) {
			if err != nil {
				yield(alert.Incident{}, err)
				return
			}
			in, bad := c.decodeIncident(raw)
			if bad != nil && !yield(alert.Incident{}, bad) || bad == nil && !yield(in, nil) {
				return
			}
		}
	}
}

// GetIncident implements source.Incidents, with the handles of all its alerts.
func (c *Client) GetIncident(ctx context.Context, id string) (alert.Incident, error) {
	const op = "get an incident"
	platform, err := c.platform(ctx)
	if err != nil {
		return alert.Incident{}, err
	}
	if platform {
		return c.getCase(ctx, op, id)
	}
	x, err := c.extra(ctx, op, id, alertsOfIncident)
	if err != nil {
		return alert.Incident{}, err
	}
	in, bad := c.decodeIncident(x.Incident)
	if bad != nil {
		return alert.Incident{}, c.api.fault(fault.Unavailable, op, bad.Error())
	}
	for _, raw := range x.Alerts.Data {
		if id := lenient.Field(raw, "alert_id"); id != "" {
			in.Alerts = append(in.Alerts, alert.Handle{ID: id, Note: in.ID, Group: in.ID, Locator: locator(surfaceAlert)})
		}
	}
	if total := int(x.Alerts.Total); total > len(in.Alerts) {
		err = c.rest(ctx, op, false, &in, total)
	}
	return in, err
}

func (c *Client) getCase(ctx context.Context, op, id string) (alert.Incident, error) {
	f, raw, err := c.incident(ctx, op, true, id)
	if err != nil {
		return alert.Incident{}, err
	}
	in, bad := c.decodeIncident(raw)
	if bad != nil {
		return alert.Incident{}, c.api.fault(fault.Unavailable, op, bad.Error())
	}
	if total := int(f.Count); total > len(in.Alerts) {
		err = c.rest(ctx, op, true, &in, total)
	}
	return in, err
}

// rest finds the alerts of an incident that did not come with it, at most 1,000 do: there
// is no filter by incident, so the alerts of its time are looked through.
func (c *Client) rest(ctx context.Context, op string, platform bool, in *alert.Incident, total int) error {
	l := alertList(op, platform, source.Created, "asc")
	now, err := c.clock(ctx, l)
	if err != nil {
		return err
	}
	// An incident is made of alerts that were there a while before.
	k := walk{list: l, span: between(in.Created.Add(-24*time.Hour), now)}
	known := map[string]bool{}
	for _, h := range in.Alerts {
		known[h.ID] = true
	}
	for !k.over() && len(in.Alerts) < total {
		rows, _, err := c.step(ctx, &k)
		if err != nil {
			return err
		}
		for _, raw := range rows {
			a, bad := c.decode(platform, raw)
			if bad == nil && a.Group == in.ID && !known[a.ID] {
				known[a.ID] = true
				in.Alerts = append(in.Alerts, a.Handle)
			}
		}
	}
	return nil
}

// incident reads one incident or case, without its alerts.
func (c *Client) incident(ctx context.Context, op string, platform bool, id string) (incident, json.RawMessage, error) {
	missing := c.api.fault(fault.NotFound, op, "the tenant does not know this incident, or the API key does not see it")
	if !isNumber(id) {
		return incident{}, nil, missing
	}
	by := filter{"incident_id_list", "in", []string{id}}
	if platform {
		by = filter{"case_id", "in", []int64{number(id)}}
	}
	p, err := c.ask(ctx, incidentList(op, platform, "asc"), []filter{by}, 0, pageSize)
	if err != nil {
		return incident{}, nil, err
	}
	i := slices.IndexFunc(p.rows, func(raw json.RawMessage) bool {
		f, err := parseIncident(raw)
		return err == nil && f.id() == id
	})
	if i < 0 {
		return incident{}, nil, missing
	}
	f, err := parseIncident(p.rows[i])
	return f, p.rows[i], err
}

// extraData is an incident with what belongs to it.
type extraData struct {
	Incident json.RawMessage `json:"incident"`
	Alerts   struct {
		Total count                 `json:"total_count"`
		Data  list[json.RawMessage] `json:"data"`
	} `json:"alerts"`
}

// extra is POST /incidents/get_incident_extra_data, which 5.x answers, too: a case has the
// number of its incident.
func (c *Client) extra(ctx context.Context, op, id string, alerts int) (extraData, error) {
	missing := c.api.fault(fault.NotFound, op, "the tenant does not know this incident, or the API key does not see it")
	if !isNumber(id) {
		return extraData{}, missing
	}
	var x extraData
	_, err := c.api.send(ctx, post(op, "incidents/get_incident_extra_data", permAlerts, map[string]any{"incident_id": id, "alerts_limit": alerts}), &x)
	if err != nil {
		return x, err
	}
	if f, err := parseIncident(x.Incident); err != nil || f.id() != id {
		return x, missing
	}
	return x, nil
}
