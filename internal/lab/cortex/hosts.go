package cortex

import (
	"fmt"
	"net/http"
	"time"

	"edrc/internal/lab/world"
)

// host is one machine with an agent.
type host struct {
	id, name, os, version, user, ip string
	offline                         bool
	isolated                        bool      // what was asked for last
	asked                           time.Time // when; zero when nothing was
}

// newHosts makes the machines of the world.
func (v *Vendor) newHosts() {
	for i, m := range world.Machines() {
		h := &host{id: v.hex(16), name: m.Name, user: m.Person, ip: fmt.Sprintf("10.50.0.%d", 10+i), offline: m.Offline}
		switch m.OS {
		case "linux":
			h.os, h.version = "linux", "Ubuntu 24.04"
		case "mac":
			h.os, h.version = "macos", "15.1.0"
		default:
			h.os, h.version = "windows", "10.0.22631"
		}
		v.enrol(h)
	}
}

func (v *Vendor) enrol(h *host) {
	v.hosts = append(v.hosts, h)
	v.byHost[h.id], v.byHost[h.name] = h, h
}

// AddHosts makes n more machines, by names of their own.
func (v *Vendor) AddHosts(n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for range n {
		v.enrol(&host{id: v.hex(16), name: fmt.Sprintf("FARM-%06d", len(v.hosts)), os: "linux", version: "Ubuntu 24.04", user: "svc", ip: "10.51.0.1"})
	}
}

// isolation is where a host stands: an offline one does not get there.
func (v *Vendor) isolation(h *host) string {
	switch arrived := v.arrived(h, h.asked); {
	case h.asked.IsZero(), arrived && !h.isolated:
		return "AGENT_UNISOLATED"
	case arrived:
		return "AGENT_ISOLATED"
	case h.isolated:
		return "AGENT_PENDING_ISOLATION"
	}
	return "AGENT_PENDING_ISOLATION_CANCELLATION"
}

// arrived reports whether a host has done what it was asked for at a time.
func (v *Vendor) arrived(h *host, asked time.Time) bool {
	return !h.offline && v.opt.Now().Sub(asked) >= v.fetch
}

func (h *host) status() string {
	if h.offline {
		return "DISCONNECTED"
	}
	return "CONNECTED"
}

// osType is the vendor's name of a platform.
func (h *host) osType() string {
	return map[string]string{"windows": "AGENT_OS_WINDOWS", "linux": "AGENT_OS_LINUX", "macos": "AGENT_OS_MAC"}[h.os]
}

// shortList is POST /endpoints/get_endpoints: all of them, in short.
func (v *Vendor) shortList(w http.ResponseWriter, _ *request, _ string) {
	type short struct {
		ID     string   `json:"agent_id"`
		Status string   `json:"agent_status"`
		Name   string   `json:"host_name"`
		Type   string   `json:"agent_type"`
		IP     []string `json:"ip"`
	}
	out := []short{}
	for _, h := range v.hosts {
		out = append(out, short{h.id, h.status(), h.name, "AGENT_TYPE_WORKSTATION", []string{h.ip}})
	}
	reply(w, out)
}

// endpointJSON is an endpoint in full.
type endpointJSON struct {
	ID        string   `json:"endpoint_id"`
	Name      string   `json:"endpoint_name"`
	Type      string   `json:"endpoint_type"`
	Status    string   `json:"endpoint_status"`
	OSType    string   `json:"os_type"`
	OSVersion string   `json:"os_version"`
	IP        []string `json:"ip"`
	Users     []string `json:"users"`
	Domain    string   `json:"domain"`
	Alias     string   `json:"alias"`
	First     int64    `json:"first_seen"`
	Last      int64    `json:"last_seen"`
	Content   string   `json:"content_version"`
	Directory []string `json:"active_directory"` // null
	Installed int64    `json:"install_date"`
	Version   string   `json:"endpoint_version"`
	Isolated  string   `json:"is_isolated"`
	Since     *int64   `json:"isolated_date"`
	Groups    []string `json:"group_name"`
}

func (v *Vendor) endpoint(h *host) endpointJSON {
	now := v.now()
	e := endpointJSON{
		ID: h.id, Name: h.name, Type: "AGENT_TYPE_WORKSTATION", Status: h.status(), OSType: h.osType(), OSVersion: h.version, IP: []string{h.ip},
		Users: []string{h.user}, Domain: "lab.example", First: now - 90*24*3_600_000, Last: now - 60_000, Content: "2030-15865",
		Installed: now - 90*24*3_600_000, Version: "8.8.0.1915", Isolated: v.isolation(h), Groups: []string{"Lab"},
	}
	if e.Isolated == "AGENT_ISOLATED" {
		since := h.asked.UnixMilli()
		e.Since = &since
	}
	return e
}

func (v *Vendor) listEndpoints(w http.ResponseWriter, q *request, _ string) {
	found, total, ok := find(v, w, q.Data.search, v.hosts, map[string]column[*host]{
		"endpoint_id_list": {text: func(h *host) string { return h.id }}, "hostname": {text: func(h *host) string { return h.name }},
		"endpoint_id": {text: func(h *host) string { return h.id }},
	})
	if !ok {
		return
	}
	out := []endpointJSON{}
	for _, h := range found {
		out = append(out, v.endpoint(h))
	}
	reply(w, map[string]any{"total_count": total, "result_count": len(out), "endpoints": out})
}
