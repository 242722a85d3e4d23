package wiz

import (
	"context"
	"fmt"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

// undecided is the verdict of a threat that was not closed by hand.
const undecided = "undefined"

// Supports implements source.Resolver. Wiz closes a threat with a reason, and a reason
// closes it: true_positive and benign resolve it (MALICIOUS_THREAT,
// NOT_MALICIOUS_THREAT), false_positive rejects it. A verdict alone changes the reason of one
// that is closed. The vendor's other reasons are
// understood by their own words, "undefined" goes with reopening. There are no tags, and
// no assignee that could be set.
func (c *Client) Supports(r alert.Resolution) error {
	var not []string
	switch r.Status {
	case "", alert.StatusNew, alert.StatusInProgress, alert.StatusResolved:
	default:
		not = append(not, fmt.Sprintf("the status %q", r.Status))
	}
	_, known := reasonFor(r.Verdict)
	closes := r.Status == alert.StatusResolved
	switch {
	case r.Verdict == undecided && closes, r.Verdict == "" && closes:
		not = append(not, `the status "resolved" without a verdict (Wiz closes a threat for a reason)`)
	case r.Verdict == "" || r.Verdict == undecided:
	case !known:
		not = append(not, fmt.Sprintf("the verdict %q", r.Verdict))
	case r.Status != "" && !closes:
		not = append(not, fmt.Sprintf("the verdict %q on an open threat (a reason closes it)", r.Verdict))
	}
	if r.Assign != "" {
		not = append(not, "an assignee (assign)")
	}
	if len(r.Tags) > 0 {
		not = append(not, "tags")
	}
	if len(not) == 0 {
		return nil
	}
	return source.Unsupported(c, "set "+strings.Join(not, ", ")+" on a threat")
}

// Resolve implements source.Resolver on the threat that an alert belongs to: all of its
// detections change with it. It reads the threat first, for the values before, and sends
// at most one change, once; the reply shows the threat as it is then. When the answer is
// lost, the threat is read again. Applied tells what became of each field also when there
// is an error.
func (c *Client) Resolve(ctx context.Context, h alert.Handle, r alert.Resolution) (source.Applied, error) {
	const op = "resolve"
	if err := c.Supports(r); err != nil {
		return source.Applied{}, err
	}
	id := container(h)
	if id == "" {
		return source.Applied{}, c.unannotated(op, "set the status of")
	}
	now, err := c.issue(ctx, op, id)
	if err != nil {
		return source.Applied{}, err
	}
	ch, err := c.changeOf(op, now, r)
	if err != nil {
		return source.Applied{}, err
	}
	applied := source.Applied{Fields: map[string]source.FieldResult{}}
	for name, before := range ch.before {
		applied.Fields[name] = source.FieldResult{Outcome: source.FieldUnchanged, Before: before}
	}
	if ch.patch == nil {
		return applied, nil
	}
	outcome, err := c.apply(ctx, op, id, ch)
	for name, f := range applied.Fields {
		if ch.changes[name] {
			f.Outcome = outcome
			applied.Fields[name] = f
		}
	}
	return applied, err
}

// change is what a resolution comes to on one threat.
type change struct {
	before  map[string]string // by field
	changes map[string]bool   // the fields that are not as wanted
	status  string            // as it is to be afterwards
	reason  string            // the same, "" for whatever
	patch   map[string]any    // nil when all is as wanted
}

// changeOf compares a threat with what is wanted.
func (c *Client) changeOf(op string, i issue, r alert.Resolution) (change, error) {
	ch := change{before: map[string]string{}, changes: map[string]bool{}}
	status, why := statusOf(i.Status), verdictBefore(i)
	if r.Status != "" {
		ch.before[source.FieldStatus] = string(status)
	}
	if r.Verdict != "" {
		ch.before[source.FieldVerdict] = why
	}
	want, closes := reasonFor(r.Verdict)
	switch {
	case closes && r.Status == "" && !status.Closed():
		return ch, source.Unsupported(c, fmt.Sprintf("set the verdict %q on an open threat without closing it: add the status \"resolved\"", r.Verdict))
	case closes && want.status == "RESOLVED" && i.Type != "" && i.Type != typeThreat:
		return ch, source.Unsupported(c, "resolve an issue of type "+string(i.Type)+" by hand: only threats can be")
	case closes:
		c.close(&ch, i, want, r.Reason)
	case r.Verdict == undecided && r.Status == "" && status.Closed():
		return ch, source.Unsupported(c, "take the verdict off a closed threat: reopen it with the status \"new\"")
	case r.Status == "" || r.Status == status:
	default:
		ch.status = map[alert.Status]string{alert.StatusNew: "OPEN", alert.StatusInProgress: "IN_PROGRESS"}[r.Status]
		ch.patch = map[string]any{"status": ch.status}
		ch.changes[source.FieldStatus] = true
		if status.Closed() { // reopening takes the reason away: it is needed to undo
			ch.before[source.FieldVerdict], ch.changes[source.FieldVerdict] = why, true
		}
	}
	return ch, nil
}

// close makes the change that closes a threat for a reason. What an analyst adds goes
// where the vendor's clients put it: beside the reason of a resolved one, into a note of
// a rejected one.
func (c *Client) close(ch *change, i issue, want reason, remark string) {
	ch.status, ch.reason = want.status, want.word
	ch.changes[source.FieldStatus] = !statusOf(i.Status).Closed()
	ch.changes[source.FieldVerdict] = !strings.EqualFold(string(i.Status), want.status) || string(i.Reason) != want.word
	if !ch.changes[source.FieldStatus] && !ch.changes[source.FieldVerdict] {
		return
	}
	ch.patch = map[string]any{"status": want.status, "resolutionReason": want.word}
	if remark = cut(remark, noteMax); remark != "" {
		ch.patch[map[string]string{"RESOLVED": "resolutionNote", "REJECTED": "note"}[want.status]] = remark
	}
}

func cut(s string, most int) string {
	for i := range s {
		if most--; most < 0 {
			return s[:i]
		}
	}
	return s
}

// verdictBefore is the reason in a word that can be set again.
func verdictBefore(i issue) string {
	if w := analystVerdict(i.Status, i.Reason); w != "" {
		return w
	}
	return undecided
}

// as reports whether a threat is as a change wants it.
func (ch change) as(i issue) bool {
	return strings.EqualFold(string(i.Status), ch.status) && (ch.reason == "" || string(i.Reason) == ch.reason)
}

// apply sends a change. A rejected threat's remark may become a note, so it is sent once.
func (c *Client) apply(ctx context.Context, op, id string, ch change) (outcome string, err error) {
	raw, _, err := c.api.run(ctx, operation{
		op: op, document: updateIssueDocument, variables: map[string]any{"issueId": id, "patch": ch.patch},
		class: httpx.Once, scope: scopeUpdate,
	}, "updateIssue")
	if err != nil {
		if o := outcomeOf(err); o == source.NoteRefused || o == source.NoteNotSent {
			return source.FieldUnchanged, err
		}
	} else {
		var reply struct {
			Issue issue `json:"issue"`
		}
		if lenient.Decode(raw, &reply) && ch.as(reply.Issue) {
			return source.FieldDone, nil
		}
		err = c.api.doubt(op, "the reply does not show the change")
	}
	if now, readErr := c.issue(ctx, op, id); readErr == nil && ch.as(now) {
		return source.FieldDone, nil
	}
	return source.FieldUnknown, err
}

// issue reads one issue.
func (c *Client) issue(ctx context.Context, op, id string) (issue, error) {
	raw, err := c.issueRaw(ctx, op, issueDocument, id)
	if err != nil {
		return issue{}, err
	}
	_, i, bad := c.decodeIssue(raw)
	if bad != nil {
		return issue{}, c.api.fault(fault.Unavailable, op, bad.Error())
	}
	return i, nil
}
