package alert

import (
	"fmt"
	"strings"
)

// Severity is how bad the product thinks an alert is; higher is worse.
type Severity int8

// The severities. Unrated is what a product without the notion gives.
const (
	Unrated Severity = iota
	Info
	Low
	Medium
	High
	Critical
)

var severityNames = [...]string{"unrated", "info", "low", "medium", "high", "critical"}

// SeverityNames lists what a user may type, lowest first.
func SeverityNames() []string { return severityNames[1:] }

// String gives the name.
func (s Severity) String() string {
	if s < 0 || int(s) >= len(severityNames) {
		return "unrated"
	}
	return severityNames[s]
}

// ParseSeverity reads a name in any case.
func ParseSeverity(s string) (Severity, error) {
	for i, name := range severityNames {
		if strings.EqualFold(s, name) {
			return Severity(i), nil
		}
	}
	return Unrated, fmt.Errorf("%q is not a severity (%s; %q for that and above)",
		s, strings.Join(SeverityNames(), ", "), "high+")
}

// MarshalText gives the name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name.
func (s *Severity) UnmarshalText(b []byte) (err error) {
	*s, err = ParseSeverity(string(b))
	return err
}
