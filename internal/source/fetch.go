package source

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/sample"
)

// FetchState is where the getting of a file stands.
type FetchState string

// The states of a fetch.
const (
	FetchPending     FetchState = "pending"     // the product is at it
	FetchReady       FetchState = "ready"       // OpenFetch may be called
	FetchUnreachable FetchState = "unreachable" // the endpoint is offline
	FetchLost        FetchState = "lost"        // it was ready and has expired: start again
	FetchNone        FetchState = "none"        // there is no such file, for Reason
)

// FetchRequest asks a product for one file of one alert.
type FetchRequest struct {
	Handle   alert.Handle
	File     alert.File
	Password string // the archive's; the same for the same attempt, see package sample
	Attempt  int    // from 1
	Endpoint bool   // ways that run something on the endpoint are allowed
}

// Ticket is what a later process needs to carry a fetch on: the product's own
// data, at most 4 KiB, no secrets.
type Ticket struct {
	Handle  alert.Handle    `json:"handle"`
	File    alert.File      `json:"file"`
	Attempt int             `json:"attempt"`
	Started time.Time       `json:"started"` // vendor clock
	Data    json.RawMessage `json:"data,omitempty"`
}

// FetchStep is the outcome of one step of a fetch.
type FetchStep struct {
	State  FetchState
	Ticket Ticket
	// Retry is how long to wait before the next step; 0 is the caller's choice.
	Retry  time.Duration
	Reason string // for people, of unreachable and none
}

// Fetcher gets a file from the product, as a step function: the ticket may be
// stored and the next cron run carries it on. Wrong or missing files are states;
// errors are for the product's faults, and a step may be repeated after one.
type Fetcher interface {
	StartFetch(ctx context.Context, r FetchRequest) (FetchStep, error)
	PollFetch(ctx context.Context, t Ticket) (FetchStep, error)
	// OpenFetch streams the archive into the spool, under the password: as it came if it
	// has that one, else packed anew ([Repack]).
	OpenFetch(ctx context.Context, t Ticket, password string, spool *sample.Spool) (*sample.Archive, error)
}

// TakeArchive streams an archive from a product into the spool. Text where an archive is
// expected is fault.Unavailable; otherwise the error is the stream's own.
func TakeArchive(ctx context.Context, r io.Reader, spool *sample.Spool, password string) (*sample.Archive, error) {
	body := bufio.NewReader(r)
	head, err := body.Peek(64)
	switch {
	case err != nil && err != io.EOF: // Peek forgets it
		return nil, err
	case IsText(head):
		return nil, fault.New(fault.Unavailable, "answered with text where an archive was expected (a proxy or login page?)")
	}
	return spool.Take(ctx, body, password) // gives back what the stream says of its end
}

// IsText reports the start of HTML, XML or JSON. They come with a 200 from proxies, and
// from storage that refuses; none is an archive.
func IsText(head []byte) bool {
	head = bytes.TrimLeft(head, "\ufeff \t\r\n")
	return len(head) > 0 && (head[0] == '<' || head[0] == '{')
}

// Expired makes "not found" what it is after a poll that saw the file: fault.Gone, with a
// hint that says how long the product keeps it. Other errors stay what they are.
func Expired(err error, hint string) error {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || e.Kind != fault.NotFound && e.Kind != fault.Gone {
		return err
	}
	g := *e
	g.Kind = fault.Gone
	return g.WithHint("%s", hint)
}
