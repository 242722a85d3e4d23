package crowdstrike

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/sample"
	"edrc/internal/source"
)

// archivePassword is the vendor's, for samples and for what an endpoint uploads.
const archivePassword = "infected"

// OpenFetch implements source.Fetcher: a zip of the cloud's copy, a 7z of what an
// endpoint uploaded, packed anew under the password. What is no longer there is fault.Gone: start again. A download
// that breaks off is fault.Unavailable, and may be repeated.
func (c *Client) OpenFetch(ctx context.Context, t source.Ticket, password string, spool *sample.Spool) (*sample.Archive, error) {
	const op = "download the file"
	p, ok := readTicket(t)
	if !ok || p.SHA256 == "" || p.Way == wayUpload {
		return nil, c.api.fault(fault.Invalid, op, "the ticket has no file that could be downloaded")
	}
	download := sampleCall(op, p.SHA256)
	if p.Way == wayEndpoint {
		q := url.Values{"session_id": {p.Session}, "sha256": {p.SHA256}}
		if p.Name != "" {
			q.Set("filename", p.Name)
		}
		download = call{Request: httpx.Request{
			Op: op, Path: rtr + "/extracted-file-contents/v1", Query: q, Header: http.Header{"Accept": {"application/x-7z-compressed"}},
		}, scope: scopeRTR, licence: licenceRTR}
	}
	stream, err := c.api.open(ctx, download)
	if err != nil {
		return nil, gone(err)
	}
	defer stream.Close()
	body := bufio.NewReader(stream)
	head, err := body.Peek(64)
	switch {
	case err != nil && err != io.EOF: // Peek forgets it
		return nil, fault.At(err, c.name, op)
	case isText(head):
		return nil, c.api.fault(fault.Unavailable, op, "answered with text where an archive was expected (a proxy or login page?)")
	}
	a, err := spool.Take(ctx, body, archivePassword) // gives back what the stream says of its end
	if err == nil {
		a, err = source.Repack(ctx, a, spool, t.File.Hashes, password)
	}
	if err != nil {
		return nil, fault.At(err, c.name, op)
	}
	return a, nil
}

// gone makes "not found" what it is after a poll that saw the file.
func gone(err error) error {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || e.Kind != fault.NotFound && e.Kind != fault.Gone {
		return err
	}
	g := *e
	g.Kind = fault.Gone
	return g.WithHint("the session with the endpoint ends after ten idle minutes, and samples are kept for some time only: fetch the file again")
}

// isText reports HTML or JSON. Both come with a 200 from proxies; neither is an archive.
func isText(head []byte) bool {
	head = bytes.TrimLeft(head, "\ufeff \t\r\n")
	return len(head) > 0 && (head[0] == '<' || head[0] == '{')
}
