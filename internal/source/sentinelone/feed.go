package sentinelone

import (
	"context"
	"fmt"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source"
	"edrc/internal/source/lenient"
)

// Streams implements source.Feeder: one stream, named after the surface. The
// vendor's clock comes from a small authenticated reply.
func (c *Client) Streams(ctx context.Context) ([]source.Stream, error) {
	_, date, err := c.system(ctx)
	if err != nil {
		return nil, err
	}
	if date.IsZero() {
		// Our own clock is no substitute: a pass would end in the vendor's future.
		return nil, c.rest.fault(fault.Unavailable, "read the console's clock", "the reply has no Date header; a proxy may have removed it")
	}
	return []source.Stream{{Name: c.surface.name(), Now: date}}, nil
}

// Page implements source.Feeder. A token is the vendor's cursor: it is good for the
// same window only, for some minutes.
func (c *Client) Page(ctx context.Context, s source.Stream, w source.Window, token string) (source.Page, error) {
	if s.Name != c.surface.name() {
		return source.Page{}, c.rest.fault(fault.Invalid, "sync", fmt.Sprintf("there is no stream %q", s.Name))
	}
	return c.surface.page(ctx, w, token)
}

// system reads the console's version, and its clock.
func (c *Client) system(ctx context.Context) (version string, date time.Time, err error) {
	resp, err := c.rest.do(ctx, call{Request: httpx.Request{Op: "ask the console who it is", Path: "/system/info"}})
	if err != nil {
		return "", time.Time{}, err
	}
	var reply struct {
		Data struct {
			Version text `json:"version"`
			Release text `json:"release"`
		} `json:"data"`
	}
	if err := resp.Decode(&reply); err != nil {
		return "", time.Time{}, err
	}
	return lenient.FirstText(reply.Data.Version, reply.Data.Release), resp.Date, nil
}

func fieldOf(by source.Change) string {
	if by == source.Updated {
		return "updatedAt"
	}
	return "createdAt"
}

// ceil rounds up: a window must not end before the moment it was asked to end at.
func ceil(t time.Time, unit time.Duration) time.Time {
	if down := t.Truncate(unit); down.Before(t) {
		return down.Add(unit)
	}
	return t
}

// tokenError turns a refusal of a request that had a page token into
// source.ErrToken: the same request without one was accepted a moment ago.
func tokenError(err error, token string) error {
	if token == "" {
		return err
	}
	switch fault.KindOf(err) {
	case fault.Invalid, fault.Gone, fault.NotFound:
		return fmt.Errorf("%w: %w", source.ErrToken, err)
	}
	return err
}
