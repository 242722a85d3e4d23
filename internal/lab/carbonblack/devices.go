package carbonblack

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

type device struct {
	id                int64
	name, os, version string
	online            bool
	silent            time.Time // when it was last heard of, while it is offline
	quarantined       bool
	wanted            *bool // a toggle that the sensor has yet to learn of
	asked             time.Time
}

func (v *Vendor) addDevice() *device {
	n := len(v.devices)
	d := &device{id: 6_612_391 + int64(n)*97, name: fmt.Sprintf(`LAB\DESK-%03d`, n), os: "WINDOWS", version: "Windows 11 x64", online: true}
	switch n % 6 {
	case 3:
		d.name, d.version = fmt.Sprintf(`LAB\SRV-%03d`, n), "Windows Server 2022 x64"
	case 4:
		d.name, d.os, d.version = fmt.Sprintf("build-%03d", n), "LINUX", "Ubuntu 22.04"
	case 5:
		d.name, d.os, d.version = fmt.Sprintf("mac-%03d", n), "MAC", "macOS 15"
	}
	v.devices, v.byDevice[d.id] = append(v.devices, d), d
	return d
}

// AddDevices makes n devices more.
func (v *Vendor) AddDevices(n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range n {
		v.addDevice().name = fmt.Sprintf(`LAB\FARM-%05d`, i)
	}
}

func (v *Vendor) setOnline(d *device, online bool) {
	if d.online = online; !online {
		d.silent = v.opt.Now().Add(-time.Hour)
	}
	d.asked = v.opt.Now()
}

// settle lets a sensor that is online learn what was asked of it.
func (v *Vendor) settle(d *device) {
	if d.wanted != nil && d.online && !v.opt.Now().Before(d.asked.Add(v.fetch)) {
		d.quarantined, d.wanted = *d.wanted, nil
	}
}

func (v *Vendor) renderDevice(d *device) object {
	v.settle(d)
	contact := v.opt.Now()
	if !d.online {
		contact = d.silent
	}
	return object{
		"id": d.id, "name": d.name, "os": d.os, "os_version": d.version, "status": "REGISTERED", "quarantined": d.quarantined, "passive_mode": false,
		"policy_id": 6525, "policy_name": "standard", "sensor_version": "4.0.2.1234", "sensor_states": []string{"ACTIVE", "LIVE_RESPONSE_ENABLED"},
		"last_contact_time": timeOf(contact), "last_reported_time": timeOf(contact), "last_internal_ip_address": "192.0.2.7", "last_external_ip_address": "203.0.113.7",
		"mac_address": "fa163e92d344", "email": `LAB\alex`, "login_user_name": `LAB\alex`, "target_priority": "MEDIUM", "deployment_type": "ENDPOINT",
		"asset_group": []object{}, "registered_time": "2025-01-02T03:04:05.000Z", "last_location": "ONSITE", "organization_name": "lab.example",
	}
}

type deviceSearch struct {
	Criteria struct {
		ID   []int64  `json:"id"`
		Name []string `json:"name"`
	} `json:"criteria"`
	Start *int   `json:"start"`
	Rows  *int   `json:"rows"`
	After string `json:"search_after"`
}

func (v *Vendor) devicesOf(s deviceSearch) []*device {
	return slices.DeleteFunc(slices.Clone(v.devices), func(d *device) bool {
		return len(s.Criteria.ID) > 0 && !slices.Contains(s.Criteria.ID, d.id) || len(s.Criteria.Name) > 0 && !slices.Contains(s.Criteria.Name, d.name)
	})
}

func (v *Vendor) searchDevices(w http.ResponseWriter, r *http.Request) {
	var s deviceSearch
	if !read(w, r, &s) {
		return
	}
	found := v.devicesOf(s)
	from, to, ok := window(w, s.Start, s.Rows, len(found))
	if !ok {
		return
	}
	v.writeDevices(w, found[from:to], object{"num_found": len(found)})
}

// scrollDevices goes on behind the device that it ended with.
func (v *Vendor) scrollDevices(w http.ResponseWriter, r *http.Request) {
	var s deviceSearch
	if !read(w, r, &s) {
		return
	}
	found, from := v.devicesOf(s), 0
	if s.After != "" {
		from = 1 + slices.IndexFunc(found, func(d *device) bool { return "after-"+strconv.FormatInt(d.id, 10) == s.After })
		if from == 0 {
			fail(w, http.StatusBadRequest, "INVALID_VALUE", "search_after")
			return
		}
	}
	_, many, ok := window(w, nil, s.Rows, reach)
	if !ok {
		return
	}
	to, after := min(from+many, len(found)), ""
	if to < len(found) {
		after = "after-" + strconv.FormatInt(found[to-1].id, 10)
	}
	v.writeDevices(w, found[from:to], object{"num_found": len(found), "search_after": after})
}

func (v *Vendor) writeDevices(w http.ResponseWriter, ds []*device, out object) {
	results := make([]object, 0, len(ds))
	for _, d := range ds {
		results = append(results, v.renderDevice(d))
	}
	out["results"] = results
	writeJSON(w, http.StatusOK, out)
}

func (v *Vendor) getDevice(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.ParseInt(r.PathValue("device"), 10, 64)
	d := v.byDevice[id]
	if d == nil {
		fail(w, http.StatusNotFound, "NOT_FOUND", "Device was not found")
		return
	}
	writeJSON(w, http.StatusOK, v.renderDevice(d))
}

// postAction accepts a toggle for devices; a search instead of ids is refused.
func (v *Vendor) postAction(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Action  string  `json:"action_type"`
		Devices []int64 `json:"device_id"`
		Options struct {
			Toggle string `json:"toggle"`
		} `json:"options"`
	}
	if !read(w, r, &body) {
		return
	}
	on := body.Options.Toggle == "ON"
	if body.Action != "QUARANTINE" || !on && body.Options.Toggle != "OFF" || len(body.Devices) == 0 {
		fail(w, http.StatusBadRequest, "INVALID_VALUE", "The action cannot be read")
		return
	}
	for _, id := range body.Devices {
		if v.byDevice[id] == nil {
			fail(w, http.StatusBadRequest, "INVALID_VALUE", fmt.Sprintf("There is no device %d", id))
			return
		}
	}
	for _, id := range body.Devices {
		v.byDevice[id].wanted, v.byDevice[id].asked = &on, v.opt.Now()
	}
	w.WriteHeader(http.StatusNoContent)
}
