package cortex

import (
	"context"
	"errors"
	"net/http"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/sample"
	"edrc/internal/source"
)

// archivePasswords are tried on an archive that is encrypted. The vendor's reference says
// nothing of a password, one of its users does (UNCERTAIN).
func archivePasswords() []string { return []string{"suspicious", "infected"} }

// OpenFetch implements source.Fetcher: a zip. One in clear is encrypted with the password
// on its way to the spool, one with a password of its own is packed anew under it. What is
// no longer there is fault.Gone: start again. A download that breaks off is
// fault.Unavailable, and may be repeated.
func (c *Client) OpenFetch(ctx context.Context, t source.Ticket, password string, spool *sample.Spool) (*sample.Archive, error) {
	const op = "download the file"
	p, ok := readTicket(t)
	if !ok || !p.Ready {
		return nil, c.api.fault(fault.Invalid, op, "the ticket has no file that could be downloaded")
	}
	link, err := c.link(ctx, op, p)
	if err == nil && link == "" {
		err = c.api.fault(fault.Gone, op, "the tenant has no file of this retrieval any more")
	}
	if err != nil {
		return nil, gone(err)
	}
	// The link is absolute. The credential goes with it only to the tenant's own host.
	stream, err := c.api.open(ctx, call{permission: permRetrieve, licence: licenceEndpoint, Request: httpx.Request{
		Op: op, Method: http.MethodPost, Path: link, Class: httpx.Read, JSON: struct{}{},
	}})
	if err != nil {
		return nil, gone(err)
	}
	defer stream.Close()
	a, err := source.TakeArchive(ctx, stream, spool, password)
	if err == nil {
		a, err = unlock(ctx, a, spool, t)
	}
	if err == nil {
		a, err = source.Repack(ctx, a, spool, t.File.Hashes, password)
	}
	if err != nil {
		return nil, fault.At(err, c.name, op)
	}
	return a, nil
}

// unlock finds the password of an archive that came encrypted. One that none opens stays
// as it is, for whoever inspects it to say so.
func unlock(ctx context.Context, a *sample.Archive, spool *sample.Spool, t source.Ticket) (*sample.Archive, error) {
	for _, password := range archivePasswords() {
		_, err := sample.Inspect(ctx, a, spool.Limits, t.File.Hashes)
		if sample.ProblemOf(err) != sample.WrongPassword {
			return a, nil
		}
		r, err := a.Open()
		if err != nil {
			return nil, errors.Join(err, a.Close())
		}
		next, err := spool.Take(ctx, r, password)
		if err = errors.Join(err, r.Close(), a.Close()); err != nil {
			return nil, err
		}
		a = next
	}
	return a, nil
}

// open is do for a download. The caller closes the stream.
func (a *api) open(ctx context.Context, c call) (*httpx.Stream, error) {
	s, err := a.http.Open(ctx, c.Request)
	if err != nil {
		return nil, a.explain(err, c)
	}
	return s, nil
}

// gone makes "not found" what it is after a poll that saw the file.
func gone(err error) error {
	return source.Expired(err, "the tenant keeps what was retrieved for some time only: fetch the file again")
}
