package cli

import (
	"context"
	"maps"
	"slices"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/respond"
	"edrc/internal/triage"
)

// setBack is a change that sets an alert back to what stood before another one.
type setBack struct {
	of         change
	undo       *triage.Change
	resolution alert.Resolution
	already    string
}

// setBack plans the undo of a change: it reads the alert, and changes nothing.
func (r *responder) setBack(ctx context.Context, id string) (setBack, error) {
	of, err := findChange(r.a.cfg.StateDir, id)
	if err != nil {
		return setBack{}, err
	}
	b := setBack{of: of}
	switch {
	case of.Of != "":
		return b, fault.Usagef("%s is itself the undo of %s", of.ID, of.Of).WithHint("decide again: edrc alerts resolve %s", of.Ref)
	case of.UndoneBy != "":
		b.already = of.ID + " was undone by " + of.UndoneBy
		return b, nil
	case of.State == triage.ChangeFailed:
		b.already = of.ID + " changed nothing"
		return b, nil
	}
	b.undo, b.resolution, err = r.svc.PlanUndo(ctx, of.Change, r.f.options.Force)
	return b, err
}

// plan shows it as the undo of an action is shown. It is for looking at.
func (b setBack) plan() respond.Plan {
	p := respond.Plan{Schema: respond.PlanSchema, Target: b.of.target(), Already: b.already,
		Request: respond.Request{Verb: respond.Undo, Target: b.of.target(), Of: b.of.ID, OfVerb: resolveAlert}}
	if b.undo == nil {
		return p
	}
	for _, name := range slices.Sorted(maps.Keys(b.undo.Fields)) {
		p.Steps = append(p.Steps, respond.Step{Kind: changeSchema, Title: fieldText(name, b.undo.Fields[name])})
	}
	p.Warnings = b.warnings()
	return p
}

func (b setBack) warnings() []string {
	for name := range b.of.Fields {
		if strings.HasPrefix(name, "tag") {
			return []string{"tags that were added stay"}
		}
	}
	return nil
}

// undoChange sets an alert back, by the same journal.
func (r *responder) undoChange(ctx context.Context, id string) (outcome, error) {
	r.began = r.a.Now()
	b, err := r.setBack(ctx, id)
	o := outcome{Verb: respond.Undo, Target: b.of.target(), Of: id, Already: b.already, Status: "not begun"}
	if err != nil || b.already != "" {
		if b.already != "" {
			o.Status = "already"
		}
		return o, err
	}
	b.undo.Reason = strings.TrimSpace(r.f.reason)
	b.resolution.Reason = b.undo.Reason
	journal := r.a.changes(r.a.cfg.StateDir)
	if len(b.undo.Fields) == 0 { // nothing to send; the journal tells that it is settled
		b.undo.State = triage.ChangeUnchanged
		err = journal(*b.undo)
	} else {
		err = r.svc.Resolve(ctx, b.undo, b.resolution, journal)
	}
	o.Action, o.Warnings, o.Alert = b.undo.ID, b.warnings(), b.of.Ref.String()
	o.Status, o.Seconds = change{Change: *b.undo}.status(), r.a.Now().Sub(r.began).Seconds()
	return o, err
}
