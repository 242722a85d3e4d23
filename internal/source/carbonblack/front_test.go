package carbonblack

import (
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

	lab "edrc/internal/lab/carbonblack"
)

// front stands before the simulated vendor and lets go wrong what it is told to:
// "KIND=SHARE" or "KIND@PLACE=SHARE", as the suite writes it.
type front struct {
	vendor *lab.Vendor

	mu    sync.Mutex
	rng   *rand.Rand
	kind  string
	place string
	share float64
}

func (f *front) set(t *testing.T, spec string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	what, share, _ := strings.Cut(spec, "=")
	f.kind, f.place, _ = strings.Cut(what, "@")
	f.share, _ = strconv.ParseFloat(share, 64)
	if spec != "" && f.share <= 0 {
		t.Fatalf("fault %q", spec)
	}
}

func (f *front) draw(write bool) (kind, place string, pick uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kind == "" || f.place != "" && !write || f.rng.Float64() >= f.share {
		return "", "", 0
	}
	return f.kind, f.place, f.rng.Uint64()
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	write := f.vendor.Writes(r)
	kind, place, pick := f.draw(write)
	if kind == "" {
		f.vendor.ServeHTTP(w, r)
		return
	}
	answer := httptest.NewRecorder()
	if place == "after" || kind == "truncate" && !write {
		f.vendor.ServeHTTP(answer, r)
	}
	switch kind {
	case "reset":
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	case "timeout":
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
		case <-time.After(time.Minute):
		}
		panic(http.ErrAbortHandler)
	case "truncate":
		body := answer.Body.Bytes()
		if len(body) < 2 {
			body = []byte(`{"id":"1","note":`)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(2*len(body)))
		w.WriteHeader(answer.Code)
		_, _ = w.Write(body[:len(body)/2])
		panic(http.ErrAbortHandler)
	case "html":
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader([]int{http.StatusOK, http.StatusBadGateway}[pick%2])
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><body>the proxy is unwell</body></html>")
	default:
		status, _ := strconv.Atoi(kind)
		f.vendor.Refuse(w, status, pick)
	}
}
