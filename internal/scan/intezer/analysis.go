package intezer

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/scan"
)

// stateOf maps the status of an analysis (2.6). "finished" is the SDK's word,
// "expired" and "error" were seen in one third-party client. A word that is not
// here is taken for running: the caller's patience has an end, a wrong verdict not.
func stateOf(r *reply) (scan.AnalysisState, bool) {
	switch strings.ToLower(r.Status.String()) {
	case "succeeded", "finished":
		return scan.Succeeded, true
	case "failed", "error":
		return scan.Failed, true
	case "expired":
		return scan.Vanished, true
	case "":
		return scan.Succeeded, r.Result.Verdict != ""
	}
	return scan.Running, true
}

// analysis reads a 200 or 202 that describes an analysis. id is what was asked
// for, "" when the reply tells it.
func (c *Client) analysis(op string, resp *httpx.Response, id string) (scan.Analysis, error) {
	a := scan.Analysis{ID: id, Date: resp.Date, RetryAfter: retryAfter(resp), Private: true}
	var r reply
	err := decode(resp.Body, &r)
	if a.ID == "" {
		a.ID = r.id()
	}
	a.Verdict = alert.Verdict{Engine: name, AnalysisID: a.ID}
	if resp.Status == 202 {
		a.State = scan.Running // the body may be empty
		return a, nil
	}
	state, known := stateOf(&r)
	if err != nil || !known {
		return a, &fault.Error{Kind: fault.Unavailable, Source: name, Op: op, Status: resp.Status, Err: err,
			Msg: "the answer is not that of an analysis", Hint: "check that scan.url is the address of an Intezer server"}
	}
	a.State = state
	switch state {
	case scan.Succeeded:
		a.Verdict = c.verdict(r.Result, a.ID)
	case scan.Failed:
		a.Reason = c.said(resp.Body)
		a.Verdict.Class, a.Verdict.Reason = alert.ClassFailed, a.Reason
	}
	return a, nil
}

// verdict reads the analysis object (2.1).
func (c *Client) verdict(d analysisDTO, id string) alert.Verdict {
	return alert.Verdict{
		Engine:     name,
		Class:      alert.ParseClass(strings.ToLower(d.Verdict.String())),
		SubVerdict: d.SubVerdict.String(),
		Family:     d.Family.String(),
		Hashes:     alert.NewHashes(d.SHA256.String()),
		Name:       d.FileName.String(),
		AnalysisID: id,
		URL:        c.page(d.URL.String(), id),
		Analysed:   parseTime(d.Time.String()),
	}
}

// page gives the web page of an analysis: what the server says, since regions and
// own servers differ, else where such pages are.
func (c *Client) page(said, id string) string {
	if u, err := url.Parse(said); err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") {
		return said
	}
	if id == "" {
		return ""
	}
	return c.site + "/analyses/" + id
}

// retryAfter reads how long a running analysis asks to be left alone, 0 unsaid.
func retryAfter(resp *httpx.Response) time.Duration {
	const longest = time.Hour
	s, err := strconv.ParseFloat(strings.TrimSpace(resp.Header.Get("Retry-After")), 64)
	if err != nil || !(s > 0) {
		return 0
	}
	return time.Duration(min(s, longest.Seconds()) * float64(time.Second))
}
