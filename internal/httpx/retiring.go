package httpx

import (
	"net/http"
	"slices"
	"strings"

	"edrc/internal/safe"
)

// maxRetiring bounds how many calls a Client remembers: a path may have an id in it.
const maxRetiring = 10

// endOf gives what a reply says of the end of its endpoint, "" when it says nothing: the
// headers Deprecation (RFC 9745), Sunset (RFC 8594), and those of CrowdStrike that start
// with X-Api-Deprecation.
func endOf(h http.Header) string {
	var out []string
	for name, values := range h {
		lower := strings.ToLower(name)
		if lower == "deprecation" || lower == "sunset" || strings.HasPrefix(lower, "x-api-deprecation") {
			out = append(out, lower+"="+clip(strings.Join(values, ","), 80))
		}
	}
	slices.Sort(out)
	return safe.Line(strings.Join(out[:min(len(out), 4)], " "))
}

// noteEnd remembers what a reply from Base says of the end of its endpoint.
func (x *exchange) noteEnd(resp *http.Response) {
	if resp == nil || x.foreign != "" {
		return
	}
	end := x.mask(endOf(resp.Header))
	if end == "" {
		return
	}
	c := x.k.c
	c.endsMu.Lock()
	defer c.endsMu.Unlock()
	call := x.k.r.Method + " " + clip(safe.Line(x.at.EscapedPath()), 120)
	if c.ends == nil {
		c.ends = map[string]string{}
	}
	if len(c.ends) < maxRetiring {
		c.ends[call] = end
	}
}

// Retiring lists the calls, as "METHOD /path: what the headers said", whose replies have
// announced the end of their endpoint, the first few since the Client was made.
func (c *Client) Retiring() []string {
	c.endsMu.Lock()
	defer c.endsMu.Unlock()
	var out []string
	for call, end := range c.ends {
		out = append(out, call+": "+end)
	}
	slices.Sort(out)
	return out
}
