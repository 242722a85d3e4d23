package alert

import (
	"slices"
	"time"
)

// Class is what the engine concluded about a file.
type Class string

// The classes, as Intezer names them (contracts: section 5.1). ClassFailed is
// ours: the analysis itself failed.
const (
	Malicious    Class = "malicious"
	Suspicious   Class = "suspicious"
	Unknown      Class = "unknown"
	Neutral      Class = "neutral"
	NoThreats    Class = "no_threats"
	NotSupported Class = "not_supported"
	Trusted      Class = "trusted"
	ClassFailed  Class = "failed"
)

// Classes lists them worst first.
func Classes() []Class {
	return []Class{Malicious, Suspicious, Unknown, Neutral, NoThreats, NotSupported, Trusted, ClassFailed}
}

// ParseClass maps an engine's word to a class; a word it does not know is
// [Unknown], never trusted.
func ParseClass(s string) Class {
	if c := Class(s); slices.Contains(Classes(), c) {
		return c
	}
	return Unknown
}

// WorseThan reports whether c is worse news than other; any class is worse than "".
func (c Class) WorseThan(other Class) bool {
	if other == "" {
		return c != ""
	}
	return slices.Index(Classes(), c) < slices.Index(Classes(), other) && c != ""
}

// IOC is an indicator the engine extracted: Type is ip, domain, url or file.
type IOC struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// Verdict is what the engine says of one file.
type Verdict struct {
	Engine     string `json:"engine"` // "intezer"
	Class      Class  `json:"verdict"`
	SubVerdict string `json:"sub_verdict,omitempty"`
	Family     string `json:"family,omitempty"`
	Genes      int    `json:"shared_genes,omitempty"` // genes shared with that family
	Hashes            // as the engine hashed the file
	Name       string `json:"name,omitempty"`
	FileType   string `json:"file_type,omitempty"`
	Size       int64  `json:"size,omitempty"` // bytes
	AnalysisID string `json:"analysis_id,omitempty"`
	URL        string `json:"url,omitempty"`
	// Analysed is when the engine analysed the file, on its clock.
	Analysed time.Time   `json:"analysed,omitzero"`
	Attack   []Technique `json:"attack,omitempty"`
	IOCs     []IOC       `json:"iocs,omitempty"`
	// Weak: reached by SHA-1 or MD5 alone, with no SHA-256 in the engine's reply.
	// It closes nothing.
	Weak bool `json:"weak,omitempty"`
	// Reason says why there is no better class (a failed analysis).
	Reason string `json:"reason,omitempty"`
}
