package crowdstrike

import (
	"strings"
	"time"
)

// The Falcon Query Language: field:'value', + is AND, a comma is OR. Values are only
// ever put into one by quote.

// quote makes any text an FQL value.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// all joins conditions by AND; "" is left out.
func all(conditions ...string) string { return join("+", conditions) }

// some joins conditions by OR, in brackets.
func some(conditions ...string) string {
	s := join(",", conditions)
	if s == "" {
		return ""
	}
	return "(" + s + ")"
}

func join(by string, conditions []string) string {
	var out []string
	for _, c := range conditions {
		if c != "" {
			out = append(out, c)
		}
	}
	return strings.Join(out, by)
}

// between is a closed interval of a field; a zero time leaves that side open. How
// finely the vendor compares is not documented, and its times have nanoseconds: the
// interval is widened to whole milliseconds.
func between(field string, from, to time.Time) string {
	var since, until string
	if !from.IsZero() {
		since = field + ":>=" + quote(timeText(from.Truncate(time.Millisecond)))
	}
	if !to.IsZero() {
		if down := to.Truncate(time.Millisecond); down.Before(to) {
			to = down.Add(time.Millisecond)
		}
		until = field + ":<=" + quote(timeText(to))
	}
	return all(since, until)
}

// timeText is the form of a time in FQL: UTC.
func timeText(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// named matches a name in any case: exactly in three spellings, and by text match,
// which ignores case and punctuation and may find more.
func named(field, name string) string {
	return some(field+":"+quote(name), field+":"+quote(strings.ToLower(name)), field+":"+quote(strings.ToUpper(name)), field+":~"+quote(name))
}

// prefixed matches the start of a name in three spellings. In a wildcard a star of the
// name itself would be one, too: the caller compares again.
func prefixed(field, prefix string) string {
	return some(field+":"+quote(prefix+"*"), field+":"+quote(strings.ToLower(prefix)+"*"), field+":"+quote(strings.ToUpper(prefix)+"*"))
}
