package cortex

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// unassigned is the assignee of an incident that has none.
const unassigned = "unassigned"

// Supports implements source.Resolver. A verdict is a way of being resolved: it comes with
// the status resolved, and "undefined" with any other; resolved without a verdict is
// "other". Verdicts are true_positive, false_positive, security_testing, known_issue,
// duplicate and other; benign has no word here. An assignee is the email address of a user
// of the tenant, or "unassigned"; it belongs to the alert's incident. A reason is kept as
// the comment of the resolution. The vendor's own statuses are understood, too.
func (c *Client) Supports(r alert.Resolution) error {
	var not []string
	status, word, ok := wanted(r)
	if r.Status != "" && !ok {
		not = append(not, fmt.Sprintf("the status %q", r.Status))
	}
	_, known := verdictNamed(r.Verdict)
	switch {
	case r.Verdict == "":
	case !known && r.Verdict != undecided:
		not = append(not, fmt.Sprintf("the verdict %q", r.Verdict))
	case r.Verdict == undecided && r.Status == "":
		not = append(not, "the verdict undefined alone (give a status that is open, too)")
	case known && status != alert.StatusResolved:
		not = append(not, fmt.Sprintf("the verdict %q on an alert that is not resolved (give the status resolved, too)", r.Verdict))
	case known && ok && word != r.Verdict:
		not = append(not, fmt.Sprintf("the verdict %q and the status %q together", r.Verdict, r.Status))
	}
	if r.Assign != "" && r.Assign != unassigned && !strings.Contains(r.Assign, "@") {
		not = append(not, fmt.Sprintf("assign %q (an email address is needed)", r.Assign))
	}
	if len(r.Tags) > 0 {
		not = append(not, "tags")
	}
	if len(not) == 0 {
		return nil
	}
	return source.Unsupported(c, "set "+strings.Join(not, ", "))
}

// wanted is the status that a resolution asks for, and the verdict that goes with it.
func wanted(r alert.Resolution) (s alert.Status, verdict string, ok bool) {
	word := string(r.Status)
	switch r.Status {
	case alert.StatusNew, alert.StatusInProgress, "under_investigation", "New", "In Progress":
		return statusOf(word), undecided, true
	case alert.StatusResolved, "Resolved":
		if _, known := verdictNamed(r.Verdict); known {
			return alert.StatusResolved, r.Verdict, true
		}
		return alert.StatusResolved, without, true
	}
	for _, v := range verdicts() {
		if word == v.legacy || word == v.platform {
			return alert.StatusResolved, v.ours, true
		}
	}
	return "", "", false
}

// Resolve implements source.Resolver. It reads the alert first, for the values before; a
// field that already is as wanted is left alone. What was sent is read back: the reply to
// an update does not tell what it did. Applied tells what became of each field also when
// there is an error.
func (c *Client) Resolve(ctx context.Context, h alert.Handle, r alert.Resolution) (source.Applied, error) {
	const op = "resolve"
	if err := c.Supports(r); err != nil {
		return source.Applied{}, err
	}
	now, platform, err := c.mustOne(ctx, op, h)
	if err != nil {
		return source.Applied{}, err
	}
	applied := source.Applied{Fields: map[string]source.FieldResult{}}
	if r.Status != "" {
		if err := c.resolveAlert(ctx, op, applied, now, platform, r); err != nil {
			return applied, err
		}
	}
	if r.Assign != "" {
		if err := c.assign(ctx, op, applied, now.Group, platform, r.Assign); err != nil {
			return applied, err
		}
	}
	return applied, nil
}

// resolveAlert sets status and verdict, which are one field.
func (c *Client) resolveAlert(ctx context.Context, op string, applied source.Applied, now *alert.Alert, platform bool, r alert.Resolution) error {
	status, verdict, _ := wanted(r)
	set := func(field, before string, changed bool, outcome string) {
		if !changed {
			outcome = source.FieldUnchanged
		}
		applied.Fields[field] = source.FieldResult{Outcome: outcome, Before: before}
	}
	before := orElse(now.Analyst, undecided)
	// Resolved without a word about how: any way will do.
	same := now.Status == status && (before == verdict || r.Verdict == "" && verdict == without || status != alert.StatusResolved)
	report := func(outcome string) {
		set(source.FieldStatus, string(now.Status), now.Status != status, outcome)
		if r.Verdict != "" {
			set(source.FieldVerdict, before, before != verdict, outcome)
		}
	}
	report(source.FieldUnchanged)
	if same {
		return nil
	}
	_, err := c.api.do(ctx, c.statusUpdate(op, now.ID, platform, status, verdict, r.Reason))
	outcome, err := c.verify(ctx, err, func(ctx context.Context) (bool, error) {
		is, _, err := c.mustOne(ctx, op, now.Handle)
		return err == nil && is.Status == status && (status != alert.StatusResolved || is.Analyst == verdict), err
	})
	report(outcome)
	return err
}

// statusUpdate is the request that sets an alert's status. Setting it twice is setting it
// once.
func (c *Client) statusUpdate(op, id string, platform bool, s alert.Status, verdict, reason string) call {
	v, _ := verdictNamed(verdict)
	if !platform {
		word := map[alert.Status]string{alert.StatusNew: "new", alert.StatusInProgress: "under_investigation", alert.StatusResolved: v.legacy}[s]
		data := map[string]any{"status": word}
		if reason != "" {
			data["comment"] = reason
		}
		return post(op, "alerts/update_alerts", permAlertsEdit, map[string]any{"alert_id_list": []string{id}, "update_data": data}).of(httpx.Idempotent)
	}
	data := map[string]any{"status": map[alert.Status]string{alert.StatusNew: "New", alert.StatusInProgress: "In Progress", alert.StatusResolved: "Resolved"}[s]}
	if s == alert.StatusResolved {
		data["status_resolution_reason"] = v.platform
		if reason != "" {
			data["status_resolution_comment"] = reason
		}
	}
	return post(op, "issue/"+id, permAlertsEdit, map[string]any{"update_data": data}).of(httpx.Idempotent)
}

// assign sets who works on the alert's incident.
func (c *Client) assign(ctx context.Context, op string, applied source.Applied, id string, platform bool, to string) error {
	if !isNumber(id) {
		return c.api.fault(fault.Unsupported, op, "cannot assign the alert: it belongs to no incident, which is what can be assigned")
	}
	f, _, err := c.incident(ctx, op, platform, id)
	if err != nil {
		return err
	}
	before := orElse(string(f.Assigned), unassigned)
	applied.Fields[source.FieldAssign] = source.FieldResult{Outcome: source.FieldUnchanged, Before: before}
	if strings.EqualFold(before, to) {
		return nil
	}
	_, err = c.api.do(ctx, assignment(op, id, platform, to))
	outcome, err := c.verify(ctx, err, func(ctx context.Context) (bool, error) {
		f, _, err := c.incident(ctx, op, platform, id)
		return err == nil && strings.EqualFold(orElse(string(f.Assigned), unassigned), to), err
	})
	applied.Fields[source.FieldAssign] = source.FieldResult{Outcome: outcome, Before: before}
	return err
}

func assignment(op, id string, platform bool, to string) call {
	if !platform {
		if to == unassigned {
			to = "none"
		}
		return update(op, id, map[string]any{"assigned_user_mail": to}).of(httpx.Idempotent)
	}
	if to == unassigned {
		to = "" // UNCERTAIN: the reference of 5.x does not say how to take it back
	}
	return post(op, "case/update/"+id, permAlertsEdit, map[string]any{"update_data": map[string]any{"assigned_user": to}}).of(httpx.Idempotent)
}

// verify looks whether a change took effect, also after a failure: its answer may have been
// lost. It returns what is left of err.
func (c *Client) verify(ctx context.Context, err error, as func(context.Context) (bool, error)) (outcome string, _ error) {
	refused := []fault.Kind{fault.Auth, fault.Denied, fault.Invalid, fault.NotFound, fault.Unsupported, fault.Usage}
	if slices.Contains(refused, fault.KindOf(err)) {
		return source.FieldUnchanged, err
	}
	is, readErr := as(ctx)
	switch {
	case is:
		return source.FieldDone, nil
	case err != nil:
		return source.FieldUnknown, err
	case readErr != nil:
		return source.FieldUnknown, readErr
	}
	return source.FieldPending, nil
}
