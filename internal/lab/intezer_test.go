package lab

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// fileThat is the first file of the world that meets a condition.
func (w *bench) fileThat(is func(f *file) bool) (int, *file) {
	w.Helper()
	files := w.lab.engine.corpus.files
	i := slices.IndexFunc(files, func(f file) bool { return is(&f) })
	if i < 0 {
		w.Fatal("the world has no such file")
	}
	return i, &files[i]
}

// ordinary is a file that the engine holds and that has no surprise in store.
func ordinary(f *file) bool { return f.held == holdsPublic && !f.failsOnce && !f.skipped }

type finding struct {
	Result *struct {
		AnalysisID      string `json:"analysis_id"`
		AnalysisTime    string `json:"analysis_time"`
		SHA256          string `json:"sha256"`
		Verdict         string `json:"verdict"`
		IsPrivate       bool   `json:"is_private"`
		IsSkippedByRule bool   `json:"is_skipped_by_rule"`
		FamilyName      string `json:"family_name"`
	} `json:"result"`
	ResultURL string              `json:"result_url"`
	Status    string              `json:"status"`
	Error     string              `json:"error"`
	Details   map[string][]string `json:"details"`
}

func (w *bench) ask(status int, method, path string, body any) finding {
	w.Helper()
	var f finding
	if a := w.intezer(status, method, path, body); len(a.body) > 0 {
		a.decode(w.T, &f)
	}
	return f
}

func private() map[string]bool { return map[string]bool{"should_get_only_private_analysis": true} }

func byHash(hash string) map[string]string { return map[string]string{"hash": hash} }

func TestThreeHashesOfOneFileAreOneScan(t *testing.T) {
	w := newWorld(t, Options{})
	_, f := w.fileThat(ordinary)
	w.ask(404, "GET", "/files/"+f.sha1, private())
	created := w.ask(201, "POST", "/analyze-by-hash", byHash(f.md5))
	for _, hash := range []string{f.sha256, f.sha1, strings.ToUpper(f.md5)} {
		if c := w.ask(409, "POST", "/analyze-by-hash", byHash(hash)); c.ResultURL != created.ResultURL || c.Result.AnalysisID == "" {
			t.Errorf("409 for %s: %+v, want the running %s", hash, c, created.ResultURL)
		}
		w.ask(404, "GET", "/files/"+hash, private())
	}
	w.ask(202, "GET", created.ResultURL, nil)
	done := w.ask(200, "GET", created.ResultURL, nil)
	if done.Status != "succeeded" || done.Result.SHA256 != f.sha256 || done.Result.Verdict != f.verdict || !done.Result.IsPrivate {
		t.Errorf("analysis %+v", done)
	}
	for _, hash := range []string{f.sha256, f.sha1, f.md5} {
		if got := w.ask(200, "GET", "/files/"+hash, private()); got.ResultURL != created.ResultURL {
			t.Errorf("lookup of %s gives %s", hash, got.ResultURL)
		}
	}
	s := w.lab.State().Intezer
	if s.Scans != 1 || s.ScansByFile[f.sha256] != 1 || len(s.ScansByFile) != 1 || s.Lookups != 7 {
		t.Errorf("state %+v", s)
	}
}

func TestKnownFileIsFreeAndStaleOneSaysHowOld(t *testing.T) {
	w := newWorld(t, Options{})
	_, fresh := w.fileThat(func(f *file) bool { return f.held == holdsPrivate })
	_, stale := w.fileThat(func(f *file) bool { return f.held == holdsStale })
	_, expired := w.fileThat(func(f *file) bool { return f.held == holdsExpired })
	age := func(f *file) time.Duration {
		at, err := time.Parse(time.RFC1123, w.ask(200, "GET", "/files/"+f.sha256, private()).Result.AnalysisTime)
		if err != nil {
			t.Fatal(err)
		}
		return time.Since(at)
	}
	if a := age(fresh); a < 0 || a > 20*24*time.Hour {
		t.Errorf("fresh analysis is %s old", a)
	}
	if a := age(stale); a < 59*24*time.Hour {
		t.Errorf("stale analysis is %s old", a)
	}
	w.ask(410, "GET", "/files/"+expired.sha256, private())
	if s := w.lab.State().Intezer; s.Scans != 0 || s.Lookups != 3 {
		t.Errorf("state %+v", s)
	}
}

func TestLookupWithoutThePrivateFlagCostsAScan(t *testing.T) {
	w := newWorld(t, Options{})
	_, f := w.fileThat(ordinary)
	for range 2 {
		if got := w.ask(200, "GET", "/files/"+f.sha256, nil); got.Result.IsPrivate {
			t.Errorf("%+v", got)
		}
	}
	if s := w.lab.State().Intezer; s.Scans != 1 || s.ScansByFile[f.sha256] != 1 {
		t.Errorf("state %+v, want one scan", s)
	}
}

func TestQuotaEndsSubmitsAndNotReads(t *testing.T) {
	w := newWorld(t, Options{Quota: 1})
	i, first := w.fileThat(ordinary)
	_, second := w.fileThat(func(f *file) bool { return ordinary(f) && f.sha256 != first.sha256 })
	id := w.ask(201, "POST", "/analyze-by-hash", byHash(first.sha256)).ResultURL
	w.ask(403, "POST", "/analyze-by-hash", byHash(second.sha256))
	w.ask(403, "GET", "/files/"+second.sha256, nil)
	w.ask(404, "GET", "/files/"+second.sha256, private())
	w.ask(202, "GET", id, nil)
	var usage struct {
		Result map[string]struct {
			Quota, Usage int
			Type         string
		}
	}
	w.intezer(200, "GET", "/current-quota-usage", nil).decode(t, &usage)
	if u := usage.Result["file_scans"]; u.Quota != 1 || u.Usage != 1 || u.Type != "monthly" {
		t.Errorf("usage %+v", usage)
	}
	w.control("quota", map[string]int{"quota": 5}, nil)
	w.ask(201, "POST", "/analyze-by-hash", byHash(second.sha256))
	if s := w.lab.State().Intezer; s.Scans != 2 {
		t.Errorf("%d scans, want 2 (file %d)", s.Scans, i)
	}
}

func TestSubmitOfSpecialFiles(t *testing.T) {
	w := newWorld(t, Options{})
	_, absent := w.fileThat(func(f *file) bool { return f.held == holdsNothing })
	_, skipped := w.fileThat(func(f *file) bool { return f.skipped })
	_, fails := w.fileThat(func(f *file) bool { return f.failsOnce })
	if got := w.ask(404, "POST", "/analyze-by-hash", byHash(absent.sha256)); got.Error != "File not found" {
		t.Errorf("absent: %+v", got)
	}
	w.ask(404, "POST", "/analyze-by-hash", byHash(strings.Repeat("ab", 32)))
	if got := w.ask(409, "POST", "/analyze-by-hash", byHash(skipped.sha256)); !got.Result.IsSkippedByRule || got.Result.AnalysisID != "" {
		t.Errorf("skipped: %+v", got)
	}
	for _, want := range []string{"failed", "succeeded"} {
		url := w.ask(201, "POST", "/analyze-by-hash", byHash(fails.sha256)).ResultURL
		w.ask(202, "GET", url, nil)
		if got := w.ask(200, "GET", url, nil); got.Status != want {
			t.Errorf("fails once: status %s, want %s", got.Status, want)
		}
	}
	if s := w.lab.State().Intezer; s.Scans != 2 {
		t.Errorf("%d scans, want 2", s.Scans)
	}
}

func TestAnalysisRunsForItsTime(t *testing.T) {
	c := newClock()
	w := newWorld(t, Options{AnalysisTime: time.Minute, Now: c.Now})
	_, f := w.fileThat(ordinary)
	url := w.ask(201, "POST", "/analyze-by-hash", byHash(f.sha256)).ResultURL
	for range 3 {
		w.ask(202, "GET", url, nil)
	}
	w.ask(404, "GET", url+"/iocs", nil)
	c.advance(time.Minute)
	w.ask(200, "GET", "/files/"+f.sha256, private())
	if got := w.ask(200, "GET", url, nil); got.Status != "succeeded" {
		t.Errorf("%+v", got)
	}
	_, g := w.fileThat(func(g *file) bool { return ordinary(g) && g != f && g.sha256 != f.sha256 })
	url = w.ask(201, "POST", "/analyze-by-hash", byHash(g.sha256)).ResultURL
	w.control("finish", nil, nil)
	w.ask(200, "GET", url, nil)
}

func TestUploadIsAnalysedAsTheFileThatItIs(t *testing.T) {
	w := newWorld(t, Options{})
	i, absent := w.fileThat(func(f *file) bool { return f.held == holdsNothing })
	content := w.lab.engine.corpus.content(i, absent.size)
	w.bearer = ""
	w.ask(404, "GET", "/files/"+absent.sha256, private())
	url := w.upload(201, "sample.exe", content, nil).ResultURL
	if again := w.upload(409, "sample.exe", content, nil); again.ResultURL != url {
		t.Errorf("second upload: %+v", again)
	}
	w.ask(202, "GET", url, nil)
	if got := w.ask(200, "GET", url, nil); got.Result.SHA256 != absent.sha256 || got.Result.Verdict != absent.verdict {
		t.Errorf("analysis %+v", got)
	}
	if s := w.lab.State().Intezer; s.ScansByFile[absent.sha256] != 1 {
		t.Errorf("state %+v", s)
	}
	if got := w.upload(400, "sample.exe", []byte("new bytes"), map[string]string{"colour": "red"}); got.Details["colour"] == nil {
		t.Errorf("unknown part: %+v", got)
	}
	w.upload(400, "sample.zip", []byte("PK\x03\x04 and more"), nil)
	w.upload(201, "new.bin", []byte("bytes that the world does not have"), map[string]string{"requester": "s1"})
}

func (w *bench) upload(status int, name string, content []byte, parts map[string]string) finding {
	w.Helper()
	w.ask(200, "GET", "/accounts/me", nil) // fetches the token
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	part, err := m.CreateFormFile("file", name)
	if err != nil {
		w.Fatal(err)
	}
	_, _ = part.Write(content)
	for k, v := range parts {
		_ = m.WriteField(k, v)
	}
	_ = m.Close()
	req, err := http.NewRequest("POST", w.lab.engineURL+intezerRoot+"/analyze", &b)
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Content-Type", m.FormDataContentType())
	req.Header.Set("Authorization", "Bearer "+w.bearer)
	resp, err := w.client.Do(req)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != status {
		w.Fatalf("upload: status %d, want %d", resp.StatusCode, status)
	}
	var f finding
	if err := json.NewDecoder(resp.Body).Decode(&f); err != nil {
		w.Fatal(err)
	}
	return f
}

func TestEngineIsStrict(t *testing.T) {
	c := newClock()
	w := newWorld(t, Options{Now: c.Now})
	_, f := w.fileThat(ordinary)
	got := w.ask(400, "GET", "/files/"+f.sha256, map[string]any{"private": true})
	if want := []string{"unknown field"}; !slices.Equal(got.Details["private"], want) || got.Error != "The request is not valid" {
		t.Errorf("%+v", got)
	}
	w.ask(400, "GET", "/files/"+f.sha256+"?should_get_only_private_analysis=true", nil)
	w.ask(400, "GET", "/files/nothash", private())
	w.ask(400, "POST", "/analyze-by-hash", map[string]any{"hash": f.sha256, "code_item_type": "file"})
	w.ask(400, "POST", "/analyze-by-hash", map[string]any{"hash": 5})
	w.ask(400, "POST", "/analyze-by-hash", map[string]any{})
	w.ask(404, "GET", "/analyses/unknown", nil)
	w.ask(404, "GET", "/nonsense", nil)
	root := w.lab.engineURL + intezerRoot
	w.must(401, "GET", root+"/accounts/me", "Bearer nonsense", nil)
	w.must(401, "POST", root+"/get-access-token", "", map[string]string{"api_key": "00000000-0000-0000-0000-000000000000"})
	w.must(400, "POST", root+"/get-access-token", "", map[string]string{"key": "x"})
	w.must(200, "POST", root+"/get-access-token", "", map[string]string{"api_key": "{" + strings.ReplaceAll(w.lab.engine.apiKey, "-", "") + "}"})
	w.must(200, "GET", root+"/is-available", "", nil)
	c.advance(time.Hour)
	w.ask(401, "GET", "/accounts/me", nil)
	w.bearer = ""
	w.ask(200, "GET", "/accounts/me", nil)
	w.control("token", map[string]any{"source": "intezer", "valid": false}, nil)
	w.ask(401, "GET", "/accounts/me", nil)
}

func TestReportsOfAnAnalysis(t *testing.T) {
	w := newWorld(t, Options{})
	_, bad := w.fileThat(func(f *file) bool { return f.held == holdsPrivate && f.verdict == "malicious" })
	_, plain := w.fileThat(func(f *file) bool { return f.held == holdsPrivate && f.genes == 0 })
	url := w.ask(200, "GET", "/files/"+bad.sha256, private()).ResultURL
	for path, want := range map[string]string{
		"/sub-analyses":                 `"sub_analyses":[{`,
		"/sub-analyses/root/code-reuse": `"family_name":"` + bad.family + `"`,
		"/sub-analyses/root/metadata":   `"md5":"` + bad.md5 + `"`,
		"/iocs":                         `"type":"main_file"`,
		"/dynamic-ttps":                 "[T1055]",
	} {
		if a := w.intezer(200, "GET", url+path, nil); !strings.Contains(string(a.body), want) {
			t.Errorf("%s: %s, want %s", path, a.body, want)
		}
	}
	url = w.ask(200, "GET", "/files/"+plain.sha256, private()).ResultURL
	w.ask(409, "GET", url+"/sub-analyses/root/code-reuse", nil)
	w.ask(404, "GET", url+"/sub-analyses/nonsense/metadata", nil)
	if s := w.lab.State().Intezer; s.Scans != 0 {
		t.Errorf("reading reports cost %d scans", s.Scans)
	}
}

func TestHistoryPagesOverAllAnalyses(t *testing.T) {
	w := newWorld(t, Options{})
	var page struct {
		TotalCount int `json:"total_count"`
		Analyses   []struct {
			AnalysisID string `json:"analysis_id"`
		}
	}
	seen := map[string]bool{}
	for offset := 0; offset == 0 || len(page.Analyses) > 0; offset += len(page.Analyses) {
		page.Analyses = nil
		w.intezer(200, "POST", "/analyses/history", map[string]any{"start_date": 0, "end_date": 9e9, "limit": 7, "offset": offset}).decode(t, &page)
		for _, a := range page.Analyses {
			seen[a.AnalysisID] = true
		}
	}
	if len(seen) != page.TotalCount || len(seen) != 33 {
		t.Errorf("%d analyses of %d, want 33", len(seen), page.TotalCount)
	}
	w.ask(400, "POST", "/analyses/history", map[string]any{"limit": 7})
}
