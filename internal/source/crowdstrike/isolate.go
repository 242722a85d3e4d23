package crowdstrike

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

const licenceContain = "network containment"

// Isolate implements source.Isolator: network containment. It is accepted (202), not
// done: an offline host stays pending until it is back. A host that is contained
// already, or on its way there, is no error.
func (c *Client) Isolate(ctx context.Context, h alert.Host, how source.Containment) (source.Operation, error) {
	if how.Mode != "" && how.Mode != "full" {
		return source.Operation{}, source.Unsupported(c, fmt.Sprintf("isolate in the mode %q: containment has no modes", how.Mode))
	}
	return source.Operation{}, c.contain(ctx, "isolate a host", "contain", h, source.IsolationIsolated, source.IsolationIsolating)
}

// Release implements source.Isolator, as Isolate does.
func (c *Client) Release(ctx context.Context, h alert.Host) (source.Operation, error) {
	return source.Operation{}, c.contain(ctx, "release a host", "lift_containment", h, source.IsolationNone, source.IsolationReleasing)
}

// contain sends one action for one host. Twice is once, so it may be repeated: the
// second answer is a 409, which the host's state explains.
func (c *Client) contain(ctx context.Context, op, name string, h alert.Host, reached ...source.IsolationState) error {
	if !isHostID(h.ID) {
		return c.api.fault(fault.Invalid, op, fmt.Sprintf("%q is not the id of a host (32 hex digits)", h.ID))
	}
	action := call{Request: httpx.Request{
		Op: op, Method: http.MethodPost, Path: "/devices/entities/devices-actions/v2", Class: httpx.Idempotent,
		Query: url.Values{"action_name": {name}}, JSON: map[string]any{"ids": []string{h.ID}},
	}, scope: scopeHostsWrite, licence: licenceContain}
	r, err := c.api.send(ctx, action)
	if err == nil {
		err = c.accepted(op, h.ID, r, action)
	}
	if !fault.Is(err, fault.Conflict) {
		return err
	}
	is, readErr := c.containment(ctx, op, h.ID)
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	for _, state := range reached {
		if is == state {
			return nil
		}
	}
	return err
}

// accepted reads what a 202 says: the hosts that the action was accepted for.
func (c *Client) accepted(op, id string, r *reply, action call) error {
	for _, e := range r.Errors {
		if e.String() != "" {
			return c.api.explain(c.api.fault(e.kind(), op, "not accepted: "+r.Errors.String()), action)
		}
	}
	for _, raw := range r.items() {
		if strings.EqualFold(lenient.Field(raw, "id"), id) {
			return nil
		}
	}
	return c.api.fault(fault.InDoubt, op, "the reply does not name the host").WithHint("read the host's state before trying again")
}

// Isolation implements source.Isolator. Since when and by whom, the product does not
// tell.
func (c *Client) Isolation(ctx context.Context, h alert.Host, _ source.Operation) (source.Isolation, error) {
	const op = "read a host's isolation"
	if !isHostID(h.ID) {
		return source.Isolation{}, c.api.fault(fault.Invalid, op, fmt.Sprintf("%q is not the id of a host (32 hex digits)", h.ID))
	}
	state, err := c.containment(ctx, op, h.ID)
	if err != nil {
		return source.Isolation{}, err
	}
	online, err := c.online(ctx, op, []string{h.ID})
	if err != nil {
		return source.Isolation{}, err
	}
	up := online[strings.ToLower(h.ID)]
	return source.Isolation{State: state, Reachable: up != nil && *up}, nil
}

// containment reads a host's status.
func (c *Client) containment(ctx context.Context, op, id string) (source.IsolationState, error) {
	found, err := c.devices(ctx, op, []string{id})
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", c.api.fault(fault.NotFound, op, "the cloud does not know this host, or the API client does not see it")
	}
	if word := isolationOf(string(found[0].Status)); word != "" {
		return source.IsolationState(word), nil
	}
	return source.IsolationUnknown, nil
}
