package carbonblack

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// The ways of a fetch, in a ticket.
const (
	wayStore   = "ubs"     // the store has the file
	wayUpload  = "upload"  // the sensor is online and may be about to upload it
	wayOffline = "offline" // the sensor is not in contact
)

const (
	// A sensor uploads a new binary about a minute after its first execution.
	uploadPatience = 15 * time.Minute
	uploadRetry    = 30 * time.Second
	offlineRetry   = 30 * time.Minute
	// linkLife is how long a link to a file is good, in seconds.
	linkLife = 300
)

// ticket is the Data of a ticket.
type ticket struct {
	Way    string `json:"way"`
	SHA256 string `json:"sha256"`
	Device string `json:"device,omitempty"`
}

func (p ticket) step(state source.FetchState, t source.Ticket, retry time.Duration, reason string) source.FetchStep {
	t.Data, _ = json.Marshal(p) // strings always marshal
	return source.FetchStep{State: state, Ticket: t, Retry: retry, Reason: reason}
}

// readTicket checks what a ticket holds: tickets are stored.
func readTicket(t source.Ticket) (ticket, bool) {
	var p ticket
	if json.Unmarshal(t.Data, &p) != nil {
		return ticket{}, false
	}
	h, err := alert.ParseHash(p.SHA256)
	switch p.Way {
	case wayStore, wayUpload, wayOffline:
		return p, err == nil && h.Algo() == alert.SHA256
	}
	return p, false
}

// StartFetch implements source.Fetcher: the Unified Binary Store's copy, found by
// SHA-256. Sensors upload new Windows executables by themselves where the policy says
// so, and nothing runs on the endpoint for it.
func (c *Client) StartFetch(ctx context.Context, r source.FetchRequest) (source.FetchStep, error) {
	const op = "fetch a file"
	t := source.Ticket{Handle: r.Handle, File: r.File, Attempt: r.Attempt}
	w, _, err := c.one(ctx, op, r.Handle.ID)
	switch {
	case err != nil:
		return source.FetchStep{}, err
	case w == nil:
		return ticket{}.step(source.FetchNone, t, 0, "the cloud does not have this alert (any more)"), nil
	case r.File.SHA256 == "":
		return ticket{}.step(source.FetchNone, t, 0, "the alert has no SHA-256, by which the Unified Binary Store could be asked"), nil
	}
	p := ticket{SHA256: string(r.File.SHA256), Device: w.host().ID}
	return c.look(ctx, p, t, w.Created.Time)
}

// PollFetch implements source.Fetcher.
func (c *Client) PollFetch(ctx context.Context, t source.Ticket) (source.FetchStep, error) {
	p, ok := readTicket(t)
	if !ok {
		return p.step(source.FetchLost, t, 0, "the ticket cannot be read"), nil
	}
	return c.look(ctx, p, t, t.Started)
}

// binary is what the store knows of a file.
type binary struct {
	Available flag  `json:"file_available"`
	Stored    count `json:"available_file_size"`
	Size      count `json:"file_size"`
}

// look asks the store. What it does not have is waited for while the sensor may still
// upload it: since is when it could.
func (c *Client) look(ctx context.Context, p ticket, t source.Ticket, since time.Time) (source.FetchStep, error) {
	var b binary
	resp, err := c.api.do(ctx, call{Request: httpx.Request{
		Op: "look into the binary store", Path: c.api.path(ubsPath, "sha256", strings.ToLower(p.SHA256), "metadata"), OK: []int{http.StatusNotFound},
	}, permission: permUBSMeta, licence: licenceUBS})
	if err == nil && resp.Status != http.StatusNotFound {
		err = resp.Decode(&b)
	}
	switch {
	case err != nil:
		return source.FetchStep{}, err
	case resp.Status == http.StatusNotFound, !b.Available.Yes:
		return c.await(ctx, p, t, since, resp.Date)
	case b.Stored < b.Size && b.Stored > 0:
		return p.step(source.FetchNone, t, 0, "the Unified Binary Store keeps only the first 25 MB of a file, and this one is larger"), nil
	}
	p.Way = wayStore
	return p.step(source.FetchReady, t, 0, ""), nil
}

// await says what becomes of a file that the store does not have (yet).
func (c *Client) await(ctx context.Context, p ticket, t source.Ticket, since, now time.Time) (source.FetchStep, error) {
	const none = "the Unified Binary Store has no copy of this file: it keeps Windows executables alone, which sensors upload " +
		"when the policy says so and the organisation has Enterprise EDR"
	if p.Way == wayStore {
		return p.step(source.FetchLost, t, 0, "the Unified Binary Store does not have the file any more"), nil
	}
	d, at, err := c.device(ctx, "look at the device", p.Device)
	if err != nil && !fault.Is(err, fault.Denied) {
		return source.FetchStep{}, err
	}
	if now.IsZero() {
		now = at
	}
	if d != nil && p.Way != wayOffline && p.Way != wayUpload && d.Contact.Sub(since) > uploadPatience {
		return p.step(source.FetchNone, t, 0, none), nil // it had its chance
	}
	if d != nil {
		if up := d.reachable(at); up != nil && !*up {
			p.Way = wayOffline
			return p.step(source.FetchUnreachable, t, offlineRetry, "the sensor is not in contact with the cloud, and has not uploaded the file"), nil
		}
	}
	if p.Way == wayOffline { // it has just come back
		since = now
	}
	if now.IsZero() || since.IsZero() || now.Sub(since) > uploadPatience {
		return p.step(source.FetchNone, t, 0, none), nil
	}
	p.Way, t.Started = wayUpload, since
	return p.step(source.FetchPending, t, uploadRetry, ""), nil
}
