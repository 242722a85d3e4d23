package ledger

import (
	"encoding/json"
	"slices"
	"time"

	"edrc/internal/alert"
)

const (
	maxAsked = 4  // alerts that a job remembers as asked about
	maxNone  = 32 // alerts that a job remembers as of no use
)

// Fetch is how far the getting of a file has come that the engine does not hold.
// It outlives the process: a ticket that one run leaves, the next carries on.
type Fetch struct {
	// Asked are alerts that name the file and that somebody asked about, newest first;
	// sync need not know them.
	Asked []alert.Handle `json:"asked,omitempty"`
	// Handle is the alert whose product is being asked; zero when none is.
	Handle alert.Handle `json:"handle,omitzero"`
	// Attempt is part of the archive's password, from 1: see sample.Password.
	Attempt int `json:"attempt,omitempty"`
	// Ticket is the product's own; empty when it has yet to be asked.
	Ticket json.RawMessage `json:"ticket,omitempty"`
	// Since is when the file was first asked for, our clock: the deadline counts from it.
	Since time.Time `json:"since,omitzero"`
	Tries int       `json:"tries,omitempty"` // steps in a row that brought nothing
	Bad   int       `json:"bad,omitempty"`   // archives of this alert that could not be used, or vanished
	// None are alerts whose product has no such file, or another one.
	None []string `json:"none,omitempty"`
	// Kept: the archive waits on the spool. From, Name, Size and Type are the file's, as
	// far as they are known: its source's name, and what its bytes say.
	Kept bool   `json:"kept,omitempty"`
	From string `json:"from,omitempty"`
	Name string `json:"name,omitempty"`
	Size int64  `json:"size,omitempty"` // bytes
	Type string `json:"type,omitempty"`
}

// handleID names an alert in None.
func handleID(h alert.Handle) string { return string(h.Source) + "/" + h.ID }

// Useless reports whether an alert's product has no such file.
func (f *Fetch) Useless(h alert.Handle) bool {
	return f != nil && slices.Contains(f.None, handleID(h))
}

// Copy gives a copy that may be changed; of nil an empty one.
func (f *Fetch) Copy() *Fetch {
	if f == nil {
		return &Fetch{}
	}
	c := *f
	c.Asked, c.None = slices.Clone(f.Asked), slices.Clone(f.None)
	return &c
}

// Ask puts an alert first among those that somebody asked about, and reports whether
// it is news.
func (f *Fetch) Ask(h alert.Handle) bool {
	same := func(x alert.Handle) bool { return handleID(x) == handleID(h) }
	news := !slices.ContainsFunc(f.Asked, same)
	f.Asked = slices.Insert(slices.DeleteFunc(f.Asked, same), 0, h)
	f.Asked = f.Asked[:min(len(f.Asked), maxAsked)]
	return news
}

// Insist is Ask by a person: an alert whose product had no such file is asked again.
func (f *Fetch) Insist(h alert.Handle) {
	f.None = slices.DeleteFunc(f.None, func(id string) bool { return id == handleID(h) })
	f.Ask(h)
}

// GiveUp turns from the alert that was asked: its product has no such file.
func (f *Fetch) GiveUp() {
	f.None = append(f.None, handleID(f.Handle))
	f.None = f.None[max(0, len(f.None)-maxNone):]
	f.Restart()
	f.Handle, f.Attempt, f.Bad = alert.Handle{}, 0, 0
}

// Restart forgets the ticket and the archive: the product must be asked anew.
func (f *Fetch) Restart() { f.Ticket, f.Kept, f.Tries = nil, false, 0 }
