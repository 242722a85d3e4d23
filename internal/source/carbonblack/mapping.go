package carbonblack

import (
	"strconv"
	"strings"

	"edrc/internal/alert"
)

// Mapping is one line of the tables that the documentation shows: the vendor's word
// and ours.
type Mapping struct{ Vendor, Ours string }

// band is a range of the vendor's severity, which is a number from 1 to 10.
type band struct {
	from, to int // inclusive
	severity alert.Severity
}

func bands() []band {
	return []band{{1, 3, alert.Low}, {4, 6, alert.Medium}, {7, 10, alert.High}}
}

// Severities lists how the vendor's severities are mapped, the lowest first. The
// product has none that is called critical.
func Severities() []Mapping {
	var out []Mapping
	for _, b := range bands() {
		out = append(out, Mapping{strconv.Itoa(b.from) + "-" + strconv.Itoa(b.to), b.severity.String()})
	}
	return out
}

// Statuses lists how the statuses of the vendor's workflow are mapped.
func Statuses() []Mapping {
	return []Mapping{
		{"OPEN", string(alert.StatusNew)}, {"IN_PROGRESS", string(alert.StatusInProgress)}, {"CLOSED", string(alert.StatusResolved)},
	}
}

// undecided is the verdict of an alert without a determination.
const undecided = "undefined"

// Verdicts lists how the vendor's determinations are mapped.
func Verdicts() []Mapping {
	return []Mapping{{"TRUE_POSITIVE", "true_positive"}, {"FALSE_POSITIVE", "false_positive"}, {"NONE", undecided}}
}

// severityOf rates an alert. A number above the scale is as bad as its top.
func severityOf(s string) alert.Severity {
	n, err := strconv.ParseFloat(s, 64)
	out := alert.Unrated
	for _, b := range bands() {
		if err == nil && n >= float64(b.from) {
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

// statusWord gives the vendor's word for a status of ours.
func statusWord(s alert.Status) (string, bool) { return wordFor(Statuses(), string(s)) }

// verdictOf maps a determination; "" is none.
func verdictOf(s string) string {
	for _, m := range Verdicts() {
		if strings.EqualFold(s, m.Vendor) && m.Ours != undecided {
			return m.Ours
		}
	}
	return ""
}

// verdictWord gives the vendor's word for a verdict of ours.
func verdictWord(v string) (string, bool) { return wordFor(Verdicts(), v) }

func wordFor(ms []Mapping, ours string) (string, bool) {
	for _, m := range ms {
		if m.Ours == ours {
			return m.Vendor, true
		}
	}
	return "", false
}

// closureReason is what an alert is closed for.
func closureReason(determination string) string {
	if determination == "FALSE_POSITIVE" {
		return "RESOLVED_BENIGN_KNOWN_GOOD"
	}
	return "RESOLVED"
}

// isBad reports a reputation that says of the file itself that it is unwanted.
func isBad(reputations ...text) bool {
	for _, r := range reputations {
		switch strings.ToUpper(string(r)) {
		case "KNOWN_MALWARE", "SUSPECT_MALWARE", "PUP", "COMPANY_BLACK_LIST":
			return true
		}
	}
	return false
}

// platformOf maps WINDOWS, MAC, LINUX and the like.
func platformOf(s string) string {
	s = strings.ToLower(s)
	if s == "mac" {
		return "macos"
	}
	return s
}
