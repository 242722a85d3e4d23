package intezer

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/lab"
	"edrc/internal/scan"
)

// labWorld is a lab, an engine client on it, and the files of its alerts.
func labWorld(t *testing.T, o lab.Options) (*lab.Lab, *Client, []alert.Hashes) {
	t.Helper()
	l, err := lab.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	config := string(l.Config())
	find := func(pattern string) string {
		m := regexp.MustCompile(pattern).FindStringSubmatch(config)
		if m == nil {
			t.Fatalf("the lab's configuration has no %s", pattern)
		}
		return m[1]
	}
	c, err := New(Options{
		URL: find(`engine: intezer, url: "([^"]+)"`), APIKey: httpx.Literal(find(`api_key: "([^"]+)"`)), Rate: 1e6, Concurrency: 4,
	}, Env{TokenDir: t.TempDir(), HTTP: httpx.Config{
		RetryBase: time.Millisecond,
		Sleep:     func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return l, c, labFiles(t, find(`sentinelone, url: "([^"]+)"`), find(`token: "([^"]+)"`))
}

// labFiles lists the distinct files of which the console tells all three hashes.
func labFiles(t *testing.T, console, token string) []alert.Hashes {
	t.Helper()
	h, err := httpx.New(httpx.Config{Name: "console", Base: console, Authorize: func(_ context.Context, h http.Header) error {
		h.Set("Authorization", "ApiToken "+token)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	resp, err := h.Do(t.Context(), httpx.Request{Path: "/web/api/v2.1/threats?limit=1000"})
	if err != nil {
		t.Fatal(err)
	}
	var page struct {
		Data []struct {
			ThreatInfo struct{ SHA256, SHA1, MD5 string }
		}
	}
	if err := json.Unmarshal(resp.Body, &page); err != nil {
		t.Fatal(err)
	}
	var files []alert.Hashes
	seen := map[alert.Hashes]bool{}
	for _, d := range page.Data {
		hs := alert.NewHashes(d.ThreatInfo.SHA256, d.ThreatInfo.SHA1, d.ThreatInfo.MD5)
		if len(hs.All()) == 3 && !seen[hs] {
			seen[hs] = true
			files = append(files, hs)
		}
	}
	if len(files) < 20 {
		t.Fatalf("the lab shows only %d files", len(files))
	}
	return files
}

// climb takes one file up the ladder as the scanner will: look-up, submit, poll,
// detail. ok is false when it must be uploaded or is excluded.
func climb(t *testing.T, c *Client, h alert.Hash) (v alert.Verdict, spent, ok bool) {
	t.Helper()
	a, err := c.Lookup(t.Context(), h)
	if fault.Is(err, fault.NotFound) {
		var sub scan.Submission
		sub, err = c.Submit(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		if sub.Outcome != scan.Accepted {
			return v, false, false
		}
		spent, a = true, scan.Analysis{ID: sub.ID, State: scan.Running}
	}
	for n := 0; err == nil && a.State == scan.Running && n < 20; n++ {
		a, err = c.Poll(t.Context(), a.ID)
	}
	if err != nil || a.State != scan.Succeeded || !a.Private {
		if err == nil && a.State == scan.Failed {
			return a.Verdict, spent, false
		}
		t.Fatalf("%s: %+v, %v", h, a, err)
	}
	if v, err = c.Detail(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	return v, spent, true
}

func TestTheLadderAgainstTheLabPaysOneScanAFileUnderAnyOfItsHashes(t *testing.T) {
	l, c, files := labWorld(t, lab.Options{Alerts: 300})
	scans, families, hunted := 0, 0, 0
	for _, hs := range files {
		spentHere := 0
		for _, h := range hs.All() {
			v, spent, ok := climb(t, c, h)
			if spent {
				spentHere++
			}
			if !ok {
				break // to be uploaded, excluded, or failed: a later attempt's business
			}
			if v.Hashes != hs || v.Weak || v.AnalysisID == "" || v.URL == "" || v.Size == 0 || v.FileType == "" || v.Analysed.IsZero() {
				t.Errorf("%s: incomplete: %+v", h, v)
			}
			if v.Family != "" && v.Genes > 0 {
				families++
			}
			if v.Class == alert.Malicious {
				hunted++
				if len(v.IOCs) != 3 || len(v.Attack) != 2 {
					t.Errorf("%s: %+v %+v", h, v.IOCs, v.Attack)
				}
			}
		}
		if spentHere > 1 {
			t.Errorf("%s was paid for %d times", hs.SHA256, spentHere)
		}
		scans += spentHere
	}
	state := l.State().Intezer
	if state.Scans != scans || scans == 0 || families == 0 || hunted == 0 {
		t.Errorf("the lab counts %d scans, we %d; %d families, %d hunted", state.Scans, scans, families, hunted)
	}
	for file, n := range state.ScansByFile {
		if n != 1 {
			t.Errorf("%s: %d scans", file, n)
		}
	}
	who, quota, err := c.Check(t.Context())
	if err != nil || who == "" || quota.Usage != int64(scans) || quota.Limit != 500 {
		t.Errorf("%q, %+v, %v", who, quota, err)
	}
}

func TestAnExhaustedLabQuotaAndARevokedTokenAreTold(t *testing.T) {
	l, c, files := labWorld(t, lab.Options{})
	control := func(path, body string) {
		t.Helper()
		h, err := httpx.New(httpx.Config{Name: "control", Base: l.ControlURL()})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		if _, err := h.Do(t.Context(), httpx.Request{Method: http.MethodPost, Path: path, JSON: json.RawMessage(body)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Quota(t.Context()); err != nil {
		t.Fatal(err)
	}
	control("/_lab/quota", `{"usage":500}`)
	control("/_lab/token", `{"source":"intezer","valid":true}`) // ends the access tokens: expired mid-run
	kinds := map[fault.Kind]int{}
	for _, hs := range files {
		if _, err := c.Lookup(t.Context(), hs.SHA256); fault.Is(err, fault.NotFound) {
			_, err = c.Submit(t.Context(), hs.SHA256)
			kinds[fault.KindOf(err)]++
		}
	}
	if kinds[fault.Quota] == 0 || l.State().Intezer.Scans != 0 {
		t.Errorf("%v, %+v", kinds, l.State().Intezer.Scans)
	}
	control("/_lab/token", `{"source":"intezer","valid":false}`)
	_, err := c.Quota(t.Context())
	if e := wantKind(t, err, fault.Auth); !strings.Contains(e.Hint, "/account-details") {
		t.Errorf("hint %q", e.Hint)
	}
}
