package httpx

import (
	"context"

	"edrc/internal/fault"
)

// renew gets a new credential on behalf of a request that was refused under the
// seen-th one. Requests that were refused together share one renewal; one that
// learns late of its refusal finds the renewal done.
//
// The renewal is detached from the caller's cancellation, because others wait for
// it too; it ends by Close or after the longest time a call may take.
func (c *Client) renew(ctx context.Context, seen uint64) error {
	done := c.renewing.DoChan("", func() (any, error) {
		if c.renewals.Load() != seen {
			return nil, nil
		}
		rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.MaxWait+c.cfg.Timeout)
		defer cancel()
		defer context.AfterFunc(c.life, cancel)()
		if err := c.cfg.Renew(rctx); err != nil {
			return nil, err
		}
		c.renewals.Add(1)
		return nil, nil
	})
	select {
	case r := <-done:
		if r.Err == nil {
			return nil
		}
		return fault.At(r.Err, c.cfg.Name, "renew the credential")
	case <-ctx.Done():
		return stopped(ctx)
	}
}
