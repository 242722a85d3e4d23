package crowdstrike

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// action is one of the action_parameters of a PATCH. Every value is a string.
type action struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// patch is PATCH /alerts/entities/alerts/v3: actions on named alerts.
func patch(op string, class httpx.Class, ids []string, actions ...action) call {
	return call{Request: httpx.Request{
		Op: op, Method: http.MethodPatch, Path: "/alerts/entities/alerts/v3", Class: class,
		JSON: map[string]any{"composite_ids": ids, "action_parameters": actions},
	}, scope: scopeAlertsWrite}
}

// AddNote implements source.Noter: a comment on at most Traits.NoteBulk alerts, sent
// once. The reply counts the alerts that were written on and does not name them: all is
// proof of each, less is proof of none, unless it is nothing and the reply says why.
func (c *Client) AddNote(ctx context.Context, body string, to ...alert.Handle) ([]source.NoteResult, error) {
	const op = "add a note"
	if err := source.CheckNote(c.traits, body, to); err != nil {
		return nil, fault.At(err, c.name, op)
	}
	ids := source.Distinct(to, container)
	r, err := c.api.send(ctx, patch(op, httpx.Once, ids, action{"append_comment", body}))
	if err != nil {
		return source.NoteResults(to, outcomeOf(err), err), nil
	}
	n, told := r.affected()
	switch m := r.Errors.String(); {
	case told && n == len(ids) && m == "":
		return source.NoteResults(to, source.NoteDone, nil), nil
	case told && n == 0 && r.Errors.refusals():
		err := c.api.explain(c.api.fault(r.Errors[0].kind(), op, "nothing was written: "+m), call{scope: scopeAlertsWrite})
		return source.NoteResults(to, source.NoteRefused, err), nil
	case m != "":
		err = c.api.fault(fault.InDoubt, op, fmt.Sprintf("%d of %d alerts were written on, and the reply has errors: %s", n, len(ids), m))
	case !told:
		err = c.api.fault(fault.InDoubt, op, "the reply does not say how many alerts were written on")
	default:
		err = c.api.fault(fault.InDoubt, op, fmt.Sprintf("%d of %d alerts were written on, and the cloud does not say which", n, len(ids)))
	}
	return source.NoteResults(to, source.NoteUnknown, err), nil
}

// affected is the number of alerts that a write changed, when the reply tells.
func (r *reply) affected() (int, bool) {
	if r.Meta == nil || r.Meta.Writes == nil || r.Meta.Writes.Affected == nil {
		return 0, false
	}
	return int(*r.Meta.Writes.Affected), true
}

// outcomeOf is source.NoteOutcomeOf, for a request that may not have left for want of a token.
func outcomeOf(err error) source.NoteOutcome {
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Op == opToken {
		return source.NoteNotSent
	}
	return source.NoteOutcomeOf(err)
}

// comment is one of an alert's comments. They have no ids.
type comment struct {
	User  text  `json:"falcon_user_id"`
	Value text  `json:"value"`
	At    stamp `json:"timestamp"`
}

// comments reads the list; listed is false when the alert has none and does not say so.
func (f falconAlert) comments() (out []comment, listed bool) {
	var items list[comment]
	_ = items.UnmarshalJSON(f.Comments)
	return items, json.Unmarshal(f.Comments, &[]json.RawMessage{}) == nil && string(f.Comments) != "null"
}

// Notes implements source.NoteReader: the comments stand in the alert itself, the
// oldest first. A note's id is its time, since comments have none.
func (c *Client) Notes(ctx context.Context, h alert.Handle) iter.Seq2[alert.Note, error] {
	return func(yield func(alert.Note, error) bool) {
		const op = "read notes"
		f, _, err := c.one(ctx, op, container(h))
		if err == nil && f == nil {
			err = c.api.fault(fault.NotFound, op, "the cloud does not know this alert, or the API client does not see it")
		}
		if err != nil {
			yield(alert.Note{}, err)
			return
		}
		comments, _ := f.comments()
		slices.SortStableFunc(comments, func(a, b comment) int { return a.At.Compare(b.At.Time) })
		for i, n := range comments {
			id := cmp.Or(timeID(n.At), fmt.Sprint(i))
			if !yield(alert.Note{ID: id, Text: string(n.Value), Author: string(n.User), Created: n.At.Time}, nil) {
				return
			}
		}
	}
}

func timeID(s stamp) string {
	if s.IsZero() {
		return ""
	}
	return s.Format("2006-01-02T15:04:05.999999999Z")
}

// ProbeNotes implements source.NoteProber, 500 alerts a request: what it says is as
// good as reading the notes of each. An alert that the cloud does not have is absent.
func (c *Client) ProbeNotes(ctx context.Context, hs ...alert.Handle) (map[string]alert.Has, error) {
	out := map[string]alert.Has{}
	err := c.entities(ctx, "look for notes", hs, func(raw json.RawMessage) {
		f, err := parseAlert(raw)
		if err != nil {
			return
		}
		switch comments, listed := f.comments(); {
		case len(comments) > 0:
			out[string(f.CompositeID)] = alert.Some
		case listed, len(f.Comments) == 0, string(f.Comments) == "null":
			out[string(f.CompositeID)] = alert.None
		}
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
