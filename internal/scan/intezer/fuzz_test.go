package intezer

import (
	"net/http"
	"testing"
	"time"
	"unicode/utf8"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/scan"
)

// offline is an engine for functions that read a reply.
func offline(t testing.TB) *Client {
	c, err := New(Options{APIKey: httpx.Literal(testKey)}, Env{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func FuzzAnalysis(f *testing.F) {
	for _, s := range []string{finished, `{"status":"failed","error":{"a":1}}`, `{"result":[]}`, `{"status":7,"result":{"verdict":["x"]}}`, ``, `[`} {
		f.Add([]byte(s), 200)
	}
	f.Add([]byte(``), 202)
	c := offline(f)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		resp := &httpx.Response{Status: status, Header: http.Header{"Retry-After": {string(body[:min(len(body), 9)])}}, Body: body}
		a, err := c.analysis("op", resp, "")
		if err != nil {
			return
		}
		if a.RetryAfter < 0 || a.RetryAfter > time.Hour {
			t.Errorf("RetryAfter %v", a.RetryAfter)
		}
		if a.ID != "" && !validID(a.ID) {
			t.Errorf("id %q", a.ID)
		}
		if a.State == scan.Succeeded && alert.ParseClass(string(a.Verdict.Class)) != a.Verdict.Class {
			t.Errorf("class %q", a.Verdict.Class)
		}
		if len(a.Verdict.Family) > maxText || !utf8.ValidString(a.Verdict.Family+a.Reason) {
			t.Errorf("text %q %q", a.Verdict.Family, a.Reason)
		}
		if _, err := c.found("op", testSHA, resp); err != nil && fault.KindOf(err) == fault.Other {
			t.Errorf("unclassified: %v", err)
		}
	})
}

func FuzzSubmission(f *testing.F) {
	for _, s := range []string{
		`{"error":"busy","result_url":"/analyses/x","result":{"analysis_id":"y"}}`, `{"result":{"is_skipped_by_rule":true}}`,
		`{"result_url":"a/sd/asd","result":{}}`, `{"details":{"requester":["unknown field"]},"message":"m"}`, `{"result_url":"http://[::1"}`,
	} {
		f.Add([]byte(s), uint8(0))
	}
	statuses := []int{409, 201, 400, 403, 404, 413, 415}
	c := offline(f)
	f.Fuzz(func(t *testing.T, body []byte, pick uint8) {
		status := statuses[int(pick)%len(statuses)]
		sub, err := c.submitted("op", "uploads", &httpx.Response{Status: status, Header: http.Header{}, Body: body})
		if (err == nil) == (sub.Outcome == "") {
			t.Errorf("%+v, %v", sub, err)
		}
		if sub.ID != "" && !validID(sub.ID) || sub.Outcome == scan.Accepted && sub.ID == "" {
			t.Errorf("%+v", sub)
		}
		if status == http.StatusConflict && err != nil {
			t.Errorf("a 409 is an error: %v", err)
		}
		_ = readError(body).names("requester")
	})
}

func FuzzReports(f *testing.F) {
	f.Add([]byte(`{"result":[{"ttps":[{"ttp":"A::B [T1573]"}],"ttp":{"ttp":"[T1055.012]"}}]}`))
	f.Add([]byte(`{"result":{"files":[{"sha256":"` + testSHA + `"}],"network":[{"ioc":"1.1.1.1","type":"ip"}]}}`))
	f.Add([]byte(mabezatReuse))
	f.Add([]byte(mabezatMeta))
	f.Add([]byte(`{"sub_analyses":[{"sub_analysis_id":"a","source":"root"}],"families":{"reused_gene_count":-1e999}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var (
			i iocReport
			u ttpReport
			r codeReuse
			m metadata
			s subAnalyses
		)
		for _, v := range []any{&i, &u, &r, &m, &s} {
			_ = decode(body, v)
		}
		if iocs := indicators(i, testSHA); len(iocs) > maxIOCs {
			t.Errorf("%d indicators", len(iocs))
		}
		for _, a := range techniques(u) {
			if len(a.ID) != 5 && len(a.ID) != 9 {
				t.Errorf("technique %q", a.ID)
			}
		}
		if _, genes := mainFamily(alert.Malicious, "", r.Families); genes < 0 {
			t.Errorf("%d genes", genes)
		}
		v := alert.Verdict{Hashes: alert.Hashes{SHA256: testSHA}}
		if m.complete(&v); v.SHA256 != testSHA || v.Size < 0 {
			t.Errorf("%+v", v)
		}
	})
}

func FuzzQuota(f *testing.F) {
	f.Add([]byte(`{"result":{"file_scans":{"quota":100,"usage":42,"type":"monthly"}}}`))
	f.Add([]byte(`{"result":{"file_scans":{"quota":null,"usage":"9e99"}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if left, bound := allowance(body).Left(); left < 0 || !bound && left != 0 {
			t.Errorf("%d, %t", left, bound)
		}
		_ = account(body)
	})
}
