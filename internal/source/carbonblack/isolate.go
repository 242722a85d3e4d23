package carbonblack

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
)

// The positions of the quarantine's toggle.
const (
	toggleOn  = "ON"
	toggleOff = "OFF"
)

// Isolate implements source.Isolator: the device is put into quarantine at the next
// check-in of its sensor. What comes back says when it was asked for: the product has no
// name for it.
func (c *Client) Isolate(ctx context.Context, h alert.Host, how source.Containment) (source.Operation, error) {
	if how.Mode != "" && how.Mode != "full" {
		return source.Operation{}, source.Unsupported(c, fmt.Sprintf("isolate in the mode %q: quarantine has no modes", how.Mode))
	}
	return c.quarantine(ctx, "isolate a host", h, toggleOn)
}

// Release implements source.Isolator, as Isolate does.
func (c *Client) Release(ctx context.Context, h alert.Host) (source.Operation, error) {
	return c.quarantine(ctx, "release a host", h, toggleOff)
}

// quarantine sends one action for one device, once. Accepted is all that the answer
// says, be it 200, 202 or 204. The form that acts on a whole search is never used.
func (c *Client) quarantine(ctx context.Context, op string, h alert.Host, toggle string) (source.Operation, error) {
	id, ok := isDeviceID(h.ID)
	if !ok {
		return source.Operation{}, c.api.fault(fault.Invalid, op, fmt.Sprintf("%q is not the id of a device (a number)", h.ID))
	}
	resp, err := c.api.do(ctx, quarantineCall(c.api, op, id, toggle))
	if err != nil {
		return source.Operation{}, err
	}
	return operation{toggle, resp.Date}.name(), nil
}

func quarantineCall(a *api, op string, id int64, toggle string) call {
	return call{Request: httpx.Request{
		Op: op, Method: http.MethodPost, Path: a.path(devicesPath, "device_actions"), Class: httpx.Once,
		JSON: map[string]any{"action_type": "QUARANTINE", "device_id": []int64{id}, "options": map[string]string{"toggle": toggle}},
	}, permission: permQuarantine}
}

// operation is what was asked of a device, and when by the vendor's clock.
type operation struct {
	toggle string
	at     time.Time
}

func (o operation) name() source.Operation {
	return source.Operation{ID: o.toggle + "@" + o.at.UTC().Format(time.RFC3339)}
}

// readOperation gives the zero value for what is none.
func readOperation(op source.Operation) operation {
	toggle, when, _ := strings.Cut(op.ID, "@")
	at, err := time.Parse(time.RFC3339, when)
	if err != nil || toggle != toggleOn && toggle != toggleOff {
		return operation{}
	}
	return operation{toggle, at}
}

// Isolation implements source.Isolator. A device says only whether it is in quarantine;
// that it is on its way there, or out of it, op says, until the sensor has been in
// contact again. Since when and by whom, the product does not tell.
func (c *Client) Isolation(ctx context.Context, h alert.Host, op source.Operation) (source.Isolation, error) {
	const what = "read a host's isolation"
	d, now, err := c.device(ctx, what, h.ID)
	if err == nil && d == nil {
		err = c.api.fault(fault.NotFound, what, "the cloud does not know this device, or the API key does not see it")
	}
	if err != nil {
		return source.Isolation{State: source.IsolationUnknown}, err
	}
	up := d.reachable(now)
	out := source.Isolation{State: source.IsolationUnknown, Reachable: up != nil && *up}
	asked := readOperation(op)
	// The change comes at the sensor's next check-in. One well after the request that
	// brought none means that it was undone, or did not work.
	waiting := asked.toggle != "" && d.Contact.Before(asked.at.Add(contactEvery))
	switch {
	case !d.Quarantined.Known:
	case d.Quarantined.Yes && waiting && asked.toggle == toggleOff:
		out.State = source.IsolationReleasing
	case d.Quarantined.Yes:
		out.State = source.IsolationIsolated
	case waiting && asked.toggle == toggleOn:
		out.State = source.IsolationIsolating
	default:
		out.State = source.IsolationNone
	}
	return out, nil
}
