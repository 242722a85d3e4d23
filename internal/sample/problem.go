package sample

import (
	"errors"
	"fmt"

	"edrc/internal/fault"
)

// Problem says what is wrong with a sample, in the terms a caller acts on. It is
// in the chain of every error of this package that is about the sample, so
// errors.Is(err, sample.WrongPassword) works; [ProblemOf] gives it.
type Problem string

// The problems.
const (
	WrongBytes    Problem = "wrong bytes"    // the file is not the one that was asked for
	Damaged       Problem = "damaged"        // truncated, altered, or no archive at all
	WrongPassword Problem = "wrong password" // or, in a 7z, damaged: its format cannot tell
	TooLarge      Problem = "too large"      // a limit was reached
	Hostile       Problem = "hostile"        // names or structure that no product writes
	NotSupported  Problem = "not supported"  // a method that is not read here
	Unreadable    Problem = "unreadable"     // the agent says that it could not read the file
	NoFile        Problem = "no file"        // there is no file of interest, or no telling which
	Full          Problem = "full"           // the spool has reached Spool.Max
	NotKept       Problem = "not kept"       // nothing is kept under that key
)

// Error gives the problem's name.
func (p Problem) Error() string { return string(p) }

// ProblemOf gives the problem in err's chain, "" when there is none.
func ProblemOf(err error) Problem {
	p, _ := errors.AsType[Problem](err)
	return p
}

// kind is how the rest of edrc sees a problem.
func (p Problem) kind() fault.Kind {
	switch p {
	case TooLarge, NotSupported:
		return fault.Unsupported
	case Unreadable, NoFile, NotKept:
		return fault.NotFound
	case Full:
		return fault.Unavailable
	}
	return fault.Corrupt
}

// fail makes the error of a problem. The bytes of a fetch that cannot be used
// are all told as fetch_corrupt: it is the word that a user searches for.
func (p Problem) fail(format string, args ...any) error {
	msg := fmt.Sprintf(format, args...)
	if p.kind() == fault.Corrupt {
		msg = "fetch_corrupt: " + msg
	}
	e := &fault.Error{Kind: p.kind(), Msg: msg, Err: p}
	if p == Full {
		e.Hint = "scan or drop what is kept (edrc cache prune), or raise the spool's size"
	}
	return e
}
