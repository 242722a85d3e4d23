package carbonblack

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

// note is a note on an alert. It is plain text.
type note struct {
	ID      text  `json:"id"`
	Text    text  `json:"note"`
	Author  text  `json:"author"`
	Created stamp `json:"create_timestamp"`
}

func (c *Client) notesPath(id string, more ...string) string {
	return c.api.path(alertsPath, append([]string{"alerts", id, "notes"}, more...)...)
}

// AddNote implements source.Noter: a note on one alert, sent once. The reply is the
// note, with its id: that is the proof.
func (c *Client) AddNote(ctx context.Context, body string, to ...alert.Handle) ([]source.NoteResult, error) {
	const op = "add a note"
	err := source.CheckNote(c.traits, body, to)
	if err == nil && !isID(container(to[0])) {
		err = fault.Usagef("what is named is not an alert of this product")
	}
	if err != nil {
		return nil, fault.At(err, c.name, op)
	}
	out := source.NoteResult{Handle: to[0], Outcome: source.NoteDone}
	var made note
	_, err = c.api.read(ctx, call{Request: httpx.Request{
		Op: op, Method: http.MethodPost, Path: c.notesPath(container(to[0])), Class: httpx.Once, JSON: map[string]string{"note": body},
	}, permission: permNoteAdd}, &made)
	switch {
	case err != nil:
		out.Outcome, out.Err = outcomeOf(err), err
	case made.ID == "":
		out.Outcome = source.NoteUnknown
		out.Err = c.api.fault(fault.InDoubt, op, "the reply does not name the note; it may have been written").WithHint("look before trying again")
	default:
		out.NoteID = string(made.ID)
	}
	return []source.NoteResult{out}, nil
}

// container is what a note on h lands on: the alert itself.
func container(h alert.Handle) string { return cmp.Or(h.Note, h.ID) }

// outcomeOf is source.NoteOutcomeOf, and knows a 200 that says no.
func outcomeOf(err error) source.NoteOutcome {
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Kind == fault.Invalid && e.Status == 0 {
		return source.NoteRefused
	}
	return source.NoteOutcomeOf(err)
}

// Notes implements source.NoteReader, the oldest first. All notes come in one reply; a
// reply that has fewer than it counts is fault.Partial at its end, since a note that is
// not seen must not be taken for one that is not there.
func (c *Client) Notes(ctx context.Context, h alert.Handle) iter.Seq2[alert.Note, error] {
	return func(yield func(alert.Note, error) bool) {
		const op = "read notes"
		id := container(h)
		if !isID(id) {
			yield(alert.Note{}, c.unknown(op))
			return
		}
		var r struct {
			Results *list[note] `json:"results"`
			Total   count       `json:"num_found"`
		}
		_, err := c.api.read(ctx, call{Request: httpx.Request{Op: op, Path: c.notesPath(id)}, permission: permNotes}, &r)
		if err == nil && r.Results == nil {
			err = c.api.fault(fault.Unavailable, op, "the reply has no results")
		}
		if err != nil {
			yield(alert.Note{}, err)
			return
		}
		notes := *r.Results
		slices.SortStableFunc(notes, func(a, b note) int { return a.Created.Compare(b.Created.Time) })
		for _, n := range notes {
			if !yield(alert.Note{ID: string(n.ID), Text: string(n.Text), Author: string(n.Author), Created: n.Created.Time}, nil) {
				return
			}
		}
		if int(r.Total) > len(notes) {
			yield(alert.Note{}, c.api.fault(fault.Partial, op, fmt.Sprintf("the cloud gave %d of %d notes", len(notes), r.Total)))
		}
	}
}

// ProbeNotes implements source.NoteProber, 500 alerts a request: alerts say themselves
// whether they have notes. One that does not is absent.
func (c *Client) ProbeNotes(ctx context.Context, hs ...alert.Handle) (map[string]alert.Has, error) {
	out := map[string]alert.Has{}
	err := c.byID(ctx, "look for notes", hs, func(raw json.RawMessage) {
		if w, err := parseAlert(raw); err == nil && w.notes() != alert.Unsaid {
			out[string(w.ID)] = w.notes()
		}
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// RemoveNote implements source.NoteRemover. A note that is not there is fault.NotFound.
func (c *Client) RemoveNote(ctx context.Context, h alert.Handle, noteID string) error {
	const op = "remove a note"
	if !isID(container(h)) || !isID(noteID) {
		return c.api.fault(fault.NotFound, op, "there is no such note")
	}
	// 204, or 200 with anything: which of the two is UNCERTAIN.
	_, err := c.api.do(ctx, call{Request: httpx.Request{
		Op: op, Method: http.MethodDelete, Path: c.notesPath(container(h), noteID), Class: httpx.Idempotent,
	}, permission: permNoteRemove})
	return err
}
