package respond

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"edrc/internal/fault"
)

// carry does the steps of an action that are not over, in order, and ends the
// action's journal. Whoever calls it holds the target's lock.
func (e *Engine) carry(ctx context.Context, a *Action) (Report, error) {
	d, err := e.driver(a.driverVerb())
	if err != nil {
		return Report{Action: a}, err
	}
	w := worker{Engine: e, a: a, d: d}
	at, err := w.steps(ctx)
	if err == nil {
		at, err = w.verify(ctx)
	}
	if _, lost := errors.AsType[*journalLost](err); lost {
		return Report{Action: a, Warnings: w.warnings}, w.stopped(at, err)
	}
	return w.end(ctx, at, err)
}

// driverVerb is whose driver knows the steps: of an undo, the undone action's.
func (a *Action) driverVerb() Verb {
	if a.Verb == Undo {
		return a.Plan.Request.OfVerb
	}
	return a.Verb
}

// journalLost is a failure of the journal: nothing more may be done.
type journalLost struct{ error }

func (j *journalLost) Unwrap() error { return j.error }

// worker carries one action.
type worker struct {
	*Engine
	a        *Action
	d        Driver
	warnings []string
	pending  bool
}

// steps gives the index of the step that failed, and why.
func (w *worker) steps(ctx context.Context) (int, error) {
	for i := range w.a.Steps {
		if w.a.Steps[i].over() {
			continue
		}
		if err := ctx.Err(); err != nil {
			return i, err
		}
		if err := w.step(ctx, i); err != nil {
			if _, lost := errors.AsType[*journalLost](err); lost || !w.a.Steps[i].Optional {
				return i, err
			}
			w.warnings = append(w.warnings, fmt.Sprintf("%s was not done: %v", stepTitle(w.a.Plan.Steps, i), err))
		}
	}
	return -1, nil
}

// want is the state that a step in this direction ends in, and from which it begins.
func (w *worker) want() (end, begin State) {
	if w.a.Direction() == Revert {
		return Prior, Applied
	}
	return Applied, Prior
}

// step reads what is there, and does what is missing.
func (w *worker) step(ctx context.Context, i int) error {
	s := &w.a.Steps[i]
	r, err := w.d.Read(ctx, s.Step)
	if err != nil {
		return w.failed(i, fault.At(err, "", "read what is there"))
	}
	end, begin := w.want()
	revert := w.a.Direction() == Revert
	switch {
	case r.State == end && r.Pending && s.Intended:
		return w.settled(i, Outcome{State: Pending, Note: r.Detail}, nil)
	case r.State == end && (s.Intended || revert):
		return w.settled(i, Outcome{State: Done, Note: r.Detail}, nil)
	case r.State == end && !s.Shared:
		return w.settled(i, Outcome{State: Found, Note: "it was so already"}, nil)
	case r.State == end, r.State == begin, revert && w.a.Plan.Request.Options.Force:
		return w.do(ctx, i)
	case revert && s.Transient:
		return w.settled(i, Outcome{State: Left, Note: r.Detail}, nil)
	}
	return w.failed(i, fault.New(fault.Conflict, "somebody changed it meanwhile: %s", orWord(r.Detail, string(r.State))))
}

// do sends a step, its intent on disk before and its outcome after.
func (w *worker) do(ctx context.Context, i int) error {
	s := &w.a.Steps[i]
	w.tell(i, nil, nil)
	if err := w.log(w.a, Line{Event: Intent, Step: i + 1}); err != nil {
		return &journalLost{err}
	}
	out, err := w.d.Do(ctx, s.Step, w.a.Direction())
	if err == nil && out.State != InDoubt {
		return w.settled(i, out, nil)
	}
	if err != nil && !fault.Is(err, fault.InDoubt) && ctx.Err() == nil {
		return w.failed(i, err)
	}
	return w.doubt(ctx, i, out, err)
}

// doubt finds out by reading whether a step was done.
func (w *worker) doubt(ctx context.Context, i int, out Outcome, cause error) error {
	s := &w.a.Steps[i]
	if out.Result != nil {
		s.Result = out.Result
	}
	end, _ := w.want()
	for wait := range w.waits() {
		r, err := w.d.Read(ctx, s.Step)
		if err == nil && r.State == end {
			out.State, out.Note = Done, orWord(out.Note, "the answer was lost; read back: done")
			if r.Pending {
				out.State = Pending
			}
			return w.settled(i, out, nil)
		}
		if w.Sleep(ctx, wait) != nil {
			break
		}
	}
	if cause == nil {
		cause = fault.New(fault.InDoubt, "whether it was done is not known: %s", out.Note)
	}
	out.State = InDoubt
	if err := w.settled(i, out, cause); err != nil {
		return err
	}
	return cause
}

// waits gives growing pauses whose sum is Settle, for reading what may be late.
func (e *Engine) waits() func(func(time.Duration) bool) {
	total := e.Settle
	if total <= 0 {
		total = 30 * time.Second
	}
	return func(yield func(time.Duration) bool) {
		for wait := total / 30; total > 0; wait *= 2 {
			wait = min(wait, total)
			total -= wait
			if !yield(wait) {
				return
			}
		}
	}
}

func (w *worker) failed(i int, err error) error {
	if lerr := w.settled(i, Outcome{State: Failed}, err); lerr != nil {
		return lerr
	}
	return err
}

// settled writes the outcome of a step.
func (w *worker) settled(i int, out Outcome, cause error) error {
	l := Line{Event: Settled, Step: i + 1, Outcome: &out}
	if cause != nil {
		l.Error = cause.Error()
	}
	if err := w.log(w.a, l); err != nil {
		return &journalLost{err}
	}
	if out.State == Done && out.Note != "" || out.State == Left {
		w.warnings = append(w.warnings, w.a.Steps[i].Title+": "+out.Note)
	}
	w.tell(i, &out, cause)
	return nil
}

func (w *worker) tell(i int, out *Outcome, err error) {
	if w.Progress != nil {
		w.Progress(Progress{Action: w.a.ID, Step: i + 1, Of: len(w.a.Steps), Title: w.a.Steps[i].Title,
			Direction: w.a.Direction(), Outcome: out, Err: err})
	}
}

// verify reads every step's object back until it stands as it should, or the time
// for that is over.
func (w *worker) verify(ctx context.Context) (int, error) {
	end, _ := w.want()
	for i := range w.a.Steps {
		s := w.a.Steps[i]
		if s.Transient || s.Outcome.State == Left || s.Outcome.State == Failed {
			continue
		}
		seen, err := w.verified(ctx, s, end)
		if err == nil && seen && s.Outcome.State == Pending {
			err = w.settled(i, Outcome{State: Done}, nil)
		}
		if err != nil {
			return i, err
		}
	}
	return -1, nil
}

// verified reads one step's object until it stands as it should, and reports whether
// it was seen so. What the vendor accepted may stay pending.
func (w *worker) verified(ctx context.Context, s StepRecord, end State) (seen bool, err error) {
	pending := false
	for wait := range w.waits() {
		var r Reading
		if r, err = w.d.Read(ctx, s.Step); err == nil {
			if r.State == end && !r.Pending {
				return true, nil
			}
			if pending = r.State == end || s.Outcome.State == Pending; !pending {
				err = fault.New(fault.Conflict, "it was done, and reading it back shows something else: %s", orWord(r.Detail, string(r.State)))
			}
			if pending && r.Offline { // looking again soon is of no use
				break
			}
		}
		if serr := w.Sleep(ctx, wait); serr != nil {
			return false, serr
		}
	}
	w.pending = w.pending || pending
	return false, err
}

// end closes the action's journal and makes the report.
func (w *worker) end(ctx context.Context, at int, cause error) (Report, error) {
	status := StatusDone
	switch {
	case cause != nil && ctx.Err() != nil:
		status = StatusHalfDone
	case cause != nil && w.a.touchedAnything():
		status = StatusPartial
	case cause != nil:
		status = StatusFailed
	case w.pending:
		status = StatusAccepted
	}
	l := Line{Event: Ended, Status: status}
	if cause != nil {
		l.Error = cause.Error()
	}
	// The audit first: an action that is cut off here is carried on and tells its end
	// once more; the other way round the audit would never tell it.
	entry := w.entry(w.a.Plan, AuditEnded)
	entry.Steps, entry.Status, entry.Detail = nil, status, l.Error
	aerr := w.Audit().Append(context.WithoutCancel(ctx), entry)
	lerr := w.log(w.a, l)
	report := Report{Action: w.a, Warnings: w.warnings}
	switch {
	case cause != nil:
		return report, errors.Join(w.stopped(at, cause), lerr, aerr)
	case status == StatusAccepted:
		return report, errors.Join(w.accepted(), lerr, aerr)
	}
	return report, errors.Join(lerr, aerr)
}

// stopped says what is done, what is not, and what can be done about it.
func (w *worker) stopped(at int, cause error) error {
	done := 0
	for _, s := range w.a.Steps {
		if s.over() && s.Outcome.State != Failed {
			done++
		}
	}
	out := &fault.Error{Kind: fault.Partial, Err: cause}
	if f, ok := errors.AsType[*fault.Error](cause); ok {
		out.Hint, out.Status = f.Hint, f.Status
	}
	if !w.a.touchedAnything() {
		out.Kind = fault.KindOf(cause)
	}
	out.Msg = fmt.Sprintf("%s %s (action %s): %d of %d steps are done; %s: %v", w.a.Verb, w.a.Target.Label(), w.a.ID,
		done, len(w.a.Steps), stepTitle(w.a.Plan.Steps, at), cause)
	if w.a.touchedAnything() {
		out.Hint = strings.TrimPrefix(out.Hint+"; ", "; ") + w.next()
	}
	return out
}

// next says how an action that stopped is completed or reversed.
func (w *worker) next() string {
	if w.a.Verb == Undo {
		return "carry on: edrc undo " + w.a.Of
	}
	return fmt.Sprintf("carry on: edrc actions resume %s; or reverse what is done: edrc undo %s", w.a.ID, w.a.ID)
}

func (w *worker) accepted() error {
	return fault.New(fault.Partial, "%s %s (action %s) was accepted and is not done yet", w.a.Verb, w.a.Target.Label(), w.a.ID).
		WithHint("the host does it when it is reachable; see: edrc isolated")
}

func orWord(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
