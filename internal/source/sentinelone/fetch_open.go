package sentinelone

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"

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
		return nil, c.gone(c.rest.explain(err, permFetch))
	}
	defer stream.Close()
	body := bufio.NewReader(stream)
	head, err := body.Peek(64)
	switch {
	case err != nil && err != io.EOF: // Peek forgets it
		return nil, fault.At(err, c.name, op)
	case isText(head):
		return nil, c.rest.fault(fault.Unavailable, op, "answered with text where an archive was expected (a proxy or login page?)")
	}
	a, err := spool.Take(ctx, body, password) // gives back what the stream says of its end
	if err != nil {
		return nil, fault.At(err, c.name, op)
	}
	return a, nil
}

// gone makes "not found" what it is after a poll that saw the upload.
func (c *Client) gone(err error) error {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || e.Kind != fault.NotFound && e.Kind != fault.Gone {
		return err
	}
	g := *e
	g.Kind = fault.Gone
	return g.WithHint("the console keeps an upload for some time only: fetch the file again")
}

// isText reports HTML or JSON. Both come with a 200 from proxies and from consoles;
// neither is what an agent uploads.
func isText(head []byte) bool {
	head = bytes.TrimLeft(head, "\ufeff \t\r\n")
	return len(head) > 0 && (head[0] == '<' || head[0] == '{')
}
