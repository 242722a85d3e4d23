package lab

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// hangLimit ends a request that hangs although its client never goes away.
const hangLimit = 60 * time.Second

// face is what a vendor's server has of its own as far as faults are concerned.
type face interface {
	// writes says whether the request changes something at the vendor.
	writes(*http.Request) bool
	// refuse writes the vendor's error for a status; pick varies the dialect of a 429.
	refuse(w http.ResponseWriter, r *http.Request, status int, pick uint64)
	// count is called once for each request.
	count()
}

// vendorHandler puts what all vendors share before a vendor's routes: the count, the clock, the latency, the faults.
func (l *Lab) vendorHandler(v face, routes http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.count()
		if !pause(r.Context(), l.opt.Latency) {
			panic(http.ErrAbortHandler)
		}
		write := v.writes(r)
		f, hit, pick := l.dice.draw(write)
		w.Header().Set("Date", l.clock().UTC().Format(http.TimeFormat))
		if !hit {
			routes.ServeHTTP(w, r)
			return
		}
		answer := &recorder{status: http.StatusOK, header: http.Header{}}
		// A read is safe to answer before the answer is cut; a write is applied only where the fault says so.
		if f.Place == "after" || (f.Kind == "truncate" && !write) {
			routes.ServeHTTP(answer, r)
		}
		strike(w, r, v, f, pick, answer)
	})
}

// strike gives the client the fault instead of, or with a part of, the answer.
func strike(w http.ResponseWriter, r *http.Request, v face, f Fault, pick uint64, answer *recorder) {
	switch f.Kind {
	case "reset":
		reset(w)
	case "timeout":
		// The server notices that a client is gone only once the body is read.
		_, _ = io.Copy(io.Discard, r.Body)
		pause(r.Context(), hangLimit)
		panic(http.ErrAbortHandler)
	case "truncate":
		truncate(w, answer)
	case "html":
		status := http.StatusBadGateway
		if pick%2 == 0 {
			status = http.StatusOK
		}
		proxyPage(w, status)
	default:
		status, _ := strconv.Atoi(f.Kind)
		v.refuse(w, r, status, pick)
	}
}

// pause waits for d and reports whether the request is still wanted.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// reset drops the connection so that the client sees a TCP reset and not an orderly end.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// truncate announces the whole answer and sends half of it.
func truncate(w http.ResponseWriter, answer *recorder) {
	body := answer.body.Bytes()
	if len(body) < 2 {
		body = []byte(`{"data":{"affected":`)
	}
	for k, v := range answer.header {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)*2))
	w.WriteHeader(answer.status)
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func proxyPage(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<!DOCTYPE html><html><head><title>Gateway</title></head>"+
		"<body><h1>The proxy could not reach the upstream server</h1></body></html>\n")
}

// recorder keeps an answer that may never be sent.
type recorder struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
