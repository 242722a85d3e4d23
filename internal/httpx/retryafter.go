package httpx

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// retryAfter reads how long a vendor asks to wait. Retry-After comes as seconds
// (also with a fraction) or as a date; CrowdStrike's X-RateLimit-RetryAfter and
// Intezer's X-RateLimit-Reset name a moment, in seconds or milliseconds since
// 1970. Moments are compared with the reply's own Date: our clock may be wrong,
// and is used only when there is none. ok is false when nothing readable is there.
func retryAfter(h http.Header, now time.Time) (wait time.Duration, ok bool) {
	for _, name := range []string{"Retry-After", "X-RateLimit-RetryAfter", "X-RateLimit-Reset"} {
		if wait, ok = parseWait(h.Get(name), vendorNow(h, now)); ok {
			return wait, true
		}
	}
	return 0, false
}

// exhausted reads the wait of an answer that says that it was the last one for
// now: X-RateLimit-Remaining: 0 with a time.
func exhausted(h http.Header, now time.Time) (time.Duration, bool) {
	if n, err := strconv.ParseFloat(strings.TrimSpace(h.Get("X-RateLimit-Remaining")), 64); err != nil || n > 0 {
		return 0, false
	}
	return retryAfter(h, now)
}

// Numbers from here on are moments, not durations: 1e9 is a wait of 31 years, and
// as a date in milliseconds it is January 1970.
const (
	epochSeconds = 1e9
	epochMillis  = 1e12
	longestWait  = 365 * 24 * time.Hour
)

func parseWait(s string, now time.Time) (time.Duration, bool) {
	s = strings.TrimSpace(s)
	if t, err := http.ParseTime(s); err == nil {
		return clampWait(t.Sub(now).Seconds()), true
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(n) {
		return 0, false
	}
	unix := float64(now.UnixNano()) / 1e9
	switch {
	case n >= epochMillis:
		n = n/1000 - unix
	case n >= epochSeconds:
		n -= unix
	}
	return clampWait(n), true
}

func clampWait(seconds float64) time.Duration {
	seconds = min(max(seconds, 0), longestWait.Seconds())
	return time.Duration(math.Round(seconds*1000)) * time.Millisecond
}

// vendorNow is the vendor's clock at the time of the reply, else ours.
func vendorNow(h http.Header, now time.Time) time.Time {
	if t := dateOf(h); !t.IsZero() {
		return t
	}
	return now
}

// dateOf reads the Date header; zero when it is absent or bad.
func dateOf(h http.Header) time.Time {
	t, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return t
}

// heed slows the class down after an answer that says nothing is left. It waits at
// most half of MaxWait: whether the vendor means it, its next 429 tells.
func (x *exchange) heed(resp *http.Response) {
	c := x.k.c
	if x.foreign != "" {
		return
	}
	now := c.cfg.Now()
	if wait, ok := exhausted(resp.Header, now); ok && wait > 0 {
		x.k.lim.pause(now, now.Add(min(wait, c.cfg.MaxWait/2)))
	}
}
