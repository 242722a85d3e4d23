package cortex

import (
	"context"
	"encoding/json"
	"strings"
	"time"
	"unicode"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/safe"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

const (
	fetchSoon  = 10 * time.Second
	fetchLater = 30 * time.Second
	// After this long the endpoint is looked at, too.
	fetchPatience = 5 * time.Minute
)

// ticket is the Data of a ticket.
type ticket struct {
	Endpoint string `json:"endpoint,omitempty"`
	Action   string `json:"action,omitempty"` // "" while the endpoint is offline: nothing was asked of it
	Ready    bool   `json:"ready,omitempty"`
}

func (p ticket) step(state source.FetchState, t source.Ticket, retry time.Duration, reason string) source.FetchStep {
	t.Data, _ = json.Marshal(p) // strings always marshal
	return source.FetchStep{State: state, Ticket: t, Retry: retry, Reason: reason}
}

// readTicket checks what a ticket holds: tickets are stored.
func readTicket(t source.Ticket) (ticket, bool) {
	var p ticket
	if json.Unmarshal(t.Data, &p) != nil || !isEndpointID(p.Endpoint) {
		return ticket{}, false
	}
	return p, p.Action == "" && !p.Ready || isNumber(p.Action)
}

// StartFetch implements source.Fetcher. The tenant keeps no copies that its API gives out:
// the file is retrieved from the endpoint by its path, if r.Endpoint allows it. Nothing is
// asked of an endpoint that is offline. r.Password is for [Client.OpenFetch].
func (c *Client) StartFetch(ctx context.Context, r source.FetchRequest) (source.FetchStep, error) {
	const op = "fetch a file"
	t := source.Ticket{Handle: r.Handle, File: r.File, Attempt: r.Attempt}
	none := func(reason string) (source.FetchStep, error) {
		return ticket{}.step(source.FetchNone, t, 0, reason), nil
	}
	if !r.Endpoint {
		return none("Cortex XDR gives out no copies of files; it can be retrieved from the endpoint, if that is allowed (fetch.endpoint)")
	}
	a, _, err := c.one(ctx, op, r.Handle)
	switch {
	case err != nil:
		return source.FetchStep{}, err
	case a == nil:
		return none("the tenant does not have this alert (any more)")
	case !isEndpointID(a.Host.ID):
		return none("the alert names no endpoint that the file could be retrieved from")
	}
	if problem := unfit(r.File.Path); problem != "" {
		return none(problem)
	}
	e, err := c.endpoint(ctx, op, a.Host.ID)
	if err != nil {
		return source.FetchStep{}, err
	}
	if e == nil || strings.EqualFold(string(e.Status), "UNINSTALLED") {
		return none("the tenant does not have the alert's endpoint any more")
	}
	key := platformOf(string(e.OSType))
	if key != "windows" && key != "linux" && key != "macos" {
		return none("files cannot be retrieved from an endpoint of this kind")
	}
	p := ticket{Endpoint: e.id()}
	if e.offline() {
		return p.step(source.FetchUnreachable, t, 0, orElse(safe.Line(e.name()), "the endpoint")+" is not connected"), nil
	}
	return c.retrieve(ctx, p, t, key, a.Group)
}

// unfit says why a path cannot be asked for, "" when it can.
func unfit(path string) string {
	switch {
	case path == "":
		return "the alert does not tell where the file is"
	case len(path) > 4096, strings.ContainsFunc(path, unicode.IsControl):
		return "the path of the file cannot be asked for: it is too long, or has control characters"
	}
	return ""
}

// retrieve has the endpoint upload the file. Twice is once: it uploads a copy more.
func (c *Client) retrieve(ctx context.Context, p ticket, t source.Ticket, key, group string) (source.FetchStep, error) {
	data := map[string]any{
		"filters": []filter{{"endpoint_id_list", "in", []string{p.Endpoint}}},
		"files":   map[string][]string{key: {t.File.Path}},
	}
	if isNumber(group) {
		data["incident_id"] = group
	}
	q := post("retrieve a file from the endpoint", "endpoints/file_retrieval", permRetrieve, data).of(httpx.Idempotent).licensed(licenceEndpoint)
	var s started
	date, err := c.api.send(ctx, q, &s)
	switch {
	case err != nil:
		return source.FetchStep{}, err
	case s.Count != nil && *s.Count == 0:
		return ticket{}.step(source.FetchNone, t, 0, "the tenant can retrieve no file from this endpoint"), nil
	case !isNumber(string(s.Action)):
		return source.FetchStep{}, c.api.unclear(q, "the reply does not name the action")
	case date.IsZero():
		return source.FetchStep{}, c.api.fault(fault.Unavailable, q.Op, "the reply has no Date header; a proxy may have removed it")
	}
	p.Action, t.Started = string(s.Action), date
	return p.step(source.FetchPending, t, fetchSoon, ""), nil
}

// PollFetch implements source.Fetcher. A file that was ready stays ready: that it is gone,
// only OpenFetch learns.
func (c *Client) PollFetch(ctx context.Context, t source.Ticket) (source.FetchStep, error) {
	const op = "look at the retrieval"
	p, ok := readTicket(t)
	switch {
	case !ok:
		return p.step(source.FetchLost, t, 0, "the ticket cannot be read"), nil
	case p.Action == "":
		return c.pollOffline(ctx, op, p, t)
	case p.Ready:
		return p.step(source.FetchReady, t, 0, ""), nil
	}
	is, err := c.action(ctx, op, p.Action, p.Endpoint)
	if fault.Is(err, fault.NotFound) {
		return p.step(source.FetchLost, t, 0, "the tenant does not know the retrieval any more"), nil
	}
	if err != nil {
		return source.FetchStep{}, err
	}
	switch is.state {
	case actionFailed:
		return p.step(source.FetchNone, t, 0, "the endpoint cannot give the file: "+is.words), nil
	case actionOver:
		return p.step(source.FetchLost, t, 0, "the retrieval has ended: "+is.words), nil
	case actionPending:
		return c.stillPending(ctx, op, p, t, is.date)
	}
	link, err := c.link(ctx, op, p)
	if err != nil {
		return source.FetchStep{}, err
	}
	if link == "" { // the upload is on its way
		return c.stillPending(ctx, op, p, t, is.date)
	}
	p.Ready = true
	return p.step(source.FetchReady, t, 0, ""), nil
}

// stillPending looks at the endpoint, too, when it takes long: it may have gone.
func (c *Client) stillPending(ctx context.Context, op string, p ticket, t source.Ticket, date time.Time) (source.FetchStep, error) {
	if date.Sub(t.Started) < fetchPatience {
		return p.step(source.FetchPending, t, fetchSoon, ""), nil
	}
	e, err := c.endpoint(ctx, op, p.Endpoint)
	if err != nil {
		return source.FetchStep{}, err
	}
	if e == nil {
		return p.step(source.FetchNone, t, 0, "the tenant does not have the endpoint any more"), nil
	}
	if e.offline() { // the action waits for it at the tenant: nothing must be started anew
		return p.step(source.FetchUnreachable, t, 0, orElse(safe.Line(e.name()), "the endpoint")+" is not connected"), nil
	}
	return p.step(source.FetchPending, t, fetchLater, ""), nil
}

// pollOffline waits for an endpoint: once it is back, the fetch must start anew.
func (c *Client) pollOffline(ctx context.Context, op string, p ticket, t source.Ticket) (source.FetchStep, error) {
	e, err := c.endpoint(ctx, op, p.Endpoint)
	switch {
	case err != nil:
		return source.FetchStep{}, err
	case e == nil:
		return p.step(source.FetchNone, t, 0, "the tenant does not have the endpoint any more"), nil
	case e.offline():
		return p.step(source.FetchUnreachable, t, 0, orElse(safe.Line(e.name()), "the endpoint")+" is not connected"), nil
	}
	return p.step(source.FetchLost, t, 0, "the endpoint is connected again"), nil
}

// link asks where the file can be downloaded, "" while it cannot.
func (c *Client) link(ctx context.Context, op string, p ticket) (string, error) {
	var reply struct {
		Data json.RawMessage `json:"data"`
	}
	q := post(op, "actions/file_retrieval_details", permRetrieve, map[string]any{"group_action_id": json.Number(p.Action)})
	_, err := c.api.send(ctx, q, &reply)
	return lenient.Field(reply.Data, p.Endpoint), err
}
