package crowdstrike

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/safe"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

const (
	rtr = "/real-time-response/entities"

	endpointSoon  = 5 * time.Second
	endpointLater = 15 * time.Second
	// After this long the endpoint is looked at, too.
	endpointPatience = 2 * time.Minute
	licenceRTR       = "Real Time Response"
)

// startEndpoint opens a session with the endpoint and has it upload the file.
func (c *Client) startEndpoint(ctx context.Context, h alert.Host, t source.Ticket) (source.FetchStep, error) {
	const op = "open a session with the endpoint"
	p := ticket{Way: wayOffline, Host: strings.ToLower(h.ID)}
	if !isHostID(h.ID) {
		return ticket{}.step(source.FetchNone, t, 0, "the alert names no host that the file could be got from"), nil
	}
	paths, problem := spellings(t.File.Path)
	if problem != "" {
		return ticket{}.step(source.FetchNone, t, 0, problem), nil
	}
	online, err := c.online(ctx, op, []string{h.ID})
	if err != nil {
		return source.FetchStep{}, err
	}
	if up := online[p.Host]; up != nil && !*up {
		return p.step(source.FetchUnreachable, t, 0, hostName(h)+" is offline"), nil
	}
	r, err := c.api.send(ctx, call{Request: httpx.Request{
		Op: op, Method: http.MethodPost, Path: rtr + "/sessions/v1", Query: url.Values{"timeout": {"30"}}, Class: httpx.Idempotent,
		JSON: map[string]any{"device_id": p.Host, "origin": "edrc", "queue_offline": false},
	}, scope: scopeRTR, licence: licenceRTR})
	if err == nil {
		if e := firstError(r.Errors); e != nil {
			err = c.api.explain(c.api.fault(e.kind(), op, r.Errors.String()), call{scope: scopeRTR, licence: licenceRTR})
		}
	}
	if fault.Is(err, fault.NotFound) {
		// UNCERTAIN: this is also how a host that has gone offline is answered (40401).
		return p.step(source.FetchUnreachable, t, 0, hostName(h)+" cannot be reached: "+message(err)), nil
	}
	if err != nil {
		return source.FetchStep{}, err
	}
	if p.Session = ofFirst(r, "session_id"); p.Session == "" {
		return source.FetchStep{}, c.api.fault(fault.Unavailable, op, "the reply has no session")
	}
	return c.command(ctx, p, t, paths)
}

// command has the endpoint upload the file at the p.Try-th spelling of its path.
func (c *Client) command(ctx context.Context, p ticket, t source.Ticket, paths []string) (source.FetchStep, error) {
	const op = "have the endpoint upload the file"
	r, err := c.api.send(ctx, call{Request: httpx.Request{
		Op: op, Method: http.MethodPost, Path: rtr + "/active-responder-command/v1", Class: httpx.Idempotent,
		JSON: map[string]any{"session_id": p.Session, "base_command": "get", "command_string": `get "` + paths[p.Try] + `"`},
	}, scope: scopeRTR, licence: licenceRTR})
	if err == nil {
		if e := firstError(r.Errors); e != nil {
			err = c.api.explain(c.api.fault(e.kind(), op, r.Errors.String()), call{scope: scopeRTR, licence: licenceRTR})
		}
	}
	if fault.Is(err, fault.NotFound) {
		return p.step(source.FetchLost, t, 0, "the session with the endpoint is over"), nil
	}
	if err != nil {
		return source.FetchStep{}, err
	}
	p.Way = wayEndpoint
	if p.Request = ofFirst(r, "cloud_request_id"); p.Request == "" {
		return source.FetchStep{}, c.api.fault(fault.Unavailable, op, "the reply has no id of the command")
	}
	if r.date.IsZero() {
		return source.FetchStep{}, c.api.fault(fault.Unavailable, op, "the reply has no Date header; a proxy may have removed it")
	}
	if t.Started.IsZero() {
		t.Started = r.date
	}
	return p.step(source.FetchPending, t, endpointSoon, ""), nil
}

// spellings are the ways to name a file in a command: as the sensor does, and with a
// drive letter in the place of the device, which sensors may want instead (UNCERTAIN).
// Whatever the endpoint finds there is hashed before anybody believes it. A path that
// could end its own quotes is never sent: an attacker chose it.
func spellings(path string) (paths []string, problem string) {
	switch {
	case path == "":
		return nil, "the alert does not tell where the file is"
	case len(path) > 2048, strings.ContainsFunc(path, func(r rune) bool { return r == '"' || r == '\'' || r == '`' || unicode.IsControl(r) }),
		strings.HasSuffix(path, `\`):
		return nil, "the path of the file cannot be put into a command safely"
	}
	paths = []string{path}
	if rest, ok := strings.CutPrefix(path, `\Device\HarddiskVolume`); ok {
		if volume, inside, ok := strings.Cut(rest, `\`); ok && strings.Trim(volume, "0123456789") == "" {
			paths = append(paths, `C:\`+inside)
		}
	}
	return paths, ""
}

// pollEndpoint looks how the command is doing, and when it is done, at what came of it.
func (c *Client) pollEndpoint(ctx context.Context, p ticket, t source.Ticket) (source.FetchStep, error) {
	const op = "look at the command"
	r, err := c.api.read(ctx, call{Request: httpx.Request{
		Op: op, Path: rtr + "/active-responder-command/v1", Query: url.Values{"cloud_request_id": {p.Request}, "sequence_id": {"0"}},
	}, scope: scopeRTR, licence: licenceRTR})
	if fault.Is(err, fault.NotFound) {
		return p.step(source.FetchLost, t, 0, "the session with the endpoint is over"), nil
	}
	if err != nil {
		return source.FetchStep{}, err
	}
	var out struct {
		Complete flag `json:"complete"`
		Stderr   text `json:"stderr"`
	}
	for _, raw := range r.items() {
		_ = json.Unmarshal(raw, &out)
	}
	switch {
	case !out.Complete.Yes:
		return c.stillRunning(ctx, p, t, r.date)
	case out.Stderr != "":
		paths, _ := spellings(t.File.Path)
		if p.Try++; p.Try < len(paths) {
			return c.command(ctx, p, t, paths)
		}
		return p.step(source.FetchNone, t, 0, "the endpoint cannot get the file: "+safe.Line(string(out.Stderr))), nil
	}
	return c.uploadOf(ctx, p, t, r.date)
}

// uploadOf looks for the file of our command among those of the session.
func (c *Client) uploadOf(ctx context.Context, p ticket, t source.Ticket, date time.Time) (source.FetchStep, error) {
	r, err := c.api.read(ctx, call{Request: httpx.Request{
		Op: "look for the upload", Path: rtr + "/file/v2", Query: url.Values{"session_id": {p.Session}},
	}, scope: scopeRTR, licence: licenceRTR})
	if fault.Is(err, fault.NotFound) {
		return p.step(source.FetchLost, t, 0, "the session with the endpoint is over"), nil
	}
	if err != nil {
		return source.FetchStep{}, err
	}
	for _, raw := range r.items() {
		var f struct {
			Request  text `json:"cloud_request_id"`
			Name     text `json:"name"`
			SHA256   text `json:"sha256"`
			Complete flag `json:"complete"`
			Error    text `json:"error_message"`
		}
		if json.Unmarshal(raw, &f) != nil || string(f.Request) != p.Request {
			continue
		}
		sha := alert.NewHashes(string(f.SHA256)).SHA256
		switch {
		case f.Error != "":
			return p.step(source.FetchNone, t, 0, "the endpoint cannot upload the file: "+safe.Line(string(f.Error))), nil
		case !f.Complete.Yes || sha == "":
			return c.stillRunning(ctx, p, t, date)
		case t.File.SHA256 != "" && t.File.SHA256 != sha:
			return p.step(source.FetchNone, t, 0, "another file stands at this path now"), nil
		}
		p.SHA256, p.Name = string(sha), string(f.Name)
		if len(p.Name) > 1024 { // the ticket is small; the name is optional
			p.Name = ""
		}
		return p.step(source.FetchReady, t, 0, ""), nil
	}
	return c.stillRunning(ctx, p, t, date)
}

// stillRunning keeps the session alive, which ends after ten idle minutes. When it
// takes long, the endpoint may have gone.
func (c *Client) stillRunning(ctx context.Context, p ticket, t source.Ticket, date time.Time) (source.FetchStep, error) {
	const op = "keep the session"
	if date.Sub(t.Started) > endpointPatience {
		online, err := c.online(ctx, op, []string{p.Host})
		if err != nil {
			return source.FetchStep{}, err
		}
		if up := online[p.Host]; up != nil && !*up {
			p = ticket{Way: wayOffline, Host: p.Host}
			return p.step(source.FetchUnreachable, t, 0, "the endpoint has gone offline"), nil
		}
	}
	_, err := c.api.send(ctx, call{Request: httpx.Request{
		Op: op, Method: http.MethodPost, Path: rtr + "/refresh-session/v1", Class: httpx.Idempotent, JSON: map[string]any{"device_id": p.Host},
	}, scope: scopeRTR, licence: licenceRTR})
	if err != nil && !fault.Is(err, fault.NotFound) {
		return source.FetchStep{}, err
	}
	wait := endpointSoon
	if date.Sub(t.Started) > endpointPatience/2 {
		wait = endpointLater
	}
	return p.step(source.FetchPending, t, wait, ""), nil
}

// pollOffline waits for an endpoint: once it is back, the fetch must start anew.
func (c *Client) pollOffline(ctx context.Context, p ticket, t source.Ticket) (source.FetchStep, error) {
	online, err := c.online(ctx, "look at the endpoint", []string{p.Host})
	if err != nil {
		return source.FetchStep{}, err
	}
	if up := online[p.Host]; up == nil || !*up {
		return p.step(source.FetchUnreachable, t, 0, "the endpoint is offline"), nil
	}
	return p.step(source.FetchLost, t, 0, "the endpoint is online again"), nil
}

// ofFirst is a field of the first resource.
func ofFirst(r *reply, name string) string {
	for _, raw := range r.items() {
		return lenient.Field(raw, name)
	}
	return ""
}

func firstError(e vendorErrors) *vendorError {
	for i := range e {
		if e[i].String() != "" {
			return &e[i]
		}
	}
	return nil
}

// message is what an error says, without source and operation.
func message(err error) string {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e.Msg
	}
	return fmt.Sprint(err)
}

func hostName(h alert.Host) string {
	if name := safe.Line(h.Name); name != "" {
		return name
	}
	return "the endpoint"
}
