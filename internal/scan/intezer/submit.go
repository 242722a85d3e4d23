package intezer

import (
	"context"
	"net/http"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/scan"
)

// analyseByHash is the body of POST /analyze-by-hash (2.2). Only the fields that
// every version knows: schemas are strict.
type analyseByHash struct {
	Hash      alert.Hash `json:"hash"`
	Requester string     `json:"requester,omitempty"`
}

// Submit asks for an analysis of a file that Intezer holds: POST /analyze-by-hash
// (2.2). It costs one scan when the outcome is Accepted. An exhausted quota is
// fault.Quota, a plan without the route fault.Denied. An unknown outcome (timeout,
// reset, 5xx, an acceptance without an id) is fault.InDoubt; submitting again is
// then safe for the money, because a running analysis answers 409 with its id, but
// the caller should look first.
func (c *Client) Submit(ctx context.Context, h alert.Hash) (scan.Submission, error) {
	const op = "analyse by hash"
	if err := checkHash(h, op); err != nil {
		return scan.Submission{}, err
	}
	body := analyseByHash{Hash: h}
	if !c.noRequester.Load() {
		body.Requester = c.requester
	}
	resp, err := c.submit(ctx, op, body)
	if err == nil && resp.Status == http.StatusBadRequest && body.Requester != "" &&
		readError(resp.Body).names("requester") {
		// A 400 was not processed. The tag is a nicety; the scan is not.
		c.noRequester.Store(true)
		body.Requester = ""
		resp, err = c.submit(ctx, op, body)
	}
	if err != nil {
		return scan.Submission{}, err
	}
	return c.submitted(op, "analysis by hash", resp)
}

func (c *Client) submit(ctx context.Context, op string, body analyseByHash) (*httpx.Response, error) {
	return c.http.Do(ctx, httpx.Request{
		Op: op, Method: http.MethodPost, Path: "/analyze-by-hash", Class: httpx.Once, JSON: body,
		OK: []int{
			http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusConflict,
			http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
		},
	})
}

// submitted reads the answer of a submit route (1.5, 2.2, 2.3). feature is what the
// plan may lack.
func (c *Client) submitted(op, feature string, resp *httpx.Response) (scan.Submission, error) {
	var r reply
	_ = decode(resp.Body, &r)
	switch resp.Status {
	case http.StatusBadRequest:
		return scan.Submission{}, c.failure(fault.Invalid, op, "the request was refused", resp)
	case http.StatusForbidden:
		// Its text is not stable; all but this one mean the quota (4.3).
		if r.says(noPermission) {
			return scan.Submission{}, c.failure(fault.Denied, op, "the account may not do this", resp).
				WithHint("ask Intezer whether your plan includes %s", feature)
		}
		return scan.Submission{}, c.failure(fault.Quota, op, "the scan quota is used up", resp).WithHint(quotaHint)
	case http.StatusNotFound:
		return scan.Submission{Outcome: scan.NotHeld, Reason: c.said(resp.Body)}, nil
	case http.StatusConflict:
		if isTrue(r.Result.Skipped) {
			return scan.Submission{Outcome: scan.SkippedByRule, Reason: c.said(resp.Body)}, nil
		}
		return scan.Submission{Outcome: scan.AlreadyRunning, ID: r.id(), Reason: c.said(resp.Body)}, nil
	case http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		reason := c.said(resp.Body)
		if reason == "" {
			reason = http.StatusText(resp.Status)
		}
		return scan.Submission{Outcome: scan.Unsupported, Reason: reason}, nil
	}
	id := r.id()
	if id == "" {
		return scan.Submission{}, c.failure(fault.InDoubt, op, "the analysis was accepted, but its id is missing in the answer", resp).
			WithHint("look it up before trying again")
	}
	return scan.Submission{Outcome: scan.Accepted, ID: id}, nil
}
