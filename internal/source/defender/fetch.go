package defender

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/safe"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

const (
	// A live response takes a minute or two. It is looked at every fetchSoon, after
	// fetchPatience every fetchLater.
	fetchSoon     = 10 * time.Second
	fetchLater    = time.Minute
	fetchPatience = 5 * time.Minute
	// fetchSilence is after how long a command that the machine has not taken up means
	// that the machine is not there, whatever its health says.
	fetchSilence = 15 * time.Minute
)

// progress is the Data of a ticket.
type progress struct {
	Machine string `json:"machine,omitempty"`
	// Action is the live response; "" while it could not be started.
	Action string `json:"action,omitempty"`
	// Index is the command whose result is the file.
	Index int64 `json:"index,omitempty"`
	// Ready: it has succeeded.
	Ready bool `json:"ready,omitempty"`
}

func (p progress) step(state source.FetchState, t source.Ticket, retry time.Duration, reason string) source.FetchStep {
	t.Data, _ = json.Marshal(p) // strings, a number and a flag always marshal
	return source.FetchStep{State: state, Ticket: t, Retry: retry, Reason: reason}
}

// StartFetch implements source.Fetcher: a live response session on the alert's machine
// copies the file from where the alert found it. Nothing of the password is used, for
// what comes is the bare file. It runs on the endpoint, so r.Endpoint must allow it.
// What the machine has in quarantine is not there any more, and is "none".
//
// A machine runs one session at a time. One that is offline, or has another session,
// is unreachable, and PollFetch of that ticket tells when to start again. The step may
// be repeated: a session of the same attempt is found again by its comment.
func (c *Client) StartFetch(ctx context.Context, r source.FetchRequest) (source.FetchStep, error) {
	const op = "fetch a file"
	t := source.Ticket{Handle: r.Handle, File: r.File, Attempt: r.Attempt}
	none := func(reason string) (source.FetchStep, error) {
		return progress{}.step(source.FetchNone, t, 0, reason), nil
	}
	if !r.Endpoint {
		return none("Defender has no copies of files; a live response session can copy it from the endpoint, which fetch.endpoint allows")
	}
	raw, err := c.alert(ctx, op, r.Handle.ID)
	switch {
	case notFound(err):
		return none("Defender does not have this alert, or not any more")
	case err != nil:
		return source.FetchStep{}, err
	}
	machine, path := placeOf(raw, r.File)
	switch {
	case !isID(machine):
		return none("the alert names no machine that the file is on")
	case path == "":
		return none("the alert does not say where on the machine the file is")
	}
	return c.startLive(ctx, op, r, t, machine, path)
}

// placeOf finds where a file of an alert is: the machine, and the path on it.
func placeOf(raw json.RawMessage, f alert.File) (machine, path string) {
	w, bad := decodeWire(raw)
	if bad != nil {
		return "", ""
	}
	machine, path = w.host().ID, f.Path
	for _, e := range filesOf(w.Evidence) {
		same := slices.ContainsFunc(e.All(), f.Has) || f.Best() == "" && e.Path == f.Path
		if !same {
			continue
		}
		if e.device != "" {
			machine = e.device
		}
		if path == "" {
			path = e.Path
		}
		break
	}
	return machine, path
}

func (c *Client) startLive(ctx context.Context, op string, r source.FetchRequest, t source.Ticket, id, path string) (source.FetchStep, error) {
	p := progress{Machine: id}
	comment := fetchComment(r, path)
	if step, found, err := c.resume(ctx, op, p, t, comment); found || err != nil {
		return step, err
	}
	m, err := c.machine(ctx, op, id)
	switch {
	case notFound(err):
		return p.step(source.FetchNone, t, 0, "the machine is not one of Defender for Endpoint any more"), nil
	case err != nil:
		return source.FetchStep{}, err
	}
	if reachable := reachableOf(string(m.HealthStatus)); reachable != nil && !*reachable {
		return p.step(source.FetchUnreachable, t, 0, nameOf(m)+" is offline"), nil
	}
	a, err := c.runGetFile(ctx, op, id, path, comment)
	switch {
	case err == nil:
		return c.stepOf(p, t, a, time.Time{}), nil
	case codeOf(err) == codeActive:
		return p.step(source.FetchUnreachable, t, fetchLater, nameOf(m)+" is busy with another live response session"), nil
	case fault.Is(err, fault.Unsupported) || notFound(err):
		return p.step(source.FetchNone, t, 0, "the machine cannot do it: "+err.Error()), nil
	case !fault.Is(err, fault.InDoubt):
		return source.FetchStep{}, err
	}
	// It may run all the same: look, and leave the rest to a repeated step.
	if step, found, lookErr := c.resume(ctx, op, p, t, comment); found || lookErr != nil {
		return step, lookErr
	}
	return source.FetchStep{}, c.mde.fault(fault.Unavailable, op, "it is not known whether the session started, and it cannot be seen yet: "+err.Error()).
		WithHint("try again: a session that did start is found then")
}

// fetchComment is what a session of one attempt to get one file is known by.
func fetchComment(r source.FetchRequest, path string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%d", r.Handle.ID, r.File.Best(), path, r.Attempt))
	return "edrc: copy a file for an alert [fetch:" + hex.EncodeToString(sum[:8]) + "]"
}

// resume finds a session of the same attempt that has not failed.
func (c *Client) resume(ctx context.Context, op string, p progress, t source.Ticket, comment string) (source.FetchStep, bool, error) {
	actions, err := c.actions(ctx, op, p.Machine)
	if err != nil {
		return source.FetchStep{}, false, err
	}
	for _, a := range actions {
		if a.of("LiveResponse") && string(a.Comment) == comment && (a.under() || a.is("Succeeded")) {
			return c.stepOf(p, t, a, time.Time{}), true, nil
		}
	}
	return source.FetchStep{}, false, nil
}

// runGetFile starts the session.
func (c *Client) runGetFile(ctx context.Context, op, machine, path, comment string) (action, error) {
	type param struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	}
	type command struct {
		Type   string  `json:"type"`
		Params []param `json:"params"`
	}
	resp, err := c.mde.do(ctx, call{httpx.Request{
		Op: op, Method: http.MethodPost, Path: "/machines/" + url.PathEscape(machine) + "/runliveresponse", Class: httpx.Once, Rate: rateLive,
		JSON: map[string]any{"Comment": comment, "Commands": []command{{"GetFile", []param{{"Path", path}}}}},
	}, permLive})
	if err != nil {
		return action{}, err
	}
	var a action
	if err := resp.Decode(&a); err != nil {
		return action{}, err
	}
	if a.ID == "" {
		return action{}, c.mde.fault(fault.InDoubt, op, "the reply does not name the session")
	}
	if a.Created.IsZero() {
		a.Created.Time = resp.Date
	}
	return a, nil
}

// stepOf says where a session stands. date is the vendor's time, zero when the
// session was only just started.
func (c *Client) stepOf(p progress, t source.Ticket, a action, date time.Time) source.FetchStep {
	p.Action = string(a.ID)
	if t.Started.IsZero() {
		t.Started = lenient.First(a.Created, stamp{Time: date})
	}
	elapsed := date.Sub(t.Started)
	if date.IsZero() {
		elapsed = 0
	}
	for _, command := range a.Commands { // there is one
		p.Index = int64(command.Index)
		if strings.EqualFold(string(command.Status), "Failed") {
			a.Status = "Failed"
		}
	}
	switch {
	case a.is("Succeeded"):
		p.Ready = true
		return p.step(source.FetchReady, t, 0, "")
	case a.is("Failed"):
		return p.step(source.FetchNone, t, 0, "the live response session failed"+a.reasons())
	case a.is("TimeOut"):
		return p.step(source.FetchLost, t, 0, "the machine did not take the command up in time")
	case a.is("Cancelled"):
		return p.step(source.FetchNone, t, 0, "somebody has cancelled the live response session")
	case a.is("Pending") && elapsed > fetchSilence:
		return p.step(source.FetchUnreachable, t, fetchLater, "the machine has not taken the command up; it waits there for up to three days")
	case elapsed > fetchPatience:
		return p.step(source.FetchPending, t, fetchLater, "")
	}
	return p.step(source.FetchPending, t, fetchSoon, "")
}

// reasons are what the commands of a session failed with.
func (a action) reasons() string {
	var out []string
	for _, c := range a.Commands {
		for _, e := range c.Errors {
			out = append(out, clean(string(e)))
		}
	}
	if len(out) == 0 {
		return ": the file may have been moved, or be in quarantine"
	}
	return ": " + strings.Join(out, "; ")
}

// PollFetch implements source.Fetcher. A ticket that is ready stays ready: that its
// result has expired, only OpenFetch learns.
func (c *Client) PollFetch(ctx context.Context, t source.Ticket) (source.FetchStep, error) {
	const op = "look at the live response session"
	var p progress
	if json.Unmarshal(t.Data, &p) != nil || !isID(p.Machine) || p.Action != "" && !isID(p.Action) {
		return progress{}.step(source.FetchLost, t, 0, "the ticket cannot be read"), nil
	}
	switch {
	case p.Ready && p.Action != "":
		return p.step(source.FetchReady, t, 0, ""), nil
	case p.Action == "":
		return c.pollMachine(ctx, op, p, t)
	}
	a, date, err := c.action(ctx, op, p.Action)
	switch {
	case notFound(err):
		return p.step(source.FetchLost, t, 0, "Defender does not have the session any more"), nil
	case err != nil:
		return source.FetchStep{}, err
	}
	return c.stepOf(p, t, a, date), nil
}

// pollMachine is a poll of a fetch that could not start: once the machine is online,
// and no other session runs on it, it must be started anew.
func (c *Client) pollMachine(ctx context.Context, op string, p progress, t source.Ticket) (source.FetchStep, error) {
	m, err := c.machine(ctx, op, p.Machine)
	switch {
	case notFound(err):
		return p.step(source.FetchNone, t, 0, "the machine is not one of Defender for Endpoint any more"), nil
	case err != nil:
		return source.FetchStep{}, err
	}
	if reachable := reachableOf(string(m.HealthStatus)); reachable != nil && !*reachable {
		return p.step(source.FetchUnreachable, t, 0, nameOf(m)+" is offline"), nil
	}
	actions, err := c.actions(ctx, op, p.Machine)
	if err != nil {
		return source.FetchStep{}, err
	}
	if slices.ContainsFunc(actions, func(a action) bool { return a.of("LiveResponse") && a.under() }) {
		return p.step(source.FetchUnreachable, t, fetchLater, nameOf(m)+" is busy with another live response session"), nil
	}
	return p.step(source.FetchLost, t, 0, nameOf(m)+" is there now"), nil
}

func nameOf(m machine) string {
	if name := safe.Line(string(m.ComputerDNSName)); name != "" {
		return name
	}
	return "the machine"
}
