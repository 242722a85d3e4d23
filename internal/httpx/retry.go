package httpx

import (
	"context"
	"errors"
	"math"
	"net/http"
	"time"

	"edrc/internal/fault"
)

const (
	// throttleFactor stretches the waits after a 429 that names no time: who is
	// told to slow down and is back in 200 ms is told again.
	throttleFactor = 10
	// maxPause bounds a "not before" that others obey too, so that one absurd header
	// cannot silence a source for longer than an hourly quota does.
	maxPause = time.Hour
)

// backoff is the wait before the next try: full jitter under a doubling ceiling,
// and no less than the vendor asked for.
func (k *call) backoff(try int, o *outcome) time.Duration {
	cfg := &k.c.cfg
	ceiling := float64(cfg.RetryBase) * math.Pow(2, float64(try-1))
	if o.throttled && !o.named {
		ceiling = min(ceiling*throttleFactor, float64(cfg.RetryMax))
		return time.Duration(ceiling * (1 + cfg.Rand()) / 2)
	}
	ceiling = min(ceiling, float64(cfg.RetryMax))
	return max(o.asked, time.Duration(ceiling*cfg.Rand()))
}

// affords reports whether a wait is within what is left of MaxWait and ends before
// the deadline.
func (k *call) affords(ctx context.Context, wait time.Duration) bool {
	return wait <= k.left && wait < remaining(ctx)
}

// remaining is the time to ctx's deadline. It is measured on the real clock, the
// one that contexts run on.
func remaining(ctx context.Context) time.Duration {
	if t, ok := ctx.Deadline(); ok {
		return time.Until(t)
	}
	return math.MaxInt64
}

// admit waits until the next attempt may start: for the back-off, for the class's
// "not before", and for its turn under the limit. The first two count against
// MaxWait; the turn is bounded by the deadline alone, since it is our own pacing.
func (k *call) admit(ctx context.Context, backoff time.Duration) error {
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	now := k.c.cfg.Now()
	turn, undo := k.lim.reserve(now)
	for {
		until := k.lim.notBefore()
		forced := max(backoff, until.Sub(now), 0)
		wait := max(forced, turn)
		if wait == 0 {
			return nil
		}
		if forced > k.left || wait >= remaining(ctx) {
			undo()
			return tooLong(wait, forced <= k.left && forced < remaining(ctx))
		}
		if err := k.c.cfg.Sleep(ctx, wait); err != nil {
			undo()
			if ctx.Err() == nil {
				return err
			}
			return stopped(ctx)
		}
		k.left -= forced
		if !k.lim.notBefore().After(until) {
			return nil
		}
		// While we slept the vendor told somebody else to wait longer.
		now, turn, backoff = k.c.cfg.Now(), 0, 0
	}
}

// tooLong says at once what waiting would say later.
func tooLong(wait time.Duration, own bool) error {
	e := &fault.Error{Kind: fault.RateLimited, RetryAfter: wait, Hint: "try again later, or allow more time"}
	shown := wait.Round(time.Second)
	if own {
		e.Msg = "the rate limit would let this request start only in " + shown.String() + ", after its deadline"
	} else {
		e.Msg = "the vendor asked to send nothing for " + shown.String()
		e.Status = http.StatusTooManyRequests
	}
	return e
}

// stopped is the error for a context that is done, when nothing was sent. The
// context's own error is the cause.
func stopped(ctx context.Context) *fault.Error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return &fault.Error{Kind: fault.Interrupted, Msg: "interrupted", Err: ctx.Err()}
	}
	return &fault.Error{Kind: fault.Unavailable, Msg: "the time for this operation is over", Hint: "allow more time", Err: ctx.Err()}
}
