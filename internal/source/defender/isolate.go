package defender

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// isolationTypes are the modes of a containment and the product's words; "" is full.
// Selective keeps Outlook, Teams and Skype alive.
func isolationTypes() map[string]string {
	return map[string]string{"": "Full", "full": "Full", "selective": "Selective"}
}

// Isolate implements source.Isolator. The request is sent once; what comes back is an
// action that the machine has yet to carry out, when it is online within three days.
// Another action that is under way is fault.Conflict: nothing was accepted.
func (c *Client) Isolate(ctx context.Context, h alert.Host, how source.Containment) (source.Operation, error) {
	word, ok := isolationTypes()[strings.ToLower(how.Mode)]
	if !ok {
		return source.Operation{}, source.Unsupported(c, "isolate in the mode \""+clean(how.Mode)+"\", only full or selective")
	}
	return c.act(ctx, "isolate the host", h, "isolate", map[string]string{"Comment": "edrc: isolate", "IsolationType": word})
}

// Release implements source.Isolator.
func (c *Client) Release(ctx context.Context, h alert.Host) (source.Operation, error) {
	return c.act(ctx, "release the host", h, "unisolate", map[string]string{"Comment": "edrc: release"})
}

func (c *Client) act(ctx context.Context, op string, h alert.Host, verb string, body map[string]string) (source.Operation, error) {
	if !isID(h.ID) {
		return source.Operation{}, c.mde.fault(fault.NotFound, op, "the host has no machine id of Defender for Endpoint")
	}
	resp, err := c.mde.do(ctx, call{httpx.Request{
		Op: op, Method: http.MethodPost, Path: "/machines/" + url.PathEscape(h.ID) + "/" + verb, Class: httpx.Once, JSON: body,
	}, permIsolate})
	if err != nil {
		return source.Operation{}, err
	}
	var a action
	if err := resp.Decode(&a); err != nil {
		return source.Operation{}, err
	}
	return source.Operation{ID: string(a.ID)}, nil
}

// Isolation implements source.Isolator. A machine does not tell whether it is
// isolated, so it is read off its actions. One that failed or timed out leaves the
// state as it was.
func (c *Client) Isolation(ctx context.Context, h alert.Host, op source.Operation) (source.Isolation, error) {
	const what = "read the host's isolation"
	m, err := c.machine(ctx, what, h.ID)
	if err != nil {
		return source.Isolation{State: source.IsolationUnknown}, err
	}
	actions, err := c.actions(ctx, what, h.ID)
	if err != nil {
		return source.Isolation{State: source.IsolationUnknown}, err
	}
	if op.ID != "" && !hasAction(actions, op.ID) {
		// The list may lag behind what was just accepted.
		a, _, err := c.action(ctx, what, op.ID)
		switch {
		case err == nil && strings.EqualFold(string(a.MachineID), h.ID):
			actions = append([]action{a}, actions...)
		case err != nil && !notFound(err):
			return source.Isolation{State: source.IsolationUnknown}, err
		}
	}
	out := isolationOf(actions)
	reachable := reachableOf(string(m.HealthStatus))
	out.Reachable = reachable != nil && *reachable
	return out, nil
}

func hasAction(actions []action, id string) bool {
	for _, a := range actions {
		if string(a.ID) == id {
			return true
		}
	}
	return false
}

// isolationOf reads the state off the actions of a machine, the newest first: the
// newest that is under way or has succeeded decides.
func isolationOf(actions []action) source.Isolation {
	for _, a := range actions {
		isolate := a.of("Isolate")
		if !isolate && !a.of("Unisolate") || !a.under() && !a.is("Succeeded") {
			continue
		}
		out := source.Isolation{State: source.IsolationNone, Since: a.changed(), By: string(a.Requestor)}
		switch {
		case isolate && a.under():
			out.State = source.IsolationIsolating
		case isolate:
			out.State = source.IsolationIsolated
		case a.under():
			out.State = source.IsolationReleasing
		}
		return out
	}
	return source.Isolation{State: source.IsolationNone}
}
