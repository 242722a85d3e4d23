package sentinelone

import (
	"cmp"
	"context"
	"iter"
	"unicode/utf8"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

// AddNote implements source.Noter: at most Traits.NoteBulk alerts, a text of 2 to
// 10,000 characters, which is sent once.
func (c *Client) AddNote(ctx context.Context, body string, to ...alert.Handle) ([]source.NoteResult, error) {
	const op = "add a note"
	err := source.CheckNote(c.traits, body, to)
	if err == nil && utf8.RuneCountInString(body) < noteMin {
		err = fault.Usagef("a note has %d characters at least", noteMin)
	}
	if err != nil {
		return nil, fault.At(err, c.name, op)
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

// container is what a note on h lands on: the alert itself.
func container(h alert.Handle) string { return cmp.Or(h.Note, h.ID) }
