package carbonblack

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

// wireAlert is the part of an alert (schema v7) that edrc reads. Any field may be null,
// absent or empty, by the type of the alert.
type wireAlert struct {
	ID       text `json:"id"`
	Type     text `json:"type"`
	Reason   text `json:"reason"`
	Severity text `json:"severity"`
	ThreatID text `json:"threat_id"`
	URL      text `json:"alert_url"` // may lack its scheme

	Created  stamp `json:"backend_timestamp"`        // the cloud's clock
	Updated  stamp `json:"backend_update_timestamp"` // the cloud's clock
	Detected stamp `json:"detection_timestamp"`      // the sensor's clock
	First    stamp `json:"first_event_timestamp"`    // the sensor's clock

	Workflow      object[workflow]      `json:"workflow"`
	Determination object[determination] `json:"determination"`
	NotesPresent  flag                  `json:"alert_notes_present"`

	DeviceID   text `json:"device_id"`
	DeviceName text `json:"device_name"`
	DeviceOS   text `json:"device_os"`
	OSVersion  text `json:"device_os_version"`
	DeviceUser text `json:"device_username"`
	Workload   text `json:"k8s_workload_name"` // containers have no device
	Pod        text `json:"k8s_pod_name"`

	ProcessName   text `json:"process_name"` // a path, whole
	ProcessSHA256 text `json:"process_sha256"`
	ProcessMD5    text `json:"process_md5"`
	ProcessRep    text `json:"process_reputation"`
	ProcessEffRep text `json:"process_effective_reputation"`
	Cmdline       text `json:"process_cmdline"`
	Username      text `json:"process_username"`

	ChildName   text `json:"childproc_name"`
	ChildSHA256 text `json:"childproc_sha256"`
	ChildMD5    text `json:"childproc_md5"`
	ChildRep    text `json:"childproc_effective_reputation"`

	ParentName   text `json:"parent_name"`
	ParentSHA256 text `json:"parent_sha256"`
	ParentMD5    text `json:"parent_md5"`
	ParentRep    text `json:"parent_reputation"`
	ParentEffRep text `json:"parent_effective_reputation"`

	BlockedName   text `json:"blocked_name"`
	BlockedSHA256 text `json:"blocked_sha256"`
	BlockedMD5    text `json:"blocked_md5"`

	TTPs       list[text] `json:"ttps"`
	Technique  text       `json:"attack_technique"`
	Tactic     text       `json:"attack_tactic"`
	IOCField   text       `json:"ioc_field"`
	IOCHit     text       `json:"ioc_hit"`
	ThreatName text       `json:"threat_name"` // of intrusion detection
	ReportName text       `json:"report_name"` // of a watchlist
}

type workflow struct {
	Status text `json:"status"`
}

type determination struct {
	Value text `json:"value"`
}

// decode maps one item. The error says why the item cannot be used.
func (c *Client) decode(raw json.RawMessage) (alert.Alert, *source.BadItem) {
	w, err := parseAlert(raw)
	if err != nil {
		return alert.Alert{}, badItem(raw, err)
	}
	return c.alert(w, raw), nil
}

func badItem(raw json.RawMessage, err error) *source.BadItem {
	return source.Unreadable(lenient.Field(raw, "id"), err.Error(), raw)
}

func parseAlert(raw json.RawMessage) (wireAlert, error) {
	var w wireAlert
	if err := json.Unmarshal(raw, &w); err != nil {
		return w, err
	}
	switch {
	case w.ID == "":
		return w, errors.New("it has no id")
	case !isID(string(w.ID)):
		return w, errors.New("its id is none")
	}
	return w, nil
}

// isID reports whether s can be the id of an alert, of a threat or of a note: a UUID,
// hex digits, a number. One that is not would fail the batch that it is in.
func isID(s string) bool {
	if s == "" || len(s) > 128 || s[0] == '.' {
		return false
	}
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune("-_.:", r) {
			return false
		}
	}
	return true
}

func (c *Client) alert(w wireAlert, raw json.RawMessage) alert.Alert {
	id := string(w.ID)
	return alert.Alert{
		Handle: alert.Handle{ID: id, Note: id, Group: string(w.ThreatID)}, Ref: alert.Ref{Source: c.name, ID: id}, Kind: Kind,
		Title:    lenient.FirstText(w.Reason, w.ThreatName, w.ReportName, w.Type, w.ID),
		Severity: severityOf(string(w.Severity)), Status: statusOf(string(w.Workflow.V.Status)),
		Analyst: verdictOf(string(w.Determination.V.Value)),
		// Created is never zero when any time is known: a query by time would lose it.
		Created: lenient.First(w.Created, w.Updated, w.Detected, w.First), Updated: w.Updated.Time, Detected: lenient.First(w.Detected, w.First),
		Host: w.host(), User: lenient.FirstText(w.Username, w.DeviceUser), Command: string(w.Cmdline),
		Files: w.files(), Attack: w.attack(), URL: c.link(w), Notes: w.notes(), Raw: raw,
	}
}

// host is the device as the alert has it, which says nothing of its being online. An
// alert about a container has a workload instead, which has no id.
func (w wireAlert) host() alert.Host {
	h := alert.Host{
		ID: string(w.DeviceID), Name: lenient.FirstText(w.DeviceName, w.Workload, w.Pod),
		OS: lenient.FirstText(w.OSVersion, w.DeviceOS), Platform: platformOf(string(w.DeviceOS)),
	}
	if h.ID == "0" {
		h.ID = ""
	}
	return h
}

func (w wireAlert) notes() alert.Has {
	switch {
	case w.NotesPresent.Yes:
		return alert.Some
	case w.NotesPresent.Known:
		return alert.None
	}
	return alert.Unsaid
}

// files gives what was blocked, the process, what it started, and a parent that is
// known to be bad: an ordinary one is the shell. A process may be an interpreter that
// was abused: trusting it closes nothing, unless the alert is about the file itself.
func (w wireAlert) files() []alert.File {
	var out []alert.File
	add := func(path, sha256, md5 text, threat bool) {
		f := alert.File{Hashes: alert.NewHashes(string(sha256), string(md5)), Path: string(path), Name: source.BaseName(string(path)), Role: alert.RoleImage}
		if threat || w.indicates(f.Hashes) {
			f.Role = alert.RoleThreat
		}
		known := slices.ContainsFunc(out, func(o alert.File) bool { return o.Has(f.Best()) })
		if (f.Best() != "" || f.Path != "") && !known {
			out = append(out, f)
		}
	}
	add(w.BlockedName, w.BlockedSHA256, w.BlockedMD5, true)
	add(w.ProcessName, w.ProcessSHA256, w.ProcessMD5, isBad(w.ProcessEffRep, w.ProcessRep))
	add(w.ChildName, w.ChildSHA256, w.ChildMD5, isBad(w.ChildRep))
	if isBad(w.ParentEffRep, w.ParentRep) {
		add(w.ParentName, w.ParentSHA256, w.ParentMD5, true)
	}
	return out
}

// indicates reports that a watchlist looked for one of these hashes.
func (w wireAlert) indicates(hs alert.Hashes) bool {
	of := strings.ToLower(string(w.IOCField))
	if !strings.Contains(of, "hash") && !strings.Contains(of, "sha256") && !strings.Contains(of, "md5") {
		return false
	}
	hit := strings.ToLower(string(w.IOCHit))
	return slices.ContainsFunc(hs.All(), func(h alert.Hash) bool { return strings.Contains(hit, string(h)) })
}

// attack gives the techniques of MITRE: the alert's own, else those among the TTPs,
// which are written MITRE_T1059_001_POWERSHELL.
func (w wireAlert) attack() []alert.Technique {
	if id := strings.ToUpper(string(w.Technique)); isTechnique(id) {
		return []alert.Technique{{ID: id, Tactic: string(w.Tactic)}}
	}
	var out []alert.Technique
	for _, ttp := range w.TTPs {
		rest, ok := strings.CutPrefix(strings.ToUpper(string(ttp)), "MITRE_")
		if !ok {
			continue
		}
		id, name, _ := strings.Cut(rest, "_")
		if sub, after, _ := strings.Cut(name, "_"); len(sub) == 3 && strings.Trim(sub, "0123456789") == "" {
			id, name = id+"."+sub, after
		}
		t := alert.Technique{ID: id, Name: strings.ReplaceAll(name, "_", " ")}
		if isTechnique(id) && !slices.ContainsFunc(out, func(o alert.Technique) bool { return o.ID == id }) {
			out = append(out, t)
		}
	}
	return out
}

// isTechnique reports T1059 or T1059.001.
func isTechnique(id string) bool {
	digits, ok := strings.CutPrefix(id, "T")
	main, sub, has := strings.Cut(digits, ".")
	return ok && len(main) == 4 && (!has || len(sub) == 3) && strings.Trim(main+sub, "0123456789") == ""
}

// link is the console's page: the one that the alert names, else one that is made of
// its id.
func (c *Client) link(w wireAlert) string {
	s := strings.Join(strings.Fields(string(w.URL)), "")
	if s != "" && !strings.Contains(s, "://") {
		s = "https://" + s
	}
	if u, err := url.Parse(s); err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil {
		return u.String()
	}
	return c.console("id:" + string(w.ID))
}

// console is the page of the console that shows the alerts that match a query.
func (c *Client) console(query string) string {
	return c.options.URL + "/alerts?" + url.Values{"s[c][query_string]": {query}, "orgKey": {c.options.OrgKey}}.Encode()
}
