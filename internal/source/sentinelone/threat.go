package sentinelone

import (
	"encoding/json"
	"errors"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/safe"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

// threat is the part of a GET /threats item that edrc reads ([SPEC24]
// threats.schemas_ThreatSchema). Any field may be null or absent.
type threat struct {
	ID         text            `json:"id"`
	Info       threatInfo      `json:"threatInfo"`
	Detection  agentDetection  `json:"agentDetectionInfo"`
	Realtime   agentRealtime   `json:"agentRealtimeInfo"`
	Indicators list[indicator] `json:"indicators"`
}

type threatInfo struct {
	ThreatID        text  `json:"threatId"`
	ThreatName      text  `json:"threatName"`
	Classification  text  `json:"classification"`
	ConfidenceLevel text  `json:"confidenceLevel"`
	AnalystVerdict  text  `json:"analystVerdict"`
	IncidentStatus  text  `json:"incidentStatus"`
	CreatedAt       stamp `json:"createdAt"`    // the console's clock
	IdentifiedAt    stamp `json:"identifiedAt"` // the agent's clock
	UpdatedAt       stamp `json:"updatedAt"`    // the console's clock
	FilePath        text  `json:"filePath"`
	FileSize        count `json:"fileSize"`
	IsFileless      flag  `json:"isFileless"`
	MD5             text  `json:"md5"`
	SHA1            text  `json:"sha1"`
	SHA256          text  `json:"sha256"`
	ProcessUser     text  `json:"processUser"`
	Arguments       text  `json:"maliciousProcessArguments"`
}

type agentDetection struct {
	OSName   text `json:"agentOsName"`
	LastUser text `json:"agentLastLoggedInUserName"`
}

type agentRealtime struct {
	AgentID        text `json:"agentId"`
	ComputerName   text `json:"agentComputerName"`
	OSName         text `json:"agentOsName"`
	OSType         text `json:"agentOsType"`
	NetworkStatus  text `json:"agentNetworkStatus"`
	IsActive       flag `json:"agentIsActive"`
	Decommissioned flag `json:"agentIsDecommissioned"`
}

type indicator struct {
	Tactics []struct {
		Name       text `json:"name"`
		Techniques []struct {
			Name text `json:"name"` // "T1059", on some consoles with the title behind it
			Link text `json:"link"`
		} `json:"techniques"`
	} `json:"tactics"`
}

// decode maps one item. The error says why the item cannot be used.
func (s *threats) decode(raw json.RawMessage) (alert.Alert, *source.BadItem) {
	var t threat
	err := json.Unmarshal(raw, &t)
	id := string(t.ID)
	if id == "" {
		id = string(t.Info.ThreatID)
	}
	if err == nil && id == "" {
		err = errors.New("it has no id")
	}
	if err != nil {
		return alert.Alert{}, badItem(raw, err, "threatInfo.threatId")
	}
	return s.alert(t, id, raw), nil
}

func (s *threats) alert(t threat, id string, raw json.RawMessage) alert.Alert {
	i := t.Info
	return alert.Alert{
		Handle: alert.Handle{ID: id, Note: id}, Ref: alert.Ref{Source: s.source, ID: id}, Kind: Kind,
		Title:    titleOf(string(i.ThreatName), string(i.Classification)),
		Severity: severityOfConfidence(string(i.ConfidenceLevel)), Status: statusOf(string(i.IncidentStatus)),
		Analyst: analystOf(string(i.AnalystVerdict)),
		// Created is never zero when any time is known: a query by time would lose it.
		Created: lenient.First(i.CreatedAt, i.IdentifiedAt, i.UpdatedAt), Updated: i.UpdatedAt.Time, Detected: i.IdentifiedAt.Time,
		Host: t.host(), User: lenient.FirstText(i.ProcessUser, t.Detection.LastUser), Command: string(i.Arguments),
		Files: t.files(), Attack: t.attack(), URL: s.console + "/incidents/threats/" + id + "/overview",
		Raw: raw,
	}
}

func (t threat) host() alert.Host {
	r := t.Realtime
	h := alert.Host{
		ID: string(r.AgentID), Name: string(r.ComputerName), OS: lenient.FirstText(r.OSName, t.Detection.OSName),
		Platform: platformOf(string(r.OSType)), Reachable: r.IsActive.Pointer(), Isolation: isolationOf(string(r.NetworkStatus)),
	}
	if r.Decommissioned.Yes {
		h.Reachable = new(bool)
	}
	return h
}

// files gives the threat's file. What a fileless threat names is the process that
// was abused, an interpreter for example: trusting it closes nothing.
func (t threat) files() []alert.File {
	i := t.Info
	f := alert.File{
		Hashes: alert.NewHashes(string(i.SHA256), string(i.SHA1), string(i.MD5)),
		Path:   string(i.FilePath), Name: source.BaseName(string(i.FilePath)), Size: int64(i.FileSize), Role: alert.RoleThreat,
	}
	if i.IsFileless.Yes {
		f.Role = alert.RoleImage
	}
	if f.Name == "" {
		f.Name = string(i.ThreatName)
	}
	if f.Best() == "" && f.Path == "" && f.Name == "" {
		return nil
	}
	return []alert.File{f}
}

var techniqueID = safe.Pattern(`T\d{4}(\.\d{3})?\b`)

func (t threat) attack() []alert.Technique {
	var out attackList
	for _, ind := range t.Indicators {
		for _, tactic := range ind.Tactics {
			for _, tech := range tactic.Techniques {
				out.add(string(tech.Name), string(tactic.Name), string(tech.Link))
			}
		}
	}
	return out
}

// attackList collects techniques, each once under a tactic.
type attackList []alert.Technique

// add takes the id from name, or from the other places where consoles put it; what
// else name says is the technique's name.
func (l *attackList) add(name, tactic string, elsewhere ...string) {
	id := techniqueID().FindString(name)
	title := strings.Trim(strings.Replace(name, id, "", 1), " -:()")
	for _, s := range elsewhere {
		if id == "" {
			id = techniqueID().FindString(strings.ReplaceAll(s, "/", "."))
		}
	}
	if id == "" {
		return
	}
	for _, t := range *l {
		if t.ID == id && t.Tactic == tactic {
			return
		}
	}
	*l = append(*l, alert.Technique{ID: id, Name: title, Tactic: tactic})
}
