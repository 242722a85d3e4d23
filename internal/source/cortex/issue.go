package cortex

import (
	"encoding/json"
	"errors"

	"edrc/internal/alert"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

// issue is the part of an issue of 5.x that edrc reads. Dots are part of the names.
type issue struct {
	ID          text            `json:"id"`
	IssueID     text            `json:"issue_id"`
	Name        text            `json:"name"`
	Description json.RawMessage `json:"description"`
	Severity    text            `json:"severity"`
	Status      text            `json:"status.progress"`
	Reason      text            `json:"status.resolution_reason"`
	Observed    stamp           `json:"observation_time"`
	Inserted    stamp           `json:"_insert_time"` // the tenant's clock
	Modified    stamp           `json:"last_modified"`
	Updated     stamp           `json:"last_update_timestamp"`
	Cases       many            `json:"case_ids"`
	Assets      many            `json:"asset_names"`
	Tactics     many            `json:"mitre_tactics_ids_and_names"`
	Techniques  many            `json:"mitre_techniques_ids_and_names"`
	Fields      xdm             `json:"normalized_fields"`
}

// xdm are the fields of the vendor's data model that say what an issue is about.
type xdm struct {
	ImagePath   many `json:"xdm.source.process.executable.path"`
	ImageName   many `json:"xdm.source.process.executable.filename"`
	ImageSHA256 many `json:"xdm.source.process.executable.sha256"`
	CommandLine many `json:"xdm.source.process.command_line"`
	TargetPath  many `json:"xdm.target.file.path"`
	TargetName  many `json:"xdm.target.file.filename"`
	TargetHash  many `json:"xdm.target.file.sha256"`
	FilePath    many `json:"xdm.file.path"`
	FileName    many `json:"xdm.file.filename"`
	FileSHA256  many `json:"xdm.file.sha256"`
	Host        many `json:"xdm.source.host.hostname"`
	Endpoint    many `json:"xdm.source.agent.identifier"`
	OS          many `json:"xdm.source.host.os"`
	OSFamily    many `json:"xdm.source.host.os_family"`
	User        many `json:"xdm.source.identity.username"`
}

// UnmarshalJSON implements json.Unmarshaler. It never fails: an issue whose fields are odd
// is an issue nevertheless.
func (x *xdm) UnmarshalJSON(b []byte) error {
	type plain xdm
	if json.Unmarshal(b, (*plain)(x)) != nil {
		*x = xdm{}
	}
	return nil
}

func parseIssue(raw json.RawMessage) (issue, error) {
	var f issue
	if err := json.Unmarshal(raw, &f); err != nil {
		return f, err
	}
	if f.ID == "" {
		f.ID = f.IssueID
	}
	if f.ID == "" {
		return f, errors.New("it has no id")
	}
	return f, nil
}

// decodeIssue maps one issue of 5.x.
func (c *Client) decodeIssue(raw json.RawMessage) (alert.Alert, *source.BadItem) {
	f, err := parseIssue(raw)
	if err != nil {
		return alert.Alert{}, badItem(raw, err)
	}
	id, group := string(f.ID), f.Cases.first()
	a := alert.Alert{
		Handle: alert.Handle{ID: id, Note: group, Group: group, Locator: locator(surfaceIssue)},
		Ref:    alert.Ref{Source: c.name, ID: id}, Kind: Kind,
		Title:    orElse(string(f.Name), orElse(described(f.Description), id)),
		Severity: severityOf(string(f.Severity)), Status: statusOf(string(f.Status)),
		Created: lenient.First(f.Inserted, f.Observed, f.Modified, f.Updated), Updated: lenient.First(f.Modified, f.Updated, f.Inserted), Detected: f.Observed.Time,
		Host: alert.Host{ID: f.Fields.Endpoint.first(), Name: orElse(f.Fields.Host.first(), f.Assets.first()),
			OS: orElse(f.Fields.OS.first(), f.Fields.OSFamily.first()), Platform: platformOf(f.Fields.OSFamily.first())},
		User: f.Fields.User.first(), Command: f.Fields.CommandLine.first(), Files: f.files(),
		Attack: techniques(f.Tactics, f.Techniques), URL: c.incidentURL(group, ""), Raw: raw,
	}
	if a.Status.Closed() {
		a.Analyst = verdictOf(string(f.Reason))
	}
	return a, nil
}

// files gives the file that the issue is about, the one that was acted on, and the process.
func (f issue) files() []alert.File {
	x, judged := f.Fields, judgesFiles(string(f.Name))
	var out files
	for i := range max(len(x.FilePath), len(x.FileName), len(x.FileSHA256)) {
		out.add(x.FilePath.at(i), x.FileName.at(i), role(judged, alert.RoleModule), x.FileSHA256.at(i))
	}
	judged = judged && len(out) == 0
	for i := range max(len(x.TargetPath), len(x.TargetName), len(x.TargetHash)) {
		out.add(x.TargetPath.at(i), x.TargetName.at(i), role(judged, alert.RoleModule), x.TargetHash.at(i))
	}
	judged = judged && len(out) == 0
	for i := range max(len(x.ImagePath), len(x.ImageName), len(x.ImageSHA256)) {
		out.add(x.ImagePath.at(i), x.ImageName.at(i), role(judged, alert.RoleImage), x.ImageSHA256.at(i))
	}
	return out
}
