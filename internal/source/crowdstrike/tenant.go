package crowdstrike

import (
	"context"
	"encoding/json"
	"net/url"
	"sync"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source/lenient"
)

// tenant is the customer id, once it is known.
type tenant struct {
	mu  *sync.Mutex
	cid *string
}

func newTenant(o Options) tenant {
	cid := lenient.FirstText(text(o.MemberCID), text(o.CID))
	return tenant{new(sync.Mutex), &cid}
}

// Tenant implements source.Identifier: the customer id (CID), without its checksum. It
// is configured, or asked for at the first call.
func (c *Client) Tenant(ctx context.Context) (string, error) {
	c.tenant.mu.Lock()
	cid := *c.tenant.cid
	c.tenant.mu.Unlock()
	if cid != "" {
		return cid, nil
	}
	cid, err := c.askTenant(ctx)
	if err != nil {
		return "", err
	}
	c.tenant.mu.Lock()
	defer c.tenant.mu.Unlock()
	*c.tenant.cid = cid
	return cid, nil
}

// askTenant asks who we are, which needs the scope Sensor Download; an API client
// without it sees the id on its alerts and hosts.
func (c *Client) askTenant(ctx context.Context) (string, error) {
	const op = "ask for the tenant"
	for _, ask := range []func(context.Context, string) (*reply, error){c.installers, c.someAlerts, c.someHosts} {
		r, err := ask(ctx, op)
		switch fault.KindOf(err) {
		case fault.Denied, fault.NotFound, fault.Unsupported:
			continue
		}
		if err != nil {
			return "", err
		}
		cids := cidsIn(r)
		if len(cids) > 1 {
			return "", c.api.fault(fault.Usage, op, "the API client sees several tenants").
				WithHint("set `member_cid` of source %s to the one that is meant, or `cid` to the parent's", c.name)
		}
		for cid := range cids {
			return cid, nil
		}
	}
	return "", c.api.fault(fault.Usage, op, "the cloud does not tell the customer id: there are no alerts and no hosts yet, or the API client may not see them").
		WithHint("set `cid` of source %s; the console shows it under Host setup and management > Sensor downloads", c.name)
}

// installers is GET /sensors/queries/installers/ccid/v1: the customer id with its
// checksum, as the sensor's installer wants it.
func (c *Client) installers(ctx context.Context, op string) (*reply, error) {
	return c.api.read(ctx, call{Request: httpx.Request{Op: op, Path: "/sensors/queries/installers/ccid/v1"}, scope: scopeSensors, whole: true})
}

func (c *Client) someAlerts(ctx context.Context, op string) (*reply, error) {
	return c.api.read(ctx, combined(op, "", "desc", 100, ""))
}

func (c *Client) someHosts(ctx context.Context, op string) (*reply, error) {
	ids, err := c.ids(ctx, call{Request: httpx.Request{
		Op: op, Path: "/devices/queries/devices/v1", Query: url.Values{"limit": {"100"}},
	}, scope: scopeHostsRead, whole: true})
	if err != nil || len(ids) == 0 {
		return &reply{}, err
	}
	return c.api.read(ctx, call{Request: httpx.Request{
		Op: op, Path: "/devices/entities/devices/v2", Query: url.Values{"ids": ids},
	}, scope: scopeHostsRead})
}

// cidsIn are the customer ids in a reply: its resources themselves, or of each.
func cidsIn(r *reply) map[string]bool {
	out := map[string]bool{}
	for _, raw := range r.items() {
		var bare text
		_ = json.Unmarshal(raw, &bare)
		if cid, ok := parseCID(lenient.FirstText(bare, text(lenient.Field(raw, "cid")))); ok {
			out[cid] = true
		}
	}
	return out
}
