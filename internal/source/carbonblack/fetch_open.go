package carbonblack

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/safe"
	"edrc/internal/sample"
	"edrc/internal/source"
)

// linkTries is how often a link is asked for: the store fails now and then for one hash.
const linkTries = 5

// OpenFetch implements source.Fetcher. The store's copy is a plain zip; on the spool it
// is encrypted with the password. What is no longer there is fault.Gone: start again. A
// download that breaks off is fault.Unavailable, and may be repeated.
func (c *Client) OpenFetch(ctx context.Context, t source.Ticket, password string, spool *sample.Spool) (*sample.Archive, error) {
	const op = "download the file"
	p, ok := readTicket(t)
	if !ok || p.Way != wayStore {
		return nil, c.api.fault(fault.Invalid, op, "the ticket has no file that could be downloaded")
	}
	link, err := c.fileLink(ctx, op, p.SHA256)
	if err != nil {
		return nil, err
	}
	stream, err := c.download(ctx, op, link)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	a, err := source.TakeArchive(ctx, stream, spool, password)
	if err != nil {
		return nil, fault.At(err, c.name, op)
	}
	return a, nil
}

// fileLink is POST /file/_download: a link to one file, good for minutes.
func (c *Client) fileLink(ctx context.Context, op, sha256 string) (string, error) {
	ask := call{Request: httpx.Request{
		Op: op, Method: http.MethodPost, Path: c.api.path(ubsPath, "file", "_download"), Class: httpx.Read,
		JSON: map[string]any{"sha256": []string{strings.ToLower(sha256)}, "expiration_seconds": linkLife},
	}, permission: permUBSFile, licence: licenceUBS, whole: true}
	is := func(h text) bool { return strings.EqualFold(string(h), sha256) }
	for try := range linkTries {
		var r struct {
			Found list[struct {
				SHA256 text `json:"sha256"`
				URL    text `json:"url"`
			}] `json:"found"`
			Missing list[text] `json:"not_found"`
			Failed  list[text] `json:"error"`
		}
		if _, err := c.api.read(ctx, ask, &r); err != nil {
			return "", err
		}
		for _, f := range r.Found {
			if is(f.SHA256) && f.URL != "" {
				return string(f.URL), nil
			}
		}
		if slices.ContainsFunc(r.Missing, is) {
			return "", c.api.fault(fault.Gone, op, "the Unified Binary Store does not have the file any more").WithHint("fetch it again: it may come from the endpoint once more")
		}
		if try < linkTries-1 {
			if err := c.wait(ctx, op, time.Duration(1<<try)*500*time.Millisecond); err != nil {
				return "", err
			}
		}
	}
	return "", c.api.fault(fault.Unavailable, op, "the Unified Binary Store gives no link to the file").WithHint("try again later")
}

// download opens a link. It is signed, and the key is not sent along; nor is a redirect
// followed.
func (c *Client) download(ctx context.Context, op, link string) (*httpx.Stream, error) {
	if err := c.trusted(op, link); err != nil {
		return nil, err
	}
	stream, err := c.api.http.Open(ctx, httpx.Request{Op: op, Path: link, NoAuth: true, Rate: rateStorage, OK: moved()})
	if err != nil {
		return nil, stale(fault.At(err, c.name, op))
	}
	if stream.Status/100 == 3 {
		_ = stream.Close()
		return nil, c.api.fault(fault.Invalid, op, "the storage answered with a redirect, which is not followed")
	}
	return stream, nil
}

// stale makes a refusal of the storage what it is: links end.
func stale(err error) error {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	out := *e
	switch e.Kind {
	case fault.Denied, fault.Auth, fault.Invalid:
		out.Kind = fault.Unavailable
		return out.WithHint("the link to the file is good for five minutes: try again")
	case fault.NotFound, fault.Gone:
		out.Kind = fault.Gone
		return out.WithHint("fetch the file again")
	}
	return err
}

// trusted refuses a link to anywhere but the vendor's storage, which is Amazon S3: a
// reply must not lead into this network. For a cloud on this machine, the lab, it is
// this machine.
func (c *Client) trusted(op, link string) error {
	u, err := url.Parse(link)
	if err != nil || u.User != nil || u.Host == "" {
		return c.api.fault(fault.Invalid, op, "the link to the file cannot be used")
	}
	if here, err := url.Parse(c.options.URL); err == nil && loopback(here.Hostname()) && loopback(u.Hostname()) {
		return nil
	}
	labels := strings.Split(strings.ToLower(u.Hostname()), ".")
	storage := strings.HasSuffix(strings.ToLower(u.Hostname()), ".amazonaws.com") || strings.HasSuffix(strings.ToLower(u.Hostname()), ".amazonaws.com.cn")
	s3 := slices.ContainsFunc(labels, func(l string) bool { return l == "s3" || strings.HasPrefix(l, "s3-") })
	if u.Scheme != "https" || u.Port() != "" && u.Port() != "443" || !storage || !s3 {
		return c.api.fault(fault.Invalid, op, "the link to the file leads to "+safe.Line(u.Host)+", which is not the vendor's storage")
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
