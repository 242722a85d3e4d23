package sentinelone

import (
	"context"
	"encoding/json"
	"iter"
	"net/url"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/safe"
)

// agent is the part of a GET /agents item that edrc reads ([SPEC24]
// agents.schemas_AgentViewSchema).
type agent struct {
	ID             text `json:"id"`
	UUID           text `json:"uuid"`
	ComputerName   text `json:"computerName"`
	OSName         text `json:"osName"`
	OSType         text `json:"osType"`
	NetworkStatus  text `json:"networkStatus"`
	IsActive       flag `json:"isActive"`
	Decommissioned flag `json:"isDecommissioned"`
	Uninstalled    flag `json:"isUninstalled"`
}

func (a agent) host() alert.Host {
	h := alert.Host{
		ID: string(a.ID), Name: string(a.ComputerName), OS: string(a.OSName), Platform: platformOf(string(a.OSType)),
		Reachable: a.IsActive.Pointer(), Isolation: isolationOf(string(a.NetworkStatus)),
	}
	if a.Decommissioned.Yes || a.Uninstalled.Yes {
		h.Reachable = new(bool)
	}
	return h
}

// agentUUID is how the unified surface names a host: 32 to 40 hex digits, with or
// without dashes.
var agentUUID = safe.Pattern(`^[0-9a-fA-F-]{32,40}$`)

// FindHosts implements source.HostFinder: by agent id, by agent UUID, or by
// computer name, whole or "*"-suffixed, in any case. An id that is of no agent is
// an empty result.
func (c *Client) FindHosts(ctx context.Context, nameOrID string) iter.Seq2[alert.Host, error] {
	const op = "find hosts"
	q := c.rest.scoped(listLimit)
	matches := func(a agent) bool { return true }
	prefix, wild := strings.CutSuffix(nameOrID, "*")
	switch {
	case isID(nameOrID):
		q.Set("ids", nameOrID)
	case agentUUID().MatchString(nameOrID):
		q.Set("uuids", nameOrID)
	case strings.Contains(prefix, ",") || len(prefix) < 2:
		// Not expressible in computerName__contains: a list of at least two characters each.
		if wild || nameOrID == "" {
			return func(yield func(alert.Host, error) bool) {
				yield(alert.Host{}, c.rest.fault(fault.Usage, op, "at least two characters of the name are needed"))
			}
		}
		q.Set("computerName", nameOrID)
	default:
		q.Set("computerName__contains", prefix)
		matches = func(a agent) bool {
			name := string(a.ComputerName)
			return strings.EqualFold(name, prefix) ||
				wild && len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
		}
	}
	return c.hosts(ctx, op, q, matches)
}

func (c *Client) hosts(ctx context.Context, op string, q url.Values, matches func(agent) bool) iter.Seq2[alert.Host, error] {
	return func(yield func(alert.Host, error) bool) {
		list := call{httpx.Request{Op: op, Path: "/agents", Query: q, Rate: rateAgents}, permAgents}
		for p, err := range c.rest.pages(ctx, list) {
			if err != nil {
				yield(alert.Host{}, err)
				return
			}
			for _, raw := range p.items {
				var a agent
				if err := json.Unmarshal(raw, &a); err != nil {
					yield(alert.Host{}, c.rest.fault(fault.Unavailable, op, "an agent cannot be read: "+err.Error()))
					return
				}
				if matches(a) && !yield(a.host(), nil) {
					return
				}
			}
		}
	}
}
