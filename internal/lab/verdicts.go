package lab

import "strings"

// Positions in verdicts() that have a meaning of their own.
const (
	verdictUndefined  = 0
	verdictTrue       = 1
	verdictTrueOther  = 14
	verdictFalse      = 15
	verdictFalseOther = 19
	verdictSuspicious = 20
)

// verdicts are the analyst's verdicts: the twenty of the unified API, and the one that the REST API has alone.
func verdicts() []string {
	return []string{
		"UNDEFINED",
		"TRUE_POSITIVE_MALWARE", "TRUE_POSITIVE_RANSOMWARE", "TRUE_POSITIVE_PHISHING_ATTACK", "TRUE_POSITIVE_DATA_EXFILTRATION",
		"TRUE_POSITIVE_INSIDER_THREAT", "TRUE_POSITIVE_UNAUTHORIZED_ACCESS", "TRUE_POSITIVE_ADVANCED_PERSISTENT_THREAT",
		"TRUE_POSITIVE_DENIAL_OF_SERVICE", "TRUE_POSITIVE_POLICY_VIOLATION", "TRUE_POSITIVE_EXPLOITATION_TOOLS",
		"TRUE_POSITIVE_PUA_ADWARE", "TRUE_POSITIVE_BENIGN", "TRUE_POSITIVE_BENIGN_BUT_SUSPICIOUS", "TRUE_POSITIVE_UNDEFINED",
		"FALSE_POSITIVE_BENIGN", "FALSE_POSITIVE_BENIGN_BUT_SUSPICIOUS", "FALSE_POSITIVE_SYSTEM_ERROR",
		"FALSE_POSITIVE_USER_ERROR", "FALSE_POSITIVE_UNDEFINED",
		"SUSPICIOUS",
	}
}

// restVerdict is the REST API's word for a verdict.
func restVerdict(v uint8) string {
	switch {
	case v == verdictUndefined:
		return "undefined"
	case v == verdictSuspicious:
		return "suspicious"
	case v < verdictFalse:
		return "true_positive"
	}
	return "false_positive"
}

// verdictFromREST is the other way; ok is false for an unknown word.
func verdictFromREST(word string) (v uint8, ok bool) {
	switch word {
	case "undefined":
		return verdictUndefined, true
	case "suspicious":
		return verdictSuspicious, true
	case "true_positive":
		return verdictTrueOther, true
	case "false_positive":
		return verdictFalseOther, true
	}
	return 0, false
}

// unifiedVerdict is the unified API's word: it has none for the plain suspicion of the REST API.
func unifiedVerdict(v uint8) string {
	if v == verdictSuspicious {
		return "UNDEFINED"
	}
	return verdicts()[v]
}

// title is "false_positive" as "False positive", as descriptions have it.
func title(word string) string {
	if word == "" {
		return ""
	}
	return strings.ToUpper(word[:1]) + strings.ReplaceAll(word[1:], "_", " ")
}
