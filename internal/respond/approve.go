package respond

import (
	"context"
	"errors"
	"fmt"

	"edrc/internal/fault"
)

// ErrNoTerminal is what Approval.Ask returns when no person is there to answer.
var ErrNoTerminal = errors.New("there is no terminal to ask on")

// Question is what a person is asked before anything is changed.
type Question struct {
	Text string
	// Type is the name that must be typed; "" asks for yes or no.
	Type string
	Plan Plan
}

// Approval says how an action is confirmed: by flags, or by asking.
type Approval struct {
	Yes bool // --yes
	// Shared is --yes-shared: the target is used by others, too, and that is accepted.
	// It is no --yes.
	Shared bool
	// Ask asks a person; [ErrNoTerminal] when there is none. nil: there is none.
	Ask func(context.Context, Question) (bool, error)
}

// approve is nil when the action may go on; otherwise fault.Declined, which names
// the flag that would have answered.
func (e *Engine) approve(ctx context.Context, p Plan, ok Approval) error {
	if ok.Yes && (p.SharedBy == "" || ok.Shared) {
		return nil
	}
	flag := "--yes"
	if p.SharedBy != "" {
		flag = "--yes --yes-shared"
	}
	q := Question{Plan: p, Text: fmt.Sprintf("%s %s?", p.Request.Verb, p.Target.Label())}
	if p.Request.Verb == Undo {
		q.Text = fmt.Sprintf("undo %s on %s?", p.Request.Of, p.Target.Label())
	}
	if p.Severe || p.SharedBy != "" {
		q.Type = p.Target.TypedName()
		q.Text = fmt.Sprintf("%s %s. Type %s to go on:", p.Request.Verb, p.Target.Label(), q.Type)
	}
	if p.SharedBy != "" {
		q.Text = p.SharedBy + "\n" + q.Text
	}
	if ok.Ask == nil {
		return noTerminal(p, flag)
	}
	yes, err := ok.Ask(ctx, q)
	switch {
	case errors.Is(err, ErrNoTerminal):
		return noTerminal(p, flag)
	case err != nil:
		return err
	case yes:
		return nil
	}
	entry := e.entry(p, AuditDeclined)
	entry.Steps = nil
	return errors.Join(fault.New(fault.Declined, "%s %s was not confirmed: nothing was changed", p.Request.Verb, p.Target.Label()),
		e.Audit().Append(ctx, entry))
}

func noTerminal(p Plan, flag string) error {
	err := fault.New(fault.Declined, "%s %s needs to be confirmed, and there is no terminal to ask on", p.Request.Verb, p.Target.Label())
	if p.SharedBy != "" {
		err.Msg += ": " + p.SharedBy
	}
	return err.WithHint("confirm with %s", flag)
}
