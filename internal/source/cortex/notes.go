package cortex

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// comment is one of an incident's comments.
type comment struct {
	ID      text  `json:"comment_id"`
	By      text  `json:"created_by"`
	Created stamp `json:"created_time"`
	Value   text  `json:"value"`
}

// update is POST /incidents/update_incident. 5.x answers it, too.
func update(op string, id string, data map[string]any) call {
	return post(op, "incidents/update_incident", permAlertsEdit, map[string]any{"incident_id": id, "update_data": data})
}

// AddNote implements source.Noter: a comment on the alert's incident, sent once. The reply
// "true" is the proof. An alert without an incident cannot be annotated.
//
// On 5.x the same call is used: a case has the number of its incident. The entries of the
// War Room are not: they need a licence of Cortex XSIAM, and a text that starts with "!"
// would be run there as a command.
func (c *Client) AddNote(ctx context.Context, body string, to ...alert.Handle) ([]source.NoteResult, error) {
	const op = "add a note"
	if err := source.CheckNote(c.traits, body, to); err != nil {
		return nil, fault.At(err, c.name, op)
	}
	id := container(to[0])
	if !isNumber(id) {
		err := c.api.fault(fault.Unsupported, op, "the alert belongs to no incident, which is what a comment stands on")
		return source.NoteResults(to, source.NoteRefused, err.WithHint("Cortex XDR makes incidents of alerts of medium severity and above")), nil
	}
	q := update(op, id, map[string]any{"comment": map[string]string{"comment_action": "add", "value": body}}).of(httpx.Once)
	var said json.RawMessage
	if _, err := c.api.send(ctx, q, &said); err != nil {
		return source.NoteResults(to, source.NoteOutcomeOf(err), err), nil
	}
	if string(said) != "true" {
		return source.NoteResults(to, source.NoteUnknown, c.api.unclear(q, "the reply does not say that the comment was added")), nil
	}
	return source.NoteResults(to, source.NoteDone, nil), nil
}

// container is the incident that a note on h lands on, "" when there is none.
func container(h alert.Handle) string { return cmp.Or(h.Note, h.Group) }

// Notes implements source.NoteReader: the comments that come with the incident, the oldest
// first. UNCERTAIN: the vendor's reference does not list them; a tenant that leaves them
// out has none here.
func (c *Client) Notes(ctx context.Context, h alert.Handle) iter.Seq2[alert.Note, error] {
	return func(yield func(alert.Note, error) bool) {
		const op = "read notes"
		id := container(h)
		if id == "" {
			return
		}
		x, err := c.extra(ctx, op, id, 1)
		if err != nil {
			yield(alert.Note{}, err)
			return
		}
		f, err := parseIncident(x.Incident)
		if err != nil {
			yield(alert.Note{}, c.api.fault(fault.Unavailable, op, "the incident cannot be read: "+err.Error()))
			return
		}
		slices.SortStableFunc(f.Comments, func(a, b comment) int { return a.Created.Compare(b.Created.Time) })
		for i, n := range f.Comments {
			note := alert.Note{ID: cmp.Or(string(n.ID), fmt.Sprint(i)), Text: string(n.Value), Author: string(n.By), Created: n.Created.Time}
			if !yield(note, nil) {
				return
			}
		}
	}
}
