package crowdstrike

import (
	"strings"

	"edrc/internal/alert"
)

// Mapping is one line of the tables that the documentation shows: the vendor's word
// and ours.
type Mapping struct{ Vendor, Ours string }

// band is a range of the vendor's severity, which is a number from 1 to 100.
type band struct {
	from     int // inclusive; up to the next band's
	name     string
	severity alert.Severity
}

func bands() []band {
	return []band{
		{0, "Informational", alert.Info}, {20, "Low", alert.Low}, {40, "Medium", alert.Medium},
		{60, "High", alert.High}, {80, "Critical", alert.Critical},
	}
}

// Severities lists how the vendor's severities are mapped, the lowest first.
func Severities() []Mapping {
	var out []Mapping
	for _, b := range bands() {
		out = append(out, Mapping{b.name, b.severity.String()})
	}
	return out
}

// Statuses lists how the vendor's statuses are mapped. An alert that was reopened waits
// for somebody, as a new one does.
func Statuses() []Mapping {
	return []Mapping{
		{"new", string(alert.StatusNew)}, {"in_progress", string(alert.StatusInProgress)},
		{"reopened", string(alert.StatusNew)}, {"closed", string(alert.StatusResolved)},
	}
}

// Verdicts lists how verdicts are written: as tags, which fill the console's column
// Resolution. A true positive that is harmless has no word.
func Verdicts() []Mapping {
	return []Mapping{{"true_positive", "true_positive"}, {"false_positive", "false_positive"}, {"ignored", "ignored"}}
}

// undecided is the verdict of an alert without a resolution.
const undecided = "undefined"

// severityOf rates an alert by its number, and by its name where there is no number.
func severityOf(n number, name string) alert.Severity {
	out := alert.Unrated
	for _, b := range bands() {
		if n.known && n.value >= float64(b.from) || !n.known && strings.EqualFold(name, b.name) {
			out = b.severity
		}
	}
	return out
}

// statusOf maps a status. What is not known is new: an alert must never count as closed
// by mistake.
func statusOf(s string) alert.Status {
	for _, m := range Statuses() {
		if strings.EqualFold(s, m.Vendor) {
			return alert.Status(m.Ours)
		}
	}
	return alert.StatusNew
}

// statusWord gives the vendor's word for a status of ours, or for its own word.
func statusWord(s alert.Status) (string, bool) {
	if s == alert.StatusResolved {
		s = "closed"
	}
	for _, m := range Statuses() {
		if string(s) == m.Vendor {
			return m.Vendor, true
		}
	}
	return "", false
}

// platformOf maps Windows, Mac, Linux and the like.
func platformOf(s string) string {
	s = strings.ToLower(s)
	if s == "mac" {
		return "macos"
	}
	return s
}

// isolationOf maps a device's status; "" for a word that is not known.
func isolationOf(s string) string {
	switch strings.ToLower(s) {
	case "normal":
		return "none"
	case "containment_pending":
		return "isolating"
	case "contained":
		return "isolated"
	case "lift_containment_pending":
		return "releasing"
	}
	return ""
}
