package crowdstrike

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"edrc/internal/lab/world"
)

// host is one machine with a sensor.
type host struct {
	id, name, os, platform, user, ip string
	offline                          bool
	contained                        bool      // what was asked for last
	asked                            time.Time // when; zero when nothing was
}

// status is where a host stands: an offline one does not get there.
func (v *Vendor) status(h *host) string {
	switch arrived := !h.offline && v.opt.Now().Sub(h.asked) >= v.fetch; {
	case h.asked.IsZero(), arrived && !h.contained:
		return "normal"
	case arrived:
		return "contained"
	case h.contained:
		return "containment_pending"
	}
	return "lift_containment_pending"
}

// newHosts makes the machines of the world.
func (v *Vendor) newHosts() {
	for i, m := range world.Machines() {
		h := &host{id: v.hex(16), name: m.Name, user: m.Person, ip: fmt.Sprintf("10.40.0.%d", 10+i), offline: m.Offline}
		switch m.OS {
		case "linux":
			h.platform, h.os = "Linux", "Ubuntu 24.04"
		case "mac":
			h.platform, h.os = "Mac", "Sequoia (15)"
		default:
			h.platform, h.os = "Windows", "Windows 11"
		}
		v.enrol(h)
	}
}

// enrol adds a host, and the ways to find it.
func (v *Vendor) enrol(h *host) {
	v.hosts = append(v.hosts, h)
	v.byHost[h.id], v.byHost[h.name] = h, h
}

// AddHosts makes n more machines, by names of their own.
func (v *Vendor) AddHosts(n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for range n {
		v.enrol(&host{id: v.hex(16), name: fmt.Sprintf("FARM-%06d", len(v.hosts)), platform: "Linux", os: "Ubuntu 24.04", user: "svc", ip: "10.41.0.1"})
	}
}

// find gives a host by id or by name.
func (v *Vendor) find(idOrName string) *host {
	if h, ok := v.byHost[idOrName]; ok {
		return h
	}
	return v.byHost[strings.ToLower(idOrName)]
}

// deviceJSON is a host, alone or inside an alert.
type deviceJSON struct {
	DeviceID    string   `json:"device_id"`
	CID         string   `json:"cid"`
	Hostname    string   `json:"hostname"`
	LocalIP     string   `json:"local_ip"`
	ExternalIP  string   `json:"external_ip"`
	MAC         string   `json:"mac_address"`
	OS          string   `json:"os_version"`
	Platform    string   `json:"platform_name"`
	ProductType string   `json:"product_type_desc"`
	Version     string   `json:"agent_version"`
	Domain      string   `json:"machine_domain"`
	OU          []string `json:"ou"`
	Groups      []string `json:"groups"`
	Tags        []string `json:"tags"`
	PodLabels   []string `json:"pod_labels"` // null
	Status      string   `json:"status"`
	FirstSeen   string   `json:"first_seen"`
	LastSeen    string   `json:"last_seen"`
	Modified    string   `json:"modified_timestamp"`
}

func (v *Vendor) device(h *host) deviceJSON {
	now := v.opt.Now()
	return deviceJSON{
		DeviceID: h.id, CID: v.cid, Hostname: h.name, LocalIP: h.ip, ExternalIP: "203.0.113.40", MAC: "02-00-00-00-00-01",
		OS: h.os, Platform: h.platform, ProductType: "Workstation", Version: "7.30.19103.0", Domain: "lab.example",
		OU: []string{"Lab"}, Groups: []string{}, Tags: []string{"FalconGroupingTags/lab"}, Status: v.status(h),
		FirstSeen: stamp(now.Add(-90 * 24 * time.Hour)), LastSeen: stamp(now.Add(-time.Minute)), Modified: stamp(now.Add(-time.Minute)),
	}
}

func (v *Vendor) hostField(h *host) fields {
	return func(name string) ([]string, bool) {
		switch name {
		case "hostname":
			return []string{h.name}, true
		case "device_id":
			return []string{h.id}, true
		case "platform_name":
			return []string{h.platform}, true
		case "status":
			return []string{v.status(h)}, true
		case "local_ip":
			return []string{h.ip}, true
		case "cid":
			return []string{v.cid}, true
		}
		return nil, false
	}
}

// matchHosts are the ids of the hosts that match the query's filter.
func (v *Vendor) matchHosts(w http.ResponseWriter, r *http.Request) ([]string, bool) {
	return match(w, r.URL.Query().Get("filter"), v.hosts, func(h *host) (string, fields) { return h.id, v.hostField(h) })
}

// match gives the ids of what matches a filter.
func match[T any](w http.ResponseWriter, filter string, all []T, of func(T) (string, fields)) ([]string, bool) {
	c, err := parseFilter(filter)
	out := []string{}
	for _, item := range all {
		if err != nil {
			break
		}
		id, f := of(item)
		var ok bool
		if ok, err = c(f); ok && err == nil {
			out = append(out, id)
		}
	}
	if err != nil {
		fail(w, http.StatusBadRequest, "invalid filter expression supplied: %v", err)
		return nil, false
	}
	return out, true
}

// stamp is the vendor's form of a time.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
