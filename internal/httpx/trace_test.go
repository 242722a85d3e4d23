package httpx

import (
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
)

func TestTheTraceShowsAttemptsAndNoSecret(t *testing.T) {
	var trace strings.Builder
	w := script(
		answer(429, "s3cr3t", "Retry-After", "1", "Set-Cookie", "s3cr3t", "X-Rqid", "rq-1\x1b[2J"),
		failure(syscall.ECONNRESET),
		answer(302, "", "Location", "https://bucket.example/s3cr3t/f?X-Amz-Signature=s3cr3t"),
		answer(200, "s3cr3t"),
	)
	c, _ := newClient(t, w, func(cfg *Config) { cfg.Trace = &trace; cfg.Authorize = custom })
	_, err := c.Do(t.Context(), Request{
		Path:   "/threats",
		Query:  url.Values{"limit": {"50"}, "cursor": {"eyJhbGciOiJ"}, "apiToken": {"s3cr3t"}, "query": {"s3cr3t"}},
		Header: http.Header{"X-Key": {"s3cr3t"}}, JSON: "s3cr3t",
	})
	if err != nil {
		t.Fatal(err)
	}
	got := trace.String()
	if strings.Contains(got, "s3cr3t") || strings.Contains(got, "\x1b") {
		t.Errorf("the trace has a secret or an escape:\n%s", got)
	}
	lines := strings.Split(strings.TrimSpace(got), "\n")
	for i, want := range []string{
		`s1 GET vendor.example/api/threats?apiToken=***&cursor=eyJhbG…&limit=50&query=*** 429 0ms try 1 retry-after=1 x-rqid=rq-1\x1b[2J rate_limited`,
		`s1 GET vendor.example/api/threats?apiToken=***&cursor=eyJhbG…&limit=50&query=*** 0ms try 2 unavailable: the connection to vendor.example failed: connection reset by peer`,
		`s1 GET vendor.example/api/threats?apiToken=***&cursor=eyJhbG…&limit=50&query=*** 302 0ms try 3`,
		`s1 GET bucket.example/… 200 0ms try 3`,
	} {
		if i >= len(lines) || lines[i] != want {
			t.Fatalf("line %d, want %q, in:\n%s", i+1, want, got)
		}
	}
}

func TestACredentialThatTheVendorQuotesIsTakenOut(t *testing.T) {
	c, _ := newClient(t, script(answer(400, "x")), func(cfg *Config) {
		cfg.Authorize = custom
		cfg.DecodeError = func(int, []byte) string { return "bad header: ApiToken s3cr3t-value" }
	})
	if _, err := c.Do(t.Context(), Request{}); err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Fatal(err)
	}
}
