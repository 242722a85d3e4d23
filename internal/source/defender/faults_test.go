package defender

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	lab "edrc/internal/lab/defender"
)

// faults stands before a vendor and misbehaves, as the suite asks for.
type faults struct {
	next *lab.Vendor
	stop chan struct{}

	mu    sync.Mutex
	rng   *rand.Rand
	kind  string
	place string
	share float64
}

// set reads "KIND=SHARE" or "KIND@PLACE=SHARE"; "" is none.
func (f *faults) set(t *testing.T, spec string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	name, share, _ := strings.Cut(spec, "=")
	f.kind, f.place, _ = strings.Cut(name, "@")
	f.share, _ = strconv.ParseFloat(share, 64)
	if spec != "" && f.share <= 0 {
		t.Fatalf("fault %q", spec)
	}
}

func (f *faults) draw(write bool) (kind, place string, pick uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kind == "" || f.place != "" && !write || f.rng.Float64() >= f.share {
		return "", "", 0
	}
	return f.kind, f.place, f.rng.Uint64()
}

func (f *faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	write := f.next.Writes(r)
	kind, place, pick := f.draw(write)
	if kind == "" {
		f.next.ServeHTTP(w, r)
		return
	}
	answer := httptest.NewRecorder()
	if place == "after" || kind == "truncate" && !write {
		f.next.ServeHTTP(answer, r)
	}
	switch kind {
	case "reset":
		hangUp(w)
	case "timeout":
		_, _ = io.Copy(io.Discard, r.Body)
		f.hang(r.Context())
		panic(http.ErrAbortHandler)
	case "truncate":
		body := answer.Body.Bytes()
		if len(body) < 2 {
			body = []byte(`{"value":[{"comment":`)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(2*len(body)))
		w.WriteHeader(answer.Code)
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case "html":
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader([]int{http.StatusOK, http.StatusBadGateway}[pick%2])
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><body>The proxy could not reach the server</body></html>")
	default:
		status, _ := strconv.Atoi(kind)
		if kind == "429" {
			w.Header().Set("Retry-After", "1")
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"error":{"code":"TooManyRequests","message":"Please try again later (%d)."}}`, status)
	}
}

func (f *faults) hang(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-f.stop:
	case <-time.After(time.Minute):
	}
}

// hangUp drops the connection with a TCP reset.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
