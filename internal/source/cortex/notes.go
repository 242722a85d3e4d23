package cortex

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"unicode/utf8"

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
	switch n := utf8.RuneCountInString(body); {
	case len(to) == 0:
		return nil, c.api.fault(fault.Usage, op, "no alert is named")
	case len(to) > c.traits.NoteBulk:
		return nil, c.api.fault(fault.Usage, op, fmt.Sprintf("%d alerts in one request; %d is possible", len(to), c.traits.NoteBulk))
	case n == 0 || n > c.traits.NoteMax:
		return nil, c.api.fault(fault.Usage, op, fmt.Sprintf("a note has 1 to %d characters, this one %d", c.traits.NoteMax, n))
	}
	h := to[0]
	result := func(o source.NoteOutcome, err error) []source.NoteResult {
		return []source.NoteResult{{Handle: h, Outcome: o, Err: err}}
	}
	id := container(h)
	if !isNumber(id) {
		err := c.api.fault(fault.Unsupported, op, "the alert belongs to no incident, which is what a comment stands on")
		return result(source.NoteRefused, err.WithHint("Cortex XDR makes incidents of alerts of medium severity and above")), nil
	}
	q := update(op, id, map[string]any{"comment": map[string]string{"comment_action": "add", "value": body}}).of(httpx.Once)
	var said json.RawMessage
	if _, err := c.api.send(ctx, q, &said); err != nil {
		return result(outcomeOf(err), err), nil
	}
	if string(said) != "true" {
		return result(source.NoteUnknown, c.api.unclear(q, "the reply does not say that the comment was added")), nil
	}
	return result(source.NoteDone, nil), nil
}

// container is the incident that a note on h lands on, "" when there is none.
func container(h alert.Handle) string {
	if h.Note != "" {
		return h.Note
	}
	return h.Group
}

// outcomeOf says what a failed request of class Once means for the note.
func outcomeOf(err error) source.NoteOutcome {
	e, ok := errors.AsType[*fault.Error](err)
	switch {
	case !ok, e.Kind == fault.InDoubt:
		return source.NoteUnknown
	case e.Kind == fault.Auth, e.Status == http.StatusTooManyRequests,
		e.Status == 0: // httpx: it never left, or it would be in doubt
		return source.NoteNotSent
	case e.Status == http.StatusConflict, e.Status == http.StatusRequestTimeout, e.Status >= 500:
		return source.NoteUnknown
	case e.Status/100 == 3: // not processed there, and nowhere else to go
		return source.NoteNotSent
	case e.Status >= 400:
		return source.NoteRefused
	}
	return source.NoteUnknown
}

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
