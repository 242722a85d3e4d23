package httpx

import (
	"io"
	"net/http"
	"net/url"

	"edrc/internal/fault"
)

const maxRedirects = 5

// refusal is an error of ours that ended an attempt: final, and nothing to do with
// the network.
type refusal struct{ err *fault.Error }

func (r *refusal) Error() string { return r.err.Error() }

// follow sends the request and follows redirects of a GET. From the first hop to
// another origin on, only harmless headers are sent, also if a later hop leads
// back. Go's own client is not used: it would keep custom credential headers, and
// send a Referer.
func (x *exchange) follow(header http.Header) (*http.Response, error) {
	k, body := x.k, true
	for hop := 0; ; hop++ {
		req, err := k.newRequest(x.ctx, x.at, header, body)
		if err != nil {
			return nil, err
		}
		x.watchBody(req)
		resp, err := k.c.cfg.Transport.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		x.body.over()
		if resp.Body == nil {
			resp.Body = http.NoBody
		}
		if !k.redirects(resp) {
			return resp, nil
		}
		next, err := x.at.Parse(resp.Header.Get("Location"))
		x.trace(resp, nil)
		_, _ = io.CopyN(io.Discard, resp.Body, maxErrorBody) // so that the connection can be used again
		_ = resp.Body.Close()
		switch {
		case err != nil:
			return nil, &refusal{fault.New(fault.Invalid, "redirected to an address that cannot be parsed")}
		case hop == maxRedirects:
			return nil, &refusal{fault.New(fault.Invalid, "redirected more than %d times", maxRedirects)}
		}
		if err := k.c.mayVisit(next); err != nil {
			return nil, &refusal{fault.New(fault.Invalid, "redirected: %w", err)}
		}
		kept := sameOrigin(x.at, next)
		if !kept {
			header, x.foreign = harmless(header), next.Host
		}
		body = body && kept && resp.StatusCode >= http.StatusTemporaryRedirect
		if !body {
			header = header.Clone()
			header.Del("Content-Type")
		}
		x.at = next
	}
}

// redirects reports whether resp is a redirect to follow. A POST is never sent to
// where a reply points.
func (k *call) redirects(resp *http.Response) bool {
	if k.answers(resp.StatusCode) || resp.Header.Get("Location") == "" {
		return false
	}
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return k.r.Method == http.MethodGet || k.r.Method == http.MethodHead
	}
	return false
}

// harmless keeps the headers that any host may see. It is a list of what may stay:
// what a product uses as a credential cannot be known here.
func harmless(h http.Header) http.Header {
	out := http.Header{}
	for _, name := range []string{"Accept", "Accept-Language", "User-Agent", "Range"} {
		if v, ok := h[name]; ok {
			out[name] = v
		}
	}
	return out
}

// locationHost gives the host that a redirect points at, "" when there is none.
func locationHost(resp *http.Response) string {
	u, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		return ""
	}
	return u.Host
}
