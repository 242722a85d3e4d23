package httpx

import (
	"context"
	"time"

	"edrc/internal/fault"
)

// Do sends r and reads the whole answer: any 2xx, or a status in r.OK. Errors are
// *fault.Error. A cancelled context is fault.Interrupted, except that a request of
// class Once which was already on its way is fault.InDoubt; errors.Is finds
// context.Canceled in both.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	o, err := c.run(ctx, r, false)
	if err != nil {
		return nil, fault.At(err, c.cfg.Name, r.Op)
	}
	return &Response{
		Status: o.resp.StatusCode, Header: o.resp.Header, Body: o.body, Date: dateOf(o.resp.Header),
		source: c.cfg.Name, op: r.Op, broken: o.broken,
	}, nil
}

// Open sends r like Do, and leaves the body to the caller, who must close the
// Stream. Nothing is repeated once Open has returned. MaxBody does not apply, and
// the content is not judged: a download may well be an HTML file.
func (c *Client) Open(ctx context.Context, r Request) (*Stream, error) {
	o, err := c.run(ctx, r, true)
	if err != nil {
		return nil, fault.At(err, c.cfg.Name, r.Op)
	}
	return &Stream{
		Status: o.resp.StatusCode, Header: o.resp.Header, Size: o.resp.ContentLength, Date: dateOf(o.resp.Header),
		ctx: ctx, x: o.x, op: r.Op, body: o.resp.Body,
	}, nil
}

// run repeats attempts until one answers or nothing more may be tried.
func (c *Client) run(ctx context.Context, r Request, stream bool) (*outcome, error) {
	k, err := c.newCall(r, stream)
	if err != nil {
		return nil, err
	}
	var wait time.Duration
	for try := 1; ; {
		if err := k.admit(ctx, wait); err != nil {
			return nil, err
		}
		o := k.attempt(ctx, try)
		if o.err == nil {
			return o, nil
		}
		if o.stale && !k.renewed && c.cfg.Renew != nil {
			if err := c.renew(ctx, o.renewals); err != nil {
				return nil, err
			}
			k.renewed, wait = true, 0
			continue
		}
		if o.retry {
			wait = k.backoff(try, o)
		}
		if o.throttled {
			now := c.cfg.Now()
			k.lim.pause(now, now.Add(min(wait, maxPause)))
		}
		if !o.retry || try == c.cfg.Attempts || !k.affords(ctx, wait) {
			return nil, o.err
		}
		try++
	}
}
