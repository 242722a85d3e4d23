package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/report"
	"edrc/internal/triage"
)

// flagSet is a command's flags, as package config reads them.
type flagSet = *pflag.FlagSet

// parseTime reads a point in time; "" is none.
func parseTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := report.ParseTime(text, now)
	if err != nil {
		return t, prefixed(flag, err)
	}
	return t, nil
}

// parseDuration reads 30s, 10m, 12h, 7d.
func parseDuration(flag, text string) (time.Duration, error) {
	now := time.Unix(0, 0)
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return d, nil
	}
	if t, err := report.ParseTime(text, now); err == nil && !t.After(now) {
		return now.Sub(t), nil
	}
	return 0, fault.Usagef("%s: %q is not a duration (30s, 10m, 12h, 7d)", flag, text)
}

func prefixed(flag string, err error) error {
	return fault.Usagef("%s: %v", flag, err)
}

// parseSeverities reads "high", "high+" or "low,high".
func parseSeverities(text string) ([]alert.Severity, error) {
	if text == "" {
		return nil, nil
	}
	var out []alert.Severity
	for _, word := range strings.Split(text, ",") {
		word = strings.TrimSpace(word)
		name, above := strings.CutSuffix(word, "+")
		sev, err := alert.ParseSeverity(name)
		if err != nil {
			msg := fmt.Sprintf("--severity: %q is not a severity", word)
			if near := report.Nearest(name, alert.SeverityNames()); near != "" {
				msg += fmt.Sprintf("; did you mean %q?", near)
			}
			return nil, fault.Usagef("%s (%s; \"high+\" for that and above)", msg, strings.Join(alert.SeverityNames(), ", "))
		}
		for s := sev; s <= alert.Critical; s++ {
			out = append(out, s)
			if !above {
				break
			}
		}
	}
	return out, nil
}

func parseStatuses(words []string) ([]alert.Status, error) {
	known := []string{string(alert.StatusNew), string(alert.StatusInProgress), string(alert.StatusResolved)}
	var out []alert.Status
	for _, w := range words {
		w = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(w)), "-", "_")
		if !slices.Contains(known, w) {
			return nil, notOneOf("--status", w, known)
		}
		out = append(out, alert.Status(w))
	}
	return out, nil
}

func parseClasses(flag string, words []string) ([]alert.Class, error) {
	known := classNames()
	var out []alert.Class
	for _, w := range words {
		w = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(w)), "-", "_")
		if !slices.Contains(known, w) {
			return nil, notOneOf(flag, w, known)
		}
		out = append(out, alert.Class(w))
	}
	return out, nil
}

func classNames() []string {
	var out []string
	for _, c := range alert.Classes() {
		out = append(out, string(c))
	}
	return out
}

// notOneOf is the error for a word that is not in a list, with the nearest one.
func notOneOf(flag, word string, known []string) error {
	err := fmt.Sprintf("%s: %q is not one of %s", flag, word, strings.Join(known, ", "))
	if near := report.Nearest(word, known); near != "" {
		err += fmt.Sprintf("; did you mean %q?", near)
	}
	return fault.Usagef("%s", err)
}

// sourceErrors gives the errors of a run in a row.
func sourceErrors(list []triage.SourceError) []error {
	var out []error
	for _, e := range list {
		out = append(out, e.Err)
	}
	return out
}

// failed turns the failures of a command into its exit: they were rendered with
// the result already, or are rendered by exit.
func failed(errs []error, anySucceeded bool) error {
	if len(errs) == 0 {
		return nil
	}
	return exitError(fault.ExitCodeOf(errs, anySucceeded))
}

// count says "1 alert", "2 alerts".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// stamp gives a time for machines.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// when gives an age for the eye and a time for a pipe.
func when(v report.View, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	if v.TTY {
		return report.Age(v.Now.Sub(t))
	}
	return stamp(t)
}
