package httpx

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestTheEndOfAnEndpointIsTracedAndRemembered(t *testing.T) {
	var trace strings.Builder
	c, _ := newClient(t, script(
		answer(200, "{}", "X-Api-Deprecation-Date", "2026-12-31", "X-Api-Deprecation-Message", "use v2\x1b[2J, s3cr3t-value", "Set-Cookie", "no"),
		answer(200, "{}", "Sunset", "Thu, 31 Dec 2026 23:59:59 GMT", "Deprecation", "@1767225599"),
		answer(200, "{}", "Sunset", "Thu, 31 Dec 2026 23:59:59 GMT", "Deprecation", "@1767225599"),
		answer(200, "{}"),
		answer(302, "", "Location", "https://bucket.example/f"), answer(200, "x", "Sunset", "of somebody else"),
	), func(cfg *Config) { cfg.Trace = &trace; cfg.Authorize = custom })
	if got := c.Retiring(); len(got) > 0 {
		t.Errorf("before any call: %q", got)
	}
	for _, path := range []string{"/old", "/two", "/two", "/fine", "/file"} {
		if _, err := c.Do(t.Context(), Request{Path: path}); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		`GET /api/old: x-api-deprecation-date=2026-12-31 x-api-deprecation-message=use v2\x1b[2J, ***`,
		`GET /api/two: deprecation=@1767225599 sunset=Thu, 31 Dec 2026 23:59:59 GMT`,
	}
	if got := c.Retiring(); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if got := trace.String(); strings.Count(got, "sunset=") != 2 || !strings.Contains(got, "x-api-deprecation-date=2026-12-31") || strings.Contains(got, "s3cr3t") {
		t.Errorf("the trace is\n%s", got)
	}
}

func TestWhatIsRememberedOfEndsIsBounded(t *testing.T) {
	c, _ := newClient(t, script(answer(200, "{}", "Sunset", strings.Repeat("x", 10_000))))
	for i := range 3 * maxRetiring {
		if _, err := c.Do(t.Context(), Request{Path: fmt.Sprint("/", i)}); err != nil {
			t.Fatal(err)
		}
	}
	got := c.Retiring()
	if len(got) != maxRetiring || len(got[0]) > 300 {
		t.Errorf("%d, the first has %d bytes", len(got), len(got[0]))
	}
}
