package defender

import (
	"context"
	"encoding/json"
	"iter"
	"net/url"
	"strconv"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
)

// machine is the part of a machine of the endpoint API that edrc reads.
type machine struct {
	ID              text `json:"id"`
	ComputerDNSName text `json:"computerDnsName"`
	OSPlatform      text `json:"osPlatform"`
	Version         text `json:"version"`
	HealthStatus    text `json:"healthStatus"`
}

func (m machine) host() alert.Host {
	return device{
		MDEDeviceID: m.ID, DeviceDNSName: m.ComputerDNSName, OSPlatform: m.OSPlatform, Version: m.Version, HealthStatus: m.HealthStatus,
	}.host()
}

// machine reads one machine by its id.
func (c *Client) machine(ctx context.Context, op, id string) (machine, error) {
	if !isID(id) {
		return machine{}, c.mde.fault(fault.NotFound, op, "this is not a machine of Defender for Endpoint")
	}
	resp, err := c.mde.do(ctx, call{httpx.Request{Op: op, Path: "/machines/" + url.PathEscape(id)}, permMachines})
	if err != nil {
		return machine{}, err
	}
	var m machine
	if err := resp.Decode(&m); err != nil {
		return machine{}, err
	}
	if m.ID == "" {
		return machine{}, c.mde.fault(fault.Unavailable, op, "the reply is not a machine")
	}
	return m, nil
}

// machineID is how Defender names a machine: 40 hex digits.
func machineID(s string) bool {
	return len(s) == 40 && strings.Trim(strings.ToLower(s), "0123456789abcdef") == ""
}

// machinesTop is how many machines are asked for at once.
const machinesTop = 1000

// FindHosts implements source.HostFinder: by machine id, or by DNS name, whole or
// "*"-suffixed, in any case; the first label of a name is enough. An id that is of no
// machine is an empty result. Whether a host is isolated costs a request each.
func (c *Client) FindHosts(ctx context.Context, nameOrID string) iter.Seq2[alert.Host, error] {
	const op = "find hosts"
	return func(yield func(alert.Host, error) bool) {
		if machineID(nameOrID) {
			m, err := c.machine(ctx, op, nameOrID)
			if !notFound(err) {
				c.yieldHost(ctx, m, err, yield)
			}
			return
		}
		prefix, wild := strings.CutSuffix(strings.ToLower(nameOrID), "*")
		if len(prefix) < 2 {
			yield(alert.Host{}, c.mde.fault(fault.Usage, op, "at least two characters of the name are needed"))
			return
		}
		first := call{httpx.Request{Op: op, Path: "/machines", Query: url.Values{
			"$filter": {"startswith(computerDnsName,'" + strings.ReplaceAll(prefix, "'", "''") + "')"}, "$top": {strconv.Itoa(machinesTop)},
		}}, permMachines}
		err := c.mde.pages(ctx, first, func(p page) bool {
			for _, raw := range p.items {
				var m machine
				if err := json.Unmarshal(raw, &m); err != nil || m.ID == "" {
					return yield(alert.Host{}, c.mde.fault(fault.Unavailable, op, "a machine cannot be read"))
				}
				name := strings.ToLower(string(m.ComputerDNSName))
				label, _, _ := strings.Cut(name, ".")
				if (name == prefix || label == prefix || wild && strings.HasPrefix(name, prefix)) && !c.yieldHost(ctx, m, nil, yield) {
					return false
				}
			}
			return true
		})
		if err != nil {
			yield(alert.Host{}, err)
		}
	}
}

// yieldHost completes a host with its isolation and hands it over.
func (c *Client) yieldHost(ctx context.Context, m machine, err error, yield func(alert.Host, error) bool) bool {
	if err != nil {
		yield(alert.Host{}, err)
		return false
	}
	h := m.host()
	if h.Reachable == nil {
		h.Reachable = new(bool) // it is not known to be there
	}
	actions, err := c.actions(ctx, "find hosts", h.ID)
	if err != nil {
		yield(alert.Host{}, err)
		return false
	}
	h.Isolation = string(isolationOf(actions).State)
	return yield(h, nil)
}
