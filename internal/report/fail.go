package report

import (
	"context"
	"errors"
	"strings"

	"edrc/internal/fault"
	"edrc/internal/safe"
	"edrc/internal/term"
)

// indent is how far the lines below an error's first one are set in: below the
// text that follows "edrc: ".
const indent = "      "

// Failure is an error as json shows it: in the errors of an envelope, and as
// {"error": …} on stderr.
type Failure struct {
	Kind    string `json:"kind"` // a [fault.Kind]; "other" when nobody classified it
	Source  string `json:"source"`
	Op      string `json:"op"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
	Exit    int    `json:"exit"` // the exit code that it alone would cause
}

// FailureOf describes an error; its message leaves out source and op.
func FailureOf(err error) Failure {
	f := Failure{Kind: string(fault.KindOf(err)), Message: message(err), Exit: fault.ExitCode(err)}
	if f.Kind == "" {
		f.Kind = "other"
	}
	e, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return f
	}
	f.Source, f.Op, f.Hint = e.Source, e.Op, e.Hint
	if error(e) == err {
		bare := *e
		bare.Source, bare.Op = "", ""
		f.Message = bare.Error()
	}
	return f
}

// Error renders err on stderr: for json and ndjson one object a line, else
// "edrc: source: operation: message" with the hint set in below. Joined errors
// are rendered one by one. A closed pipe is nothing to talk about.
func Error(t *term.IO, format string, err error) {
	if err == nil || term.IsClosedPipe(err) {
		return
	}
	told := map[string]bool{} // workers that meet the same trouble say the same
	for _, e := range split(err) {
		if told[e.Error()] {
			continue
		}
		told[e.Error()] = true
		var line []byte
		if format == JSON || format == NDJSON {
			b, jsonErr := marshal(map[string]Failure{"error": FailureOf(e)})
			if jsonErr != nil {
				continue // strings and an int always marshal
			}
			line = append(b, '\n')
		} else {
			line = []byte(errorText(t.ErrStyle(), e))
		}
		_, _ = t.Err.Write(line) // where could a failure be told?
	}
}

// Errors renders several, in order.
func Errors(t *term.IO, format string, errs []error) {
	for _, err := range errs {
		Error(t, format, err)
	}
}

func errorText(style term.Style, err error) string {
	lines := strings.Split(safe.Text(message(err)), "\n")
	var hint string
	if e, ok := errors.AsType[*fault.Error](err); ok {
		hint = e.Hint
	}
	if hint != "" {
		lines = append(lines, strings.Split(safe.Text(hint), "\n")...)
	}
	return style.Red("edrc:") + " " + strings.Join(lines, "\n"+indent) + "\n"
}

// message says what Go's own two errors mean to a user.
func message(err error) string {
	switch err {
	case context.Canceled:
		return "interrupted"
	case context.DeadlineExceeded:
		return "timed out"
	}
	return err.Error()
}

// split takes apart what errors.Join put together, and only that: an error that
// wraps several in a sentence of its own stays whole.
func split(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	parts := joined.Unwrap()
	messages := make([]string, len(parts))
	for i, p := range parts {
		messages[i] = p.Error()
	}
	if err.Error() != strings.Join(messages, "\n") {
		return []error{err}
	}
	var all []error
	for _, p := range parts {
		all = append(all, split(p)...)
	}
	return all
}
