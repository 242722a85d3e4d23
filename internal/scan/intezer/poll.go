package intezer

import (
	"context"
	"net/http"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/scan"
)

// Poll reads an analysis by its id: GET /analyses/{id} (2.6), which is free. 202
// and 409 are Running, whatever their body; 404 and 410 are Vanished; a failed
// analysis is Failed and no error. An answer that is no analysis, a proxy's page
// among them, is fault.Unavailable: it says nothing about the analysis.
func (c *Client) Poll(ctx context.Context, id string) (scan.Analysis, error) {
	const op = "read an analysis"
	if !validID(id) {
		return scan.Analysis{}, &fault.Error{Kind: fault.Invalid, Source: name, Op: op, Msg: "this is not the id of an analysis"}
	}
	resp, err := c.http.Do(ctx, httpx.Request{
		Op: op, Path: "/analyses/" + id, Class: httpx.Read,
		OK: []int{http.StatusNotFound, http.StatusConflict, http.StatusGone},
	})
	if err != nil {
		return scan.Analysis{}, err
	}
	a := scan.Analysis{ID: id, Date: resp.Date, Private: true, Verdict: alert.Verdict{Engine: name, AnalysisID: id}}
	switch resp.Status {
	case http.StatusNotFound, http.StatusGone:
		a.State, a.Reason = scan.Vanished, c.said(resp.Body)
		return a, nil
	case http.StatusConflict:
		a.State, a.RetryAfter = scan.Running, retryAfter(resp)
		return a, nil
	}
	a, err = c.analysis(op, resp, id)
	if err != nil {
		return scan.Analysis{}, err
	}
	a.Verdict.Weak = a.State == scan.Succeeded && a.Verdict.SHA256 == ""
	return a, nil
}
