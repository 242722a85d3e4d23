package crowdstrike

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// The ways of a fetch, in a ticket.
const (
	wayCloud    = "cloud"    // the cloud has a copy
	wayUpload   = "upload"   // quarantined a moment ago: the copy may be on its way
	wayEndpoint = "endpoint" // a command runs on the endpoint
	wayOffline  = "offline"  // the endpoint was offline, and nothing waits for it there
)

const (
	// What is quarantined is uploaded within minutes, when it is at all.
	uploadPatience = 15 * time.Minute
	uploadRetry    = 30 * time.Second
)

// ticket is the Data of a ticket.
type ticket struct {
	Way    string `json:"way"`
	SHA256 string `json:"sha256,omitempty"` // of what can be downloaded; "" while it cannot
	// Of the endpoint:
	Host    string `json:"host,omitempty"`
	Session string `json:"session,omitempty"`
	Request string `json:"request,omitempty"` // the command's cloud_request_id
	Name    string `json:"name,omitempty"`    // as the session lists the file
	Try     int    `json:"try,omitempty"`     // which spelling of the path
}

func (p ticket) step(state source.FetchState, t source.Ticket, retry time.Duration, reason string) source.FetchStep {
	t.Data, _ = json.Marshal(p) // strings and a number always marshal
	return source.FetchStep{State: state, Ticket: t, Retry: retry, Reason: reason}
}

// readTicket checks what a ticket holds: tickets are stored.
func readTicket(t source.Ticket) (ticket, bool) {
	var p ticket
	if json.Unmarshal(t.Data, &p) != nil {
		return p, false
	}
	if p.SHA256 != "" && alert.Hash(p.SHA256).Algo() != alert.SHA256 {
		return p, false
	}
	switch p.Way {
	case wayCloud, wayUpload:
		return p, p.SHA256 != ""
	case wayOffline:
		return p, isHostID(p.Host)
	case wayEndpoint:
		return p, isHostID(p.Host) && p.Session != "" && p.Request != ""
	}
	return p, false
}

// StartFetch implements source.Fetcher. A copy in the cloud comes first: what a sensor
// quarantined is uploaded where the prevention policy says so, and is found by SHA-256.
// Without one the file is got from the endpoint by Real Time Response, if r.Endpoint
// allows it.
func (c *Client) StartFetch(ctx context.Context, r source.FetchRequest) (source.FetchStep, error) {
	const op = "fetch a file"
	t := source.Ticket{Handle: r.Handle, File: r.File, Attempt: r.Attempt}
	var f *falconAlert
	var err error
	if r.Handle.ID != "" {
		f, _, err = c.one(ctx, op, r.Handle.ID)
	}
	if err != nil {
		return source.FetchStep{}, err
	}
	if f == nil {
		return ticket{}.step(source.FetchNone, t, 0, "the cloud does not have this alert (any more)"), nil
	}
	sha := string(r.File.SHA256)
	if sha != "" {
		has, err := c.hasSample(ctx, sha)
		if has {
			return ticket{Way: wayCloud, SHA256: sha}.step(source.FetchReady, t, 0, ""), nil
		}
		if err != nil && !(fault.Is(err, fault.Denied) && r.Endpoint) {
			return source.FetchStep{}, err
		}
	}
	if r.Endpoint {
		return c.startEndpoint(ctx, f.host(), t)
	}
	return c.awaitUpload(ctx, sha, f.host().ID, t)
}

// sampleCall is GET /samples/entities/samples/v3: a zip with the password "infected".
func sampleCall(op, sha string) call {
	return call{Request: httpx.Request{
		Op: op, Path: "/samples/entities/samples/v3", Query: url.Values{"ids": {sha}, "password_protected": {"true"}},
	}, scope: scopeSamples}
}

// hasSample asks for the copy and reads nothing of it: there is no cheaper question.
func (c *Client) hasSample(ctx context.Context, sha string) (bool, error) {
	s, err := c.api.open(ctx, sampleCall("look for the sample", sha))
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_ = s.Close() // halfway through the download: that is no fault
	return true, nil
}

// awaitUpload says what becomes of a file without a copy in the cloud: one that was
// quarantined a moment ago may still be on its way.
func (c *Client) awaitUpload(ctx context.Context, sha, host string, t source.Ticket) (source.FetchStep, error) {
	none := "CrowdStrike's cloud has no copy of this file: it was not quarantined, the prevention policy does not upload " +
		"what is quarantined, or the file is too large. It can be had from the endpoint, if that is allowed (fetch.endpoint)"
	if sha == "" {
		return ticket{}.step(source.FetchNone, t, 0, "the alert has no SHA-256, by which the cloud's copy could be found"), nil
	}
	since, date, err := c.quarantinedAt(ctx, sha, host)
	if err != nil && !fault.Is(err, fault.Denied) {
		return source.FetchStep{}, err
	}
	if since.IsZero() || date.IsZero() || date.Sub(since) > uploadPatience {
		return ticket{}.step(source.FetchNone, t, 0, none), nil
	}
	t.Started = date
	return ticket{Way: wayUpload, SHA256: sha}.step(source.FetchPending, t, uploadRetry, ""), nil
}

// quarantinedAt is when the file was quarantined on the host, zero when it was not, and
// the time of the reply.
func (c *Client) quarantinedAt(ctx context.Context, sha, host string) (at, date time.Time, err error) {
	const op = "look into the quarantine"
	filter := "sha256:" + quote(sha)
	if host != "" {
		filter = all(filter, "device.device_id:"+quote(host))
	}
	query := call{Request: httpx.Request{Op: op, Path: "/quarantine/queries/quarantined-files/v1",
		Query: url.Values{"filter": {filter}, "limit": {"1"}, "sort": {"date_created|desc"}}}, scope: scopeQuarantine, whole: true}
	ids, err := c.ids(ctx, query)
	if err != nil || len(ids) == 0 {
		return at, date, err
	}
	r, err := c.api.read(ctx, call{Request: httpx.Request{Op: op, Method: "POST", Path: "/quarantine/entities/quarantined-files/GET/v1",
		Class: httpx.Read, JSON: map[string]any{"ids": ids}}, scope: scopeQuarantine, whole: true})
	if err != nil {
		return at, date, err
	}
	for _, raw := range r.items() {
		var q struct {
			Created stamp `json:"date_created"`
		}
		if json.Unmarshal(raw, &q) == nil {
			at = q.Created.Time
		}
	}
	return at, r.date, nil
}

// PollFetch implements source.Fetcher. A copy in the cloud stays ready: that it is gone,
// only OpenFetch learns.
func (c *Client) PollFetch(ctx context.Context, t source.Ticket) (source.FetchStep, error) {
	p, ok := readTicket(t)
	switch {
	case !ok:
		return p.step(source.FetchLost, t, 0, "the ticket cannot be read"), nil
	case p.Way == wayOffline:
		return c.pollOffline(ctx, p, t)
	case p.Way == wayUpload:
		return c.pollUpload(ctx, p, t)
	case p.SHA256 != "":
		return p.step(source.FetchReady, t, 0, ""), nil
	}
	return c.pollEndpoint(ctx, p, t)
}

func (c *Client) pollUpload(ctx context.Context, p ticket, t source.Ticket) (source.FetchStep, error) {
	has, err := c.hasSample(ctx, p.SHA256)
	if err != nil {
		return source.FetchStep{}, err
	}
	if has {
		p.Way = wayCloud
		return p.step(source.FetchReady, t, 0, ""), nil
	}
	started := t.Started
	next, err := c.awaitUpload(ctx, p.SHA256, "", t)
	if next.State == source.FetchPending {
		next.Ticket.Started = started
	}
	return next, err
}
