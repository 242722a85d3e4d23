package guardduty

import (
	"context"
	"fmt"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

// noFeedback is the value before of a finding that nobody judged. It cannot be set again.
const noFeedback = "none"

// feedbackFor maps a verdict to feedback: what was worth an alert is useful. The words
// that alerts show are understood, too, so that a change can be undone.
func feedbackFor(verdict string) (string, bool) {
	switch strings.ToLower(verdict) {
	case "":
		return "", true
	case "true_positive", "useful":
		return useful, true
	case "false_positive", "benign", "not_useful":
		return notUseful, true
	}
	return "", false
}

// Supports implements source.Resolver: a finding is archived (resolved) or not (new), and
// useful or not. A reason is accepted, and belongs into a note.
func (c *Client) Supports(r alert.Resolution) error {
	var not []string
	if r.Status != "" && r.Status != alert.StatusNew && r.Status != alert.StatusResolved {
		not = append(not, fmt.Sprintf("the status %q", r.Status))
	}
	if _, ok := feedbackFor(r.Verdict); !ok {
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
	return source.Unsupported(c, "set "+strings.Join(not, ", ")+" on a finding")
}

// Resolve implements source.Resolver. It reads the finding first, for the values before;
// a field that already is as wanted is left alone. Feedback replaces the comment, so our
// earlier comments go with it. Applied tells what became of each field also when there is
// an error.
func (c *Client) Resolve(ctx context.Context, h alert.Handle, r alert.Resolution) (source.Applied, error) {
	const op = "resolve"
	if err := c.Supports(r); err != nil {
		return source.Applied{}, err
	}
	l, err := c.one(ctx, h)
	if err != nil {
		return source.Applied{}, fault.At(err, c.name, op)
	}
	applied := source.Applied{Fields: map[string]source.FieldResult{}}
	feedback, _ := feedbackFor(r.Verdict)
	if feedback != "" {
		before := feedbackOf(string(l.finding.Service.UserFeedback))
		if before == "" {
			before = noFeedback
		}
		applied.Fields[source.FieldVerdict], err = c.set(ctx, l, before, feedbackOf(feedback), func() error { return c.judge(ctx, l, h.ID, feedback) },
			func(f *finding) string { return feedbackOf(string(f.Service.UserFeedback)) })
	}
	if r.Status == "" {
		return applied, fault.At(err, c.name, op)
	}
	before := statusOf(l.finding)
	if err != nil { // one failure is enough: what comes after it was not tried
		applied.Fields[source.FieldStatus] = source.FieldResult{Outcome: source.FieldUnchanged, Before: before}
		return applied, fault.At(err, c.name, op)
	}
	applied.Fields[source.FieldStatus], err = c.set(ctx, l, before, string(r.Status), func() error {
		return l.at.archive(ctx, string(l.finding.ID), r.Status.Closed())
	}, statusOf)
	return applied, fault.At(err, c.name, op)
}

func statusOf(f *finding) string {
	if f.Service.Archived {
		return string(alert.StatusResolved)
	}
	return string(alert.StatusNew)
}

// set changes one field. After a failure that may have come too late it looks at the
// finding again: an answer may have been lost.
func (c *Client) set(ctx context.Context, l located, before, after string, do func() error, now func(*finding) string) (source.FieldResult, error) {
	out := source.FieldResult{Outcome: source.FieldUnchanged, Before: before}
	if before == after {
		return out, nil
	}
	err := do()
	switch fault.KindOf(err) {
	case fault.Denied, fault.Invalid, fault.NotFound, fault.Usage, fault.Auth:
		return out, err
	}
	if err == nil {
		out.Outcome = source.FieldDone
		return out, nil
	}
	out.Outcome = source.FieldUnknown
	raws, _, readErr := l.at.get(ctx, []string{string(l.finding.ID)})
	if readErr != nil || len(raws) == 0 {
		return out, err
	}
	if f, decodeErr := decodeFinding(raws[0]); decodeErr == nil && now(f) == after {
		out.Outcome = source.FieldDone
		return out, nil
	}
	return out, err
}

// judge sets the feedback and keeps our comments.
func (c *Client) judge(ctx context.Context, l located, id, feedback string) error {
	earlier, err := c.NoteCopies(ctx, id)
	if err != nil {
		return err
	}
	comment := ""
	if n := len(earlier); n > 0 {
		comment = merge(earlier[:n-1], earlier[n-1].Text)
	}
	return l.at.feedback(ctx, []string{string(l.finding.ID)}, feedback, comment)
}
