package httpx

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"edrc/internal/fault"
	"edrc/internal/safe"
)

// masked stands for what is not shown.
const masked = "***"

// trace writes one line about one hop: never a body, and of the query and the
// headers only what is listed. What is not on a list is masked, since the next
// vendor's way to carry a credential cannot be foreseen.
func (x *exchange) trace(resp *http.Response, err error) {
	c := x.k.c
	if c.cfg.Trace == nil {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", c.cfg.Name, x.k.r.Method, shownURL(x.at, x.foreign != ""))
	if resp != nil {
		fmt.Fprintf(&b, " %d", resp.StatusCode)
	}
	fmt.Fprintf(&b, " %dms try %d", c.cfg.Now().Sub(x.started).Milliseconds(), x.try)
	if resp != nil {
		b.WriteString(shownHeaders(resp.Header))
		if end := endOf(resp.Header); end != "" && x.foreign == "" {
			b.WriteString(" " + x.mask(end))
		}
	}
	if e, ok := errors.AsType[*fault.Error](err); ok {
		fmt.Fprintf(&b, " %s", e.Kind)
		if resp == nil {
			fmt.Fprintf(&b, ": %s", e.Msg)
		}
	}
	c.note(b.String())
}

// note writes a line to the trace.
func (c *Client) note(line string) {
	if c.cfg.Trace == nil {
		return
	}
	c.traceMu.Lock()
	defer c.traceMu.Unlock()
	_, _ = fmt.Fprintln(c.cfg.Trace, safe.Line(line))
}

// shownURL is host, path and a masked query. Of another host's URL, which may be
// presigned in any part, only the host.
func shownURL(u *url.URL, foreign bool) string {
	if foreign {
		return u.Host + "/…"
	}
	s := u.Host + u.EscapedPath()
	query, _ := url.ParseQuery(u.RawQuery)
	names := make([]string, 0, len(query))
	for name := range query {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		names[i] = clip(name, 40) + "=" + shownValue(name, query[name])
	}
	if len(names) > 0 {
		s += "?" + strings.Join(names, "&")
	}
	return s
}

func shownValue(name string, values []string) string {
	v := strings.Join(values, ",")
	switch strings.ToLower(strings.TrimPrefix(name, "$")) {
	case "limit", "skip", "top", "offset", "sortby", "sortorder", "sort", "orderby", "page", "pagesize", "rows", "start", "countonly", "skipcount":
		return clip(v, 40)
	case "cursor", "skiptoken", "after":
		return clip(v, 6)
	}
	return masked
}

// shownHeaders are those of a reply that help to follow a request up.
func shownHeaders(h http.Header) string {
	var b strings.Builder
	for _, name := range []string{
		"Content-Type", "Content-Length", "Retry-After", "X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset",
		"X-Ratelimit-Retryafter", "X-Rqid", "X-Cs-Traceid", "X-Cs-Region", "Request-Id", "X-Ms-Request-Id", "X-Amzn-Requestid",
	} {
		if v := h.Get(name); v != "" {
			fmt.Fprintf(&b, " %s=%s", strings.ToLower(name), clip(v, 80))
		}
	}
	return b.String()
}
