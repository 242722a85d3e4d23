package sentinelone

import (
	"context"
	"encoding/json"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/sample"
	"edrc/internal/source"
)

// OpenFetch implements source.Fetcher. An upload that the console no longer has is
// fault.Gone: start again. A download that breaks off is fault.Unavailable, and may
// be repeated. A console that stores its uploads elsewhere redirects there; the
// token does not go along.
func (c *Client) OpenFetch(ctx context.Context, t source.Ticket, password string, spool *sample.Spool) (*sample.Archive, error) {
	const op = "download the file"
	var p progress
	if json.Unmarshal(t.Data, &p) != nil || !isUpload(p.Path) {
		// Tickets are stored: they are checked again where the request is made.
		return nil, c.rest.fault(fault.Invalid, op, "the ticket has no path of an agent's upload")
	}
	stream, err := c.rest.http.Open(ctx, httpx.Request{Op: op, Path: p.Path, Rate: rateAgents})
	if err != nil {
		return nil, source.Expired(c.rest.explain(err, permFetch), "the console keeps an upload for some time only: fetch the file again")
	}
	defer stream.Close()
	a, err := source.TakeArchive(ctx, stream, spool, password)
	if err != nil {
		return nil, fault.At(err, c.name, op)
	}
	return a, nil
}
