package defender

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"

	"edrc/internal/alert"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

// wire is the part of a Graph alert that edrc reads. Any field may be null or absent.
// Names in the second group are those of the older APIs, whose alerts other tools keep.
type wire struct {
	ID              text           `json:"id"`
	IncidentID      text           `json:"incidentId"` // a number in the older APIs
	AlertWebURL     text           `json:"alertWebUrl"`
	Title           text           `json:"title"`
	Category        text           `json:"category"` // until 2028; then categories alone
	Categories      list[text]     `json:"categories"`
	Severity        text           `json:"severity"`
	Status          text           `json:"status"`
	Classification  text           `json:"classification"`
	Determination   text           `json:"determination"`
	AssignedTo      text           `json:"assignedTo"`
	MitreTechniques list[text]     `json:"mitreTechniques"`
	Comments        *list[comment] `json:"comments"`
	Evidence        list[evidence] `json:"evidence"`
	Created         stamp          `json:"createdDateTime"`
	Updated         stamp          `json:"lastUpdateDateTime"`
	FirstActivity   stamp          `json:"firstActivityDateTime"`

	ProviderID      text           `json:"providerAlertId"` // what the alert is called where it arose
	AlertID         text           `json:"alertId"`
	OldCreated      stamp          `json:"alertCreationTime"`
	OldUpdated      stamp          `json:"lastUpdateTime"`
	OldFirst        stamp          `json:"firstEventTime"`
	XDRCreated      stamp          `json:"creationTime"`
	XDRUpdated      stamp          `json:"lastUpdatedTime"`
	XDRFirst        stamp          `json:"firstActivity"`
	MachineID       text           `json:"machineId"`
	ComputerDNSName text           `json:"computerDnsName"`
	RelatedUser     maybe[account] `json:"relatedUser"`
	Entities        list[evidence] `json:"entities"`
	Devices         list[evidence] `json:"devices"`
}

// comment is a note. Documentation and metadata disagree about the names of its
// author and time, so both are read.
type comment struct {
	Comment     text  `json:"comment"`
	DisplayName text  `json:"createdByDisplayName"`
	CreatedBy   text  `json:"createdBy"`
	Created     stamp `json:"createdDateTime"`
	CreatedTime stamp `json:"createdTime"`
}

// maxOtherID bounds the other id of an alert, which is an index key of the store.
const maxOtherID = 256

// decodeWire reads one alert. The error says why it cannot be used.
func decodeWire(raw json.RawMessage) (wire, *source.BadItem) {
	var w wire
	err := json.Unmarshal(raw, &w)
	if w.ID == "" {
		w.ID = w.AlertID
	}
	if err == nil && w.ID == "" {
		err = errors.New("it has no id")
	}
	if err != nil {
		return wire{}, badItem(raw, err)
	}
	w.Evidence = append(append(w.Evidence, w.Entities...), w.Devices...)
	return w, nil
}

// decode maps one alert.
func (c *Client) decode(raw json.RawMessage) (alert.Alert, *source.BadItem) {
	w, bad := decodeWire(raw)
	if bad != nil {
		return alert.Alert{}, bad
	}
	id := string(w.ID)
	a := alert.Alert{
		Handle: alert.Handle{ID: id, Note: id, Group: string(w.IncidentID)}, Ref: alert.Ref{Source: c.name, ID: id}, Kind: Kind,
		Title: string(w.Title), Severity: severityOf(string(w.Severity)), Status: statusOf(AlertStatuses(), string(w.Status)),
		Analyst: verdictOf(w.Classification, w.Determination),
		Updated: lenient.First(w.Updated, w.OldUpdated, w.XDRUpdated), Detected: lenient.First(w.FirstActivity, w.OldFirst, w.XDRFirst),
		Host: w.host(), User: userOf(w.Evidence), Command: commandOf(w.Evidence),
		Attack: w.attack(), URL: c.pageOf(w), Notes: w.notes(), Raw: raw,
	}
	// Never zero when any time is known: a query by time would lose the alert.
	if a.Created = w.created(); a.Created.IsZero() {
		a.Created = firstTime(a.Updated, a.Detected)
	}
	a.Locator = locator(w.created())
	if a.User == "" {
		a.User = w.RelatedUser.V.String()
	}
	for _, f := range filesOf(w.Evidence) {
		a.Files = append(a.Files, f.File)
	}
	if p := string(w.ProviderID); p != id && len(p) <= maxOtherID {
		a.OtherID = p
	}
	return a, nil
}

func (w wire) created() time.Time { return lenient.First(w.Created, w.OldCreated, w.XDRCreated) }

func firstTime(ts ...time.Time) time.Time {
	for _, t := range ts {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

func (w wire) host() alert.Host {
	h := hostOf(w.Evidence)
	if h.ID == "" {
		h.ID = string(w.MachineID)
	}
	if h.Name == "" {
		h.Name = string(w.ComputerDNSName)
	}
	return h
}

func (w wire) notes() alert.Has {
	switch {
	case w.Comments == nil:
		return alert.Unsaid
	case len(*w.Comments) == 0:
		return alert.None
	}
	return alert.Some
}

// attack gives the techniques, with the category as tactic when there is one alone.
func (w wire) attack() []alert.Technique {
	tactic := string(w.Category)
	if len(w.Categories) == 1 {
		tactic = string(w.Categories[0])
	} else if len(w.Categories) > 1 {
		tactic = ""
	}
	var out []alert.Technique
	seen := map[text]bool{}
	for _, id := range w.MitreTechniques {
		if id = text(strings.TrimSpace(string(id))); id != "" && !seen[id] {
			seen[id] = true
			out = append(out, alert.Technique{ID: string(id), Tactic: tactic})
		}
	}
	return out
}

// pageOf gives the alert's page in the portal.
func (c *Client) pageOf(w wire) string {
	if u, err := url.Parse(string(w.AlertWebURL)); err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil {
		return string(w.AlertWebURL)
	}
	return c.portal + "/alerts/" + url.PathEscape(string(w.ID))
}

// badItem describes an item that cannot be used, by its id if that can be read.
func badItem(raw json.RawMessage, err error) *source.BadItem {
	var o struct {
		ID text `json:"id"`
	}
	_ = json.Unmarshal(raw, &o)
	return source.Unreadable(string(o.ID), err.Error(), raw)
}
