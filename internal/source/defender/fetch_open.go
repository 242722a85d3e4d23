package defender

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/sample"
	"edrc/internal/source"
)

const opOpen = "download the file"

// OpenFetch implements source.Fetcher. What is downloaded is the file in gzip, or (as
// a connector of another vendor expects) the bare file; it is encrypted while it
// streams. A result that Microsoft no longer has is fault.Gone: start again.
func (c *Client) OpenFetch(ctx context.Context, t source.Ticket, password string, spool *sample.Spool) (*sample.Archive, error) {
	var p progress
	if json.Unmarshal(t.Data, &p) != nil || !isID(p.Action) || p.Index < 0 {
		// Tickets are stored: they are checked again where the request is made.
		return nil, c.mde.fault(fault.Invalid, opOpen, "the ticket names no live response session")
	}
	a, unpacked, err := c.download(ctx, p, t, password, spool, true)
	if err != nil || !unpacked || sample.Compare(a.Hashes, t.File.Hashes) == nil {
		return a, err
	}
	// The file may itself be a gzip that was not packed again.
	bare, _, err := c.download(ctx, p, t, password, spool, false)
	if err != nil {
		_ = a.Close()
		return nil, err
	}
	if sample.Compare(bare.Hashes, t.File.Hashes) != nil {
		_ = bare.Close()
		return a, nil // the caller says that these are the wrong bytes
	}
	_ = a.Close()
	return bare, nil
}

// download gets the result once, unpacked where it is a gzip and that is wanted.
func (c *Client) download(ctx context.Context, p progress, t source.Ticket, password string, spool *sample.Spool, unpack bool) (*sample.Archive, bool, error) {
	link, err := c.resultLink(ctx, p)
	if err != nil {
		return nil, false, err
	}
	// The link is its own credential: the storage refuses one that has another beside it.
	stream, err := c.mde.http.Open(ctx, httpx.Request{Op: opOpen, Path: link, NoAuth: true})
	if err != nil {
		return nil, false, gone(err)
	}
	defer stream.Close()
	body := bufio.NewReader(stream)
	head, err := body.Peek(64)
	if err != nil && err != io.EOF { // Peek forgets it
		return nil, false, fault.At(err, c.name, opOpen)
	}
	packed := bytes.HasPrefix(head, []byte{0x1f, 0x8b}) && unpack
	a, err := c.wrap(ctx, body, packed, t, password, spool)
	if err != nil {
		return nil, packed, err
	}
	named := stream.Header.Get("Content-Disposition") != ""
	known := t.File.Best() != ""
	if !packed && source.IsText(head) && (known && sample.Compare(a.Hashes, t.File.Hashes) != nil || !known && !named) {
		_ = a.Close()
		return nil, false, c.mde.fault(fault.Unavailable, opOpen, "answered with text where a file was expected (a proxy or login page?)")
	}
	return a, packed, nil
}

func (c *Client) wrap(ctx context.Context, body io.Reader, packed bool, t source.Ticket, password string, spool *sample.Spool) (*sample.Archive, error) {
	if packed {
		unzip, err := gzip.NewReader(body)
		if err != nil {
			return nil, c.broken(err)
		}
		body = unzip
	}
	a, err := spool.Wrap(ctx, body, t.File.Name, password)
	if err != nil {
		return nil, c.broken(err)
	}
	return a, nil
}

// broken says what is wrong with a gzip; other errors stay what they are.
func (c *Client) broken(err error) error {
	if _, ours := errors.AsType[*fault.Error](err); !ours &&
		(errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader)) {
		return c.mde.fault(fault.Unavailable, opOpen, "the packed file is cut off or damaged")
	}
	return fault.At(err, c.name, opOpen)
}

// resultLink asks for the link to the result, which is good for half an hour and can
// be had again.
func (c *Client) resultLink(ctx context.Context, p progress) (string, error) {
	path := fmt.Sprintf("/machineactions/%s/GetLiveResponseResultDownloadLink(index=%d)", url.PathEscape(p.Action), p.Index)
	resp, err := c.mde.do(ctx, call{httpx.Request{Op: opOpen, Path: path}, permMachines})
	if err != nil {
		return "", gone(err)
	}
	var reply struct {
		Value text `json:"value"`
	}
	if err := resp.Decode(&reply); err != nil {
		return "", err
	}
	if u, err := url.Parse(string(reply.Value)); err != nil || u.Host == "" {
		return "", c.mde.fault(fault.Unavailable, opOpen, "the reply has no link")
	}
	return string(reply.Value), nil
}

// gone makes "not found" what it is for a result that was there. The storage answers
// 403 for a link whose time is over.
func gone(err error) error {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || e.Kind != fault.NotFound && e.Kind != fault.Gone && (e.Kind != fault.Denied || len(e.Hint) > 0) {
		return err
	}
	g := *e
	g.Kind = fault.Gone
	return g.WithHint("Microsoft keeps the result of a session for some time only: fetch the file again")
}
