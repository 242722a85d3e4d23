package awsconn

import (
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"edrc/internal/httpx"
)

// maxAttempts is how often a request is tried, unless AWS_MAX_ATTEMPTS or the caller says.
const maxAttempts = 5

// retryer makes a retryer for each client, so that what one region throttles does not
// slow another down. The SDK decides what may be repeated.
func retryer(h httpx.Config, mode aws.RetryMode, attempts int) func() aws.Retryer {
	standard := func(o *retry.StandardOptions) {
		switch {
		case attempts > 0:
			o.MaxAttempts = attempts
		case h.Attempts > 0:
			o.MaxAttempts = h.Attempts
		default:
			o.MaxAttempts = maxAttempts
		}
		if h.RetryMax > 0 {
			o.MaxBackoff = h.RetryMax
		}
		if h.RetryBase > 0 {
			o.Backoff = backoff(h.RetryBase, o.MaxBackoff)
		}
	}
	return func() aws.Retryer {
		if mode == aws.RetryModeAdaptive {
			return retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) {
				o.StandardOptions = append(o.StandardOptions, standard)
			})
		}
		return retry.NewStandard(standard)
	}
}

// backoff is full jitter under a doubling ceiling.
func backoff(base, ceiling time.Duration) retry.BackoffDelayerFunc {
	return func(attempt int, _ error) (time.Duration, error) {
		limit := min(base<<min(max(attempt-1, 0), 20), ceiling)
		return time.Duration(float64(limit) * rand.Float64()), nil
	}
}
