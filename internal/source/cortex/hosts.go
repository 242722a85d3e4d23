package cortex

import (
	"context"
	"encoding/json"
	"iter"
	"slices"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/safe"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

// endpoint is the part of an endpoint that edrc reads, in full or from the short list.
type endpoint struct {
	ID       text  `json:"endpoint_id"`
	AgentID  text  `json:"agent_id"`
	Name     text  `json:"endpoint_name"`
	HostName text  `json:"host_name"`
	Status   text  `json:"endpoint_status"`
	OSType   text  `json:"os_type"`
	OS       text  `json:"operating_system"`
	Version  text  `json:"os_version"`
	Isolated text  `json:"is_isolated"`
	Since    stamp `json:"isolated_date"`
}

func (e endpoint) id() string   { return lenient.FirstText(e.ID, e.AgentID) }
func (e endpoint) name() string { return lenient.FirstText(e.Name, e.HostName) }

func (e endpoint) host() alert.Host {
	return alert.Host{
		ID: e.id(), Name: e.name(), OS: lenient.FirstText(e.OS, e.Version, e.OSType), Platform: platformOf(string(e.OSType)),
		Reachable: e.reachable(), Isolation: isolationOf(string(e.Isolated)),
	}
}

// reachable tells whether the agent is connected, nil when the product does not know.
func (e endpoint) reachable() *bool {
	switch strings.ToUpper(string(e.Status)) {
	case "CONNECTED":
		return new(true)
	case "DISCONNECTED", "LOST", "UNINSTALLED", "VDI_PENDING_LOG_ON":
		return new(false)
	}
	return nil
}

func (e endpoint) offline() bool {
	up := e.reachable()
	return up != nil && !*up
}

// idForm is what the id of an endpoint looks like, as far as is known.
var idForm = safe.Pattern(`^[0-9a-f]{32}$`)

// FindHosts implements source.HostFinder: by the agent's id, or by name in any case, whole
// or "*"-suffixed. Names are compared here: how the vendor's filter treats case is not
// documented, and it knows no prefixes. An id that is of no agent is an empty result.
func (c *Client) FindHosts(ctx context.Context, nameOrID string) iter.Seq2[alert.Host, error] {
	return func(yield func(alert.Host, error) bool) {
		const op = "find hosts"
		prefix, wild := strings.CutSuffix(nameOrID, "*")
		if len(prefix) < 2 && (wild || prefix == "") {
			yield(alert.Host{}, c.api.fault(fault.Usage, op, "at least two characters of the name are needed"))
			return
		}
		if idForm().MatchString(nameOrID) {
			switch e, err := c.endpoint(ctx, op, nameOrID); {
			case err != nil:
				yield(alert.Host{}, err)
				return
			case e != nil:
				yield(e.host(), nil)
				return
			}
		}
		ids, err := c.endpointIDs(ctx, op, func(e endpoint) bool {
			name := e.name()
			return e.id() == nameOrID || strings.EqualFold(name, prefix) && !wild ||
				wild && len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
		})
		if err != nil {
			yield(alert.Host{}, err)
			return
		}
		for batch := range slices.Chunk(ids, pageSize) {
			found, err := c.endpoints(ctx, op, batch)
			if err != nil {
				yield(alert.Host{}, err)
				return
			}
			for _, e := range found {
				if !yield(e.host(), nil) {
					return
				}
			}
		}
	}
}

// endpointIDs reads the short list of all endpoints, which is one reply, and gives the ids
// of those that match.
func (c *Client) endpointIDs(ctx context.Context, op string, matches func(endpoint) bool) ([]string, error) {
	var all []json.RawMessage
	if _, err := c.api.send(ctx, post(op, "endpoints/get_endpoints", permEndpoints, struct{}{}).withoutIDs(), &all); err != nil {
		return nil, err
	}
	var ids []string
	for _, raw := range all {
		var e endpoint
		if json.Unmarshal(raw, &e) == nil && isEndpointID(e.id()) && matches(e) && !slices.Contains(ids, e.id()) {
			ids = append(ids, e.id())
		}
	}
	return ids, nil
}

// endpoints reads at most 100 endpoints by id. What the tenant does not know is absent.
func (c *Client) endpoints(ctx context.Context, op string, ids []string) ([]endpoint, error) {
	l := listing{op: op, path: "endpoints/get_endpoint", permission: permEndpoints, rows: "endpoints", total: "total_count"}
	p, err := c.ask(ctx, l, []filter{{"endpoint_id_list", "in", ids}}, 0, pageSize)
	if err != nil {
		return nil, err
	}
	var out []endpoint
	for _, raw := range p.rows {
		var e endpoint
		if json.Unmarshal(raw, &e) == nil && slices.Contains(ids, e.id()) {
			out = append(out, e)
		}
	}
	return out, nil
}

// endpoint reads one endpoint, nil when the tenant does not know it.
func (c *Client) endpoint(ctx context.Context, op, id string) (*endpoint, error) {
	found, err := c.endpoints(ctx, op, []string{id})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// mustEndpoint is endpoint for a host that has to be there.
func (c *Client) mustEndpoint(ctx context.Context, op string, h alert.Host) (*endpoint, error) {
	if !isEndpointID(h.ID) {
		return nil, c.api.fault(fault.Invalid, op, "\""+h.ID+"\" is not the id of an endpoint")
	}
	e, err := c.endpoint(ctx, op, h.ID)
	if err == nil && e == nil {
		err = c.api.fault(fault.NotFound, op, "the tenant does not know this endpoint, or the API key does not see it")
	}
	return e, err
}

// isolation is where an endpoint stands.
func (e endpoint) isolation() source.IsolationState {
	if word := isolationOf(string(e.Isolated)); word != "" {
		return source.IsolationState(word)
	}
	return source.IsolationUnknown
}
