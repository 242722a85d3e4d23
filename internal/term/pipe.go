package term

import (
	"errors"
	"io"
	"sync"
	"syscall"
)

// PipeWriter remembers that its reader went away: after `edrc … | head` has
// seen enough, every further write fails at once with the same error and the
// command can stop quietly.
type PipeWriter struct {
	mu  sync.Mutex
	w   io.Writer
	err error
}

// NewPipeWriter wraps w.
func NewPipeWriter(w io.Writer) *PipeWriter { return &PipeWriter{w: w} }

// Write writes to the wrapped writer until that reports a closed pipe.
func (p *PipeWriter) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.w.Write(b)
	if IsClosedPipe(err) {
		p.err = err
	}
	return n, err
}

// Closed reports whether the reader went away.
func (p *PipeWriter) Closed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err != nil
}

// IsClosedPipe reports whether err says that the reader of our output went
// away. That is no failure: the user has seen enough.
func IsClosedPipe(err error) bool {
	if err == nil {
		return false
	}
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) {
		return true
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return isBrokenPipe(errno)
	}
	return false
}
