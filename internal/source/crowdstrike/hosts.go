package crowdstrike

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source/lenient"
)

// device is the part of a host that edrc reads, alone or inside an alert.
type device struct {
	ID        text `json:"device_id"`
	CID       text `json:"cid"`
	Hostname  text `json:"hostname"`
	OSVersion text `json:"os_version"`
	Platform  text `json:"platform_name"`
	Status    text `json:"status"`
}

// UnmarshalJSON implements json.Unmarshaler. It never fails: an alert whose device is
// odd is an alert nevertheless.
func (d *device) UnmarshalJSON(b []byte) error {
	type plain device
	if json.Unmarshal(b, (*plain)(d)) != nil {
		*d = device{}
	}
	return nil
}

func (d device) host() alert.Host {
	return alert.Host{
		ID: string(d.ID), Name: string(d.Hostname), OS: lenient.FirstText(d.OSVersion, d.Platform),
		Platform: platformOf(string(d.Platform)), Isolation: isolationOf(string(d.Status)),
	}
}

const (
	hostsPage = 5000 // of ids
	// hostsBatch is what the question who is online takes at once.
	hostsBatch = 100
)

// FindHosts implements source.HostFinder: by agent id, or by name, whole or
// "*"-suffixed. A whole name is found in any case; the start of a name as it is
// written, in lower and in upper case. An id that is of no agent is an empty result.
func (c *Client) FindHosts(ctx context.Context, nameOrID string) iter.Seq2[alert.Host, error] {
	return func(yield func(alert.Host, error) bool) {
		const op = "find hosts"
		if isHostID(nameOrID) {
			c.describe(ctx, op, []string{strings.ToLower(nameOrID)}, yield)
			return
		}
		prefix, wild := strings.CutSuffix(nameOrID, "*")
		if len(prefix) < 2 && (wild || prefix == "") {
			yield(alert.Host{}, c.api.fault(fault.Usage, op, "at least two characters of the name are needed"))
			return
		}
		filter := named("hostname", nameOrID)
		if wild {
			filter = prefixed("hostname", prefix)
		}
		matches := func(name string) bool {
			return strings.EqualFold(name, prefix) && !wild ||
				wild && len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
		}
		for ids, err := range c.hostIDs(ctx, op, filter) {
			if err != nil {
				yield(alert.Host{}, err)
				return
			}
			more := true
			for batch := range slices.Chunk(ids, hostsBatch) {
				more = more && c.describe(ctx, op, batch, func(h alert.Host, err error) bool {
					return err == nil && !matches(h.Name) || yield(h, err)
				})
			}
			if !more {
				return
			}
		}
	}
}

// hostIDs scrolls through the ids that match: offsets end at 10,000, a scroll does not.
func (c *Client) hostIDs(ctx context.Context, op, filter string) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		q := url.Values{"limit": {strconv.Itoa(hostsPage)}, "filter": {filter}}
		for {
			r, err := c.api.read(ctx, call{Request: httpx.Request{Op: op, Path: "/devices/queries/devices-scroll/v1", Query: q},
				scope: scopeHostsRead, whole: true})
			if err != nil {
				yield(nil, err)
				return
			}
			ids, next := idsIn(r), ""
			if r.Meta != nil {
				next = string(r.Meta.Pagination.Offset)
			}
			if len(ids) == 0 || !yield(ids, nil) || next == "" || next == q.Get("offset") {
				return
			}
			q = url.Values{"limit": q["limit"], "filter": q["filter"], "offset": {next}}
		}
	}
}

// describe gives at most 100 hosts whole, with what the cloud says of their being
// online. It reports whether the caller wants more.
func (c *Client) describe(ctx context.Context, op string, ids []string, yield func(alert.Host, error) bool) bool {
	found, err := c.devices(ctx, op, ids)
	var online map[string]*bool
	if err == nil && len(found) > 0 {
		online, err = c.online(ctx, op, ids)
	}
	if err != nil {
		yield(alert.Host{}, err)
		return false
	}
	for _, d := range found {
		h := d.host()
		h.Reachable = online[strings.ToLower(h.ID)]
		if !yield(h, nil) {
			return false
		}
	}
	return true
}

// devices reads hosts by id. What the cloud does not know is absent, or a 404.
func (c *Client) devices(ctx context.Context, op string, ids []string) ([]device, error) {
	r, err := c.api.read(ctx, call{Request: httpx.Request{
		Op: op, Method: http.MethodPost, Path: "/devices/entities/devices/v2", Class: httpx.Read, JSON: map[string]any{"ids": ids},
	}, scope: scopeHostsRead})
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []device
	for _, raw := range r.items() {
		var d device
		_ = d.UnmarshalJSON(raw)
		if slices.ContainsFunc(ids, func(id string) bool { return strings.EqualFold(id, string(d.ID)) }) {
			out = append(out, d)
		}
	}
	return out, nil
}

// online asks which hosts are online; one that the cloud cannot tell about is absent.
func (c *Client) online(ctx context.Context, op string, ids []string) (map[string]*bool, error) {
	r, err := c.api.read(ctx, call{Request: httpx.Request{
		Op: op, Path: "/devices/entities/online-state/v1", Query: url.Values{"ids": ids},
	}, scope: scopeHostsRead})
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := map[string]*bool{}
	for _, raw := range r.items() {
		var item struct {
			ID    text `json:"id"`
			State text `json:"state"` // online, offline, unknown
		}
		_ = json.Unmarshal(raw, &item)
		if item.State == "online" || item.State == "offline" {
			yes := item.State == "online"
			out[strings.ToLower(string(item.ID))] = &yes
		}
	}
	return out, nil
}
