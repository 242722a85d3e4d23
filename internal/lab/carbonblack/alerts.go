package carbonblack

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"edrc/internal/lab/world"
)

// alert is one alert, small because there may be many. What it does not hold is derived
// from its file and its device when it is rendered.
type alert struct {
	id, kind, threat string
	severity         int
	created, updated time.Time
	device           *device
	file             int // -1: none
	blocked          bool
	status, closure  string
	determination    string
	changedBy        string
	notes            []note
	raw              json.RawMessage // as it is rendered without notes; nil: not yet
}

type note struct {
	id, text, author string
	at, visible      time.Time
}

// kinds are the types of alert: some are frequent, one is of tomorrow.
func kinds() []string {
	return []string{
		"CB_ANALYTICS", "WATCHLIST", "CB_ANALYTICS", "WATCHLIST", "DEVICE_CONTROL", "CB_ANALYTICS",
		"HOST_BASED_FIREWALL", "WATCHLIST", "INTRUSION_DETECTION_SYSTEM", "NEW_ALERT_TYPE",
	}
}

// tick is the resolution of the vendor's times.
const tick = time.Millisecond

// draw makes one alert. Three follow each other into one threat.
func (v *Vendor) draw(at time.Time) *alert {
	n := v.number
	v.number++
	a := &alert{
		id:     fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", v.rng.Uint32(), v.rng.UintN(1<<16), v.rng.UintN(1<<12), v.rng.UintN(1<<12), v.rng.Uint64()>>16),
		threat: fmt.Sprintf("%032X", uint64(n/3+1)*0x9e3779b97f4a7c15), kind: kinds()[n%len(kinds())], severity: 1 + v.rng.IntN(10),
		created: at.UTC().Truncate(tick), device: v.devices[v.rng.IntN(24)], file: -1, status: "OPEN", closure: "NO_REASON",
		determination: "NONE", changedBy: "ALERT_CREATION",
	}
	a.updated = a.created
	if k := a.kind; len(v.opt.Files) > 0 && k != "DEVICE_CONTROL" && k != "HOST_BASED_FIREWALL" && k != "NEW_ALERT_TYPE" {
		a.file, a.blocked = v.number%len(v.opt.Files), n%5 == 1
	}
	return a
}

func (v *Vendor) put(a *alert) *alert {
	v.alerts, v.byID[a.id] = append(v.alerts, a), a
	return a
}

// uploadTime is how long a client may wait for a file that a sensor has just seen.
const uploadTime = 15 * time.Minute

// seed makes one of the alerts that an organisation starts with, over three days.
func (v *Vendor) seed(i, of int) {
	a := v.put(v.draw(v.opt.Now().Add(-time.Minute - time.Duration(i)*70*time.Hour/time.Duration(of))))
	if f := v.about(a); f != nil && v.opt.Now().Sub(a.created) < uploadTime {
		a.blocked = false
		if v.copies[f.SHA256] == nil { // what has just run for the first time is uploaded
			v.copies[f.SHA256] = &stored{by: a.device, since: a.created}
		}
	}
	switch k := v.rng.IntN(20); k {
	case 0:
		a.status, a.closure, a.determination, a.changedBy = "CLOSED", "RESOLVED", "TRUE_POSITIVE", "alex@lab.example"
	case 1:
		a.status, a.changedBy = "IN_PROGRESS", "alex@lab.example"
	}
}

// Add makes n alerts that were created age ago, all at one moment if equal, else at
// different ones. It gives their ids.
func (v *Vendor) Add(n int, age time.Duration, equal bool) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	ids, at := make([]string, n), v.opt.Now().Add(-age)
	for i := range ids {
		if !equal {
			at = at.Add(-7 * tick)
		}
		ids[i] = v.put(v.draw(at)).id
	}
	return ids
}

// AddAlike makes n alerts of one type and severity at one moment.
func (v *Vendor) AddAlike(n int, age time.Duration, kind string, severity int) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	ids, at := make([]string, n), v.opt.Now().Add(-age)
	for i := range ids {
		a := v.put(v.draw(at))
		a.kind, a.severity = kind, severity
		ids[i] = a.id
	}
	return ids
}

// AddThreats makes n alerts, each of a threat of its own, a second apart.
func (v *Vendor) AddThreats(n int, age time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range n {
		a := v.put(v.draw(v.opt.Now().Add(-age - time.Duration(i)*time.Second)))
		a.threat = fmt.Sprintf("%064x", uint64(i+1)*0x517cc1b727220a95)
	}
}

// AddFile makes an alert about a file on a device of its own, which is online or not,
// and has not uploaded the file yet. It gives the alert's id.
func (v *Vendor) AddFile(file int, online bool) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	a := v.put(v.draw(v.opt.Now().Add(-time.Minute)))
	a.kind, a.device, a.file, a.blocked = "CB_ANALYTICS", v.addDevice(), file, false
	v.setOnline(a.device, online)
	v.copies[v.opt.Files[file].SHA256] = &stored{by: a.device, since: v.opt.Now()}
	return a.id
}

// about is the file of an alert, nil when it has none.
func (v *Vendor) about(a *alert) *world.File {
	if a.file < 0 || a.file >= len(v.opt.Files) {
		return nil
	}
	return &v.opt.Files[a.file]
}

// path is where a file lies on a device.
func (a *alert) path(f *world.File) string {
	if a.device.os == "WINDOWS" {
		return `c:\users\alex\downloads\` + f.Name
	}
	return "/home/alex/downloads/" + f.Name
}

// visible are the notes that a reader sees now.
func (v *Vendor) visible(a *alert) []note {
	var out []note
	for _, n := range a.notes {
		if !v.opt.Now().Before(n.visible) {
			out = append(out, n)
		}
	}
	return out
}

// touch moves an alert's time of change.
func (v *Vendor) touch(a *alert) { a.updated, a.raw = v.opt.Now().UTC().Truncate(tick), nil }

// purge takes alerts away, as their age does.
func (v *Vendor) purge(ids []string) {
	for _, id := range ids {
		delete(v.byID, id)
	}
	v.alerts = slices.DeleteFunc(v.alerts, func(a *alert) bool { return slices.Contains(ids, a.id) })
}

// render gives an alert as the API shows it. Most have no notes and stay as they are.
func (v *Vendor) render(a *alert) json.RawMessage {
	if len(a.notes) == 0 && a.raw != nil {
		return a.raw
	}
	raw, err := json.Marshal(v.show(a))
	if err != nil {
		panic(err) // a mistake of this package
	}
	if len(a.notes) == 0 {
		a.raw = raw
	}
	return raw
}

func (v *Vendor) show(a *alert) object {
	out := object{
		"org_key": OrgKey, "alert_url": "defense.lab.example/alerts?s[c][query_string]=id:" + a.id + "&orgKey=" + OrgKey, "id": a.id, "type": a.kind,
		"backend_timestamp": timeOf(a.created), "user_update_timestamp": nil, "backend_update_timestamp": timeOf(a.updated),
		"detection_timestamp": timeOf(a.created.Add(-55 * time.Second)), "first_event_timestamp": timeOf(a.created.Add(-2 * time.Minute)),
		"last_event_timestamp": timeOf(a.created.Add(-time.Minute)), "severity": a.severity, "reason_code": "T_LAB", "threat_id": a.threat,
		"primary_event_id": a.id[:8], "policy_applied": "NOT_APPLIED", "run_state": "RAN", "sensor_action": "ALLOW",
		"workflow": object{"change_timestamp": timeOf(a.updated), "changed_by_type": "SYSTEM", "changed_by": a.changedBy, "closure_reason": a.closure, "status": a.status},
		"tags":     nil, "alert_notes_present": len(v.visible(a)) > 0, "threat_notes_present": false, "asset_group": []object{}, "is_updated": false,
		"device_id": a.device.id, "device_name": a.device.name, "device_uem_id": "", "device_target_value": "MEDIUM", "device_policy": "standard", "device_policy_id": 6525,
		"device_os": a.device.os, "device_os_version": a.device.version, "device_username": `LAB\alex`, "device_location": "ONSITE",
		"device_external_ip": "203.0.113.7", "device_internal_ip": "192.0.2.7", "mdr_alert": false, "mdr_alert_notes_present": false, "mdr_threat_notes_present": false,
		"ttps": []string{}, "attack_tactic": "", "attack_technique": "", "reason": "Something of the type " + strings.ToLower(a.kind) + " was seen.",
	}
	if a.determination != "NONE" || a.kind != "WATCHLIST" { // else null
		out["determination"] = object{"change_timestamp": timeOf(a.updated), "value": a.determination, "changed_by_type": nil, "changed_by": nil}
	} else {
		out["determination"] = nil
	}
	if f := v.about(a); f != nil {
		v.renderFile(a, f, out)
	}
	switch a.kind {
	case "CB_ANALYTICS":
		out["ttps"] = []string{"MALWARE_APP", "MITRE_T1059_001_POWERSHELL", "FILELESS"}
	case "WATCHLIST":
		out["attack_tactic"], out["attack_technique"] = "TA0002", "T1204.002"
		out["report_id"], out["report_name"], out["report_tags"], out["report_link"] = "lab-report", "Execution from a download folder", []string{"execution"}, ""
		out["ioc_id"], out["ioc_hit"] = "lab-ioc", "((process_name:*\\downloads\\*)) -enriched:true"
		out["watchlists"] = []object{{"id": "lab-list", "name": "Lab watchlist"}}
	case "DEVICE_CONTROL":
		out["vendor_name"], out["product_name"], out["serial_number"] = "SanDisk", "Ultra", "4C53"
	}
	return out
}

// renderFile shows what ran, or what was kept from running.
func (v *Vendor) renderFile(a *alert, f *world.File, out object) {
	reputation := "NOT_LISTED"
	if f.Malicious {
		reputation = "KNOWN_MALWARE"
	}
	out["reason"] = "The application " + f.Name + " did something."
	if a.blocked {
		out["blocked_name"], out["blocked_sha256"], out["blocked_md5"], out["blocked_effective_reputation"] = a.path(f), f.SHA256, f.MD5, reputation
		out["process_name"], out["process_sha256"], out["process_md5"] = `c:\windows\explorer.exe`, strings.Repeat("5e", 32), strings.Repeat("5e", 16)
		out["process_reputation"], out["process_effective_reputation"] = "TRUSTED_WHITE_LIST", "TRUSTED_WHITE_LIST"
		out["sensor_action"], out["run_state"] = "DENY", "DID_NOT_RUN"
	} else {
		out["process_name"], out["process_sha256"], out["process_md5"] = a.path(f), f.SHA256, f.MD5
		out["process_reputation"], out["process_effective_reputation"] = "NOT_LISTED", reputation
		out["process_cmdline"] = `"` + a.path(f) + `" /quiet`
	}
	out["process_guid"], out["process_pid"], out["process_username"] = OrgKey+"-"+a.id, 4780, `LAB\alex`
	out["process_issuer"], out["process_publisher"] = any([]string{}), any("")
	if a.file%2 == 0 { // a text here, an array there
		out["process_issuer"], out["process_publisher"] = any("Lab CA"), any([]string{"Lab"})
	}
	out["parent_guid"], out["parent_pid"], out["parent_name"] = OrgKey+"-parent", 668, `c:\windows\explorer.exe`
	out["parent_sha256"], out["parent_md5"], out["parent_reputation"], out["parent_effective_reputation"] = strings.Repeat("5e", 32), "", "", "LOCAL_WHITE"
	out["childproc_guid"], out["childproc_username"], out["childproc_cmdline"] = "", "", ""
}
