package sentinelone

import (
	"encoding/json"
	"errors"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

// What is asked of an alert. The type of lists (UnifiedAlert) has fewer fields than
// that of one alert (UnifiedAlertDetail), and a field that a type lacks fails the
// whole query.
const (
	commonFields = `id externalId name description severity status analystVerdict classification confidenceLevel result
 createdAt updatedAt detectedAt firstSeenAt lastSeenAt storylineId ticketId noteExists attackSurfaces
 detectionSource { product vendor } analytics { category name typeValue uid }
 assets { id name osType osVersion agentUuid agentVersion connectivityToConsole lastLoggedInUser decommissioned primary }
 detectionTime { scope { accountId accountName siteId siteName groupId groupName } }`
	listFields   = commonFields + ` process { cmdLine parentName file { name path md5 sha1 sha256 } }`
	detailFields = commonFields + ` selfLink process { cmdLine parentName username userDomain
 file { name path size md5 sha1 sha256 signatureVerification } }
 indicators { uid type message severity attacks { tactic { name uid } technique { name uid } } }
 observables { name type value }`
)

// node is an alert of either type.
type node struct {
	ID             text        `json:"id"`
	ExternalID     text        `json:"externalId"`
	Name           text        `json:"name"`
	Severity       text        `json:"severity"`
	Status         text        `json:"status"`
	AnalystVerdict text        `json:"analystVerdict"`
	CreatedAt      stamp       `json:"createdAt"` // where it was detected: for a threat, the console's clock
	UpdatedAt      stamp       `json:"updatedAt"`
	DetectedAt     stamp       `json:"detectedAt"`
	LastSeenAt     stamp       `json:"lastSeenAt"`
	NoteExists     flag        `json:"noteExists"`
	Assets         list[asset] `json:"assets"`
	Analytics      struct {
		TypeValue text `json:"typeValue"`
	} `json:"analytics"`
	Process struct {
		CmdLine  text `json:"cmdLine"`
		Username text `json:"username"`
		File     struct {
			Name   text  `json:"name"`
			Path   text  `json:"path"`
			Size   count `json:"size"`
			MD5    text  `json:"md5"`
			SHA1   text  `json:"sha1"`
			SHA256 text  `json:"sha256"`
		} `json:"file"`
	} `json:"process"`
	Indicators list[struct {
		Attacks []struct {
			Tactic    named `json:"tactic"`
			Technique named `json:"technique"`
		} `json:"attacks"`
	}] `json:"indicators"`
}

type named struct {
	Name text `json:"name"`
	UID  text `json:"uid"`
}

type asset struct {
	ID             text `json:"id"`
	Name           text `json:"name"`
	OSType         text `json:"osType"`
	OSVersion      text `json:"osVersion"`
	AgentUUID      text `json:"agentUuid"`
	Connectivity   text `json:"connectivityToConsole"`
	LastUser       text `json:"lastLoggedInUser"`
	Decommissioned flag `json:"decommissioned"`
	Primary        flag `json:"primary"`
}

// locator is the Locator of a unified alert's handle.
type locator struct {
	UUID string `json:"uuid"`
}

// decode maps one alert. Its identity is the threat's where it is one: then the
// source may change its surface without a change of identity.
func (u *unified) decode(raw json.RawMessage) (alert.Alert, *source.BadItem) {
	var n node
	err := json.Unmarshal(raw, &n)
	if err == nil && n.ID == "" {
		err = errors.New("it has no id")
	}
	if err != nil {
		bad := badItem(raw, err)
		if threat := lookup(raw, []string{"externalId"}); isID(threat) {
			bad.ID = threat
		}
		return alert.Alert{}, bad
	}
	return u.alert(n, raw), nil
}

func (u *unified) alert(n node, raw json.RawMessage) alert.Alert {
	id := string(n.ID)
	if isID(string(n.ExternalID)) {
		id = string(n.ExternalID)
	}
	where, _ := json.Marshal(locator{string(n.ID)}) // a string always marshals
	a := alert.Alert{
		Handle: alert.Handle{ID: id, Note: id, Locator: where}, Ref: alert.Ref{Source: u.source, ID: id}, Kind: Kind,
		Title: string(n.Name), Severity: severityOf(string(n.Severity)), Status: statusOf(string(n.Status)),
		Analyst: analystOf(string(n.AnalystVerdict)),
		Created: lenient.First(n.CreatedAt, n.DetectedAt, n.UpdatedAt), Updated: lenient.First(n.UpdatedAt, n.LastSeenAt), Detected: n.DetectedAt.Time,
		Host: n.host(), User: lenient.FirstText(n.Process.Username, n.asset().LastUser), Command: string(n.Process.CmdLine),
		Files: n.files(), Attack: n.attack(), Raw: raw,
		// selfLink is the console's word for the same; a link is not taken from a reply.
		URL: u.console + "/incidents/unified-alerts?alertId=" + string(n.ID),
	}
	if n.NoteExists.Known {
		a.Notes = alert.None
		if n.NoteExists.Yes {
			a.Notes = alert.Some
		}
	}
	return a
}

// severityOf maps the five severities; UNKNOWN is unrated, another word medium.
func severityOf(s string) alert.Severity {
	if s == "" || strings.EqualFold(s, "unknown") {
		return alert.Unrated
	}
	if v, err := alert.ParseSeverity(s); err == nil {
		return v
	}
	return alert.Medium
}

// severities are the words that severityOf knows.
func severities() []string { return []string{"INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL", "UNKNOWN"} }

// asset gives the primary asset, else the first.
func (n node) asset() asset {
	for _, a := range n.Assets {
		if a.Primary.Yes {
			return a
		}
	}
	if len(n.Assets) > 0 {
		return n.Assets[0]
	}
	return asset{}
}

// host names the asset by its agent's UUID, which FindHosts takes. The surface does
// not tell whether it is isolated.
func (n node) host() alert.Host {
	a := n.asset()
	h := alert.Host{
		ID: lenient.FirstText(a.AgentUUID, a.ID), Name: string(a.Name), OS: string(a.OSVersion), Platform: platformOf(string(a.OSType)),
	}
	if c := strings.ToUpper(string(a.Connectivity)); c == "ONLINE" || c == "OFFLINE" {
		online := c == "ONLINE" && !a.Decommissioned.Yes
		h.Reachable = &online
	}
	return h
}

// files gives the file of the process. Of an alert that a rule made (STAR), that is
// whatever program did what the rule is about: it is an image, not the threat.
func (n node) files() []alert.File {
	f := n.Process.File
	out := alert.File{
		Hashes: alert.NewHashes(string(f.SHA256), string(f.SHA1), string(f.MD5)),
		Path:   string(f.Path), Name: lenient.FirstText(f.Name, text(source.BaseName(string(f.Path)))), Size: int64(f.Size), Role: alert.RoleThreat,
	}
	if strings.EqualFold(string(n.Analytics.TypeValue), "rule") || !isID(string(n.ExternalID)) {
		out.Role = alert.RoleImage
	}
	if out.Best() == "" && out.Path == "" && out.Name == "" {
		return nil
	}
	return []alert.File{out}
}

func (n node) attack() []alert.Technique {
	var out attackList
	for _, ind := range n.Indicators {
		for _, a := range ind.Attacks {
			out.add(string(a.Technique.Name), string(a.Tactic.Name), string(a.Technique.UID))
		}
	}
	return out
}
