package term

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"time"
)

// Test returns streams for a test: nothing is a terminal, in is what stdin
// holds, and the clock stands at 2026-11-22 14:43 UTC. The fields may be set
// afterwards to play a terminal; [IO.Answer] plays the person at it.
func Test(in string) (t *IO, out, err *bytes.Buffer) {
	out, err = new(bytes.Buffer), new(bytes.Buffer)
	return &IO{
		In:      strings.NewReader(in),
		Out:     out,
		Err:     err,
		ErrSize: func() (int, int) { return defaultWidth, defaultHeight },
		Color:   Auto,
		Getenv:  func(string) string { return "" },
		Now:     func() time.Time { return time.Date(2026, 11, 22, 14, 43, 0, 0, time.UTC) },
		OpenTTY: func() (io.ReadWriteCloser, error) { return nil, ErrNoTerminal },
	}, out, err
}

// Answer makes prompts read what a person typed ("y\n", one line a prompt) and
// returns what they were asked. After the last line comes end of file.
func (t *IO) Answer(typed string) (asked *bytes.Buffer) {
	s := &scripted{in: strings.NewReader(typed)}
	t.OpenTTY = func() (io.ReadWriteCloser, error) { return s, nil }
	return &s.out
}

// scripted is a terminal whose user typed everything beforehand.
type scripted struct {
	mu  sync.Mutex
	in  *strings.Reader
	out bytes.Buffer
}

func (s *scripted) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.in.Read(b)
}

func (s *scripted) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(b)
}

func (s *scripted) Close() error { return nil }
