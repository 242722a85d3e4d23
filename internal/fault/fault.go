// Package fault is edrc's error vocabulary: what kind of failure it was, of
// which source, in doing what, and what the user can do about it. Products wrap
// every failure they report in an [*Error]; one place (package report) renders
// it, and one function ([ExitCode]) maps it to a process exit code.
package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind says what sort of failure an error is, in the terms a caller acts on.
type Kind string

// The kinds. Other is the zero value: an error that nobody classified.
const (
	Other       Kind = ""
	Usage       Kind = "usage"        // the command line or the configuration is wrong
	Auth        Kind = "auth"         // the credential was refused (401)
	Denied      Kind = "denied"       // the credential lacks a permission or a licence (403)
	NotFound    Kind = "not_found"    // no such thing
	RateLimited Kind = "rate_limited" // the vendor asks to slow down (429) beyond what may be waited
	Quota       Kind = "quota"        // a paid allowance is used up
	Unsupported Kind = "unsupported"  // this product cannot do this
	Unavailable Kind = "unavailable"  // network, 5xx, a proxy page: try again later
	Partial     Kind = "partial"      // some of it worked
	InDoubt     Kind = "in_doubt"     // a write was sent and its outcome is unknown
	Conflict    Kind = "conflict"     // somebody else was first (409, a stale claim)
	Invalid     Kind = "invalid"      // the vendor refused the request as malformed (400, 413, 415)
	Gone        Kind = "gone"         // it existed and has expired (410)
	Locked      Kind = "locked"       // another process holds what is needed
	Corrupt     Kind = "corrupt"      // stored data cannot be read
	Declined    Kind = "declined"     // confirmation was refused or cannot be asked for
	Interrupted Kind = "interrupted"  // Ctrl-C or SIGTERM
)

// Error is a failure with a kind. Source, Op and Hint may be empty.
type Error struct {
	Kind   Kind
	Source string // the source's name in the configuration, or "intezer"
	Op     string // what was tried, as a verb phrase: "list threats"
	Msg    string // what went wrong, in a sentence without a trailing stop
	Hint   string // what to do next
	Status int    // HTTP status, 0 when there was none
	// RetryAfter is how long the vendor asked to wait; 0 when it did not say.
	RetryAfter time.Duration
	Err        error // the cause, may be nil
}

// New makes an error of a kind with a formatted message. A %w verb keeps the cause.
func New(k Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: k, Msg: err.Error(), Err: errors.Unwrap(err)}
}

// Usagef is New(Usage, …): the most frequent one.
func Usagef(format string, args ...any) *Error { return New(Usage, format, args...) }

// WithHint returns a copy of e with the hint set.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// Error gives one line: source, operation and message, without the hint.
func (e *Error) Error() string {
	var b strings.Builder
	for _, part := range []string{e.Source, e.Op} {
		if part != "" {
			b.WriteString(part)
			b.WriteString(": ")
		}
	}
	switch {
	case e.Msg != "":
		b.WriteString(e.Msg)
	case e.Err != nil:
		b.WriteString(e.Err.Error())
	default:
		b.WriteString(string(e.Kind))
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf gives the kind of the first [*Error] in err's chain. A cancelled context
// is Interrupted, an expired one Unavailable, anything else Other.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	switch {
	case errors.Is(err, context.Canceled):
		return Interrupted
	case errors.Is(err, context.DeadlineExceeded):
		return Unavailable
	}
	return Other
}

// Is reports whether err is of kind k.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }

// At returns err as an [*Error] with source and op filled in where they are
// empty. nil stays nil.
func At(err error, source, op string) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return &Error{Kind: KindOf(err), Source: source, Op: op, Msg: err.Error(), Err: err}
	}
	c := *e
	if c.Source == "" {
		c.Source = source
	}
	if c.Op == "" {
		c.Op = op
	}
	return &c
}

// Exit codes of the edrc process.
const (
	ExitOK          = 0
	ExitFailure     = 1
	ExitUsage       = 2
	ExitPartial     = 3
	ExitAuth        = 4
	ExitNotFound    = 5
	ExitUnsupported = 6
	ExitLimit       = 7
	ExitDeclined    = 8
	ExitThreat      = 10
	ExitInterrupted = 130
)

// ExitCode maps an error to the process exit code; nil is [ExitOK].
func ExitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	switch KindOf(err) {
	case Usage:
		return ExitUsage
	case Partial:
		return ExitPartial
	case Auth, Denied:
		return ExitAuth
	case NotFound, Gone:
		return ExitNotFound
	case Unsupported:
		return ExitUnsupported
	case RateLimited, Quota:
		return ExitLimit
	case Declined:
		return ExitDeclined
	case Interrupted:
		return ExitInterrupted
	}
	return ExitFailure
}
