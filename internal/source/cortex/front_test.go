package cortex

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	lab "edrc/internal/lab/cortex"
)

// front stands before the simulated vendor and lets go wrong what it is told to: "KIND=SHARE"
// or "KIND@PLACE=SHARE", as the suite writes it.
type front struct {
	vendor *lab.Vendor
	mu     sync.Mutex
	rng    *rand.Rand
	kind   string
	place  string
	share  float64
	asked  []string // "METHOD /path"
}

func (f *front) set(spec string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	what, share, _ := strings.Cut(spec, "=")
	f.kind, f.place, _ = strings.Cut(what, "@")
	f.share, _ = strconv.ParseFloat(share, 64)
}

func (f *front) draw(r *http.Request) (kind, place string, pick uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, r.Method+" "+r.URL.Path)
	if f.kind == "" || f.place != "" && !f.vendor.Writes(r) || f.rng.Float64() >= f.share {
		return "", "", 0
	}
	return f.kind, f.place, f.rng.Uint64()
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind, place, pick := f.draw(r)
	if kind == "" {
		f.vendor.ServeHTTP(w, r)
		return
	}
	answer := &answerKept{header: http.Header{}, status: http.StatusOK}
	if place == "after" || kind == "truncate" && !f.vendor.Writes(r) {
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
		case <-time.After(30 * time.Second):
		}
		panic(http.ErrAbortHandler)
	case "truncate":
		body := answer.body.Bytes()
		if len(body) < 2 {
			body = []byte(`{"reply":{"total`)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(2*len(body)))
		w.WriteHeader(answer.status)
		_, _ = w.Write(body[:len(body)/2])
		panic(http.ErrAbortHandler)
	case "html":
		w.Header().Set("Content-Type", "text/html")
		if pick%2 == 0 {
			w.WriteHeader(http.StatusBadGateway)
		}
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><body>the proxy is unwell</body></html>")
	default:
		status, _ := strconv.Atoi(kind)
		f.vendor.Refuse(w, status, pick)
	}
}

// answerKept keeps an answer that may never be sent.
type answerKept struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answerKept) Header() http.Header         { return a.header }
func (a *answerKept) WriteHeader(status int)      { a.status = status }
func (a *answerKept) Write(b []byte) (int, error) { return a.body.Write(b) }
