package httpx

import (
	"context"
	"net/http"
	"slices"

	"edrc/internal/fault"
)

// judge turns a response into an outcome, and reads its body unless the caller
// streams it.
func (x *exchange) judge(ctx context.Context, resp *http.Response) *outcome {
	k := x.k
	if !k.answers(resp.StatusCode) {
		body, _ := k.readBody(resp, maxErrorBody) // the status is what counts
		return x.refused(resp, body)
	}
	x.heed(resp)
	if k.stream {
		return &outcome{resp: resp}
	}
	if resp.StatusCode/100 == 3 { // an answer here: all that counts is where it points
		_, _ = k.readBody(resp, maxErrorBody)
		return &outcome{resp: resp, broken: fault.Unavailable}
	}
	body, err := k.readBody(resp, k.c.cfg.MaxBody)
	switch {
	case err != nil:
		return x.failed(ctx, err)
	case int64(len(body)) > k.c.cfg.MaxBody:
		e := fault.New(fault.Invalid, "the answer is larger than the limit of %d bytes", k.c.cfg.MaxBody)
		return &outcome{err: x.doubt(e)}
	case isPage(resp.Header, body):
		return &outcome{err: x.doubt(x.pageError(resp)), retry: k.r.Class != Once}
	}
	o := &outcome{resp: resp, body: body, broken: fault.Unavailable}
	if k.r.Class == Once {
		o.broken = fault.InDoubt
	}
	return o
}

// answers reports whether a status is an answer to this request.
func (k *call) answers(status int) bool {
	return status/100 == 2 || slices.Contains(k.r.OK, status)
}

// refused is the outcome of a status that is an error.
func (x *exchange) refused(resp *http.Response, body []byte) *outcome {
	status := resp.StatusCode
	asked, named := retryAfter(resp.Header, x.k.c.cfg.Now())
	e := x.statusError(resp, body)
	e.RetryAfter = asked
	o := &outcome{err: e, asked: asked, named: named}
	switch {
	case status == http.StatusTooManyRequests:
		o.retry, o.throttled = true, x.foreign == ""
	case status == http.StatusUnauthorized:
		o.stale = x.k.auth && x.foreign == ""
	case x.k.r.Class == Once:
		if unclear(status) {
			o.err = x.doubt(e)
		}
	default:
		o.retry = transient(status)
	}
	return o
}

// transient statuses may be gone at the next try.
func transient(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// unclear statuses leave open whether the request was carried out. 301 to 303 may
// follow a POST that was; 307 and 308 say that it was not.
func unclear(status int) bool {
	return status >= 500 || status == http.StatusRequestTimeout || status >= 301 && status <= 303
}

// doubt makes a failure of a request of class Once, that may have been carried
// out, fault.InDoubt. Of any other class it stays what it is.
func (x *exchange) doubt(e *fault.Error) *fault.Error {
	if x.k.r.Class != Once {
		return e
	}
	d := *e
	d.Kind = fault.InDoubt
	d.Msg += "; it may have been carried out"
	d.Hint = "look before trying again"
	return &d
}
