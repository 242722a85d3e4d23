package carbonblack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

// Supports implements source.Resolver. Verdicts are true_positive and false_positive,
// and "undefined" takes a verdict back; benign has no word here. There is nobody to
// assign an alert to, and tags belong to the whole threat with all of its alerts. A
// reason is accepted, and belongs into a note.
func (c *Client) Supports(r alert.Resolution) error {
	var not []string
	if _, ok := statusWord(r.Status); r.Status != "" && !ok {
		not = append(not, fmt.Sprintf("the status %q", r.Status))
	}
	if _, ok := verdictWord(r.Verdict); r.Verdict != "" && !ok {
		not = append(not, fmt.Sprintf("the verdict %q", r.Verdict))
	}
	if r.Assign != "" {
		not = append(not, "who it is assigned to (assign)")
	}
	if len(r.Tags) > 0 {
		not = append(not, "tags (they belong to the threat)")
	}
	if len(not) == 0 {
		return nil
	}
	return source.Unsupported(c, "set "+strings.Join(not, ", ")+" on an alert")
}

// change is what a resolution comes to on one alert, in the vendor's words; "" leaves a
// field alone.
type change struct{ status, determination string }

// workflowCall is POST /alerts/workflow: a job that changes all alerts that its criteria
// match, which are all alerts there are when the criteria are empty. It is made for one
// named alert or not at all.
func (c *Client) workflowCall(op, id string, ch change) (call, error) {
	if !isID(id) || ch == (change{}) {
		return call{}, c.api.fault(fault.Invalid, op, "no alert, or nothing to change, is named")
	}
	body := map[string]any{
		"criteria": map[string]any{"id": []string{id}},
		// Whether the usual two weeks apply here is UNCERTAIN.
		"time_range": map[string]any{"range": "-6M"},
	}
	if ch.status != "" {
		body["status"] = ch.status
	}
	if ch.status == "CLOSED" {
		body["closure_reason"] = closureReason(ch.determination)
	}
	if ch.determination != "" {
		body["determination"] = ch.determination
	}
	return call{Request: httpx.Request{
		Op: op, Method: http.MethodPost, Path: c.api.path(alertsPath, "alerts", "workflow"), Class: httpx.Once, JSON: body,
	}, permission: permClose, whole: true}, nil
}

// Resolve implements source.Resolver. It reads the alert first, for the values before; a
// field that already is as wanted is left alone. All the rest is one job, which is
// polled; what it did is read off the alert. A job that is not over in time leaves
// "pending". Applied tells what became of each field also when there is an error.
func (c *Client) Resolve(ctx context.Context, h alert.Handle, r alert.Resolution) (source.Applied, error) {
	const op = "resolve"
	if err := c.Supports(r); err != nil {
		return source.Applied{}, err
	}
	now, _, err := c.one(ctx, op, h.ID)
	if err == nil && now == nil {
		err = c.unknown(op)
	}
	if err != nil {
		return source.Applied{}, err
	}
	applied, ch := changeOf(*now, r)
	if ch == (change{}) {
		return applied, nil
	}
	start, err := c.workflowCall(op, h.ID, ch)
	if err != nil {
		return applied, err
	}
	job, err := c.startJob(ctx, start)
	if err != nil && !fault.Is(err, fault.InDoubt) {
		return applied, err // a refusal changed nothing
	}
	state, failure := jobUnknown, err
	if err == nil {
		state, failure = c.awaitJob(ctx, job)
	}
	return applied, c.verify(ctx, op, h.ID, ch, applied, state, failure)
}

// changeOf says what must change: applied has every field that was asked for, unchanged
// so far, and its value before.
func changeOf(w wireAlert, r alert.Resolution) (source.Applied, change) {
	applied, ch := source.Applied{Fields: map[string]source.FieldResult{}}, change{}
	if word, ok := statusWord(r.Status); ok {
		applied.Fields[source.FieldStatus] = source.FieldResult{Outcome: source.FieldUnchanged, Before: string(statusOf(string(w.Workflow.V.Status)))}
		if !w.is(change{status: word}) {
			ch.status = word
		}
	}
	if word, ok := verdictWord(r.Verdict); ok {
		before := verdictOf(string(w.Determination.V.Value))
		if before == "" {
			before = undecided
		}
		applied.Fields[source.FieldVerdict] = source.FieldResult{Outcome: source.FieldUnchanged, Before: before}
		if !w.is(change{determination: word}) {
			ch.determination = word
		}
	}
	return applied, ch
}

// is reports whether an alert is as a change would make it.
func (w wireAlert) is(ch change) bool {
	has := strings.ToUpper(string(w.Determination.V.Value))
	if has == "" {
		has = "NONE"
	}
	return (ch.status == "" || strings.EqualFold(string(w.Workflow.V.Status), ch.status)) &&
		(ch.determination == "" || has == ch.determination)
}

// verify reads the alert after its job. A job counts nothing of its own ("num_total": 0
// when it is over), so only the alert is proof. It returns what is left of failure.
func (c *Client) verify(ctx context.Context, op, id string, ch change, applied source.Applied, state jobState, failure error) error {
	outcome := source.FieldPending
	switch state {
	case jobFailed:
		outcome = source.FieldUnchanged
	case jobUnknown:
		outcome = source.FieldUnknown
	}
	set := func(name, word string, as change, w *wireAlert) bool {
		if word == "" {
			return true
		}
		f := applied.Fields[name]
		if f.Outcome = outcome; w != nil && w.is(as) {
			f.Outcome = source.FieldDone
		}
		applied.Fields[name] = f
		return f.Outcome == source.FieldDone
	}
	const reads = 4 // the alert may lag behind its job
	for try := range reads {
		w, _, err := c.one(ctx, op, id)
		status := set(source.FieldStatus, ch.status, change{status: ch.status}, w)
		verdict := set(source.FieldVerdict, ch.determination, change{determination: ch.determination}, w)
		switch {
		case status && verdict:
			return nil
		case failure != nil || err != nil || state != jobOver:
			return errors.Join(failure, err)
		case try < reads-1:
			if err := c.wait(ctx, op, time.Second); err != nil {
				return err
			}
		}
	}
	return nil
}

// jobState is where a job stands.
type jobState int

const (
	jobRunning jobState = iota
	jobOver
	jobFailed
	jobUnknown
)

func (c *Client) startJob(ctx context.Context, start call) (string, error) {
	var reply struct {
		ID text `json:"request_id"`
	}
	if _, err := c.api.read(ctx, start, &reply); err != nil {
		return "", err
	}
	if !isID(string(reply.ID)) {
		return "", c.api.fault(fault.InDoubt, start.Op, "the reply does not name the job; it may be running").WithHint("look before trying again")
	}
	return string(reply.ID), nil
}

const (
	jobPolls = 20 // with their waits about a minute and a half
	jobGrace = 3  // a job may be unknown right after it was accepted
)

// awaitJob polls a job until it is over. One that still runs then is no error.
func (c *Client) awaitJob(ctx context.Context, id string) (jobState, error) {
	const op = "wait for the change"
	missed := 0
	for try := range jobPolls {
		if err := c.wait(ctx, op, min(time.Duration(1<<min(try, 4))*500*time.Millisecond, 5*time.Second)); err != nil {
			return jobRunning, err
		}
		var reply struct {
			Status   text `json:"status"`
			Progress object[struct {
				Message text `json:"message"`
			}] `json:"progress"`
			Errors json.RawMessage `json:"errors"`
		}
		_, err := c.api.read(ctx, call{Request: httpx.Request{Op: op, Path: c.api.path(jobsPath, "jobs", id)}, permission: permJobs}, &reply)
		if k := fault.KindOf(err); k == fault.NotFound || k == fault.Unavailable {
			if missed++; missed > jobGrace {
				return jobUnknown, err
			}
			continue
		}
		switch {
		case err != nil:
			return jobRunning, err
		case strings.EqualFold(string(reply.Status), "COMPLETED"):
			return jobOver, nil
		case strings.EqualFold(string(reply.Status), "FAILED"):
			return jobFailed, c.api.fault(fault.Unavailable, op, "the job failed: "+lenient.FirstText(reply.Progress.V.Message, text(clip(reply.Errors)), "no reason is given"))
		}
	}
	return jobRunning, nil
}

func clip(raw json.RawMessage) string {
	if s := string(raw); s != "null" {
		return s[:min(len(s), 200)]
	}
	return ""
}

// wait sleeps; its error is an interruption.
func (c *Client) wait(ctx context.Context, op string, d time.Duration) error {
	if err := c.sleep(ctx, d); err != nil {
		return fault.At(err, c.name, op)
	}
	return nil
}
