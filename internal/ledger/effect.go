package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"edrc/internal/alert"
)

// Purpose says why a note is written.
type Purpose string

// The purposes.
const (
	PurposeVerdict Purpose = "verdict"
	PurposeNoFile  Purpose = "no file" // a file could not be had, so that there is no verdict
	PurposeAction  Purpose = "action"
	PurposeManual  Purpose = "manual"
)

// Marker names a note's content so that any machine recognises it: the first 16
// hex digits of SHA-256(purpose, 0, subject). See docs/architecture.md, "Notes".
func Marker(p Purpose, subject string) string {
	sum := sha256.Sum256([]byte(string(p) + "\x00" + subject))
	return hex.EncodeToString(sum[:8])
}

// VerdictSubject is the subject of a verdict note: engine name, worst class and
// the SHA-256 of the file that has it (the smallest of several).
func VerdictSubject(engine string, worst alert.Class, sha256 alert.Hash) string {
	return engine + "\x00" + string(worst) + "\x00" + string(sha256)
}

// NoFileSubject is the subject of a note that tells that a file could not be had.
func NoFileSubject(engine string, file alert.Hash) string { return engine + "\x00" + string(file) }

// EffectState is where a note stands.
type EffectState string

// The states of an effect.
const (
	EffectSending EffectState = "sending"  // intent committed; the request may be on its way
	EffectDone    EffectState = "done"     // proved to be there
	EffectRefused EffectState = "refused"  // the product said no
	EffectDoubt   EffectState = "in_doubt" // sent, outcome unknown: read before anything
)

var effectMoves = map[EffectState][]EffectState{
	"":            {EffectSending, EffectDone},
	EffectSending: {EffectDone, EffectRefused, EffectDoubt, EffectSending},
	EffectDoubt:   {EffectDone, EffectSending, EffectRefused},
	EffectRefused: {EffectSending, EffectDone},
}

// EffectKey names an effect: one per source, container and marker.
type EffectKey struct {
	Source    alert.SourceID `json:"source"`
	Container string         `json:"container"`
	Marker    string         `json:"marker"`
}

// Effect is one note, from the intent to write it to the proof that it is there.
type Effect struct {
	EffectKey
	Purpose Purpose     `json:"purpose"`
	State   EffectState `json:"state"`
	Attempt int         `json:"attempt"`
	Claim   Claim       `json:"claim,omitzero"`
	NoteID  string      `json:"note_id,omitempty"`
	Foreign bool        `json:"foreign,omitempty"` // another tool's note tells the same
	Reason  string      `json:"reason,omitempty"`
	Checks  int         `json:"checks,omitempty"` // reads that did not find it, in this attempt
	// NextCheck is when a doubt may be resolved by reading, our clock.
	NextCheck time.Time `json:"next_check,omitzero"`
	Changed   time.Time `json:"changed"`
}

// Move changes the state; an illegal transition is an error and changes nothing.
func (e *Effect) Move(to EffectState, reason string) error {
	if !slices.Contains(effectMoves[e.State], to) && e.State != to {
		return fmt.Errorf("note %s on %s: %q cannot become %q", e.Marker, e.Container, e.State, to)
	}
	e.State, e.Reason = to, reason
	return nil
}

// Outgoing is a note that is due: an alert waiting to be told a verdict (Class), or
// that there will be none because its file could not be had (no Class). The
// queue is ordered by source and marker, so that alerts with the same text stand
// together and can be written in one request.
type Outgoing struct {
	Alert  AlertKey    `json:"alert"`
	Marker string      `json:"marker"`
	Class  alert.Class `json:"class"`
}
