package crowdstrike

import (
	"context"
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
// endpoint uploaded, packed anew under the password. What is no longer there is fault.Gone:
// start again. A download that breaks off is fault.Unavailable, and may be repeated.
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
		return nil, source.Expired(err, "the session with the endpoint ends after ten idle minutes, and samples are kept for some time only: fetch the file again")
	}
	defer stream.Close()
	a, err := source.TakeArchive(ctx, stream, spool, archivePassword)
	if err == nil {
		a, err = source.Repack(ctx, a, spool, t.File.Hashes, password)
	}
	if err != nil {
		return nil, fault.At(err, c.name, op)
	}
	return a, nil
}
