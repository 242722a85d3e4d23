package respond

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"edrc/internal/fault"
)

// UndoRequest asks for an action to be undone.
type UndoRequest struct {
	ID string
	// Force reverses also what somebody changed meanwhile.
	Force  bool
	Reason string
	// Alert is the ref of the alert that asks for it; "": the one that named the target.
	Alert string
}

// PlanUndo says what undoing an action would reverse: the steps of it that are still
// there, newest first. Steps that somebody changed meanwhile are fault.Conflict,
// unless forced.
func (e *Engine) PlanUndo(ctx context.Context, u UndoRequest) (Plan, error) {
	a, err := e.Action(u.ID)
	if err != nil {
		return Plan{}, err
	}
	return e.Plan(ctx, Request{Verb: Undo, Of: a.ID, OfVerb: a.Verb, Target: a.Target, Reason: u.Reason,
		Alert: orWord(u.Alert, a.Alert), Options: Options{Force: u.Force}})
}

// Undo reverses an action. When an undo of it was begun and not finished, that one
// is carried on. Undoing is itself an action, with a journal of its own.
func (e *Engine) Undo(ctx context.Context, u UndoRequest, ok Approval) (Report, error) {
	a, err := e.Action(u.ID)
	if err != nil {
		return Report{}, err
	}
	if a.UndoneBy != "" && a.Status != StatusUndone {
		begun, err := e.Action(a.UndoneBy)
		if err != nil {
			return Report{}, err
		}
		if begun.Status != StatusPartial && !u.Force {
			return e.Resume(ctx, begun.ID, ok)
		}
	}
	p, err := e.PlanUndo(ctx, u)
	if err != nil {
		return Report{}, err
	}
	return e.Apply(ctx, p, ok)
}

// planUndo reads what the action left behind.
func (e *Engine) planUndo(ctx context.Context, r Request) (Plan, error) {
	a, err := e.Action(r.Of)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Target: a.Target, Undo: "run the action again", Prior: []Fact{{"undoes", fmt.Sprintf("%s on %s, begun %s by %s", a.Verb,
		a.Target.Label(), a.Started.Format("2006-01-02 15:04:05 MST"), a.Actor)}}}
	switch {
	case a.Verb == Undo:
		return Plan{}, fault.Usagef("%s is itself the undo of %s", a.ID, a.Of).WithHint("to contain it again, run the action again")
	case a.Status == StatusUndone:
		p.Already = fmt.Sprintf("%s was undone by %s", a.ID, a.UndoneBy)
		return e.sealed(r, p)
	case !a.Open() && !slices.ContainsFunc(a.Steps, func(s StepRecord) bool { return s.Intended }):
		p.Already = a.ID + " changed nothing"
		return e.sealed(r, p)
	}
	d, err := e.driver(a.Verb)
	if err != nil {
		return Plan{}, err
	}
	var changed []string
	for _, s := range slices.Backward(a.Steps) {
		if !s.Intended || s.Keep {
			continue
		}
		read, err := d.Read(ctx, s.Step)
		if err != nil {
			return Plan{}, fault.At(err, "", "read what "+a.ID+" left behind: "+s.Title)
		}
		p.Prior = append(p.Prior, Fact{s.Title, orWord(read.Detail, string(read.State))})
		switch {
		case read.State == Unknown:
			return Plan{}, fault.New(fault.Unavailable, "how %q stands cannot be read: %s", s.Title, read.Detail)
		case read.State == Prior && !read.Pending && !s.Transient:
			continue
		case read.State == Other && !s.Transient:
			changed = append(changed, s.Title+": "+read.Detail)
		}
		p.Steps = append(p.Steps, s.Step)
	}
	if len(changed) > 0 && !r.Options.Force {
		return Plan{}, fault.New(fault.Conflict, "somebody changed what %s did: %s", a.ID, strings.Join(changed, "; ")).
			WithHint("put it right by hand, or overwrite it with what was there before: edrc undo %s --force", a.ID)
	}
	for _, c := range changed {
		p.Warnings = append(p.Warnings, "will be overwritten: "+c)
	}
	return e.sealed(r, p)
}

// Resume carries an action on that was begun and not finished, from the first step
// that is not known to be done. An action that is over is told in Report.Already.
func (e *Engine) Resume(ctx context.Context, id string, ok Approval) (Report, error) {
	a, err := e.Action(id)
	if err != nil {
		return Report{}, err
	}
	if r, err := resumable(a); err != nil || r.Already != "" {
		return r, err
	}
	if a.Verb != Undo {
		if err := e.Belts.check(a.Plan); err != nil {
			return Report{}, e.refused(ctx, a.Plan.Request, err)
		}
	}
	if err := e.approve(ctx, a.Plan, ok); err != nil {
		return Report{}, err
	}
	unlock, err := e.lockTarget(ctx, a.Target)
	if err != nil {
		return Report{}, err
	}
	defer unlock()
	if a, err = e.load(id); err != nil { // it may have moved while we waited
		return Report{}, err
	}
	if err := e.joinUndo(a); err != nil {
		return Report{}, err
	}
	if r, err := resumable(a); err != nil || r.Already != "" {
		return r, err
	}
	if err := e.Audit().Append(ctx, e.entry(a.Plan, AuditBegun)); err != nil {
		return Report{}, err
	}
	if err := e.log(a, Line{Event: Resumed}); err != nil {
		return Report{}, err
	}
	return e.carry(ctx, a)
}

// resumable says why an action cannot be carried on, or that there is nothing to do.
func resumable(a *Action) (Report, error) {
	switch {
	case a.Status == StatusUndone || a.UndoneBy != "":
		return Report{}, fault.New(fault.Conflict, "%s was undone, or is being undone, by %s", a.ID, a.UndoneBy).
			WithHint("to contain it again, run the action again")
	case !a.Open() && a.Status != StatusFailed:
		return Report{Action: a, Already: fmt.Sprintf("%s is %s", a.ID, a.Status)}, nil
	}
	return Report{}, nil
}

// ReleaseHost undoes the isolation of a host that edrc made. A host that edrc did not
// isolate is never released: fault.Conflict. The target may have a name or an id, and
// a source.
func (e *Engine) ReleaseHost(ctx context.Context, t Target, u UndoRequest, ok Approval) (Report, error) {
	all, errs := e.Actions()
	var held []*Action
	for _, a := range all {
		if a.Verb != IsolateHost || a.Status == StatusUndone || a.Status == StatusFailed || t.Source != "" && a.Target.Source != t.Source {
			continue
		}
		if t.ID == a.Target.ID || strings.EqualFold(t.ID, a.Target.Name) {
			held = append(held, a)
		}
	}
	if len(held) == 0 {
		if len(errs) > 0 {
			return Report{}, errs[0]
		}
		return Report{}, fault.New(fault.Conflict, "%s was not isolated by edrc from here: what others isolated is not released", t.Label()).
			WithHint("see what is: edrc isolated; another's isolation is released in the product's console")
	}
	for _, a := range held[1:] {
		if a.Target.Key() != held[0].Target.Key() {
			return Report{}, fault.Usagef("%q is %s and %s", t.ID, held[0].Target.Key(), a.Target.Key()).WithHint("name the action: edrc undo A-…")
		}
	}
	u.ID = held[len(held)-1].ID
	return e.Undo(ctx, u, ok)
}
