package httpx

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"

	"edrc/internal/fault"
	"edrc/internal/safe"
)

// KindOf maps a status that is an error, 400 and above. Vendors put such a code inside a
// reply, too.
func KindOf(status int) fault.Kind {
	switch status {
	case http.StatusUnauthorized:
		return fault.Auth
	case http.StatusForbidden:
		return fault.Denied
	case http.StatusNotFound:
		return fault.NotFound
	case http.StatusConflict:
		return fault.Conflict
	case http.StatusGone:
		return fault.Gone
	case http.StatusTooManyRequests:
		return fault.RateLimited
	case http.StatusRequestTimeout, http.StatusProxyAuthRequired:
		return fault.Unavailable
	}
	if status >= 500 {
		return fault.Unavailable
	}
	return fault.Invalid
}

// statusError says what a status means, in the vendor's words where there are any.
func (x *exchange) statusError(resp *http.Response, body []byte) *fault.Error {
	status := resp.StatusCode
	e := &fault.Error{Kind: KindOf(status), Status: status}
	if x.foreign != "" {
		e.Msg = safe.Line(x.foreign) + " "
	}
	e.Msg += "answered " + strconv.Itoa(status)
	if text := http.StatusText(status); text != "" {
		e.Msg += " " + text
	}
	if isPage(resp.Header, body) {
		e.Msg += " with an HTML page"
		e.Hint = "a proxy may have answered; check the url and the proxy settings"
	} else if m := x.vendorMessage(status, body); m != "" {
		e.Msg += ": " + m
	}
	switch {
	case status/100 == 3:
		if host := locationHost(resp); host != "" {
			e.Hint = "it points to " + safe.Line(host) + "; if that is the right host, set it as the url"
		}
	case status == http.StatusUnauthorized:
		e.Hint = "check that the credential is current and belongs to " + x.at.Host
	case status == http.StatusProxyAuthRequired:
		e.Hint = "the proxy asks for a login; put it into HTTPS_PROXY"
	}
	return e
}

// vendorMessage decodes an error body. Some vendors quote the header that they did
// not like, so credentials are taken out again.
func (x *exchange) vendorMessage(status int, body []byte) string {
	decode := x.k.c.cfg.DecodeError
	if decode == nil || len(bytes.TrimSpace(body)) == 0 {
		return ""
	}
	m := x.mask(decode(status, body))
	return clip(safe.Line(strings.Join(strings.Fields(m), " ")), 400)
}

// mask takes the credentials of the attempt out of what a vendor said.
func (x *exchange) mask(m string) string {
	for _, s := range x.secrets {
		for part := range strings.FieldsSeq(s) {
			if len(part) >= 8 {
				m = strings.ReplaceAll(m, part, masked)
			}
		}
	}
	return m
}

// isPage reports an HTML page where data was expected. The body decides, because
// content types are not to be relied on in either direction.
func isPage(h http.Header, body []byte) bool {
	start := bytes.ToLower(bytes.TrimLeft(body[:min(len(body), 512)], "\ufeff \t\r\n"))
	if !bytes.HasPrefix(start, []byte("<")) {
		return false
	}
	return strings.Contains(strings.ToLower(h.Get("Content-Type")), "html") ||
		bytes.HasPrefix(start, []byte("<!doctype html")) || bytes.HasPrefix(start, []byte("<html"))
}

const (
	pageMsg  = "answered with an HTML page (a proxy or login page?)"
	pageHint = "check the url and the proxy settings; a browser on this network may have to log in first"
)

func (x *exchange) pageError(resp *http.Response) *fault.Error {
	return &fault.Error{Kind: fault.Unavailable, Msg: x.at.Host + " " + pageMsg, Hint: pageHint, Status: resp.StatusCode}
}
