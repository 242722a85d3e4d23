package term

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"edrc/internal/safe"
)

// ErrNoTerminal says that a question cannot be asked because no person is there
// to answer. The caller names the flag that answers it instead.
var ErrNoTerminal = errors.New("there is no terminal to ask on")

// maxAnswer bounds what is read as one answer.
const maxAnswer = 4096

// Confirm asks a yes-or-no question on the terminal, never on stdin: a piped
// "y" cannot approve. Only y or yes followed by Enter is a yes; Enter alone, end
// of file and anything else is a no. Without a terminal: [ErrNoTerminal]; when
// ctx ends first: its error.
func (t *IO) Confirm(ctx context.Context, question string) (bool, error) {
	answer, err := t.ask(ctx, question+" [y/N] ", readLine)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	}
	return false, nil
}

// TypeName asks for a name to be typed, for what is too severe for a y. It is
// true only when the answer is want, either as it is or as the terminal showed
// it; an empty want is never confirmed. Otherwise it is as [IO.Confirm].
func (t *IO) TypeName(ctx context.Context, question, want string) (bool, error) {
	answer, err := t.ask(ctx, question+" ", readLine)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	answer, want = strings.TrimSpace(answer), strings.TrimSpace(want)
	return want != "" && (answer == want || answer == safe.Line(want)), nil
}

// Password asks for a secret without showing it; an empty one is the caller's to
// refuse. End of file is an error.
func (t *IO) Password(ctx context.Context, prompt string) (string, error) {
	return t.ask(ctx, prompt+" ", func(r io.Reader) (string, error) {
		if h, ok := r.(interface{ readHidden() (string, error) }); ok {
			return h.readHidden()
		}
		return readLine(r)
	})
}

// ask opens the terminal, asks, and waits for the answer or for ctx. A reader
// that is still waiting when ctx ends is left behind: the process is about to end.
func (t *IO) ask(ctx context.Context, question string, read func(io.Reader) (string, error)) (string, error) {
	tty, err := t.OpenTTY()
	if err != nil {
		return "", err
	}
	defer func() { _ = tty.Close() }() // also switches the echo on again
	if _, err := io.WriteString(tty, safe.Text(question)); err != nil {
		return "", fmt.Errorf("ask on the terminal: %w", err)
	}
	type result struct {
		line string
		err  error
	}
	answered := make(chan result, 1)
	go func() {
		line, err := read(tty)
		answered <- result{line, err}
	}()
	select {
	case r := <-answered:
		if r.err != nil {
			_, _ = io.WriteString(tty, "\n") // what follows starts on its own line
		}
		return r.line, r.err
	case <-ctx.Done():
		_, _ = io.WriteString(tty, "\n")
		return "", ctx.Err()
	}
}

// readLine reads byte by byte, so that nothing of the next answer is swallowed.
// A line that Enter did not end is no answer: io.EOF.
func readLine(r io.Reader) (string, error) {
	var line []byte
	b := make([]byte, 1)
	for len(line) < maxAnswer {
		n, err := r.Read(b)
		switch {
		case n == 1 && b[0] == '\n':
			return strings.TrimSuffix(string(line), "\r"), nil
		case n == 1:
			line = append(line, b[0])
		case err != nil:
			return "", err
		}
	}
	return "", errors.New("the answer is too long")
}
