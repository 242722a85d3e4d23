package crowdstrike

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/safe"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

// unassigned is the assignee of an alert that has none.
const unassigned = "unassigned"

// Supports implements source.Resolver. Verdicts are true_positive, false_positive and
// ignored, and "undefined" takes a verdict back; benign has no word here. An assignee is
// a user's UUID, email address or name, or "unassigned". Tags are added. A reason is
// accepted, and belongs into a note. The vendor's own statuses are understood, too, so
// that a change can be undone.
func (c *Client) Supports(r alert.Resolution) error {
	var not []string
	if _, ok := statusWord(r.Status); r.Status != "" && !ok {
		not = append(not, fmt.Sprintf("the status %q", r.Status))
	}
	if r.Verdict != "" && r.Verdict != undecided && !isVerdict(r.Verdict) {
		not = append(not, fmt.Sprintf("the verdict %q", r.Verdict))
	}
	if slices.Contains(r.Tags, "") {
		not = append(not, "an empty tag in tags")
	}
	if len(not) == 0 {
		return nil
	}
	return source.Unsupported(c, "set "+strings.Join(not, ", ")+" on an alert")
}

// change is what a resolution comes to on one alert: by field, the actions and the test
// that tells whether they took effect.
type change struct {
	field   string
	before  string
	actions []action
	as      func(falconAlert) bool
}

// Resolve implements source.Resolver. It reads the alert first, for the values before; a
// field that already is as wanted is left alone. All the rest is one request, whose
// reply counts the alerts that it changed. Applied tells what became of each field also
// when there is an error.
func (c *Client) Resolve(ctx context.Context, h alert.Handle, r alert.Resolution) (source.Applied, error) {
	const op = "resolve"
	if err := c.Supports(r); err != nil {
		return source.Applied{}, err
	}
	now, _, err := c.one(ctx, op, h.ID)
	if err == nil && now == nil {
		err = c.api.fault(fault.NotFound, op, "the cloud does not know this alert, or the API client does not see it")
	}
	if err != nil {
		return source.Applied{}, err
	}
	applied := source.Applied{Fields: map[string]source.FieldResult{}}
	changes := changesOf(*now, r)
	var actions []action
	for _, ch := range changes {
		applied.Fields[ch.field] = source.FieldResult{Outcome: source.FieldUnchanged, Before: ch.before}
		actions = append(actions, ch.actions...)
	}
	if len(actions) == 0 {
		return applied, nil
	}
	outcome, err := c.apply(ctx, op, string(now.CompositeID), actions)
	if err != nil {
		return applied, c.reread(ctx, op, applied, changes, string(now.CompositeID), outcome, err)
	}
	set(applied, changes, outcome)
	return applied, nil
}

// set gives the fields that were to be changed one outcome.
func set(a source.Applied, changes []change, outcome string) {
	for _, ch := range changes {
		if len(ch.actions) > 0 {
			a.Fields[ch.field] = source.FieldResult{Outcome: outcome, Before: ch.before}
		}
	}
}

// apply sends the actions. Status, tags and assignee may be set twice, so the request
// may be repeated.
func (c *Client) apply(ctx context.Context, op, id string, actions []action) (outcome string, err error) {
	r, err := c.api.send(ctx, patch(op, httpx.Idempotent, []string{id}, actions...))
	if err != nil {
		switch fault.KindOf(err) {
		case fault.Denied, fault.Invalid, fault.NotFound, fault.Usage:
			return source.FieldUnchanged, err // a refusal changed nothing
		}
		// The request is repeated below, and a refused second try says nothing about the
		// first, whose answer was lost.
		return source.FieldUnknown, err
	}
	n, told := r.affected()
	switch m := r.Errors.String(); {
	case m != "" && told && n == 0 && r.Errors.refusals():
		return source.FieldUnchanged, c.api.explain(c.api.fault(r.Errors[0].kind(), op, "nothing was changed: "+m), call{scope: scopeAlertsWrite})
	case m != "":
		return source.FieldUnknown, c.api.fault(fault.Unavailable, op, "the reply has errors: "+m)
	case !told:
		return source.FieldUnknown, c.api.fault(fault.Unavailable, op, "the reply does not say whether the alert was changed")
	case n != 1:
		return source.FieldUnknown, c.api.fault(fault.Conflict, op, fmt.Sprintf("the cloud changed %d alerts instead of one", n))
	case r.status == http.StatusAccepted:
		return source.FieldPending, nil
	}
	return source.FieldDone, nil
}

// reread looks at the alert after a change that did not go well: an answer may have been
// lost. It returns what is left of err.
func (c *Client) reread(ctx context.Context, op string, a source.Applied, changes []change, id, outcome string, err error) error {
	set(a, changes, outcome)
	now, _, readErr := c.one(ctx, op, id)
	if readErr != nil || now == nil {
		return err
	}
	for _, ch := range changes {
		switch {
		case len(ch.actions) == 0:
		case ch.as(*now):
			a.Fields[ch.field] = source.FieldResult{Outcome: source.FieldDone, Before: ch.before}
		default:
			return err
		}
	}
	return nil
}

// changesOf compares an alert with what is wanted.
func changesOf(f falconAlert, r alert.Resolution) []change {
	var out []change
	if word, ok := statusWord(r.Status); ok {
		out = append(out, statusChange(f, word))
	}
	if r.Verdict != "" {
		out = append(out, verdictChange(f, r.Verdict))
	}
	if r.Assign != "" {
		out = append(out, assignChange(f, r.Assign))
	}
	if len(r.Tags) > 0 {
		out = append(out, tagChange(f, r.Tags))
	}
	return out
}

func statusChange(f falconAlert, word string) change {
	ch := change{field: source.FieldStatus, before: string(statusOf(string(f.Status))),
		as: func(f falconAlert) bool { return strings.EqualFold(string(f.Status), word) }}
	if strings.EqualFold(string(f.Status), "reopened") {
		ch.before = "reopened" // else undoing would make it a new one
	}
	// One that was reopened waits as a new one does.
	if !ch.as(f) && (word != "new" || statusOf(string(f.Status)) != alert.StatusNew) {
		ch.actions = []action{{"update_status", word}}
	}
	return ch
}

// verdictChange swaps the tag that stands for the verdict. The vendor removes before it
// adds.
func verdictChange(f falconAlert, verdict string) change {
	ch := change{field: source.FieldVerdict, before: f.verdict()}
	if ch.before == "" {
		ch.before = undecided
	}
	want := verdict
	if want == undecided {
		want = ""
	}
	ch.as = func(f falconAlert) bool { return f.verdict() == want }
	if ch.as(f) {
		return ch
	}
	for _, m := range Verdicts() {
		if m.Vendor != want && (hasTag(f, m.Vendor) || m.Vendor == ch.before) {
			ch.actions = append(ch.actions, action{"remove_tag", m.Vendor})
		}
	}
	if want != "" {
		ch.actions = append(ch.actions, action{"add_tag", want})
	}
	return ch
}

func hasTag(f falconAlert, tag string) bool {
	return slices.ContainsFunc(f.Tags, func(t text) bool { return string(t) == tag })
}

var uuidForm = safe.Pattern(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// assignChange takes a user's UUID, email address or name.
func assignChange(f falconAlert, to string) change {
	ch := change{field: source.FieldAssign, before: lenient.FirstText(f.UUID, f.UID, f.Assigned, unassigned)}
	switch {
	case to == unassigned:
		ch.actions = []action{{"unassign", "true"}}
		ch.as = func(f falconAlert) bool { return f.UUID == "" && f.UID == "" && f.Assigned == "" }
	case uuidForm().MatchString(to):
		ch.actions = []action{{"assign_to_uuid", to}}
		ch.as = func(f falconAlert) bool { return strings.EqualFold(string(f.UUID), to) }
	case strings.Contains(to, "@"):
		ch.actions = []action{{"assign_to_user_id", to}}
		ch.as = func(f falconAlert) bool { return strings.EqualFold(string(f.UID), to) }
	default:
		ch.actions = []action{{"assign_to_name", to}}
		ch.as = func(f falconAlert) bool { return string(f.Assigned) == to }
	}
	if ch.as(f) {
		ch.actions = nil
	}
	return ch
}

func tagChange(f falconAlert, tags []string) change {
	var before []string
	for _, t := range f.Tags {
		before = append(before, string(t))
	}
	ch := change{field: source.FieldTags, before: strings.Join(before, ",")}
	for _, t := range tags {
		if !slices.Contains(before, t) {
			ch.actions = append(ch.actions, action{"add_tag", t})
		}
	}
	ch.as = func(f falconAlert) bool {
		return !slices.ContainsFunc(tags, func(t string) bool { return !hasTag(f, t) })
	}
	return ch
}
