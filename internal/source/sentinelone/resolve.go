package sentinelone

import (
	"context"
	"fmt"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

// Supports implements source.Resolver: status and verdict can be set, an assignee
// and tags cannot. A reason is accepted, and belongs into a note. The verdicts
// true_positive and false_positive are understood by both surfaces, benign by the
// unified one; the console's own words are, too, so that a change can be undone.
func (c *Client) Supports(r alert.Resolution) error {
	var not []string
	if r.Status != "" && r.Status != alert.StatusNew && r.Status != alert.StatusInProgress && r.Status != alert.StatusResolved {
		not = append(not, fmt.Sprintf("the status %q", r.Status))
	}
	if _, ok := c.surface.verdict(r.Verdict); !ok {
		not = append(not, fmt.Sprintf("the verdict %q", r.Verdict))
	}
	if r.Assign != "" {
		not = append(not, "an assignee")
	}
	if len(r.Tags) > 0 {
		not = append(not, "tags")
	}
	if len(not) == 0 {
		return nil
	}
	return source.Unsupported(c, "set "+strings.Join(not, ", ")+" on an alert ("+c.surface.name()+")")
}

// Resolve implements source.Resolver. It reads the alert first, for the values
// before; a field that already is as wanted is left alone. Applied tells what
// became of each field also when there is an error.
func (c *Client) Resolve(ctx context.Context, h alert.Handle, r alert.Resolution) (source.Applied, error) {
	if err := c.Supports(r); err != nil {
		return source.Applied{}, err
	}
	now, err := c.surface.get(ctx, []alert.Handle{h})
	if len(now) == 0 && err != nil {
		return source.Applied{}, err
	}
	if len(now) == 0 {
		return source.Applied{}, c.rest.fault(fault.NotFound, "resolve", "the console does not know this alert, or the token does not see it")
	}
	verdict, _ := c.surface.verdict(r.Verdict)
	applied := source.Applied{Fields: map[string]source.FieldResult{}}
	if r.Status != "" {
		applied.Fields[source.FieldStatus] = source.FieldResult{Outcome: source.FieldUnchanged, Before: string(now[0].Status)}
		if r.Status == now[0].Status {
			r.Status = ""
		}
	}
	if verdict != "" {
		before := now[0].Analyst
		if before == "" {
			before = "undefined"
		}
		applied.Fields[source.FieldVerdict] = source.FieldResult{Outcome: source.FieldUnchanged, Before: before}
		if strings.EqualFold(before, verdict) {
			verdict = ""
		}
	}
	r.Verdict = verdict
	if r.Status == "" && r.Verdict == "" {
		return applied, nil
	}
	done, err := c.surface.resolve(ctx, now[0].Handle, r)
	if err != nil {
		done, err = c.reread(ctx, now[0].Handle, r, done, err)
	}
	for field, result := range done.Fields {
		result.Before = applied.Fields[field].Before
		applied.Fields[field] = result
	}
	return applied, err
}

// reread looks at the alert after a change that did not go well: an answer may have
// been lost, and the repeated request told that nothing was left to change.
func (c *Client) reread(ctx context.Context, h alert.Handle, r alert.Resolution, a source.Applied, err error) (source.Applied, error) {
	now, readErr := c.surface.get(ctx, []alert.Handle{h})
	if readErr != nil || len(now) == 0 {
		return a, err
	}
	all := true
	for field, as := range map[string]bool{
		source.FieldStatus:  r.Status == now[0].Status,
		source.FieldVerdict: strings.EqualFold(r.Verdict, now[0].Analyst) || strings.EqualFold(r.Verdict, "undefined") && now[0].Analyst == "",
	} {
		if _, wanted := a.Fields[field]; !wanted {
			continue
		}
		if as {
			a.Fields[field] = source.FieldResult{Outcome: source.FieldDone}
		}
		all = all && as
	}
	if all {
		return a, nil
	}
	return a, err
}

// setFields gives the fields of r one outcome.
func setFields(r alert.Resolution, outcome string) source.Applied {
	a := source.Applied{Fields: map[string]source.FieldResult{}}
	if r.Status != "" {
		a.Fields[source.FieldStatus] = source.FieldResult{Outcome: outcome}
	}
	if r.Verdict != "" {
		a.Fields[source.FieldVerdict] = source.FieldResult{Outcome: outcome}
	}
	return a
}

// unclear is the outcome of fields whose write failed: a refusal changed nothing.
// Anything else may have: the request is repeated below, and a throttled or a
// refused second try says nothing about the first, whose answer was lost.
func unclear(err error) string {
	switch fault.KindOf(err) {
	case fault.Denied, fault.Invalid, fault.NotFound, fault.Usage:
		return source.FieldUnchanged
	}
	return source.FieldUnknown
}
