package defender

import (
	"slices"
	"strings"

	"edrc/internal/alert"
)

// SeverityWord maps one word of the product.
type SeverityWord struct {
	Word     string
	Severity alert.Severity
}

// Severities are the product's severities. A word that is not listed is medium, so
// that it is neither first nor lost. Case does not matter: Graph writes "high", the
// older APIs "High".
func Severities() []SeverityWord {
	return []SeverityWord{
		{"unknown", alert.Unrated}, {"unspecified", alert.Unrated}, {"informational", alert.Info},
		{"low", alert.Low}, {"medium", alert.Medium}, {"high", alert.High},
	}
}

func severityOf(word string) alert.Severity {
	if word == "" {
		return alert.Unrated
	}
	for _, s := range Severities() {
		if strings.EqualFold(s.Word, word) {
			return s.Severity
		}
	}
	return alert.Medium
}

// StatusWord maps one word of the product.
type StatusWord struct {
	Word   string
	Status alert.Status
}

// AlertStatuses are the statuses of alerts. A word that is not listed is new: an alert
// must never count as closed by mistake.
func AlertStatuses() []StatusWord {
	return []StatusWord{{"unknown", alert.StatusNew}, {"new", alert.StatusNew}, {"inProgress", alert.StatusInProgress}, {"resolved", alert.StatusResolved}}
}

// IncidentStatuses are the statuses of incidents. A redirected one was merged into
// another, where its alerts are now.
func IncidentStatuses() []StatusWord {
	return []StatusWord{
		{"active", alert.StatusNew}, {"inProgress", alert.StatusInProgress}, {"awaitingAction", alert.StatusInProgress},
		{"resolved", alert.StatusResolved}, {redirected, alert.StatusResolved},
	}
}

const redirected = "redirected"

func statusOf(words []StatusWord, word string) alert.Status {
	for _, s := range words {
		if strings.EqualFold(s.Word, word) {
			return s.Status
		}
	}
	return alert.StatusNew
}

// wordOf gives the product's word for a status, "" for none.
func wordOf(words []StatusWord, s alert.Status) string {
	for _, w := range words {
		if w.Status == s && w.Word != "unknown" {
			return w.Word
		}
	}
	return ""
}

// platformOf maps an osPlatform such as Windows10, WindowsServer2022, macOS, Ubuntu.
// What starts with none of the known names keeps its own.
func platformOf(os string) string {
	os = strings.ToLower(os)
	for prefix, platform := range map[string]string{"windows": "windows", "macos": "macos", "linux": "linux", "android": "android", "ios": "ios"} {
		if strings.HasPrefix(os, prefix) {
			return platform
		}
	}
	linux := []string{"ubuntu", "debian", "redhat", "rhel", "centos", "suse", "sles", "oracle", "amazon", "fedora", "rocky", "alma", "mariner"}
	if slices.ContainsFunc(linux, func(name string) bool { return strings.HasPrefix(os, name) }) {
		return "linux"
	}
	return strings.TrimPrefix(os, "unknown")
}

// reachableOf maps a healthStatus: "active", the kinds of silence, or unknown.
func reachableOf(health string) *bool {
	switch strings.ToLower(health) {
	case "active":
		return new(true)
	case "inactive", "impairedcommunication", "nosensordata", "nosensordataimpairedcommunication":
		return new(false)
	}
	return nil
}

// unwanted are the product's words that map to nothing wanted; none when all are.
func unwanted[T comparable](words []string, wanted []T, of func(string) T) []string {
	if len(wanted) == 0 {
		return nil
	}
	return slices.DeleteFunc(words, func(w string) bool { return slices.Contains(wanted, of(w)) })
}
