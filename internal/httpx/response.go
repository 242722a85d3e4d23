package httpx

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"edrc/internal/fault"
)

// Response is an answer, read whole.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	Date   time.Time // the vendor's clock; zero when the reply had none

	source, op string
	broken     fault.Kind // what an undecodable body is; "" is Unavailable
}

// Decode reads the body as one JSON value into v. Unknown fields are ignored;
// numbers in an `any` become json.Number, so that 64-bit ids stay exact. A body
// that is something else is fault.Unavailable, or fault.InDoubt when the request
// was of class Once; the message never repeats the body.
func (r *Response) Decode(v any) error {
	d := json.NewDecoder(bytes.NewReader(r.Body))
	d.UseNumber()
	err := d.Decode(v)
	if err == nil {
		if _, err = d.Token(); err == io.EOF {
			return nil
		}
		err = errors.New("more than one value")
	}
	e := &fault.Error{Kind: r.broken, Source: r.source, Op: r.op, Status: r.Status, Err: err}
	if e.Kind == "" {
		e.Kind = fault.Unavailable
	}
	shape, isShape := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case isPage(r.Header, r.Body):
		e.Msg, e.Hint = pageMsg, pageHint
	case len(bytes.TrimSpace(r.Body)) == 0:
		e.Msg = "answered without a body"
	case isShape:
		e.Msg = fmt.Sprintf("answered in an unknown shape: field %q is a JSON %s", shape.Field, shape.Value)
	case errors.Is(err, io.ErrUnexpectedEOF):
		e.Msg = fmt.Sprintf("the answer is cut off after %d bytes", len(r.Body))
	default:
		e.Msg = "answered with something that is not JSON"
	}
	return e
}

// Stream is an answer whose body the caller reads and closes.
type Stream struct {
	Status int
	Header http.Header
	Size   int64     // bytes to come; -1 when the vendor did not say
	Date   time.Time // the vendor's clock; zero when the reply had none

	ctx  context.Context // the caller's, to tell its end from a silence
	x    *exchange
	op   string
	body io.ReadCloser
	read int64
}

// Read reads the body. A silence longer than the timeout, or an end before
// Size, is fault.Unavailable.
func (s *Stream) Read(p []byte) (int, error) {
	s.x.watch.Reset(s.x.k.timeout()) // runs only inside Read: a slow consumer is no silent vendor
	defer s.x.watch.Stop()
	n, err := s.body.Read(p)
	s.read += int64(n)
	if err == io.EOF && s.read < s.Size && s.x.k.r.Method != http.MethodHead {
		err = io.ErrUnexpectedEOF // the real transport says so itself; others may not
	}
	if err == nil || err == io.EOF {
		return n, err
	}
	return n, fault.At(s.x.failed(s.ctx, err).err, s.x.k.c.cfg.Name, s.op)
}

// Close ends the transfer, also halfway.
func (s *Stream) Close() error {
	err := s.body.Close()
	s.x.end()
	return err
}
