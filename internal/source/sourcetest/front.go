package sourcetest

import (
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"edrc/internal/lab/world"
)

// Front stands before a simulated vendor and lets go wrong what it is told to. What goes
// wrong is drawn from a fixed seed.
type Front struct {
	vendor world.Vendor
	cut    string

	mu          sync.Mutex
	rng         *rand.Rand
	kind, place string
	share       float64
	asked       []string
}

// NewFront gives a front that hands everything on. Where an answer is cut off before
// there is one, half of cut is sent: the beginning of a JSON text as the vendor writes it.
func NewFront(vendor world.Vendor, cut string) *Front {
	return &Front{vendor: vendor, cut: cut, rng: rand.New(rand.NewPCG(1, 2))}
}

// Set says what goes wrong from now on, as [Vendor] has it: "KIND=SHARE" or
// "KIND@PLACE=SHARE", "" for nothing.
func (f *Front) Set(t testing.TB, spec string) {
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

// Asked gives all requests so far as "METHOD /path", those that went wrong too.
func (f *Front) Asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

// draw decides what goes wrong with a request; kind is "" for nothing.
func (f *Front) draw(r *http.Request, write bool) (kind, place string, pick uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, r.Method+" "+r.URL.Path)
	if f.kind == "" || f.place != "" && !write || f.rng.Float64() >= f.share {
		return "", "", 0
	}
	return f.kind, f.place, f.rng.Uint64()
}

// ServeHTTP implements http.Handler.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	write := f.vendor.Writes(r)
	kind, place, pick := f.draw(r, write)
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
		reset(w)
	case "timeout":
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
		case <-time.After(30 * time.Second):
		}
		panic(http.ErrAbortHandler)
	case "truncate":
		f.truncate(w, answer)
	case "html":
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader([]int{http.StatusOK, http.StatusBadGateway}[pick%2])
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><body>the proxy is unwell</body></html>")
	default:
		status, _ := strconv.Atoi(kind)
		f.vendor.Refuse(w, r, status, pick)
	}
}

// reset ends the connection with a TCP reset.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

// truncate sends half of an answer and ends the connection.
func (f *Front) truncate(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	body := answer.Body.Bytes()
	if len(body) < 2 {
		body = []byte(f.cut)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(2*len(body)))
	w.WriteHeader(answer.Code)
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}
