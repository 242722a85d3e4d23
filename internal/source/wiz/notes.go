package wiz

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"slices"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

// note is one note of an issue.
type note struct {
	ID      text  `json:"id"`
	Text    text  `json:"text"`
	Created stamp `json:"createdAt"`
	User    struct {
		Name  text `json:"name"`
		Email text `json:"email"`
	} `json:"user"`
	Account struct {
		Name text `json:"name"`
	} `json:"serviceAccount"`
}

// AddNote implements source.Noter: one note on one threat, plain text, sent once. All
// detections of the threat show it. The reply has the note with its id, which is the
// proof. A detection without a threat is refused.
func (c *Client) AddNote(ctx context.Context, body string, to ...alert.Handle) ([]source.NoteResult, error) {
	const op = "add a note"
	if err := source.CheckNote(c.traits, body, to); err != nil {
		return nil, fault.At(err, c.name, op)
	}
	r := source.NoteResult{Handle: to[0]}
	r.NoteID, r.Outcome, r.Err = c.addNote(ctx, op, body, container(to[0]))
	return []source.NoteResult{r}, nil
}

func (c *Client) addNote(ctx context.Context, op, body, threat string) (id string, outcome source.NoteOutcome, err error) {
	if !isID(threat) {
		return "", source.NoteRefused, c.unannotated(op, "annotate")
	}
	raw, _, err := c.api.run(ctx, operation{
		op: op, document: createNoteDocument, variables: map[string]any{"input": map[string]string{"issueId": threat, "text": body}},
		class: httpx.Once, scope: scopeNotes,
	}, "createIssueNote")
	if err != nil {
		return "", outcomeOf(err), err
	}
	var reply struct {
		Note note `json:"issueNote"`
	}
	if !lenient.Decode(raw, &reply) || reply.Note.ID == "" {
		return "", source.NoteUnknown, c.api.doubt(op, "the reply does not have the note")
	}
	return string(reply.Note.ID), source.NoteDone, nil
}

// container is what a note on h lands on: its threat, "" when it has none.
func container(h alert.Handle) string { return cmp.Or(h.Note, h.Group) }

// Notes implements source.NoteReader: every note of the threat, the oldest first. They
// stand in the issue, and are not paged.
func (c *Client) Notes(ctx context.Context, h alert.Handle) iter.Seq2[alert.Note, error] {
	return func(yield func(alert.Note, error) bool) {
		all, err := c.notes(ctx, container(h))
		if err != nil {
			yield(alert.Note{}, err)
			return
		}
		for _, n := range all {
			author := lenient.FirstText(n.User.Name, n.User.Email, n.Account.Name)
			if !yield(alert.Note{ID: string(n.ID), Text: string(n.Text), Author: author, Created: n.Created.Time}, nil) {
				return
			}
		}
	}
}

func (c *Client) notes(ctx context.Context, threat string) ([]note, error) {
	const op = "read notes"
	if threat == "" {
		return nil, c.unannotated(op, "have notes on")
	}
	raw, err := c.issueRaw(ctx, op, notesDocument, threat)
	if err != nil {
		return nil, err
	}
	var reply struct {
		Notes json.RawMessage `json:"notes"`
	}
	if !lenient.Decode(raw, &reply) || reply.Notes == nil {
		// Notes that are not told are not "none": a second note would come of it.
		return nil, c.api.fault(fault.Unavailable, op, "the reply has no notes")
	}
	var all list[note]
	_ = all.UnmarshalJSON(reply.Notes)
	slices.SortStableFunc(all, func(a, b note) int { return a.Created.Compare(b.Created.Time) })
	return all, nil
}

// ProbeNotes implements source.NoteProber, 500 threats a request: what it says is as good
// as reading the notes of each. A threat that the API does not give, and a detection
// without one, are absent.
func (c *Client) ProbeNotes(ctx context.Context, hs ...alert.Handle) (map[string]alert.Has, error) {
	var ids []string
	for _, h := range hs {
		if id := container(h); isID(id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	has := map[string]alert.Has{}
	for some := range slices.Chunk(slices.Compact(ids), issuesPage) {
		err := c.api.walk(ctx, func() operation {
			return threats("look for notes", issueNotesDocument, filter{"id": some}, issuesPage, ascending())
		}, "issues", func(raw json.RawMessage) bool {
			var i struct {
				ID    text              `json:"id"`
				Notes []json.RawMessage `json:"notes"`
			}
			switch {
			case !lenient.Decode(raw, &i) || i.Notes == nil:
			case len(i.Notes) > 0:
				has[string(i.ID)] = alert.Some
			default:
				has[string(i.ID)] = alert.None
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	out := map[string]alert.Has{}
	for _, h := range hs {
		if is, told := has[container(h)]; told {
			out[h.ID] = is
		}
	}
	return out, nil
}

// RemoveNote implements source.NoteRemover. One that is not there any more is
// fault.NotFound.
func (c *Client) RemoveNote(ctx context.Context, _ alert.Handle, noteID string) error {
	const op = "remove a note"
	if !isID(noteID) {
		return c.api.fault(fault.NotFound, op, "this is not the id of a note")
	}
	_, _, err := c.api.run(ctx, operation{
		op: op, document: deleteNoteDocument, variables: map[string]any{"input": map[string]string{"id": noteID}},
		class: httpx.Once, scope: scopeNotes,
	}, "deleteIssueNote")
	return err
}
