package sourcetest

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Body reads and closes the body of a request that a scripted transport was given.
func Body(r *http.Request) string {
	if r.Body == nil {
		return ""
	}
	b, _ := io.ReadAll(r.Body)
	_ = r.Body.Close()
	return string(b)
}

// Reply makes a response of what a test writes as "STATUS BODY". It is JSON and has a
// date; the test may change its header.
func Reply(r *http.Request, text string) *http.Response {
	status, body, _ := strings.Cut(text, " ")
	code, _ := strconv.Atoi(status)
	return &http.Response{
		StatusCode: code, Request: r, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
		Header: http.Header{"Date": {"Sun, 22 Nov 2026 12:00:00 GMT"}, "Content-Type": {"application/json"}},
	}
}

// NoSleep waits for nothing: a script has no limits in real time.
func NoSleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }
