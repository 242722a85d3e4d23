package cortex

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

// xdrAlert is the part of an alert of 3.x that edrc reads. In get_alerts_multi_events v2
// the columns of its events are lists at the top, one value an event; in v1 the events are
// objects of their own; with an incident come flat rows. All three are read.
type xdrAlert struct {
	ID          text            `json:"alert_id"`
	Case        text            `json:"case_id"`
	Name        text            `json:"name"`
	Category    text            `json:"category"`
	Description json.RawMessage `json:"description"`
	Severity    text            `json:"severity"`
	Status      text            `json:"resolution_status"`

	Detected stamp `json:"detection_timestamp"`
	Inserted stamp `json:"local_insert_ts"` // the tenant's clock
	Modified stamp `json:"last_modified_ts"`

	Endpoint text `json:"endpoint_id"`
	Host     many `json:"host_name"`
	OSType   many `json:"agent_os_type"`
	OS       many `json:"agent_os_sub_type"`

	Tactics    many `json:"mitre_tactic_id_and_name"`
	Techniques many `json:"mitre_technique_id_and_name"`

	events
	Events list[events] `json:"events"`
}

// events are the columns that describe what happened.
type events struct {
	User many `json:"user_name"`

	FilePath   many `json:"action_file_path"`
	FileName   many `json:"action_file_name"`
	FileSHA256 many `json:"action_file_sha256"`
	FileMD5    many `json:"action_file_md5"`

	ImageName   many `json:"action_process_image_name"`
	ImagePath   many `json:"action_process_image_path"`
	ImageSHA256 many `json:"action_process_image_sha256"`
	ImageLine   many `json:"action_process_image_command_line"`

	ActorName   many `json:"actor_process_image_name"`
	ActorPath   many `json:"actor_process_image_path"`
	ActorSHA256 many `json:"actor_process_image_sha256"`
	ActorMD5    many `json:"actor_process_image_md5"`
	ActorLine   many `json:"actor_process_command_line"`

	CauseName   many `json:"causality_actor_process_image_name"`
	CausePath   many `json:"causality_actor_process_image_path"`
	CauseSHA256 many `json:"causality_actor_process_image_sha256"`
	CauseMD5    many `json:"causality_actor_process_image_md5"`
}

// surface says which call an alert is read and written by: it stands in the locator,
// because a tenant may change its generation and the numbers are not the same.
type surface struct {
	API string `json:"api"`
}

const (
	surfaceAlert = "alert"
	surfaceIssue = "issue"
)

func locator(api string) json.RawMessage {
	raw, _ := json.Marshal(surface{api}) // a string always marshals
	return raw
}

func badItem(raw json.RawMessage, err error) *source.BadItem {
	b := source.Unreadable("", err.Error(), raw)
	for _, name := range []string{"alert_id", "id", "issue_id", "incident_id", "case_id", "external_id"} {
		if b.ID == "" {
			b.ID = lenient.Field(raw, name)
		}
	}
	return b
}

func parseAlert(raw json.RawMessage) (xdrAlert, error) {
	var f xdrAlert
	if err := json.Unmarshal(raw, &f); err != nil {
		return f, err
	}
	if f.ID == "" {
		return f, errors.New("it has no alert_id")
	}
	return f, nil
}

// decodeAlert maps one alert of 3.x.
func (c *Client) decodeAlert(raw json.RawMessage) (alert.Alert, *source.BadItem) {
	f, err := parseAlert(raw)
	if err != nil {
		return alert.Alert{}, badItem(raw, err)
	}
	id, group := string(f.ID), string(f.Case)
	a := alert.Alert{
		Handle: alert.Handle{ID: id, Note: group, Group: group, Locator: locator(surfaceAlert)},
		Ref:    alert.Ref{Source: c.name, ID: id}, Kind: Kind,
		Title:    orElse(string(f.Name), orElse(described(f.Description), id)),
		Severity: severityOf(string(f.Severity)), Status: statusOf(string(f.Status)), Analyst: verdictOf(string(f.Status)),
		// Created is never zero when any time is known: a query by time would lose it.
		Created: lenient.First(f.Inserted, f.Detected, f.Modified), Updated: lenient.First(f.Modified, f.Inserted), Detected: f.Detected.Time,
		Host: alert.Host{ID: string(f.Endpoint), Name: f.Host.first(), OS: orElse(strings.TrimSpace(f.OSType.first()+" "+f.OS.first()), ""), Platform: platformOf(f.OSType.first())},
		User: f.user(), Command: f.command(), Files: f.files(),
		Attack: techniques(f.Tactics, f.Techniques), URL: c.incidentURL(group, ""), Raw: raw,
	}
	return a, nil
}

// all are the events of an alert, whatever form they came in.
func (f xdrAlert) all() []events { return append([]events{f.events}, f.Events...) }

func (f xdrAlert) user() string {
	for _, e := range f.all() {
		if u := e.User.first(); u != "" {
			return u
		}
	}
	return ""
}

// command is the line of the process that was started, else of the one that acted.
func (f xdrAlert) command() string {
	for _, column := range []func(events) many{
		func(e events) many { return e.ImageLine }, func(e events) many { return e.ActorLine },
	} {
		for _, e := range f.all() {
			if line := column(e).first(); line != "" {
				return line
			}
		}
	}
	return ""
}

// described is a description: a text, or a list of its parts.
func described(raw json.RawMessage) string {
	var plain text
	if _ = plain.UnmarshalJSON(raw); plain != "" {
		return string(plain)
	}
	var parts list[struct {
		Pretty text `json:"pretty_name"`
	}]
	_ = parts.UnmarshalJSON(raw)
	var out []string
	for _, p := range parts {
		if p.Pretty != "" {
			out = append(out, string(p.Pretty))
		}
	}
	return strings.Join(out, " ")
}

// maxFiles bounds the files of one alert: some have thousands of events.
const maxFiles = 20

// files gives the file that the events are about, the process that was started, and the one
// that acted. The root of the causality chain, mostly an explorer or a shell, counts only
// where there is nothing else.
func (f xdrAlert) files() []alert.File {
	judged := judgesFiles(string(f.Name))
	var out files
	for _, e := range f.all() {
		for i := range max(len(e.FilePath), len(e.FileName), len(e.FileSHA256), len(e.FileMD5)) {
			out.add(e.FilePath.at(i), e.FileName.at(i), role(judged, alert.RoleModule), e.FileSHA256.at(i), e.FileMD5.at(i))
		}
	}
	judged = judged && len(out) == 0 // what was judged is the first of the three that is there
	for _, e := range f.all() {
		for i := range max(len(e.ImageName), len(e.ImagePath), len(e.ImageSHA256)) {
			out.add(e.ImagePath.at(i), e.ImageName.at(i), role(judged, alert.RoleImage), e.ImageSHA256.at(i))
		}
	}
	judged = judged && len(out) == 0
	for _, e := range f.all() {
		for i := range max(len(e.ActorName), len(e.ActorPath), len(e.ActorSHA256), len(e.ActorMD5)) {
			out.add(e.ActorPath.at(i), e.ActorName.at(i), role(judged, alert.RoleImage), e.ActorSHA256.at(i), e.ActorMD5.at(i))
		}
	}
	if len(out) > 0 {
		return out
	}
	for _, e := range f.all() {
		for i := range max(len(e.CauseName), len(e.CausePath), len(e.CauseSHA256), len(e.CauseMD5)) {
			out.add(e.CausePath.at(i), e.CauseName.at(i), alert.RoleImage, e.CauseSHA256.at(i), e.CauseMD5.at(i))
		}
	}
	return out
}

// judgesFiles reports whether an alert of this name is about what a file is, and not about
// what a process did. Only such a file may close an alert when it turns out to be trusted.
func judgesFiles(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, "wildfire") || strings.HasPrefix(name, "local analysis")
}

func role(judged bool, otherwise alert.Role) alert.Role {
	if judged {
		return alert.RoleThreat
	}
	return otherwise
}

type files []alert.File

// add adds a file that has anything to know it by, once.
func (fs *files) add(path, name string, r alert.Role, hashes ...string) {
	f := alert.File{Hashes: alert.NewHashes(hashes...), Path: path, Name: orElse(name, source.BaseName(path)), Role: r}
	if f.Best() == "" && f.Path == "" && f.Name == "" || len(*fs) >= maxFiles {
		return
	}
	known := slices.ContainsFunc(*fs, func(o alert.File) bool {
		return o.Has(f.Best()) || f.Best() == "" && o.Path == f.Path && o.Name == f.Name
	})
	if !known {
		*fs = append(*fs, f)
	}
}

var techniqueForm = safe.Pattern(`^(T\d{4}(?:\.\d{3})?)(?: - (.*))?$`)

// techniques reads "T1048 - Exfiltration Over Alternative Protocol". Tactics stand in a
// list of their own; only a single one can belong to all of them.
func techniques(tactics, named many) []alert.Technique {
	tactic := ""
	if len(tactics) == 1 {
		tactic = strings.TrimSpace(tactics[0])
		if _, name, ok := strings.Cut(tactic, " - "); ok {
			tactic = name
		}
	}
	var out []alert.Technique
	for _, s := range named {
		m := techniqueForm().FindStringSubmatch(strings.TrimSpace(s))
		if m != nil && !slices.ContainsFunc(out, func(t alert.Technique) bool { return t.ID == m[1] }) {
			out = append(out, alert.Technique{ID: m[1], Name: m[2], Tactic: tactic})
		}
	}
	return out
}

// incidentURL is the console's page of an incident: the one that the vendor gives, else
// one that is made of its number. A link to anywhere but the vendor or the tenant is not
// shown. An alert has no page of its own.
func (c *Client) incidentURL(id, given string) string {
	if u, err := url.Parse(given); err == nil && u.Scheme == "https" && u.User == nil {
		host := strings.ToLower(u.Host)
		if strings.HasSuffix(host, vendorDomain) || host == c.options.fqdn() {
			return u.String()
		}
	}
	console := c.options.console()
	if console == "" || !isNumber(id) {
		return ""
	}
	return console + "/incident-view?caseId=" + id
}
