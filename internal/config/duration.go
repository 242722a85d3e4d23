package config

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// errDuration is the whole story: the text is not repeated, see problems.add.
var errDuration = errors.New("want a duration such as 300ms, 2m, 72h, 3d or 1w")

// parseDuration is time.ParseDuration plus w and d in front: 1w2d12h. A day is
// 24 hours: edrc measures spans, not calendars. Negative spans are refused.
func parseDuration(s string) (time.Duration, error) {
	var total time.Duration
	rest := strings.TrimSpace(s)
	if rest == "" {
		return 0, errDuration
	}
	for _, unit := range []struct {
		name string
		span time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		number, tail, found := strings.Cut(rest, unit.name)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 31)
		if err != nil || time.Duration(n) > (1<<63-1-total)/unit.span {
			return 0, errDuration
		}
		total += time.Duration(n) * unit.span
		rest = tail
	}
	if rest == "" {
		return total, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || total+d < 0 {
		return 0, errDuration
	}
	return total + d, nil
}
