package sentinelone

import (
	"context"
	"iter"
	"slices"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

const (
	addNoteDocument = `mutation EdrcAddNote($alertId: ID!, $text: String!, $type: ContentType) {
 addAlertNote(alertId: $alertId, text: $text, type: $type) { data { id alertId text createdAt } } }`
	notesDocument = `query EdrcNotes($alertId: ID!) {
 alertNotes(alertId: $alertId) { data { id text createdAt author { email fullName } } } }`
	deleteNoteDocument = `mutation EdrcDeleteNote($id: ID!) { deleteAlertNote(alertNoteId: $id) { data { id } } }`
)

// graphNote is an AlertNote. Its author is null when a rule wrote it; the field that
// replaces it is not on every console yet.
type graphNote struct {
	ID        text  `json:"id"`
	Text      text  `json:"text"`
	CreatedAt stamp `json:"createdAt"`
	Author    struct {
		Email    text `json:"email"`
		FullName text `json:"fullName"`
	} `json:"author"`
}

type graphNotes struct {
	Data *[]graphNote `json:"data"`
}

// uuid gives the id that mutations take, by asking for it where the handle has none.
func (u *unified) uuid(ctx context.Context, op string, h alert.Handle) (string, error) {
	uuids, threats := keys([]alert.Handle{h})
	if len(uuids) == 1 {
		return uuids[0], nil
	}
	if len(threats) == 1 {
		found, err := u.byIDs(ctx, op, "externalId", threats)
		if err != nil {
			return "", err
		}
		if len(found) > 0 {
			uuids, _ = keys([]alert.Handle{found[0].Handle})
			return uuids[0], nil
		}
	}
	return "", u.fault(fault.NotFound, op, "the console does not know this alert, or the token does not see it")
}

// addNote writes one note an alert: the surface's bulk action does not prove what it
// wrote. Here the proof is the note in the reply.
func (u *unified) addNote(ctx context.Context, body string, to []alert.Handle) []source.NoteResult {
	var out []source.NoteResult
	for _, h := range to {
		id, outcome, err := u.addOne(ctx, body, h)
		out = append(out, source.NoteResult{Handle: h, Outcome: outcome, NoteID: id, Err: err})
	}
	return out
}

func (u *unified) addOne(ctx context.Context, body string, h alert.Handle) (string, source.NoteOutcome, error) {
	const op = "add a note"
	uuid, err := u.uuid(ctx, op, h)
	if fault.Is(err, fault.NotFound) {
		return "", source.NoteRefused, err
	}
	if err != nil {
		return "", source.NoteNotSent, err
	}
	var reply graphNotes
	_, err = u.run(ctx, operation{
		op: op, name: "EdrcAddNote", document: addNoteDocument, class: httpx.Once, permission: permThreats,
		variables: map[string]any{"alertId": uuid, "text": body, "type": "PLAIN_TEXT"},
	}, "addAlertNote", &reply)
	if err != nil {
		return "", graphOutcome(err), err
	}
	if reply.Data != nil {
		// The newest of that text: the reply may have the alert's older notes, too.
		for _, n := range slices.Backward(*reply.Data) {
			if string(n.Text) == body && n.ID != "" {
				return string(n.ID), source.NoteDone, nil
			}
		}
	}
	return "", source.NoteUnknown, u.fault(fault.InDoubt, op, "the reply does not have the note")
}

// graphOutcome is source.NoteOutcomeOf for errors that came with a 200: there the kind decides,
// and what the console plainly refused was not written.
func graphOutcome(err error) source.NoteOutcome {
	if e, ok := err.(*fault.Error); ok && e.Status == 0 {
		switch e.Kind {
		case fault.Invalid, fault.Denied, fault.NotFound:
			return source.NoteRefused
		}
	}
	return source.NoteOutcomeOf(err)
}

func (u *unified) notes(ctx context.Context, h alert.Handle) iter.Seq2[alert.Note, error] {
	return func(yield func(alert.Note, error) bool) {
		const op = "read notes"
		uuid, err := u.uuid(ctx, op, h)
		if err != nil {
			yield(alert.Note{}, err)
			return
		}
		o := operation{
			op: op, name: "EdrcNotes", document: notesDocument, class: httpx.Read, permission: permThreats,
			variables: map[string]any{"alertId": uuid},
		}
		var reply graphNotes
		if _, err = u.run(ctx, o, "alertNotes", &reply); err == nil && reply.Data == nil {
			err = u.broken(o, "the reply is not a list of notes")
		}
		if err != nil {
			yield(alert.Note{}, err)
			return
		}
		// The query has no order and no pages.
		slices.SortStableFunc(*reply.Data, func(a, b graphNote) int { return a.CreatedAt.Compare(b.CreatedAt.Time) })
		for _, n := range *reply.Data {
			note := alert.Note{
				ID: string(n.ID), Text: string(n.Text), Author: lenient.FirstText(n.Author.FullName, n.Author.Email), Created: n.CreatedAt.Time,
			}
			if !yield(note, nil) {
				return
			}
		}
	}
}

// probeNotes reads the alerts, which say it themselves.
func (u *unified) probeNotes(ctx context.Context, hs []alert.Handle) (map[string]alert.Has, error) {
	out := map[string]alert.Has{}
	uuids, threats := keys(hs)
	found, err := u.find(ctx, "look for notes", uuids, threats)
	if _, err = splitBad(nil, err); err != nil {
		return nil, err
	}
	for _, a := range found {
		if a.Notes != alert.Unsaid {
			out[a.ID] = a.Notes
		}
	}
	return out, nil
}

func (u *unified) removeNote(ctx context.Context, _ alert.Handle, noteID string) error {
	const op = "remove a note"
	if noteID == "" {
		return u.fault(fault.NotFound, op, "there is no such note")
	}
	var reply graphNotes
	_, err := u.run(ctx, operation{
		op: op, name: "EdrcDeleteNote", document: deleteNoteDocument, class: httpx.Idempotent, permission: permThreats,
		variables: map[string]any{"id": noteID},
	}, "deleteAlertNote", &reply)
	if fault.Is(err, fault.Conflict) {
		return u.fault(fault.Conflict, op, "the note is too new to be removed").
			WithHint("the console needs 30 to 90 seconds after a note was posted: try again in two minutes")
	}
	return err
}
