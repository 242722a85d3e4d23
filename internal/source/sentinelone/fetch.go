package sentinelone

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

var _ source.Fetcher = (*Client)(nil)

const (
	// permFetch asks an agent for a file, permActive sees that it came.
	permFetch = "Threats.fetchThreatFile"

	// fetchMargin is how far before the start an upload may be dated: the Date header
	// has whole seconds, and several machines of a console answer.
	fetchMargin = 5 * time.Second
	// An upload takes 10 to 200 s. It is looked for every fetchSoon, later every
	// fetchLater; after fetchPatience the endpoint is looked at, too.
	fetchSoon     = 5 * time.Second
	fetchLater    = 10 * time.Second
	fetchPatience = 2 * time.Minute
)

// progress is the Data of a ticket.
type progress struct {
	// Asked: the console accepted the command. Otherwise the endpoint was offline, and
	// nothing waits for it there.
	Asked bool `json:"asked,omitempty"`
	// Before is the newest upload from before the command. It has another password.
	Before string `json:"before,omitempty"`
	// Path is where the archive can be downloaded, below the API's root.
	Path string `json:"path,omitempty"`
}

func (p progress) step(state source.FetchState, t source.Ticket, retry time.Duration, reason string) source.FetchStep {
	t.Data, _ = json.Marshal(p) // strings and a flag always marshal
	return source.FetchStep{State: state, Ticket: t, Retry: retry, Reason: reason}
}

// StartFetch implements source.Fetcher: the console has the agent upload the
// threat's file, in a zip with r.Password, which must have 10 characters with upper
// and lower case, a digit and a symbol.
//
// The agent does this itself, also for what it has quarantined: nothing is run on
// the endpoint, so r.Endpoint does not matter. The request may be repeated: one more
// upload with the same password comes of it. An endpoint that is offline cannot be
// asked: unreachable, and PollFetch of that ticket tells when to start again.
func (c *Client) StartFetch(ctx context.Context, r source.FetchRequest) (source.FetchStep, error) {
	t := source.Ticket{Handle: r.Handle, File: r.File, Attempt: r.Attempt}
	if !isID(r.Handle.ID) {
		return progress{}.step(source.FetchNone, t, 0, "the alert is not a threat of an agent: the console has no file for it"), nil
	}
	// Whoever may not see uploads must not cause one.
	last, err := c.lastUpload(ctx, r.Handle.ID, time.Time{})
	if err != nil {
		return source.FetchStep{}, err
	}
	p := progress{Before: last.path}
	for again := true; ; again = false {
		n, date, err := c.askForFile(ctx, r)
		if err != nil {
			return source.FetchStep{}, err
		}
		t.Started = date
		if n > 0 {
			p.Asked = true
			return p.step(source.FetchPending, t, fetchSoon, ""), nil
		}
		state, reason, err := c.whyNot(ctx, r.Handle.ID)
		if err != nil {
			return source.FetchStep{}, err
		}
		// The agent may have come back just between the two.
		if state != source.FetchNone || !again {
			return p.step(state, t, 0, reason), nil
		}
	}
}

// askForFile gives how many threats the command was for, 0 or 1, and the console's
// time.
func (c *Client) askForFile(ctx context.Context, r source.FetchRequest) (int, time.Time, error) {
	const op = "fetch a file"
	filter, err := newIDFilter(r.Handle.ID) // exactly one: the vendor refuses more
	if err != nil {
		return 0, time.Time{}, c.rest.fault(fault.Invalid, op, err.Error())
	}
	resp, err := c.rest.do(ctx, call{httpx.Request{
		Op: op, Method: http.MethodPost, Path: "/threats/fetch-file", Class: httpx.Idempotent, Rate: rateThreatsSub,
		JSON: bulk{map[string]string{"password": r.Password}, filter},
	}, permFetch})
	if err != nil {
		return 0, time.Time{}, err
	}
	var reply struct {
		Data struct {
			Affected *count `json:"affected"`
		} `json:"data"`
		Errors vendorErrors `json:"errors"`
	}
	if err := resp.Decode(&reply); err != nil {
		return 0, time.Time{}, err
	}
	switch m := reply.Errors.String(); {
	case m != "":
		err = c.rest.fault(fault.Unavailable, op, "the reply has errors: "+m)
	case reply.Data.Affected == nil:
		err = c.rest.fault(fault.Unavailable, op, "the reply does not say whether the agent was asked")
	case resp.Date.IsZero():
		// Uploads are told from older ones by the console's clock.
		err = c.rest.fault(fault.Unavailable, op, "the reply has no Date header; a proxy may have removed it")
	}
	if err != nil {
		return 0, time.Time{}, err
	}
	return int(*reply.Data.Affected), resp.Date, nil
}

// PollFetch implements source.Fetcher. A ticket whose path is known stays ready:
// that an upload has expired, only OpenFetch learns. An upload that failed leaves
// nothing to see: the fetch stays pending, until the caller's deadline.
func (c *Client) PollFetch(ctx context.Context, t source.Ticket) (source.FetchStep, error) {
	var p progress
	if json.Unmarshal(t.Data, &p) != nil || !isID(t.Handle.ID) {
		return progress{}.step(source.FetchLost, t, 0, "the ticket cannot be read"), nil
	}
	if p.Path != "" {
		return p.step(source.FetchReady, t, 0, ""), nil
	}
	if !p.Asked {
		return c.pollAgent(ctx, p, t)
	}
	last, err := c.lastUpload(ctx, t.Handle.ID, t.Started.Add(-fetchMargin))
	if err != nil {
		return source.FetchStep{}, err
	}
	if last.path != "" && last.path != p.Before {
		if !isUpload(last.path) {
			return source.FetchStep{}, c.rest.fault(fault.Invalid, "look for the upload",
				"the console gave a download path that is not one of an agent's uploads")
		}
		p.Path = last.path
		return p.step(source.FetchReady, t, 0, ""), nil
	}
	elapsed := last.date.Sub(t.Started)
	if last.date.IsZero() || elapsed < fetchPatience/2 {
		return p.step(source.FetchPending, t, fetchSoon, ""), nil
	}
	if elapsed >= fetchPatience {
		state, reason, err := c.whyNot(ctx, t.Handle.ID)
		if err != nil || state == source.FetchUnreachable {
			return p.step(state, t, 0, reason), err
		}
	}
	return p.step(source.FetchPending, t, fetchLater, ""), nil
}

// pollAgent is a poll of a fetch whose endpoint was offline when it was to start:
// once the agent is back, the command must be given anew.
func (c *Client) pollAgent(ctx context.Context, p progress, t source.Ticket) (source.FetchStep, error) {
	state, reason, err := c.whyNot(ctx, t.Handle.ID)
	if err != nil {
		return source.FetchStep{}, err
	}
	if state == source.FetchNone && reason == reasonRefused {
		state, reason = source.FetchLost, "the endpoint is online again"
	}
	return p.step(state, t, 0, reason), nil
}
