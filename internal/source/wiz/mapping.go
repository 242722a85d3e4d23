package wiz

import (
	"slices"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/safe"
)

// Mapping is one line of the tables that the documentation shows: the vendor's word and
// ours.
type Mapping struct{ Vendor, Ours string }

// Severities lists how the vendor's severities are mapped, the lowest first.
func Severities() []Mapping {
	return []Mapping{
		{"INFORMATIONAL", alert.Info.String()}, {"LOW", alert.Low.String()}, {"MEDIUM", alert.Medium.String()},
		{"HIGH", alert.High.String()}, {"CRITICAL", alert.Critical.String()},
	}
}

// Statuses lists how the statuses of a threat are mapped. A detection has that of its
// threat; one without a threat is new for ever.
func Statuses() []Mapping {
	return []Mapping{
		{"OPEN", string(alert.StatusNew)}, {"IN_PROGRESS", string(alert.StatusInProgress)},
		{"RESOLVED", string(alert.StatusResolved)}, {"REJECTED", string(alert.StatusResolved)},
	}
}

// Verdicts lists the reasons for which a threat may be closed by hand. Where edrc has a
// word, it is the second; the vendor's own are understood, too.
func Verdicts() []Mapping {
	var out []Mapping
	for _, r := range reasons() {
		out = append(out, Mapping{r.word, r.verdict})
	}
	return out
}

// Origins lists where a detection may come from that edrc can read itself, and the kind
// of that source.
func Origins() []Mapping {
	return []Mapping{
		{"AWS_GUARD_DUTY", "guardduty"}, {"AZURE_DEFENDER_FOR_CLOUD", "defender"},
		{"WIN_CROWD_STRIKE", "crowdstrike"}, {"WIN_SENTINEL_ONE", "sentinelone"},
	}
}

// reason is a reason for closing: the status that it goes with, and our verdict.
type reason struct{ word, status, verdict string }

func reasons() []reason {
	return []reason{
		{"MALICIOUS_THREAT", "RESOLVED", "true_positive"},
		{"NOT_MALICIOUS_THREAT", "RESOLVED", "benign"},
		{"SECURITY_TEST_THREAT", "RESOLVED", "SECURITY_TEST_THREAT"},
		{"PLANNED_ACTION_THREAT", "RESOLVED", "PLANNED_ACTION_THREAT"},
		{"INCONCLUSIVE_THREAT", "RESOLVED", "INCONCLUSIVE_THREAT"},
		{"FALSE_POSITIVE", "REJECTED", "false_positive"},
		{"EXCEPTION", "REJECTED", "EXCEPTION"},
		{"WONT_FIX", "REJECTED", "WONT_FIX"},
	}
}

// reasonFor finds a reason by our verdict or by its own word.
func reasonFor(verdict string) (reason, bool) {
	all := reasons()
	i := slices.IndexFunc(all, func(r reason) bool { return r.verdict == verdict || r.word == verdict })
	if i < 0 {
		return reason{}, false
	}
	return all[i], true
}

// severityOf maps a severity; what is not known is unrated.
func severityOf(s text) alert.Severity {
	for _, m := range Severities() {
		if strings.EqualFold(string(s), m.Vendor) {
			out, _ := alert.ParseSeverity(m.Ours)
			return out
		}
	}
	return alert.Unrated
}

// statusOf maps a status. What is not known is new: an alert must never count as closed
// by mistake.
func statusOf(s text) alert.Status {
	for _, m := range Statuses() {
		if strings.EqualFold(string(s), m.Vendor) {
			return alert.Status(m.Ours)
		}
	}
	return alert.StatusNew
}

// analystVerdict is the reason that an analyst closed a threat for. An open one has none,
// though the vendor keeps the word of an earlier closing; neither has one that Wiz closed.
func analystVerdict(status, why text) string {
	if r, ok := reasonFor(string(why)); ok && statusOf(status).Closed() {
		return r.word
	}
	return ""
}

var uuidForm = safe.Pattern(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// isID reports whether s can be the id of anything of the vendor's: all are UUIDs, and
// a request with anything else is refused whole.
func isID(s string) bool { return uuidForm().MatchString(s) }
