package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

func newUndo(a *app) *cobra.Command {
	var f responseFlags
	c := &cobra.Command{
		Use: "undo ACTION…", Short: "Reverse what an action did, newest step first",
		Long: `Undo reads how each step of the action stands now and reverses what is still there.
What somebody changed meanwhile is not overwritten, unless --force says so. Undoing
is itself an action, with an id and a journal. The id of what edrc alerts resolve
changed (C-…) sets the alert back: its status, verdict and assignee; that asks nothing.`,
		Example: "  edrc undo A-7QK2M4XP\n  edrc undo A-7QK2M4XP --dry-run\n  edrc undo C-M2FZ7Q4A",
		Args:    atLeast(1, "the id of an action"), ValidArgsFunction: a.completeActions,
		RunE: func(cmd *cobra.Command, args []string) error { return runUndo(cmd, a, f, args) },
	}
	undoFlags(c.Flags(), &f)
	f.confirming(c.Flags())
	f.confining(c.Flags())
	f.noting(c.Flags())
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "show the plan and stop")
	return c
}

// noting is for the commands that tell the alert which named the target.
func (f *responseFlags) noting(fl *pflag.FlagSet) {
	fl.BoolVar(&f.noNote, "no-note", false, "post no note on the alert that named the target")
}

func undoFlags(fl *pflag.FlagSet, f *responseFlags) {
	fl.BoolVar(&f.options.Force, "force", false, "also overwrite what somebody changed meanwhile")
	fl.StringVar(&f.reason, "reason", "", "why, in a `sentence`: for the journal, the audit and the alert")
}

// outside refuses the plan of what is outside the environment, if one is named. The plan
// of an undo has its target, and what its action knew of it.
func (r *responder) outside(p respond.Plan) error {
	if r.inside == nil {
		return nil
	}
	if p.Request.Verb == respond.Undo {
		act, err := r.engine.Action(p.Request.Of)
		if err != nil {
			return err
		}
		p = act.Plan
	}
	return r.inside(p)
}

// undoing is the request of one action's undo.
func (f responseFlags) undoing(id string) respond.UndoRequest {
	return respond.UndoRequest{ID: actionID(id), Force: f.options.Force, Reason: strings.TrimSpace(f.reason)}
}

// actionID takes an id in any case.
func actionID(word string) string {
	if id := strings.ToUpper(strings.TrimSpace(word)); respond.ValidID(id) || isChange(id) {
		return id
	}
	return word
}

func runUndo(cmd *cobra.Command, a *app, f responseFlags, ids []string) error {
	columns := outcomeNames()
	if f.plan || f.dryRun {
		columns = nil
	}
	if f.environment != "" && slices.ContainsFunc(ids, func(id string) bool { return isChange(actionID(id)) }) {
		return fault.Usagef("--environment is for actions in AWS, and C-… changed an alert")
	}
	r, err := a.responder(cmd, columns, f)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	if f.plan || f.dryRun {
		var plans []respond.Plan
		var errs []error
		for _, id := range ids {
			p, err := r.undoPlan(ctx, id)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			plans = append(plans, p)
		}
		return r.previewed(ctx, plans, errs, false)
	}
	return r.each(ctx, ids, func(id string) (outcome, error) { return r.undo(ctx, actionID(id)) })
}

func (r *responder) undoPlan(ctx context.Context, word string) (respond.Plan, error) {
	id := actionID(word)
	switch {
	case !isChange(id):
		p, err := r.engine.PlanUndo(ctx, r.f.undoing(id))
		if err == nil {
			err = r.outside(p)
		}
		return p, err
	case r.f.plan:
		return respond.Plan{}, fault.Usagef("%s changed an alert: undoing it is not planned and applied later", id).
			WithHint("look at it with: edrc undo %s --dry-run", id)
	}
	u, err := r.setBack(ctx, id)
	return u.plan(), err
}

func (r *responder) undo(ctx context.Context, id string) (outcome, error) {
	if isChange(id) {
		return r.undoChange(ctx, id)
	}
	act, err := r.engine.Action(id)
	if err != nil {
		return outcome{}, err
	}
	if err := r.outside(act.Plan); err != nil {
		return outcome{}, err
	}
	o, err := r.carried(ctx, respond.Undo, act.Target, func() (respond.Report, error) {
		return r.engine.Undo(ctx, r.f.undoing(id), r.approval(false))
	})
	if act.Status == respond.StatusUndone && err == nil { // its note may not have been written
		var by *respond.Action
		if by, err = r.engine.Action(act.UndoneBy); err == nil {
			err = r.tell(ctx, by, &o)
		}
	}
	return o, err
}

// each does one after the other, and reports.
func (r *responder) each(ctx context.Context, words []string, do func(string) (outcome, error)) error {
	var done []outcome
	var errs []error
	for _, w := range words {
		if err := ctx.Err(); err != nil {
			errs = append(errs, err)
			break
		}
		o, err := do(w)
		done = append(done, o)
		if err != nil {
			errs = append(errs, err)
		}
	}
	return r.report(ctx, done, errs)
}
