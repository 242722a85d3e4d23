package source

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"edrc/internal/alert"
	"edrc/internal/fault"
)

// NoteOutcome is what is known about a note after it was sent.
type NoteOutcome string

// The outcomes.
const (
	NoteDone    NoteOutcome = "done"    // proved
	NoteRefused NoteOutcome = "refused" // the product said no: nothing was written
	NoteNotSent NoteOutcome = "not sent"
	NoteUnknown NoteOutcome = "unknown" // in doubt
)

// NoteResult is the outcome for one handle.
type NoteResult struct {
	Handle  alert.Handle
	Outcome NoteOutcome
	NoteID  string // when the product gave one
	Err     error  // of every outcome but done
}

// Noter writes one text on several alerts in one request. The result has one
// entry for each handle, in order; the error is for misuse only. The request is
// never repeated once it may have been processed.
type Noter interface {
	AddNote(ctx context.Context, text string, to ...alert.Handle) ([]NoteResult, error)
}

// NoteReader reads every note on a container, all pages.
type NoteReader interface {
	Notes(ctx context.Context, h alert.Handle) iter.Seq2[alert.Note, error]
}

// NoteProber tells cheaply, for many alerts in one request, which have any note
// at all (Some) and which have none (None). An alert it cannot tell about is absent.
type NoteProber interface {
	ProbeNotes(ctx context.Context, hs ...alert.Handle) (map[string]alert.Has, error)
}

// NoteCopier gives our own copies of the notes on an alert, the oldest first, where the
// product gives none back. What other tools wrote is not among them.
type NoteCopier interface {
	NoteCopies(ctx context.Context, id string) ([]alert.Note, error)
}

// NoteRemover deletes a note.
type NoteRemover interface {
	RemoveNote(ctx context.Context, h alert.Handle, noteID string) error
}

// CheckNote refuses, as fault.Usage, what AddNote of a product with these traits cannot be
// asked: no alert, too many of them, a text that is empty or too long.
func CheckNote(t Traits, text string, to []alert.Handle) error {
	switch n := utf8.RuneCountInString(text); {
	case len(to) == 0, slices.ContainsFunc(to, func(h alert.Handle) bool { return h.ID == "" && h.Note == "" }):
		return fault.Usagef("no alert is named") // to some products that means all of them
	case len(to) > t.NoteBulk:
		return fault.Usagef("%d alerts in one request; the most is %d", len(to), t.NoteBulk)
	case n > t.NoteMax || strings.TrimSpace(text) == "":
		return fault.Usagef("a note has 1 to %d characters, this one %d", t.NoteMax, n)
	}
	return nil
}

// NoteOutcomeOf says what the error of a request of class httpx.Once means for the note
// that it carried. Only a plain refusal is NoteRefused; what may have been processed is
// NoteUnknown. A product that refuses in other ways looks for them first.
func NoteOutcomeOf(err error) NoteOutcome {
	e, ok := errors.AsType[*fault.Error](err)
	switch {
	case !ok, e.Kind == fault.InDoubt:
		return NoteUnknown
	case e.Kind == fault.Auth, e.Status == http.StatusUnauthorized,
		e.Kind == fault.RateLimited, e.Status == http.StatusTooManyRequests,
		e.Status == 0,     // it never left, or httpx would say that it is in doubt
		e.Status/100 == 3: // not processed there, and a POST is not sent elsewhere
		return NoteNotSent
	case e.Status == http.StatusConflict, e.Status == http.StatusRequestTimeout, e.Status >= 500:
		return NoteUnknown
	case e.Status >= 400:
		return NoteRefused
	}
	return NoteUnknown
}

// NoteResults is the same outcome for each handle, in order. err is nil for NoteDone alone.
func NoteResults(to []alert.Handle, o NoteOutcome, err error) []NoteResult {
	out := make([]NoteResult, len(to))
	for i, h := range to {
		out[i] = NoteResult{Handle: h, Outcome: o, Err: err}
	}
	return out
}
