package defender

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

// container is what a comment on h lands on, as a path, and the permissions to read
// and to write it; ok is false when there is no such thing.
func container(h alert.Handle) (path string, read, write permission, ok bool) {
	id := h.Note
	if id == "" {
		id = h.ID
	}
	if incident, is := strings.CutPrefix(id, incidentPrefix); is {
		return incidentsPath + "/" + url.PathEscape(incident), permIncidents, permIncidentsWrite, isID(incident)
	}
	return alertsPath + "/" + url.PathEscape(id), permAlerts, permAlertsWrite, isID(id)
}

// AddNote implements source.Noter: one comment on one alert or incident, plain text
// of at most 1,000 characters, which is sent once. The answer lists all comments;
// that ours is among them is the proof.
func (c *Client) AddNote(ctx context.Context, body string, to ...alert.Handle) ([]source.NoteResult, error) {
	const op = "add a note"
	if err := source.CheckNote(c.traits, body, to); err != nil {
		return nil, fault.At(err, c.name, op)
	}
	outcome, err := c.addNote(ctx, op, body, to[0])
	return []source.NoteResult{{Handle: to[0], Outcome: outcome, Err: err}}, nil
}

func (c *Client) addNote(ctx context.Context, op, body string, h alert.Handle) (source.NoteOutcome, error) {
	path, _, write, ok := container(h)
	if !ok {
		return source.NoteRefused, c.graph.fault(fault.NotFound, op, "this is not an alert or incident of Defender")
	}
	resp, err := c.graph.do(ctx, call{httpx.Request{
		Op: op, Method: http.MethodPost, Path: path + "/comments", Class: httpx.Once,
		JSON: map[string]string{"@odata.type": "microsoft.graph.security.alertComment", "comment": body},
	}, write})
	if err != nil {
		return source.NoteOutcomeOf(err), err
	}
	var reply struct {
		Value *list[comment] `json:"value"`
	}
	if err := resp.Decode(&reply); err != nil {
		return source.NoteUnknown, err
	}
	if reply.Value != nil && slices.ContainsFunc(*reply.Value, func(n comment) bool { return sameText(string(n.Comment), body) }) {
		return source.NoteDone, nil
	}
	return source.NoteUnknown, c.graph.fault(fault.InDoubt, op, "the reply does not have the note").WithHint("look before trying again")
}

// sameText compares a comment with what was sent; line ends and the white space around
// a text may change on the way.
func sameText(a, b string) bool {
	plain := func(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }
	return plain(a) == plain(b)
}

// Notes implements source.NoteReader: every comment, the oldest first. They stand in
// the alert, or incident, and are not paged. A comment has no id.
func (c *Client) Notes(ctx context.Context, h alert.Handle) iter.Seq2[alert.Note, error] {
	return func(yield func(alert.Note, error) bool) {
		comments, err := c.comments(ctx, h)
		if err != nil {
			yield(alert.Note{}, err)
			return
		}
		for _, n := range comments {
			note := alert.Note{Text: string(n.Comment), Author: lenient.FirstText(n.DisplayName, n.CreatedBy), Created: lenient.First(n.Created, n.CreatedTime)}
			if !yield(note, nil) {
				return
			}
		}
	}
}

func (c *Client) comments(ctx context.Context, h alert.Handle) ([]comment, error) {
	const op = "read notes"
	path, read, _, ok := container(h)
	if !ok {
		return nil, c.graph.fault(fault.NotFound, op, "this is not an alert or incident of Defender")
	}
	resp, err := c.graph.do(ctx, call{httpx.Request{Op: op, Path: path}, read})
	if err != nil {
		return nil, err
	}
	var reply struct {
		ID       text            `json:"id"`
		Comments json.RawMessage `json:"comments"`
	}
	if err := resp.Decode(&reply); err != nil {
		return nil, err
	}
	var all list[comment]
	if reply.Comments == nil {
		// Comments that are not told are not "none": a second note would come of it.
		return nil, c.graph.fault(fault.Unavailable, op, "the reply has no comments")
	}
	_ = all.UnmarshalJSON(reply.Comments)
	slices.SortStableFunc(all, func(a, b comment) int {
		return lenient.First(a.Created, a.CreatedTime).Compare(lenient.First(b.Created, b.CreatedTime))
	})
	return all, nil
}
