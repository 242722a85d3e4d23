// Package alert is edrc's vocabulary: what every detection product's alerts,
// incidents, hosts, files, notes and verdicts are called here. It holds types
// and pure functions only; start here to learn what the rest talks about.
package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Handle is enough to act on an alert later, in another process. It is stored whole.
type Handle struct {
	Source SourceID `json:"source"`
	ID     string   `json:"id"`
	// Note is the container a note lands on: the alert itself, or its incident.
	// "" when the product cannot annotate it.
	Note string `json:"note,omitempty"`
	// Group is the product's own grouping (incident id), "" when there is none.
	Group string `json:"group,omitempty"`
	// Locator is the product's own (listing account, detector, surface): at most
	// 1 KiB, no secrets.
	Locator json.RawMessage `json:"locator,omitempty"`
}

// Status is where an alert stands in the product's own workflow.
type Status string

// The statuses every product's own are mapped to.
const (
	StatusNew        Status = "new"
	StatusInProgress Status = "in_progress"
	StatusResolved   Status = "resolved"
)

// Closed reports whether nobody waits for anything on the alert any more.
func (s Status) Closed() bool { return s == StatusResolved }

// Has says whether something is there, when the product told.
type Has int8

// What a product may tell about notes on an alert.
const (
	Unsaid Has = iota
	None
	Some
)

// Alert is one alert, finding, threat or detection, normalised.
type Alert struct {
	Handle
	Ref      Ref
	Kind     string // the product: "sentinelone"
	Title    string
	Severity Severity
	Status   Status
	Analyst  string // the product's own analyst verdict, "" when undecided
	Created  time.Time
	Updated  time.Time
	Detected time.Time // as the agent saw it; may be skewed, never used for cursors
	Host     Host
	User     string
	Command  string // command line of the offending process
	Files    []File
	Attack   []Technique
	URL      string // the console's page
	Notes    Has
	// Resources are what it is about in a cloud: those with tags, or one without. None
	// of a product that has no accounts.
	Resources []Resource
	// Repeats is the finding of another product that this alert tells again; zero for
	// the product's own.
	Repeats Finding
	// OtherID is a second id of the alert, under which other products repeat it.
	OtherID string
	Raw     json.RawMessage // the vendor's object, whole
}

// Finding names an alert as its own product knows it.
type Finding struct {
	Kind string `json:"kind"` // "guardduty"
	ID   string `json:"id"`   // of the alert there, which no other of that kind has
}

// Host is the endpoint or workload an alert is about.
type Host struct {
	ID        string `json:"id,omitempty"`
	Name      string `json:"name,omitempty"`
	OS        string `json:"os,omitempty"`
	Platform  string `json:"platform,omitempty"` // windows, linux, macos
	Reachable *bool  `json:"reachable,omitempty"`
	Isolation string `json:"isolation,omitempty"` // none, isolating, isolated, releasing; "" unknown
}

// Role says what a file is to its alert.
type Role string

// The roles. Only a threat file that is trusted may ever close an alert: a
// trusted process image can be abused.
const (
	RoleThreat Role = "threat"
	RoleImage  Role = "image"
	RoleModule Role = "module"
)

// File is a file named by an alert. Size is in bytes, 0 when unknown.
type File struct {
	Hashes
	Path string `json:"path,omitempty"`
	Name string `json:"name,omitempty"`
	Size int64  `json:"size,omitempty"`
	Role Role   `json:"role,omitempty"`
}

// Technique is a MITRE ATT&CK technique; Name and Tactic may be empty.
type Technique struct {
	ID     string `json:"id"`
	Name   string `json:"name,omitempty"`
	Tactic string `json:"tactic,omitempty"`
}

// Note is a comment on an alert or incident.
type Note struct {
	ID      string    `json:"id"`
	Text    string    `json:"text"`
	Author  string    `json:"author,omitempty"`
	Created time.Time `json:"created"`
}

// Incident is the product's own grouping of alerts; where it has none, an alert
// is its own incident.
type Incident struct {
	Ref      Ref
	ID       string
	Title    string
	Severity Severity
	Status   Status
	Created  time.Time
	Updated  time.Time
	Alerts   []Handle
	URL      string
	Raw      json.RawMessage
}

// Resolution is what an analyst decides about an alert; empty fields are left alone.
type Resolution struct {
	Status  Status
	Verdict string // true_positive, false_positive, benign
	Assign  string
	Tags    []string
	Reason  string
}

// Query narrows a listing. Every field is a filter; a product pushes down what
// it can, the caller checks all of them again with [Query.Match]. There is no
// limit and no order: a listing is an iterator.
type Query struct {
	Since, Until time.Time // by Created; zero is open
	Severities   []Severity
	Statuses     []Status
	Host         string // host name or id, case-insensitive, exact or "*"-suffixed
	Hash         Hash
	// Scopes are parts of a cloud, of which an alert is in any; empty is everywhere.
	Scopes []Scope
}

// Match reports whether a passes every filter of q.
func (q Query) Match(a Alert) bool {
	switch {
	case !q.Since.IsZero() && a.Created.Before(q.Since),
		!q.Until.IsZero() && a.Created.After(q.Until),
		len(q.Severities) > 0 && !slices.Contains(q.Severities, a.Severity),
		len(q.Statuses) > 0 && !slices.Contains(q.Statuses, a.Status),
		q.Host != "" && !matchHost(q.Host, a.Host),
		len(q.Scopes) > 0 && !a.Within(q.Scopes),
		q.Hash != "" && !slices.ContainsFunc(a.Files, func(f File) bool { return f.Has(q.Hash) }):
		return false
	}
	return true
}

func matchHost(pattern string, h Host) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(strings.ToLower(h.Name), strings.ToLower(prefix))
	}
	return strings.EqualFold(pattern, h.Name) || pattern == h.ID
}

// Digest identifies the facts an alert is judged by: its files with their roles,
// its host, and whether it is open. The vendor's updated time is not part of it:
// our own notes move it.
func (a Alert) Digest() string {
	parts := make([]string, 0, len(a.Files))
	for _, f := range a.Files {
		id := string(f.Best())
		if id == "" {
			id = f.Path
		}
		parts = append(parts, id+"\x00"+string(f.Role))
	}
	slices.Sort(parts)
	open := "open"
	if a.Status.Closed() {
		open = "closed"
	}
	sum := sha256.Sum256([]byte(strings.Join(append(parts, a.Host.ID, open), "\x01")))
	return hex.EncodeToString(sum[:8])
}
