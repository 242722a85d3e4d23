package cortex

import (
	"strings"

	"edrc/internal/alert"
	"edrc/internal/safe"
)

// Mapping is one line of the tables that the documentation shows: the vendor's word
// and ours.
type Mapping struct{ Vendor, Ours string }

// Severities lists how the vendor's severities are mapped. A severity that a person has
// set on an incident goes before the one that the product gave it.
func Severities() []Mapping {
	return []Mapping{
		{"informational", "info"}, {"info", "info"}, {"low", "low"}, {"medium", "medium"}, {"high", "high"}, {"critical", "critical"},
		{"unknown", "unrated"},
	}
}

// Statuses lists how the vendor's statuses are mapped: of incidents and alerts (3.x), and
// of cases and issues (5.x). An alert's own form of them, STATUS_010_NEW, is the same word
// in other letters. A status of the tenant's own making is a new one.
func Statuses() []Mapping {
	out := []Mapping{
		{"new", "new"}, {"New", "new"}, {"under_investigation", "in_progress"}, {"In Progress", "in_progress"}, {"Resolved", "resolved"},
	}
	for _, v := range verdicts() {
		out = append(out, Mapping{v.legacy, "resolved"})
	}
	// Read, and never written:
	for _, word := range []string{"resolved_auto", "resolved_auto_resolve", "resolved_threat_handled", "resolved_duplicate_incident", "resolved_dismissed"} {
		out = append(out, Mapping{word, "resolved"})
	}
	return out
}

// Verdicts lists how verdicts are written: in Cortex XDR they are the ways of being
// resolved. A true positive that is harmless has no word.
func Verdicts() []Mapping {
	var out []Mapping
	for _, v := range verdicts() {
		out = append(out, Mapping{v.legacy, v.ours}, Mapping{v.platform, v.ours})
	}
	return out
}

// verdict is a way of being resolved, in the words of both generations.
type verdict struct{ ours, legacy, platform string }

func verdicts() []verdict {
	return []verdict{
		{"true_positive", "resolved_true_positive", "Resolved - True Positive"},
		{"false_positive", "resolved_false_positive", "Resolved - False Positive"},
		{"security_testing", "resolved_security_testing", "Resolved - Security Testing"},
		{"known_issue", "resolved_known_issue", "Resolved - Known Issue"},
		// UNCERTAIN for issues: the reference lists the reasons of cases alone.
		{"duplicate", "resolved_duplicate", "Resolved - Duplicate Case"},
		{"other", "resolved_other", "Resolved - Other"},
	}
}

// undecided is the verdict of an alert that is not resolved.
const undecided = "undefined"

// without is a resolution that says nothing about the verdict.
const without = "other"

func verdictNamed(ours string) (verdict, bool) {
	for _, v := range verdicts() {
		if v.ours == ours {
			return v, true
		}
	}
	return verdict{}, false
}

var severityCode = safe.Pattern(`^SEV_\d+_`)

// severityOf rates an alert by its word; SEV_040_HIGH is one, too.
func severityOf(word string) alert.Severity {
	word = strings.ToLower(severityCode().ReplaceAllString(strings.ToUpper(word), ""))
	for _, m := range Severities() {
		if word == m.Vendor {
			if s, err := alert.ParseSeverity(m.Ours); err == nil {
				return s
			}
		}
	}
	return alert.Unrated
}

var statusCode = safe.Pattern(`^status_\d+_`)

// plainStatus makes STATUS_060_RESOLVED_FALSE_POSITIVE, "Resolved - False Positive" and
// resolved_false_positive one word.
func plainStatus(word string) string {
	word = strings.NewReplacer(" - ", "_", " ", "_", "-", "_").Replace(strings.ToLower(strings.TrimSpace(word)))
	return statusCode().ReplaceAllString(word, "")
}

// statusOf maps a status. What is not known is new: an alert must never count as closed by
// mistake. Some codes leave "resolved" out: STATUS_090_TRUE_POSITIVE.
func statusOf(word string) alert.Status {
	word = plainStatus(word)
	_, isVerdict := verdictNamed(word)
	switch {
	case word == "resolved", strings.HasPrefix(word, "resolved_"), isVerdict:
		return alert.StatusResolved
	case word == "under_investigation", word == "in_progress":
		return alert.StatusInProgress
	}
	return alert.StatusNew
}

// verdictOf reads the verdict out of a status or a reason, "" when it has none.
func verdictOf(word string) string {
	word = strings.TrimPrefix(plainStatus(word), "resolved_")
	switch word {
	case "duplicate_incident", "duplicate_case", "duplicate_issue":
		word = "duplicate"
	}
	if _, ok := verdictNamed(word); ok {
		return word
	}
	return ""
}

// platformOf maps Windows, AGENT_OS_MAC and the like.
func platformOf(s string) string {
	switch s = strings.TrimPrefix(strings.ToLower(s), "agent_os_"); s {
	case "mac", "macos", "os x", "osx":
		return "macos"
	}
	return s
}

// isolationOf maps the field is_isolated of an endpoint; "" for a word that is not known.
func isolationOf(s string) string {
	switch strings.ToUpper(s) {
	case "AGENT_UNISOLATED":
		return "none"
	case "AGENT_PENDING_ISOLATION":
		return "isolating"
	case "AGENT_ISOLATED":
		return "isolated"
	case "AGENT_PENDING_ISOLATION_CANCELLATION":
		return "releasing"
	}
	return ""
}
