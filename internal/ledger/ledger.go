// Package ledger is what edrc remembers, as types: alert records, file jobs,
// effects (notes that were sent), cursors, leases, quota, and the transitions
// between their states that are legal. It does no I/O. Package store keeps these
// records; packages scan and triage decide over them inside a [Tx].
package ledger

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"edrc/internal/alert"
)

// ErrStale is returned by a commit whose claim or lease was taken over by another
// process: nothing was written, and whoever holds the newer token carries on.
var ErrStale = errors.New("another process has taken over this work")

// Claim is the right to work on a record until a time, proved by a token: every
// commit under the claim checks that the stored token is still its own.
type Claim struct {
	Holder string    `json:"holder,omitempty"` // "host/pid/random", for people
	Token  uint64    `json:"token,omitempty"`  // grows with every new holder; 0 is nobody
	Until  time.Time `json:"until,omitzero"`
}

// Held reports whether somebody holds the claim at now.
func (c Claim) Held(now time.Time) bool { return c.Holder != "" && now.Before(c.Until) }

// Take returns the claim for a new holder, with the next token.
func (c Claim) Take(holder string, until time.Time) Claim {
	return Claim{Holder: holder, Token: c.Token + 1, Until: until}
}

// Release returns the claim with nobody holding it; the token stays, so that a
// late commit of the former holder still fails.
func (c Claim) Release() Claim { return Claim{Token: c.Token} }

// AlertState is where an alert stands with edrc.
type AlertState string

// The states of an alert.
const (
	AlertSeen        AlertState = "seen"        // read, not judged yet whether it is ours to handle
	AlertOpen        AlertState = "open"        // its files are being judged, or its note is due
	AlertDone        AlertState = "done"        // noted, or nothing is left to do
	AlertSkipped     AlertState = "skipped"     // not ours to handle, for a reason that may pass
	AlertGone        AlertState = "gone"        // the product no longer has it
	AlertQuarantined AlertState = "quarantined" // set aside after repeated trouble, for a person
)

var alertMoves = map[AlertState][]AlertState{
	"":               {AlertSeen, AlertOpen, AlertSkipped, AlertDone},
	AlertSeen:        {AlertOpen, AlertSkipped, AlertDone, AlertGone, AlertQuarantined},
	AlertOpen:        {AlertDone, AlertSkipped, AlertGone, AlertQuarantined},
	AlertDone:        {AlertOpen, AlertSkipped, AlertGone}, // facts changed, or the verdict got worse
	AlertSkipped:     {AlertOpen, AlertDone, AlertGone},
	AlertGone:        {AlertOpen, AlertSkipped}, // it came back
	AlertQuarantined: {AlertOpen, AlertSkipped, AlertGone, AlertDone},
}

// AlertKey orders alerts by time within a source, so that a group read together
// touches few pages of the store.
type AlertKey struct {
	Source  alert.SourceID `json:"source"`
	Created time.Time      `json:"created"`
	ID      string         `json:"id"`
}

// Alert is what is remembered of an alert. The vendor's raw object is not.
type Alert struct {
	alert.Handle
	Name     string            `json:"name"` // the source's name in the configuration when last seen
	Kind     string            `json:"kind"`
	State    AlertState        `json:"state"`
	Reason   string            `json:"reason,omitempty"` // of skipped, quarantined, and of done without a note
	Digest   string            `json:"digest"`           // see alert.Alert.Digest
	Title    string            `json:"title"`
	Severity alert.Severity    `json:"severity"`
	Status   alert.Status      `json:"status"`
	Created  time.Time         `json:"created"` // vendor clock; never changes once stored
	Updated  time.Time         `json:"updated"`
	Host     alert.Host        `json:"host"`
	User     string            `json:"user,omitempty"`
	Files    []alert.File      `json:"files,omitempty"`
	Attack   []alert.Technique `json:"attack,omitempty"`
	URL      string            `json:"url,omitempty"`
	Repeats  alert.Finding     `json:"repeats,omitzero"`   // see alert.Alert
	OtherID  string            `json:"other_id,omitempty"` // the same
	Seen     time.Time         `json:"seen"`               // our clock, first time
	// Resources are what environments are about, see alert.Alert.
	Resources []alert.Resource `json:"resources,omitempty"`
	// Noted is the worst class that a note of ours has told; "" when none has.
	Noted  alert.Class `json:"noted,omitempty"`
	Marker string      `json:"marker,omitempty"` // of the newest note due or sent
	NoteID string      `json:"note_id,omitempty"`
	NoteAt time.Time   `json:"note_at,omitzero"`
	// Verdict is the worst class of its files so far.
	Verdict alert.Class `json:"verdict,omitempty"`
	Family  string      `json:"family,omitempty"`
}

// Key gives the record's key.
func (a *Alert) Key() AlertKey { return AlertKey{a.Handle.Source, a.Created, a.ID} }

// Ref gives how a user names the alert.
func (a *Alert) Ref() alert.Ref { return alert.Ref{Source: a.Name, ID: a.ID} }

// Move changes the state; an illegal transition is an error and changes nothing.
// Moving to the state it is in only sets the reason.
func (a *Alert) Move(to AlertState, reason string) error {
	if a.State != to && !slices.Contains(alertMoves[a.State], to) {
		return fmt.Errorf("alert %s: %q cannot become %q", a.ID, a.State, to)
	}
	a.State, a.Reason = to, reason
	return nil
}
