package intezer

import (
	"context"
	"net/http"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/scan"
)

// privateFlag asks for our organisation's analyses alone. Without it the same GET
// may start an analysis and cost a scan (4.2).
const privateFlag = "should_get_only_private_analysis"

// Lookup finds our own organisation's newest analysis of a file: GET
// /files/{hash}, private only (2.1). It never costs. None, an expired one, and a
// server that cannot be asked without cost are fault.NotFound; an exhausted quota,
// which some accounts are told here too, is fault.Quota. Analysis.Private is false
// unless the reply says that it is private.
//
// It does not ask for composed analyses alone: a file that Intezer knows from an
// endpoint scan has a verdict, and that it lacks details is no reason to pay.
//
// A server that does not know the flag (on-prem 21.11) has no history route
// either (1.1), so nothing can be asked of it for free: from its first 400 on, a
// look-up is NotFound without a request. The flag is never dropped.
func (c *Client) Lookup(ctx context.Context, h alert.Hash) (scan.Analysis, error) {
	const op = "look up a file"
	if err := checkHash(h, op); err != nil {
		return scan.Analysis{}, err
	}
	if c.noPrivate.Load() {
		return scan.Analysis{}, tooOld(op)
	}
	resp, err := c.http.Do(ctx, httpx.Request{
		Op: op, Path: "/files/" + string(h), Class: httpx.Read,
		JSON: map[string]bool{privateFlag: true},
		OK: []int{http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusConflict,
			http.StatusGone},
	})
	if err != nil {
		return scan.Analysis{}, err
	}
	switch resp.Status {
	case http.StatusBadRequest:
		if readError(resp.Body).names(privateFlag) {
			c.noPrivate.Store(true)
			return scan.Analysis{}, tooOld(op)
		}
		return scan.Analysis{}, c.failure(fault.Invalid, op, "the request was refused", resp)
	case http.StatusForbidden:
		return scan.Analysis{}, c.forbidden(op, resp)
	case http.StatusNotFound, http.StatusGone:
		return scan.Analysis{}, c.failure(fault.NotFound, op, "there is no analysis of this file", resp)
	case http.StatusConflict:
		return c.running(op, resp)
	}
	return c.found(op, h, resp)
}

// found reads the analysis of h.
func (c *Client) found(op string, h alert.Hash, resp *httpx.Response) (scan.Analysis, error) {
	a, err := c.analysis(op, resp, "")
	if err != nil {
		return scan.Analysis{}, err
	}
	if a.State == scan.Vanished || a.ID == "" && a.State != scan.Succeeded {
		return scan.Analysis{}, c.failure(fault.NotFound, op, "there is no analysis of this file", resp)
	}
	if a.State != scan.Succeeded {
		return a, nil
	}
	var r reply
	_ = decode(resp.Body, &r)
	a.Private = isTrue(r.Result.Private)
	hs, ok := combine(a.Verdict.Hashes, alert.NewHashes(string(h)))
	if !ok {
		// Never hand out the verdict of another file, whoever mixed them up.
		return scan.Analysis{}, &fault.Error{Kind: fault.Unavailable, Source: name, Op: op, Status: resp.Status,
			Msg: "the answer is about another file than was asked for", Hint: "a caching proxy on the way may be at fault"}
	}
	a.Verdict.Hashes = hs
	a.Verdict.Weak = hs.SHA256 == ""
	return a, nil
}

// running reads a 409 to a look-up: an analysis is under way, if it says which.
func (c *Client) running(op string, resp *httpx.Response) (scan.Analysis, error) {
	var r reply
	_ = decode(resp.Body, &r)
	id := r.id()
	if id == "" {
		return scan.Analysis{}, c.failure(fault.Conflict, op, "the file is being analysed", resp)
	}
	return scan.Analysis{ID: id, State: scan.Running, Date: resp.Date, RetryAfter: retryAfter(resp), Private: true,
		Verdict: alert.Verdict{Engine: name, AnalysisID: id}}, nil
}

// forbidden reads a 403 outside the submit routes: quota when it says so, else
// something that the plan lacks.
func (c *Client) forbidden(op string, resp *httpx.Response) error {
	if readError(resp.Body).says("quota") {
		return c.failure(fault.Quota, op, "the scan quota is used up", resp).WithHint(quotaHint)
	}
	return c.failure(fault.Denied, op, "the account may not do this", resp).
		WithHint("ask Intezer whether your plan includes it")
}

// tooOld is the look-up's answer for a server without the private-only flag.
func tooOld(op string) error {
	return &fault.Error{Kind: fault.NotFound, Source: name, Op: op,
		Msg:  "this Intezer server cannot be asked for earlier analyses without cost",
		Hint: "on-prem version 22.10 and later can"}
}

// checkHash refuses what is no hash or names no file.
func checkHash(h alert.Hash, op string) error {
	if parsed, err := alert.ParseHash(string(h)); err != nil || parsed != h || h.Refused() {
		return &fault.Error{Kind: fault.Invalid, Source: name, Op: op, Msg: "this is not the hash of a file"}
	}
	return nil
}

// combine joins what is known of one file; ok is false when the two contradict
// each other, and then a comes back as it was.
func combine(a, b alert.Hashes) (both alert.Hashes, ok bool) {
	both = a
	for _, p := range []struct{ have, more *alert.Hash }{
		{&both.SHA256, &b.SHA256}, {&both.SHA1, &b.SHA1}, {&both.MD5, &b.MD5},
	} {
		switch {
		case *p.have == "":
			*p.have = *p.more
		case *p.more != "" && *p.more != *p.have:
			return a, false
		}
	}
	return both, true
}
