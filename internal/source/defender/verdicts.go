package defender

import (
	"cmp"
	"strings"
)

// Verdict is the product's pair of classification and determination. The zero value
// is undecided.
type Verdict struct{ Classification, Determination string }

// undecided is what both halves are called before anybody decided.
const undecided = "unknown"

// Verdicts are the pairs that the product takes, by the names of Graph's metadata (the
// page of the update call still lists older names for some).
func Verdicts() []Verdict {
	var out []Verdict
	for _, group := range []struct {
		classification string
		determinations []string
	}{
		{"truePositive", []string{"other", "multiStagedAttack", "maliciousUserActivity", "compromisedAccount", "malware", "phishing", "unwantedSoftware"}},
		{"informationalExpectedActivity", []string{"other", "securityTesting", "lineOfBusinessApplication", "confirmedActivity"}},
		{"falsePositive", []string{"other", "notMalicious", "notEnoughDataToValidate"}},
	} {
		for _, d := range group.determinations {
			out = append(out, Verdict{group.classification, d})
		}
	}
	return out
}

// before are pairs that are not for setting, and may be there: they can be set back.
func before() []Verdict {
	var out []Verdict
	for _, c := range []string{"truePositive", "informationalExpectedActivity", "falsePositive"} {
		for _, d := range []string{undecided, "apt", "securityPersonnel"} {
			out = append(out, Verdict{c, d})
		}
	}
	return out
}

// OurVerdicts are the words that every product understands, and what is set for them.
func OurVerdicts() map[string]Verdict {
	return map[string]Verdict{
		"true_positive":  {"truePositive", "other"},
		"false_positive": {"falsePositive", "notMalicious"},
		"benign":         {"informationalExpectedActivity", "confirmedActivity"},
		"undefined":      {undecided, undecided},
	}
}

// parseVerdict reads one of our words, or the product's pair written as
// "truePositive/malware"; the second half may be missing or "unknown", as in what
// there was before.
func parseVerdict(s string) (Verdict, bool) {
	if v, ok := OurVerdicts()[strings.ToLower(s)]; ok {
		return v, true
	}
	class, det, _ := strings.Cut(s, "/")
	det = cmp.Or(det, undecided)
	for _, v := range append(Verdicts(), before()...) {
		if strings.EqualFold(v.Classification, class) && strings.EqualFold(v.Determination, det) {
			return v, true
		}
	}
	return Verdict{}, false
}

// verdictOf reads what an alert or incident has, "" when undecided.
func verdictOf(classification, determination text) string {
	if classification == "" || strings.EqualFold(string(classification), undecided) {
		return ""
	}
	out := lowerFirst(string(classification))
	if d := string(determination); d != "" && !strings.EqualFold(d, undecided) && !strings.EqualFold(d, "notAvailable") {
		out += "/" + lowerFirst(d)
	}
	return out
}

// lowerFirst writes the words of the older APIs, "TruePositive", as Graph does.
func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// String is the form that parseVerdict reads.
func (v Verdict) String() string { return verdictOf(text(v.Classification), text(v.Determination)) }
