package httpx

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limiter paces one rate class: a token bucket, and a "not before" that a vendor's
// 429 sets. With a share, both are agreed with other processes; the bucket of this
// process then only stands in when the file fails.
type limiter struct {
	mu     sync.Mutex
	until  time.Time     // the "not before"
	bucket *rate.Limiter // nil: no limit
	share  *share        // nil: this process alone
}

func (c *Client) newLimiter(class string, l Limit) *limiter {
	l.Burst = max(l.Burst, 1)
	lim := &limiter{}
	if l.PerSecond > 0 {
		lim.bucket = rate.NewLimiter(rate.Limit(l.PerSecond), l.Burst)
	}
	if c.cfg.RateDir != "" && c.cfg.RateKey != "" {
		lim.share = newShare(c.cfg.RateDir, c.cfg.RateKey, class, l, c.note)
	}
	return lim
}

// reserve takes the next place and says in how long it comes. undo gives it back.
func (l *limiter) reserve(now time.Time) (turn time.Duration, undo func()) {
	if l.share != nil {
		if turn, until, ok := l.share.take(now); ok {
			l.raise(until)
			return turn, func() { l.share.giveBack(now) }
		}
	}
	if l.bucket == nil {
		return 0, func() {}
	}
	r := l.bucket.ReserveN(now, 1)
	return r.DelayFrom(now), func() { r.CancelAt(now) }
}

// notBefore is the time until which nothing may be sent; it may be past.
func (l *limiter) notBefore() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.until
}

// pause lets nothing of this class be sent before t, by any process that shares it.
func (l *limiter) pause(now, t time.Time) {
	if l.raise(t) && l.share != nil {
		l.share.pause(now, t)
	}
}

func (l *limiter) raise(t time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !t.After(l.until) {
		return false
	}
	l.until = t
	return true
}

// interval is the time between two requests of a limit; 0 when there is no limit.
func (l Limit) interval() time.Duration {
	if l.PerSecond <= 0 {
		return 0
	}
	return time.Duration(math.Round(float64(time.Second) / l.PerSecond))
}
