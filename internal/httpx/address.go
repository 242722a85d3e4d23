package httpx

import (
	"net"
	"net/url"
	"strings"

	"edrc/internal/fault"
)

// parseBase checks a base URL. Its messages never repeat the URL: a token pasted
// into it would end up on the screen.
func parseBase(s string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(s))
	switch {
	case s == "":
		return nil, fault.Usagef("no url is configured")
	case err != nil || u.Host == "" || u.Opaque != "":
		return nil, fault.Usagef("the url is not of the form https://host").WithHint("write it with https:// and without spaces")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fault.Usagef("the url of %s has a user, a query or a fragment", u.Host).WithHint("write only https://host and a path; credentials have their own settings")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u):
	default:
		return nil, fault.Usagef("the url of %s does not start with https://", u.Host).WithHint("plain http is accepted for this machine alone (127.0.0.1)")
	}
	u.RawPath = strings.TrimRight(u.EscapedPath(), "/")
	u.Path, err = url.PathUnescape(u.RawPath)
	if err != nil || climbs(u.RawPath) {
		return nil, fault.Usagef("the url of %s has a path that cannot be used", u.Host)
	}
	return u, nil
}

// loopback reports whether u points at this machine.
func loopback(u *url.URL) bool {
	host := u.Hostname()
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// resolve gives the URL of a request: a path (escaped by the caller, may carry a
// query) is joined to Base, an absolute URL stands for itself.
func (c *Client) resolve(r Request) (*url.URL, error) {
	u, err := url.Parse(r.Path)
	if err != nil || u.Opaque != "" || u.User != nil {
		return nil, fault.New(fault.Invalid, "the path of the request cannot be parsed")
	}
	if climbs(u.EscapedPath()) {
		return nil, fault.New(fault.Invalid, "the path of the request has a segment of dots")
	}
	if u.Scheme == "" && u.Host == "" {
		joined := *c.base
		joined.RawQuery = u.RawQuery
		if p := strings.TrimLeft(u.EscapedPath(), "/"); p != "" {
			joined.RawPath = c.base.EscapedPath() + "/" + p
			joined.Path, _ = url.PathUnescape(joined.RawPath) // parsed above
		}
		u = &joined
	} else if err := c.mayVisit(u); err != nil {
		return nil, err
	}
	u.Fragment, u.RawFragment = "", ""
	if q := r.Query.Encode(); q != "" && u.RawQuery != "" {
		u.RawQuery += "&" + q
	} else if q != "" {
		u.RawQuery = q
	}
	return u, nil
}

// mayVisit refuses a URL that a vendor gave (a redirect, a link in a reply) and
// that would leave TLS. Plain http is for a base on loopback, the lab.
func (c *Client) mayVisit(u *url.URL) error {
	switch {
	case u.Host == "":
		return fault.New(fault.Invalid, "the vendor gave a link without a host")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u) && loopback(c.base):
		return nil
	}
	return fault.New(fault.Invalid, "the vendor gave a link to %s that is not https", u.Host)
}

// climbs reports a "." or ".." segment, also an encoded one: url.PathEscape leaves
// dots alone, so a hostile id could otherwise walk to another route.
func climbs(escaped string) bool {
	for segment := range strings.SplitSeq(escaped, "/") {
		if s, err := url.PathUnescape(segment); err != nil || s == "." || s == ".." {
			return true
		}
	}
	return false
}

// sameOrigin reports whether a credential for a may go to b: same scheme, host
// and port.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}
