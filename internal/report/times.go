package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"edrc/internal/fault"
)

const day = 24 * time.Hour

// Age says a duration in one unit, rounded down: 40s, 12m, 1h, 3d, 2y. What lies
// in the future, by a clock that is ahead, is 0s.
func Age(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < day:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d < 2*365*day:
		return fmt.Sprintf("%dd", d/day)
	}
	return fmt.Sprintf("%dy", d/(365*day))
}

// maxBack bounds how far back a relative time may lie; it also keeps the sum
// within what a duration holds.
const maxBack = 100 * 365 * day

// ParseTime reads a point in time as an analyst types it: 30m, 24h, 7d, 2w or
// 1d12h back from now; today and yesterday (their midnight); a date or a date
// and a time, both in now's zone unless one is given; RFC 3339; unix seconds of
// nine to eleven digits. The error is of kind [fault.Usage] and lists the forms.
func ParseTime(s string, now time.Time) (time.Time, error) {
	word := strings.ToLower(strings.TrimSpace(s))
	midnight := func(back int) time.Time {
		y, m, d := now.Date()
		return time.Date(y, m, d-back, 0, 0, 0, 0, now.Location())
	}
	switch word {
	case "now":
		return now.Round(0), nil
	case "today":
		return midnight(0), nil
	case "yesterday":
		return midnight(1), nil
	}
	if d, ok := parseBack(word); ok {
		return now.Add(-d).Round(0), nil
	}
	if len(word) >= 9 && len(word) <= 11 && digits(word) {
		sec, _ := strconv.ParseInt(word, 10, 64) // eleven digits fit
		return time.Unix(sec, 0).In(now.Location()), nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly, time.DateTime, "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(layout, strings.ToUpper(word), now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fault.Usagef("%q is not a time: 30m, 24h, 7d or 2w back from now, today, yesterday, "+
		"2026-11-01, \"2026-11-01 14:00\", 2026-11-01T14:00:00Z or unix seconds", s)
}

// parseBack reads a chain of numbers with units, largest first or not: 1d12h.
func parseBack(s string) (time.Duration, bool) {
	if s == "" {
		return 0, false
	}
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': day, 'w': 7 * day}
	var sum time.Duration
	for s != "" {
		i := 0
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		if i == 0 || i > 10 || i == len(s) {
			return 0, false
		}
		n, _ := strconv.ParseInt(s[:i], 10, 64) // ten digits fit
		unit := units[s[i]]
		if unit == 0 || n > int64(maxBack/unit) {
			return 0, false
		}
		sum += time.Duration(n) * unit
		if sum > maxBack {
			return 0, false
		}
		s = s[i+1:]
	}
	return sum, true
}

func digits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}
