package lab

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// webRoot is where the vendor's links lead.
const webRoot = "https://analyze.intezer.com/analyses/"

type analysisJSON struct {
	AnalysisID   string `json:"analysis_id"`
	AnalysisTime string `json:"analysis_time"`
	AnalysisURL  string `json:"analysis_url"`
	FamilyID     string `json:"family_id,omitempty"`
	FamilyName   string `json:"family_name,omitempty"`
	FileName     string `json:"file_name,omitempty"`
	IsPrivate    bool   `json:"is_private"`
	SHA256       string `json:"sha256"`
	SubVerdict   string `json:"sub_verdict"`
	Verdict      string `json:"verdict"`
}

type analysisReply struct {
	Result    *analysisJSON `json:"result,omitempty"`
	ResultURL string        `json:"result_url"`
	Status    string        `json:"status"`
	Error     string        `json:"error,omitempty"`
}

func (e *engine) result(a *analysis, private bool) analysisJSON {
	f := e.file(a.file)
	return analysisJSON{
		AnalysisID: a.id, AnalysisTime: rfc1123(a.done), AnalysisURL: webRoot + a.id, FamilyID: f.familyID, FamilyName: f.family,
		FileName: a.name, IsPrivate: private, SHA256: f.sha256, SubVerdict: f.subVerdict, Verdict: f.verdict,
	}
}

func resultURL(a *analysis) string { return "/analyses/" + a.id }

// findHash is the file with this hash. A text that is no hash is a 400.
func (e *engine) findHash(hash string) (i int, known bool, err error) {
	hash = strings.ToLower(hash)
	notHex := func(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) }
	if n := len(hash); n != 32 && n != 40 && n != 64 || strings.ContainsFunc(hash, notHex) {
		return 0, false, &apiError{http.StatusBadRequest, "The request is not valid", "hash"}
	}
	i, known = e.byHash[hash]
	return i, known, nil
}

func notAnalysed() error {
	return &apiError{status: http.StatusNotFound, title: "Analysis was not found"}
}

// latest is GET /files/{hash}. Asked for private analyses alone it is free; else the first look at a file that is only
// publicly known is paid for like a scan.
func (e *engine) latest(c call) (reply, error) {
	var private, composed bool
	if err := errsOf(c.field("should_get_only_private_analysis", &private), c.field("should_get_only_composed_analysis", &composed)); err != nil {
		return reply{}, err
	}
	e.lookups++
	i, known, err := e.findHash(c.r.PathValue("hash"))
	if err != nil {
		return reply{}, err
	}
	if !known {
		return reply{}, notAnalysed()
	}
	e.runningOf(i)
	st := &e.files[i]
	switch {
	case st.latest != nil:
		return e.found(st.latest, true), nil
	case st.expired:
		return reply{}, &apiError{status: http.StatusGone, title: "Analysis expired"}
	case private || !st.bytes:
		return reply{}, notAnalysed()
	}
	if !st.accessed {
		if e.usage >= e.quota {
			return reply{}, quotaExhausted()
		}
		e.charge(i)
		st.accessed = true
	}
	a := &analysis{id: stableUUID("public/" + e.file(i).sha256), file: i, done: e.started.Add(-30 * 24 * time.Hour)}
	e.analyses[a.id] = a
	return e.found(a, false), nil
}

func (e *engine) found(a *analysis, private bool) reply {
	res := e.result(a, private)
	return reply{http.StatusOK, analysisReply{Result: &res, ResultURL: resultURL(a), Status: "succeeded"}}
}

// analyzeByHash is POST /analyze-by-hash.
func (e *engine) analyzeByHash(c call) (reply, error) {
	var hash, name string
	if err := errsOf(c.field("hash", &hash), c.field("file_name", &name)); err != nil {
		return reply{}, err
	}
	i, known, err := e.findHash(hash)
	if err != nil {
		return reply{}, err
	}
	if !known || !e.files[i].bytes {
		return reply{}, &apiError{status: http.StatusNotFound, title: "File not found"}
	}
	return e.submitReply(i, name)
}

// submitReply submits and gives the three answers of a submit that are no plain errors: created, running, skipped.
func (e *engine) submitReply(i int, name string) (reply, error) {
	a, err := e.submit(i, name)
	if err == nil {
		return reply{http.StatusCreated, map[string]string{"result_url": resultURL(a), "status": "created"}}, nil
	}
	if api := asAPIError(err); api.status != http.StatusConflict {
		return reply{}, err
	}
	if a == nil {
		return reply{http.StatusConflict, map[string]any{"result": map[string]bool{"is_skipped_by_rule": true}}}, nil
	}
	return reply{http.StatusConflict, map[string]any{
		"error": "Analysis already running", "result_url": resultURL(a), "result": map[string]string{"analysis_id": a.id},
	}}, nil
}

// getAnalysis is GET /analyses/{id}, the poll. While it runs the body is sometimes empty.
func (e *engine) getAnalysis(c call) (reply, error) {
	a, ok := e.analyses[c.r.PathValue("id")]
	if !ok {
		return reply{}, notAnalysed()
	}
	a.polls++
	e.settle(a)
	switch {
	case a.done.IsZero() && (a.polls+a.file)%2 == 0:
		return reply{http.StatusAccepted, nil}, nil
	case a.done.IsZero():
		return reply{http.StatusAccepted, analysisReply{ResultURL: resultURL(a), Status: "in_progress"}}, nil
	case a.failed:
		return reply{http.StatusOK, analysisReply{ResultURL: resultURL(a), Status: "failed", Error: "The analysis failed"}}, nil
	}
	return e.found(a, a.id != stableUUID("public/"+e.file(a.file).sha256)), nil
}

// history is POST /analyses/history: this organisation's analyses, the latest first.
func (e *engine) history(c call) (reply, error) {
	var start, end *float64
	var hash, name string
	var verdicts, families, sources []string
	var aggregated bool
	limit, offset := 100, 0
	err := errsOf(
		c.field("start_date", &start), c.field("end_date", &end), c.field("limit", &limit), c.field("offset", &offset),
		c.field("hash", &hash), c.field("file_name", &name), c.field("verdicts", &verdicts), c.field("family_names", &families),
		c.field("sources", &sources), c.field("aggregated_view", &aggregated),
	)
	switch {
	case err != nil:
		return reply{}, err
	case start == nil || end == nil:
		return reply{}, &apiError{http.StatusBadRequest, "The request is not valid", "start_date"}
	case limit < 1 || limit > 1000 || offset < 0:
		return reply{}, &apiError{http.StatusBadRequest, "The request is not valid", "limit"}
	}
	rows, seen := []analysisJSON{}, map[int]bool{}
	for _, a := range slices.Backward(e.order) {
		e.settle(a)
		f, at := e.file(a.file), float64(a.done.Unix())
		switch {
		case a.done.IsZero() || a.failed || at < *start || at > *end:
		case hash != "" && !slices.Contains([]string{f.sha256, f.sha1, f.md5}, strings.ToLower(hash)):
		case name != "" && a.name != name && f.name != name:
		case len(verdicts) > 0 && !slices.Contains(verdicts, f.verdict):
		case len(families) > 0 && !slices.Contains(families, f.family):
		case aggregated && seen[a.file]:
		default:
			seen[a.file] = true
			rows = append(rows, e.result(a, true))
		}
	}
	from := min(offset, len(rows))
	return reply{http.StatusOK, map[string]any{
		"total_count": len(rows), "analyses": rows[from:min(from+limit, len(rows))],
	}}, nil
}

// analysed is the analysis that a path names, which must have succeeded.
func (e *engine) analysed(c call) (*analysis, *file, error) {
	a, ok := e.analyses[c.r.PathValue("id")]
	if ok {
		e.settle(a)
	}
	if !ok || a.done.IsZero() || a.failed {
		return nil, nil, notAnalysed()
	}
	return a, e.file(a.file), nil
}

func (a *analysis) subID(n int) string { return stableUUID(fmt.Sprintf("sub/%s/%d", a.id, n)) }
