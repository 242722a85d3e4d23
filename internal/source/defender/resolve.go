package defender

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// Supports implements source.Resolver. A verdict is one of true_positive,
// false_positive, benign, undefined, or the product's own pair (see [Verdicts]) as
// "truePositive/malware". Tags are those of the alert's incident: an alert has none
// that can be set. A reason is accepted, and belongs into a note.
func (c *Client) Supports(r alert.Resolution) error {
	var not []string
	if r.Status != "" && wordOf(AlertStatuses(), r.Status) == "" {
		not = append(not, fmt.Sprintf("the status %q", r.Status))
	}
	if _, ok := parseVerdict(r.Verdict); r.Verdict != "" && !ok {
		not = append(not, fmt.Sprintf("the verdict %q", r.Verdict))
	}
	if len(not) == 0 {
		return nil
	}
	return source.Unsupported(c, "set "+strings.Join(not, ", "))
}

// state is what a resolution changes, in the product's words, of an alert or an
// incident.
type state struct {
	Status         text
	Classification text
	Determination  text
	AssignedTo     text
}

// decided is the verdict of a state, in words that parseVerdict reads.
func (s state) decided() string {
	if v := verdictOf(s.Classification, s.Determination); v != "" {
		return v
	}
	return "undefined"
}

// subject is one alert or incident that is resolved.
type subject struct {
	path     string
	write    permission
	words    []StatusWord
	incident string // whose tags are meant, "" when there is none
	before   state
}

// Resolve implements source.Resolver. It reads first, for the values before; a field
// that already is as wanted is left alone. What was set is read back. Applied tells
// what became of each field also when there is an error.
func (c *Client) Resolve(ctx context.Context, h alert.Handle, r alert.Resolution) (source.Applied, error) {
	out := source.Applied{Fields: map[string]source.FieldResult{}}
	if err := c.Supports(r); err != nil {
		return source.Applied{}, err
	}
	s, err := c.subject(ctx, h)
	if err != nil {
		return source.Applied{}, err
	}
	if len(r.Tags) > 0 && s.incident == "" {
		return source.Applied{}, source.Unsupported(c, "set tags on an alert without an incident")
	}
	if err := c.setState(ctx, s, r, out); err != nil {
		return out, err
	}
	if len(r.Tags) > 0 {
		return out, c.setTags(ctx, s.incident, r.Tags, out)
	}
	return out, nil
}

// subject reads what a handle means, as it is now.
func (c *Client) subject(ctx context.Context, h alert.Handle) (subject, error) {
	const op = "resolve"
	if id, is := strings.CutPrefix(h.ID, incidentPrefix); is {
		i, _, err := c.incident(ctx, op, id)
		return subject{incidentsPath + "/" + url.PathEscape(id), permIncidentsWrite, IncidentStatuses(), id,
			state{i.Status, i.Classification, i.Determination, i.AssignedTo}}, err
	}
	raw, err := c.alert(ctx, op, h.ID)
	if err != nil {
		return subject{}, err
	}
	w, bad := decodeWire(raw)
	if bad != nil {
		return subject{}, c.graph.fault(fault.Unavailable, op, bad.Error())
	}
	return subject{alertsPath + "/" + url.PathEscape(h.ID), permAlertsWrite, AlertStatuses(), string(w.IncidentID),
		state{w.Status, w.Classification, w.Determination, w.AssignedTo}}, nil
}

// change is one field that is to be another.
type change struct {
	field  string
	before string
	is     func(state) bool // as wanted
}

// setState sets status, verdict and assignee in one request.
func (c *Client) setState(ctx context.Context, s subject, r alert.Resolution, out source.Applied) error {
	const op = "resolve"
	body := map[string]string{}
	var todo []change
	plan := func(ch change, set map[string]string) {
		out.Fields[ch.field] = source.FieldResult{Outcome: source.FieldUnchanged, Before: ch.before}
		if ch.is(s.before) {
			return
		}
		todo = append(todo, ch)
		for k, v := range set {
			body[k] = v
		}
	}
	if r.Status != "" {
		plan(change{source.FieldStatus, string(statusOf(s.words, string(s.before.Status))), func(now state) bool {
			return statusOf(s.words, string(now.Status)) == r.Status
		}}, map[string]string{"status": wordOf(s.words, r.Status)})
	}
	if v, _ := parseVerdict(r.Verdict); r.Verdict != "" {
		plan(change{source.FieldVerdict, s.before.decided(), func(now state) bool {
			return verdictOf(now.Classification, now.Determination) == v.String()
		}}, map[string]string{"classification": v.Classification, "determination": v.Determination})
	}
	if r.Assign != "" {
		plan(change{source.FieldAssign, string(s.before.AssignedTo), func(now state) bool {
			return strings.EqualFold(string(now.AssignedTo), r.Assign)
		}}, map[string]string{"assignedTo": r.Assign})
	}
	if len(todo) == 0 {
		return nil
	}
	resp, err := c.graph.do(ctx, call{httpx.Request{
		Op: op, Method: http.MethodPatch, Path: s.path, Class: httpx.Idempotent, JSON: body,
	}, s.write})
	now, told := s.before, false
	if err == nil {
		now, told = stateIn(resp.Body)
	}
	if !told && !refused(err) {
		// The answer was lost, or has no body: read what came of it.
		if again, readErr := c.readState(ctx, s); readErr == nil {
			now, told = again, true
		}
	}
	return c.judge(s, todo, now, told, err, out)
}

// judge files what became of each field.
func (c *Client) judge(s subject, todo []change, now state, told bool, err error, out source.Applied) error {
	var not []string
	for _, ch := range todo {
		outcome := source.FieldUnknown
		switch {
		case told && ch.is(now):
			outcome = source.FieldDone
		case refused(err):
			outcome = source.FieldUnchanged
		}
		out.Fields[ch.field] = source.FieldResult{Outcome: outcome, Before: ch.before}
		if outcome != source.FieldDone {
			not = append(not, ch.field)
		}
	}
	switch {
	case len(not) == 0:
		return nil
	case err != nil:
		return err
	}
	return c.graph.fault(fault.Conflict, "resolve", "Graph accepted the change, and did not set: "+strings.Join(not, ", "))
}

// refused reports that nothing was changed.
func refused(err error) bool {
	switch fault.KindOf(err) {
	case fault.Denied, fault.Invalid, fault.NotFound, fault.Usage, fault.Unsupported:
		return err != nil
	}
	return false
}

// stateIn reads the alert, or incident, in the answer to a change. Graph's reference
// shows one, its metadata says that there is none: both are fine.
func stateIn(body []byte) (state, bool) {
	var o struct {
		ID             text `json:"id"`
		Status         text `json:"status"`
		Classification text `json:"classification"`
		Determination  text `json:"determination"`
		AssignedTo     text `json:"assignedTo"`
	}
	if json.Unmarshal(body, &o) != nil || o.ID == "" || o.Status == "" {
		return state{}, false
	}
	return state{o.Status, o.Classification, o.Determination, o.AssignedTo}, true
}

func (c *Client) readState(ctx context.Context, s subject) (state, error) {
	resp, err := c.graph.do(ctx, call{httpx.Request{Op: "resolve", Path: s.path}, permAlerts})
	if err != nil {
		return state{}, err
	}
	now, ok := stateIn(resp.Body)
	if !ok {
		return state{}, c.graph.fault(fault.Unavailable, "resolve", "the reply has no status")
	}
	return now, nil
}

// setTags adds tags to an incident. A change replaces the whole list, so it is read,
// completed and written; of two who do that at once, the last one wins.
func (c *Client) setTags(ctx context.Context, id string, tags []string, out source.Applied) error {
	const op = "set tags"
	i, _, err := c.incident(ctx, op, id)
	if err != nil {
		out.Fields[source.FieldTags] = source.FieldResult{Outcome: source.FieldUnchanged}
		return err
	}
	has := func(i incident, tag string) bool {
		return slices.ContainsFunc(i.Tags, func(t text) bool { return strings.EqualFold(string(t), tag) })
	}
	var all []string
	for _, t := range i.Tags {
		all = append(all, string(t))
	}
	before := strings.Join(all, ",")
	n := len(all)
	for _, tag := range tags {
		if !has(i, tag) && !slices.Contains(all, tag) {
			all = append(all, tag)
		}
	}
	if len(all) == n {
		out.Fields[source.FieldTags] = source.FieldResult{Outcome: source.FieldUnchanged, Before: before}
		return nil
	}
	_, err = c.graph.do(ctx, call{httpx.Request{
		Op: op, Method: http.MethodPatch, Path: incidentsPath + "/" + url.PathEscape(id), Class: httpx.Idempotent,
		JSON: map[string]any{"customTags": all},
	}, permIncidentsWrite})
	if refused(err) {
		out.Fields[source.FieldTags] = source.FieldResult{Outcome: source.FieldUnchanged, Before: before}
		return err
	}
	out.Fields[source.FieldTags] = source.FieldResult{Outcome: source.FieldUnknown, Before: before}
	now, _, readErr := c.incident(ctx, op, id)
	if readErr != nil {
		if err == nil {
			err = readErr
		}
		return err
	}
	if !slices.ContainsFunc(tags, func(tag string) bool { return !has(now, tag) }) {
		out.Fields[source.FieldTags] = source.FieldResult{Outcome: source.FieldDone, Before: before}
		return nil
	}
	if err == nil {
		err = c.graph.fault(fault.Conflict, op, "Graph accepted the change, and did not set the tags")
	}
	return err
}
