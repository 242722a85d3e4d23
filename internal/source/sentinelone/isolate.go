package sentinelone

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// The permissions of the two actions, as the console's roles name them.
const (
	permDisconnect = "Endpoints.disconnectFromNetwork"
	permConnect    = "Endpoints.reconnectToNetwork"
)

// A console isolates hosts, as it finds them.
var _ source.Isolator = (*Client)(nil)

// Isolate implements source.Isolator: the agent is disconnected from the network and
// keeps its connection to the console (POST /agents/actions/disconnect). It is queued,
// not done: an agent that is offline disconnects when it next checks in. A host that
// is isolated already, or on its way there, is no error.
func (c *Client) Isolate(ctx context.Context, h alert.Host, how source.Containment) (source.Operation, error) {
	if how.Mode != "" {
		return source.Operation{}, source.Unsupported(c, fmt.Sprintf("isolate in the mode %q: it has one way to disconnect a host", how.Mode))
	}
	return source.Operation{}, c.network(ctx, "isolate a host", "disconnect", permDisconnect, h, source.IsolationIsolated, source.IsolationIsolating)
}

// Release implements source.Isolator, as Isolate does (POST /agents/actions/connect).
func (c *Client) Release(ctx context.Context, h alert.Host) (source.Operation, error) {
	return source.Operation{}, c.network(ctx, "release a host", "connect", permConnect, h, source.IsolationNone, source.IsolationReleasing)
}

// agentFilter selects one agent. An empty filter would select all of them.
type agentFilter struct {
	Data   struct{} `json:"data"`
	Filter struct {
		IDs []string `json:"ids"`
	} `json:"filter"`
}

// network sends one action for one agent. Twice is once, so it may be repeated. What
// the reply does not prove (nobody affected, a conflict with the agent's state) the
// agent's own state decides.
func (c *Client) network(ctx context.Context, op, action, permission string, h alert.Host, reached ...source.IsolationState) error {
	if !isID(h.ID) {
		return c.notAnAgent(op, h.ID)
	}
	var body agentFilter
	body.Filter.IDs = []string{h.ID}
	err := c.queued(ctx, call{httpx.Request{
		Op: op, Method: http.MethodPost, Path: "/agents/actions/" + action, Class: httpx.Idempotent, Rate: rateAgents, JSON: body,
	}, permission})
	if !fault.Is(err, fault.Conflict) {
		return err
	}
	is, readErr := c.Isolation(ctx, h, source.Operation{})
	switch {
	case readErr != nil:
		return errors.Join(err, readErr)
	case slices.Contains(reached, is.State):
		return nil
	}
	return err
}

// queued is nil when the console says that an agent took the command.
func (c *Client) queued(ctx context.Context, action call) error {
	resp, err := c.rest.do(ctx, action)
	if err != nil {
		return err
	}
	var reply struct {
		Data struct {
			Affected count `json:"affected"`
		} `json:"data"`
		Errors vendorErrors `json:"errors"`
	}
	if err := resp.Decode(&reply); err != nil {
		return err
	}
	switch m := reply.Errors.String(); {
	case m != "":
		return c.rest.fault(fault.Unavailable, action.Op, "the reply has errors: "+m)
	case reply.Data.Affected == 0:
		return c.rest.fault(fault.Conflict, action.Op, "the console gave the command to no agent").
			WithHint("the token's role needs the permission %q, and its scope must reach the host", action.permission)
	}
	return nil
}

// Isolation implements source.Isolator. Since when and by whom, an agent does not
// tell. networkQuarantineEnabled is a policy and says nothing of the state.
func (c *Client) Isolation(ctx context.Context, h alert.Host, _ source.Operation) (source.Isolation, error) {
	const op = "read a host's isolation"
	if !isID(h.ID) {
		return source.Isolation{}, c.notAnAgent(op, h.ID)
	}
	q := c.rest.scoped(1)
	q.Set("ids", h.ID)
	p, err := c.rest.list(ctx, call{httpx.Request{Op: op, Path: "/agents", Query: q, Rate: rateAgents}, permAgents}, "")
	if err != nil {
		return source.Isolation{}, err
	}
	for _, raw := range p.items {
		var a agent
		if json.Unmarshal(raw, &a) != nil || string(a.ID) != h.ID {
			continue
		}
		now := a.host()
		out := source.Isolation{State: source.IsolationState(now.Isolation), Reachable: now.Reachable != nil && *now.Reachable}
		if now.Isolation == "" {
			out.State = source.IsolationUnknown
		}
		return out, nil
	}
	return source.Isolation{}, c.rest.fault(fault.NotFound, op, "the console does not know this agent, or the token does not see it")
}

func (c *Client) notAnAgent(op, id string) error {
	return c.rest.fault(fault.Invalid, op, fmt.Sprintf("%q is not the id of an agent", id))
}
