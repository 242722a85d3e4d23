package carbonblack

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"edrc/internal/httpx"
	"edrc/internal/source/sourcetest"
)

// script is the cloud in memory, saying what it is told to: the replies that a
// well-behaved simulator never gives.
type script struct {
	replies map[string]string // "METHOD /path" -> "STATUS BODY"; several, one after another, are separated by a line
	mu      sync.Mutex
	sent    []string // "METHOD /path BODY"
	heads   []http.Header
}

const secretOfTests = "VERYSECRETVERYSECRET"

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	body := sourcetest.Body(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	key := r.Method + " " + r.URL.Path
	s.sent = append(s.sent, strings.TrimSpace(key+" "+body))
	s.heads = append(s.heads, r.Header)
	reply, ok := s.replies[key]
	if now, later, more := strings.Cut(reply, "\n"); more {
		reply, s.replies[key] = now, later
	}
	if !ok {
		reply = `404 {"error_code":"NOT_FOUND","message":"not found"}`
	}
	resp := sourcetest.Reply(r, reply)
	_, text, _ := strings.Cut(reply, " ")
	if to, ok := strings.CutPrefix(text, "-> "); ok {
		resp.Header.Set("Location", to)
	}
	return resp, nil
}

func scripted(t *testing.T, replies map[string]string) (*Client, *script) {
	t.Helper()
	s := &script{replies: replies}
	c, err := New(Options{URL: "https://defense.conferdeploy.net", OrgKey: "7DESJ9GN", APIID: "ABCDEFGHIJ", APISecret: httpx.Literal(secretOfTests)},
		Env{Name: "cbc-prod", HTTP: httpx.Config{Transport: s, Attempts: 1, Sleep: sourcetest.NoSleep}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, s
}

const (
	one       = "1c6aba68-24cc-41e3-ad8e-4b545a587b55"
	aHash     = "00a16c806ff694b64e566886bba5122655eff89b45226cddc8651df7860e4524"
	orgAlerts = "/api/alerts/v7/orgs/7DESJ9GN/"
	orgOther  = "/appservices/v6/orgs/7DESJ9GN/"
	orgJobs   = "/jobs/v1/orgs/7DESJ9GN/jobs/"
	orgUBS    = "/ubs/v1/orgs/7DESJ9GN/"
	anAlert   = `{"id":"` + one + `","threat_id":"C21CA826573A8D974C1E93C8471AAB7F","backend_timestamp":"2026-11-22T11:59:00.540Z","device_id":6612391,"workflow":{"status":"OPEN"},"determination":null}`
)
