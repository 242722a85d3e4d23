package sentinelone

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"unicode/utf8"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

// AddNote implements source.Noter: at most Traits.NoteBulk alerts, a text of 2 to
// 10,000 characters, which is sent once.
func (c *Client) AddNote(ctx context.Context, body string, to ...alert.Handle) ([]source.NoteResult, error) {
	const op = "add a note"
	switch n := utf8.RuneCountInString(body); {
	case len(to) == 0:
		return nil, c.rest.fault(fault.Usage, op, "no alert is named") // an empty filter means all of them
	case len(to) > c.traits.NoteBulk:
		return nil, c.rest.fault(fault.Usage, op, fmt.Sprintf("%d alerts in one request; %d are possible", len(to), c.traits.NoteBulk))
	case n < noteMin || n > noteMax:
		return nil, c.rest.fault(fault.Usage, op, fmt.Sprintf("a note has %d to %d characters, this one %d", noteMin, noteMax, n))
	}
	return c.surface.addNote(ctx, body, to), nil
}

// Notes implements source.NoteReader: every note, the oldest first.
func (c *Client) Notes(ctx context.Context, h alert.Handle) iter.Seq2[alert.Note, error] {
	return c.surface.notes(ctx, h)
}

// ProbeNotes implements source.NoteProber, 100 alerts a request. A handle that
// cannot be an alert of this console is absent; one that the console no longer has
// reads as None, since the filter cannot tell it from an alert without notes.
func (c *Client) ProbeNotes(ctx context.Context, hs ...alert.Handle) (map[string]alert.Has, error) {
	return c.surface.probeNotes(ctx, hs)
}

// RemoveNote implements source.NoteRemover. A note that is not there is
// fault.NotFound; on the unified surface one that cannot be removed yet is
// fault.Conflict, and may be tried again after Traits.NoteSettle.
func (c *Client) RemoveNote(ctx context.Context, h alert.Handle, noteID string) error {
	return c.surface.removeNote(ctx, h, noteID)
}

// outcomeOf says what a failed request of class Once means for the note.
func outcomeOf(err error) source.NoteOutcome {
	e, ok := errors.AsType[*fault.Error](err)
	switch {
	case !ok, e.Kind == fault.InDoubt:
		return source.NoteUnknown
	case e.Status == http.StatusUnauthorized, e.Status == http.StatusTooManyRequests,
		e.Status == 0: // httpx: it never left, or it would be in doubt
		return source.NoteNotSent
	case e.Status/100 == 3: // a redirect is not followed by a POST
		return source.NoteNotSent
	case e.Status == http.StatusConflict, e.Status == http.StatusRequestTimeout, e.Status >= 500:
		return source.NoteUnknown
	case e.Status >= 400:
		return source.NoteRefused
	}
	return source.NoteUnknown
}

func resultsOf(to []alert.Handle, o source.NoteOutcome, err error) []source.NoteResult {
	out := make([]source.NoteResult, len(to))
	for i, h := range to {
		out[i] = source.NoteResult{Handle: h, Outcome: o, Err: err}
	}
	return out
}

func distinct(hs []alert.Handle) []string {
	var ids []string
	for _, h := range hs {
		if id := container(h); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// container is what a note on h lands on.
func container(h alert.Handle) string {
	if h.Note != "" {
		return h.Note
	}
	return h.ID
}
