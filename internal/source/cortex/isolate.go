package cortex

import (
	"context"
	"fmt"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// The names of operations say what was asked for: "isolate/123".
const (
	asIsolate = "isolate"
	asRelease = "release"
)

// Isolate implements source.Isolator. It is accepted, not done: an offline endpoint stays
// pending until it is back. One that is isolated already, or on its way there, is no error,
// and nothing is sent. The operation is "isolate/" and the number in the action center.
func (c *Client) Isolate(ctx context.Context, h alert.Host, how source.Containment) (source.Operation, error) {
	if how.Mode != "" && how.Mode != "full" {
		return source.Operation{}, source.Unsupported(c, fmt.Sprintf("isolate in the mode %q: isolation has no modes", how.Mode))
	}
	return c.contain(ctx, "isolate a host", asIsolate, h, source.IsolationIsolated, source.IsolationIsolating)
}

// Release implements source.Isolator, as Isolate does.
func (c *Client) Release(ctx context.Context, h alert.Host) (source.Operation, error) {
	return c.contain(ctx, "release a host", asRelease, h, source.IsolationNone, source.IsolationReleasing)
}

// contain sends one action for one endpoint, once. When its answer was lost, the state of
// the endpoint says whether it was taken.
func (c *Client) contain(ctx context.Context, op, what string, h alert.Host, reached ...source.IsolationState) (source.Operation, error) {
	is := func(e *endpoint) bool {
		for _, state := range reached {
			if e.isolation() == state {
				return true
			}
		}
		return false
	}
	e, err := c.mustEndpoint(ctx, op, h)
	if err != nil || is(e) {
		return source.Operation{}, err
	}
	path := map[string]string{asIsolate: "endpoints/isolate", asRelease: "endpoints/unisolate"}[what]
	id, err := c.start(ctx, post(op, path, permIsolate, map[string]any{"endpoint_id": h.ID}).of(httpx.Once).licensed(licenceEndpoint))
	if err == nil {
		if id != "" {
			id = what + "/" + id
		}
		return source.Operation{ID: id}, nil
	}
	if !fault.Is(err, fault.InDoubt) || ctx.Err() != nil {
		return source.Operation{}, err
	}
	if e, readErr := c.mustEndpoint(ctx, op, h); readErr == nil && is(e) {
		return source.Operation{}, nil
	}
	return source.Operation{}, err
}

// Isolation implements source.Isolator. The endpoint's own state counts; the action tells
// what is on its way, and an error says that it came to nothing, beside the state. By whom,
// the product does not tell.
func (c *Client) Isolation(ctx context.Context, h alert.Host, o source.Operation) (source.Isolation, error) {
	const op = "read a host's isolation"
	e, err := c.mustEndpoint(ctx, op, h)
	if err != nil {
		return source.Isolation{}, err
	}
	up := e.reachable()
	out := source.Isolation{State: e.isolation(), Reachable: up != nil && *up}
	if out.State == source.IsolationIsolated {
		out.Since = e.Since.Time
	}
	what, id, _ := strings.Cut(o.ID, "/")
	if !isNumber(id) || what == asIsolate && out.State != source.IsolationNone || what == asRelease && out.State != source.IsolationIsolated {
		return out, nil
	}
	is, err := c.action(ctx, op, id, h.ID)
	switch {
	case fault.Is(err, fault.NotFound): // forgotten: the endpoint's own state is what there is
		return out, nil
	case err != nil:
		return out, err
	case is.state == actionPending && what == asIsolate:
		out.State = source.IsolationIsolating
	case is.state == actionPending:
		out.State = source.IsolationReleasing
	case is.state == actionFailed, is.state == actionOver:
		return out, c.api.fault(fault.Unavailable, op, "the action "+id+" on this host came to nothing: "+is.words).
			WithHint("the action center has the reason; it can be started again")
	}
	return out, nil
}
