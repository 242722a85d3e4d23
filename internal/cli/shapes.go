package cli

import (
	"encoding/json"
	"time"

	"edrc/internal/alert"
	"edrc/internal/ledger"
	"edrc/internal/triage"
)

// alertJSON is an alert in json, ndjson and yaml: schema edrc.alerts/v1.
type alertJSON struct {
	Ref       alert.Ref         `json:"ref"`
	Source    string            `json:"source"`
	Kind      string            `json:"kind"`
	ID        string            `json:"id"`
	Title     string            `json:"title"`
	Severity  alert.Severity    `json:"severity"`
	Status    alert.Status      `json:"status"`
	Analyst   string            `json:"analyst_verdict,omitempty"`
	Created   time.Time         `json:"created"`
	Updated   time.Time         `json:"updated"`
	Detected  time.Time         `json:"detected,omitzero"`
	Host      alert.Host        `json:"host"`
	User      string            `json:"user,omitempty"`
	Command   string            `json:"command,omitempty"`
	Files     []alert.File      `json:"files"`
	Attack    []alert.Technique `json:"attack,omitempty"`
	URL       string            `json:"url,omitempty"`
	Resources []alert.Resource  `json:"resources,omitempty"` // in AWS accounts
	Verdict   *alert.Verdict    `json:"verdict"`
	NoVerdict string            `json:"no_verdict,omitempty"` // why there is none
	Also      []alert.Ref       `json:"also,omitempty"`       // of the same file and host
	Same      []alert.Ref       `json:"same,omitempty"`       // the same finding, in another source
	State     ledger.AlertState `json:"state,omitempty"`      // of edrc's work on it
	Reason    string            `json:"reason,omitempty"`     // of that state
	Noted     alert.Class       `json:"noted,omitempty"`      // the class our note tells
	Raw       json.RawMessage   `json:"raw,omitempty"`        // the vendor's object, whole
}

func newAlertJSON(r triage.Row) alertJSON {
	a := r.Alert
	out := alertJSON{Ref: a.Ref, Source: a.Ref.Source, Kind: a.Kind, ID: a.ID, Title: a.Title, Severity: a.Severity, Status: a.Status,
		Analyst: a.Analyst, Created: a.Created, Updated: a.Updated, Detected: a.Detected, Host: a.Host, User: a.User, Command: a.Command,
		Files: a.Files, Attack: a.Attack, URL: a.URL, Resources: a.Resources, Verdict: r.Verdict, NoVerdict: r.Scan, Also: r.Also, Same: r.Same, Raw: a.Raw}
	if out.Files == nil {
		out.Files = []alert.File{}
	}
	if rec := r.Record; rec != nil {
		out.State, out.Reason, out.Noted = rec.State, rec.Reason, rec.Noted
	}
	return out
}

// detailJSON is one alert with the state of each file: schema edrc.alert/v1.
type detailJSON struct {
	alertJSON
	FileStates []triage.FileView `json:"file_states"`
	Note       *ledger.Effect    `json:"note,omitempty"`
}

func newDetailJSON(d *triage.Detail) detailJSON {
	return detailJSON{alertJSON: newAlertJSON(d.Row), FileStates: d.Files, Note: d.Effect}
}

// scanJSON is one judged file: schema edrc.scans/v1.
type scanJSON struct {
	Hash    alert.Hash     `json:"hash"`
	Name    string         `json:"name,omitempty"`
	Ref     string         `json:"ref,omitempty"`
	Verdict *alert.Verdict `json:"verdict"`
	From    ledger.Origin  `json:"from,omitempty"`
	Age     float64        `json:"age_seconds"`
	Cost    int            `json:"cost"`
	Pending string         `json:"pending,omitempty"`
	Error   string         `json:"error,omitempty"`
}

func newScanJSON(j triage.Judged) scanJSON {
	out := scanJSON{Hash: j.File.Best(), Name: j.File.Name, Verdict: j.Verdict, From: j.From, Age: j.Age.Seconds(), Cost: j.Cost, Pending: j.Pending}
	if j.Ref.ID != "" {
		out.Ref = j.Ref.String()
	}
	if j.Err != nil {
		out.Error = j.Err.Error()
	}
	return out
}
