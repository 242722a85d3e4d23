package config

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"runtime"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// fromCommand runs a command and takes what it prints. A list is run as it is, a
// text by the shell. Neither the command nor its output is ever shown: both may
// hold the secret. Its standard error is, since it says what is wrong.
func fromCommand(ctx context.Context, ref reference, most time.Duration) (string, error) {
	argv := ref.argv
	if argv == nil {
		argv = shell(runtime.GOOS, ref.arg)
	}
	limited, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	cmd := exec.CommandContext(limited, argv[0], argv[1:]...)
	out, complaint := &capped{left: maxSecret}, &capped{left: 4 << 10}
	cmd.Stdout, cmd.Stderr = out, complaint
	// A child of the shell that outlives it must not hold us by its pipes.
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case limited.Err() != nil:
		return "", ref.failed("the command did not finish within %v", most)
	case err != nil:
		return "", ref.failed("the command failed: %s", commandFailure(err, complaint.String()))
	case out.over:
		return "", ref.failed("the command printed more than 64 KiB: this is not a secret")
	}
	value := strings.TrimSpace(out.String())
	if value == "" {
		return "", ref.failed("the command printed nothing%s", after(complaint.String()))
	}
	return value, nil
}

// shell gives the words that run a text as the user's shell would.
func shell(goos, text string) []string {
	if goos == "windows" {
		return []string{"cmd", "/c", text}
	}
	return []string{"sh", "-c", text}
}

// commandFailure is the exit status and what the command said; or why it could
// not start, without the path, which may be a secret that lost its key.
func commandFailure(err error, complaint string) string {
	if ee, ok := errors.AsType[*exec.ExitError](err); ok {
		return ee.ProcessState.String() + after(complaint)
	}
	if ee, ok := errors.AsType[*exec.Error](err); ok {
		err = ee.Err
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}

// after appends what a command complained of, when it did.
func after(complaint string) string {
	if complaint = printable(complaint); complaint == "" {
		return ""
	}
	return ": " + complaint
}

// printable makes foreign text fit for one line of an error: no control
// characters, 300 bytes at most, the end of it, where the cause stands.
func printable(s string) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	const most = 300
	if len(s) <= most {
		return s
	}
	s = s[len(s)-most:]
	for !utf8.RuneStart(s[0]) {
		s = s[1:]
	}
	return "… " + s
}

// capped keeps the first bytes that are written, and swallows the rest, so that
// a command that prints without end neither fills memory nor blocks. The buffer
// is not embedded: io.Copy would find its ReadFrom and pass the cap by.
type capped struct {
	buf  bytes.Buffer
	left int
	over bool
}

func (c *capped) Write(p []byte) (int, error) {
	n := len(p)
	if n > c.left {
		p, c.over = p[:c.left], true
	}
	c.left -= len(p)
	c.buf.Write(p)
	return n, nil
}

func (c *capped) String() string { return c.buf.String() }
