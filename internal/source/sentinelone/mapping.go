package sentinelone

import (
	"encoding/json"
	"errors"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/source"
)

// severityOfConfidence rates a threat. Threats have no severity; the console's
// confidence is the closest there is: malicious is high, suspicious medium, n/a
// low. A word that is not known is medium, so that it is neither first nor lost.
func severityOfConfidence(s string) alert.Severity {
	switch strings.ToLower(s) {
	case "":
		return alert.Unrated
	case "malicious":
		return alert.High
	case "n/a":
		return alert.Low
	}
	return alert.Medium
}

// confidences are the words that severityOfConfidence knows.
func confidences() []string { return []string{"malicious", "suspicious", "n/a"} }

// restStatuses and unifiedStatuses are the statuses of the two surfaces.
func restStatuses() []string    { return []string{"unresolved", "in_progress", "resolved"} }
func unifiedStatuses() []string { return []string{"NEW", "IN_PROGRESS", "RESOLVED"} }

// statusOf maps the words of both surfaces. What is not known is new: an alert
// must never count as closed by mistake.
func statusOf(s string) alert.Status {
	switch strings.ToLower(s) {
	case "in_progress":
		return alert.StatusInProgress
	case "resolved":
		return alert.StatusResolved
	}
	return alert.StatusNew
}

// analystOf keeps the console's own verdict, in lower case; "" when undecided.
func analystOf(s string) string {
	if s = strings.ToLower(s); s == "undefined" {
		return ""
	}
	return s
}

// platformOf maps windows, windows_legacy, linux, macos, and the upper-case forms
// of the unified surface.
func platformOf(s string) string {
	switch s = strings.ToLower(s); s {
	case "windows_legacy":
		return "windows"
	case "unknown", "other":
		return ""
	}
	return s
}

// isolationOf maps the agent's network status; "" for a word that is not known.
func isolationOf(s string) string {
	switch strings.ToLower(s) {
	case "connected":
		return "none"
	case "disconnecting":
		return "isolating"
	case "disconnected":
		return "isolated"
	case "connecting":
		return "releasing"
	}
	return ""
}

// titleOf words a threat as the unified surface names its alerts.
func titleOf(name, classification string) string {
	switch {
	case name == "":
		return classification
	case classification == "":
		return name
	}
	return name + " detected as " + classification
}

// badItem describes an item that cannot be used, by its id if that can be read at
// one of the places.
func badItem(raw json.RawMessage, err error, places ...string) *source.BadItem {
	b := source.Unreadable("", err.Error(), raw)
	for _, place := range append([]string{"id"}, places...) {
		if b.ID = lookup(raw, strings.Split(place, ".")); b.ID != "" {
			break
		}
	}
	return b
}

// joinBad adds unreadable items to an error, each a *source.BadItem.
func joinBad(err error, bad []source.BadItem) error {
	for i := range bad {
		err = errors.Join(err, &bad[i])
	}
	return err
}

// splitBad adds err to unreadable when it is about single items only; what is left
// is a failure of the whole.
func splitBad(unreadable, err error) (items, failure error) {
	if _, ok := errors.AsType[*source.BadItem](err); ok {
		return errors.Join(unreadable, err), nil
	}
	return unreadable, err
}

// lookup reads one field of a JSON object, whatever the others are like.
func lookup(raw json.RawMessage, path []string) string {
	if len(path) == 0 {
		var t text
		_ = t.UnmarshalJSON(raw)
		return string(t)
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return ""
	}
	return lookup(object[path[0]], path[1:])
}
