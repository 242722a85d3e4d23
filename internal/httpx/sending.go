package httpx

import (
	"io"
	"net/http"
	"sync"
)

// progress follows the caller's body while it is sent. A transport reads it in a
// goroutine of its own, which may outlast the attempt.
type progress struct {
	mu     sync.Mutex
	done   bool // an answer came, or the attempt is over: the body no longer counts
	source error
}

// over says that the body no longer counts.
func (p *progress) over() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = true
}

// failure is why the body could not be read to its end, nil when it could.
func (p *progress) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.source
}

// watchBody makes the attempt's clock start anew whenever a piece of the caller's
// body was sent, so that a large one may take its time and a stuck one may not.
func (x *exchange) watchBody(req *http.Request) {
	if x.k.r.Body == nil || req.Body == nil {
		return
	}
	req.Body = &sending{body: req.Body, x: x}
	open := req.GetBody
	req.GetBody = func() (io.ReadCloser, error) {
		b, err := open()
		if err != nil {
			return nil, err
		}
		return &sending{body: b, x: x}, nil
	}
}

// sending is a body on its way.
type sending struct {
	body   io.ReadCloser
	x      *exchange
	closed bool // guarded by progress.mu; what fails from here on is the transport's doing
}

func (s *sending) Read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	state := &s.x.body
	state.mu.Lock()
	defer state.mu.Unlock()
	switch {
	case state.done || s.closed:
	case err == nil || err == io.EOF:
		s.x.watch.Reset(s.x.k.timeout())
	default:
		state.source = err
	}
	return n, err
}

func (s *sending) Close() error {
	s.x.body.mu.Lock()
	s.closed = true
	s.x.body.mu.Unlock()
	return s.body.Close()
}
