package crowdstrike

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/safe"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

// falconAlert is the part of an alert that edrc reads (swagger detects.Alert; comments
// are not in it). Any field may be null or absent, by the product that it comes from.
type falconAlert struct {
	CompositeID text   `json:"composite_id"`
	CID         text   `json:"cid"`
	AgentID     text   `json:"agent_id"`
	Name        text   `json:"name"`
	DisplayName text   `json:"display_name"`
	Description text   `json:"description"`
	Severity    number `json:"severity"`
	SeverityAs  text   `json:"severity_name"`
	Status      text   `json:"status"`
	Resolution  text   `json:"resolution"`

	Created   stamp `json:"created_timestamp"` // the cloud's clock
	Updated   stamp `json:"updated_timestamp"` // the cloud's clock
	Timestamp stamp `json:"timestamp"`         // of the event
	Context   stamp `json:"context_timestamp"`

	SHA256   text `json:"sha256"`
	SHA1     text `json:"sha1"`
	MD5      text `json:"md5"`
	Filename text `json:"filename"`
	Filepath text `json:"filepath"`
	Cmdline  text `json:"cmdline"`
	UserName text `json:"user_name"`

	Tactic      text              `json:"tactic"`
	TacticID    text              `json:"tactic_id"`
	Technique   text              `json:"technique"`
	TechniqueID text              `json:"technique_id"`
	Attack      list[attackEntry] `json:"mitre_attack"`

	IOCType     text                  `json:"ioc_type"`
	IOCValue    text                  `json:"ioc_value"`
	IOCContext  list[iocContext]      `json:"ioc_context"`
	Quarantined list[quarantinedFile] `json:"quarantined_files"`

	Tags     list[text]      `json:"tags"`
	Assigned text            `json:"assigned_to_name"`
	UID      text            `json:"assigned_to_uid"`
	UUID     text            `json:"assigned_to_uuid"`
	Cases    list[text]      `json:"linked_case_ids"`
	Comments json.RawMessage `json:"comments"`
	Device   device          `json:"device"`
	Link     text            `json:"falcon_host_link"`
}

type attackEntry struct {
	Tactic      text `json:"tactic"`
	Technique   text `json:"technique"`
	TechniqueID text `json:"technique_id"`
}

type iocContext struct {
	Type   text `json:"type"` // "module"
	MD5    text `json:"md5"`
	SHA256 text `json:"sha256"`
	Name   text `json:"ioc_description"` // the file's path
}

type quarantinedFile struct {
	SHA256   text `json:"sha256"`
	Filename text `json:"filename"` // a path
}

// decode maps one item. The error says why the item cannot be used.
func (c *Client) decode(raw json.RawMessage) (alert.Alert, *source.BadItem) {
	f, err := parseAlert(raw)
	if err != nil {
		b := source.Unreadable("", err.Error(), raw)
		if b.ID = lenient.Field(raw, "composite_id"); b.ID == "" {
			b.ID = lenient.Field(raw, "id")
		}
		return alert.Alert{}, b
	}
	return c.alert(f, raw), nil
}

func parseAlert(raw json.RawMessage) (falconAlert, error) {
	var f falconAlert
	if err := json.Unmarshal(raw, &f); err != nil {
		return f, err
	}
	if f.CompositeID == "" {
		return f, errors.New("it has no composite_id")
	}
	return f, nil
}

func (c *Client) alert(f falconAlert, raw json.RawMessage) alert.Alert {
	id := string(f.CompositeID)
	a := alert.Alert{
		Handle: alert.Handle{ID: id, Note: id}, Ref: alert.Ref{Source: c.name, ID: id}, Kind: Kind,
		Title:    lenient.FirstText(f.DisplayName, f.Name, f.Description),
		Severity: severityOf(f.Severity, string(f.SeverityAs)), Status: statusOf(string(f.Status)), Analyst: f.verdict(),
		// Created is never zero when any time is known: a query by time would lose it.
		Created: lenient.First(f.Created, f.Timestamp, f.Context, f.Updated), Updated: f.Updated.Time,
		Detected: lenient.First(f.Timestamp, f.Context),
		Host:     f.host(), User: string(f.UserName), Command: string(f.Cmdline),
		Files: f.files(), Attack: f.attack(), URL: c.link(f), Notes: f.notes(), Raw: raw,
	}
	if a.Title == "" {
		a.Title = id
	}
	if len(f.Cases) > 0 {
		a.Group = string(f.Cases[0])
	}
	return a
}

// verdict is the resolution, which a tag fills: "" when there is none.
func (f falconAlert) verdict() string {
	words := []string{strings.ToLower(string(f.Resolution))}
	for _, t := range f.Tags {
		words = append(words, strings.ToLower(string(t)))
	}
	for _, w := range words {
		if isVerdict(w) {
			return w
		}
	}
	return ""
}

func isVerdict(word string) bool {
	return slices.ContainsFunc(Verdicts(), func(m Mapping) bool { return m.Vendor == word })
}

// host is the device as the alert has it, which says nothing of whether it is online.
func (f falconAlert) host() alert.Host {
	h := f.Device.host()
	if h.ID == "" {
		h.ID = string(f.AgentID)
	}
	return h
}

// notes tells whether there are comments. A product that leaves the list out says
// nothing.
func (f falconAlert) notes() alert.Has {
	comments, listed := f.comments()
	switch {
	case len(comments) > 0:
		return alert.Some
	case listed:
		return alert.None
	}
	return alert.Unsaid
}

// files gives the alert's file first, then what was quarantined, then modules.
func (f falconAlert) files() []alert.File {
	main := alert.File{
		Hashes: alert.NewHashes(string(f.SHA256), string(f.SHA1), string(f.MD5)),
		Path:   string(f.Filepath), Name: lenient.FirstText(f.Filename, text(source.BaseName(string(f.Filepath)))), Role: f.role(),
	}
	var out []alert.File
	if main.Best() != "" || main.Path != "" || main.Name != "" {
		out = append(out, main)
	}
	add := func(next alert.File) {
		known := slices.ContainsFunc(out, func(o alert.File) bool { return o.Has(next.Best()) })
		if next.Best() != "" && !known {
			out = append(out, next)
		}
	}
	for _, q := range f.Quarantined {
		add(alert.File{Hashes: alert.NewHashes(string(q.SHA256)), Path: string(q.Filename), Name: source.BaseName(string(q.Filename)), Role: alert.RoleThreat})
	}
	for _, i := range f.IOCContext {
		if strings.EqualFold(string(i.Type), "module") {
			add(alert.File{Hashes: alert.NewHashes(string(i.SHA256), string(i.MD5)), Path: string(i.Name), Name: source.BaseName(string(i.Name)), Role: alert.RoleModule})
		}
	}
	return out
}

// role says what the alert's own file is. It is the process that did something, which
// may be an interpreter that was abused: trusting it closes nothing. It is the threat
// itself when it was quarantined, when its hash is the indicator, or when the file was
// judged rather than what it did (machine learning, CSTA0004).
func (f falconAlert) role() alert.Role {
	sha := alert.NewHashes(string(f.SHA256)).SHA256
	same := func(t text) bool { return sha != "" && strings.EqualFold(string(t), string(sha)) }
	byModel := f.TacticID == "CSTA0004" || strings.EqualFold(strings.ReplaceAll(string(f.Tactic), " ", ""), "machinelearning")
	switch {
	case byModel,
		strings.HasPrefix(strings.ToLower(string(f.IOCType)), "hash") && same(f.IOCValue),
		slices.ContainsFunc(f.Quarantined, func(q quarantinedFile) bool { return same(q.SHA256) }):
		return alert.RoleThreat
	}
	return alert.RoleImage
}

var techniqueID = safe.Pattern(`^T\d{4}(\.\d{3})?$`)

// attack gives the techniques of MITRE. The vendor's own, CST0000 and the like, stand
// in the same fields and are left to the raw alert.
func (f falconAlert) attack() []alert.Technique {
	var out []alert.Technique
	for _, e := range append(f.Attack, attackEntry{f.Tactic, f.Technique, f.TechniqueID}) {
		t := alert.Technique{ID: string(e.TechniqueID), Name: string(e.Technique), Tactic: string(e.Tactic)}
		if techniqueID().MatchString(t.ID) && !slices.ContainsFunc(out, func(o alert.Technique) bool { return o.ID == t.ID && o.Tactic == t.Tactic }) {
			out = append(out, t)
		}
	}
	return out
}

// link is the console's page: the one that the alert names, else one that is made of
// its id. A link to anywhere but the vendor is not shown.
func (c *Client) link(f falconAlert) string {
	if u, err := url.Parse(string(f.Link)); err == nil && u.Scheme == "https" && u.User == nil {
		if host := strings.ToLower(u.Host); strings.HasSuffix(host, ".crowdstrike.com") || strings.HasSuffix(host, ".crowdstrike.mil") {
			return u.String()
		}
	}
	if here, ok := cloudNamed(c.options.Cloud); ok && here.console != "" {
		return "https://" + here.console + "/unified-detections/" + url.PathEscape(string(f.CompositeID))
	}
	return ""
}

func FirstText(ts ...text) string {
	for _, t := range ts {
		if t != "" {
			return string(t)
		}
	}
	return ""
}

// field reads one field of a JSON object, whatever the others are like.
func Field(raw json.RawMessage, name string) string {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return ""
	}
	var t text
	_ = t.UnmarshalJSON(object[name])
	return string(t)
}
