package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"edrc/internal/respond"
)

func newUndo(a *app) *cobra.Command {
	var f responseFlags
	c := &cobra.Command{
		Use: "undo ACTION…", Short: "Reverse what an action did, newest step first",
		Long: `Undo reads how each step of the action stands now and reverses what is still there.
What somebody changed meanwhile is not overwritten, unless --force says so. Undoing
is itself an action, with an id and a journal.`,
		Example: "  edrc undo A-7QK2M4XP\n  edrc undo A-7QK2M4XP --dry-run",
		Args:    atLeast(1, "the id of an action"), ValidArgsFunction: a.completeActions,
		RunE: func(cmd *cobra.Command, args []string) error { return runUndo(cmd, a, f, args) },
	}
	undoFlags(c.Flags(), &f)
	f.confirming(c.Flags())
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "show the plan and stop")
	return c
}

func undoFlags(fl *pflag.FlagSet, f *responseFlags) {
	fl.BoolVar(&f.options.Force, "force", false, "also overwrite what somebody changed meanwhile")
	fl.StringVar(&f.reason, "reason", "", "why, in a `sentence`: for the journal and the audit")
}

// undoing is the request of one action's undo.
func (f responseFlags) undoing(id string) respond.UndoRequest {
	return respond.UndoRequest{ID: actionID(id), Force: f.options.Force, Reason: strings.TrimSpace(f.reason)}
}

// actionID takes an id in any case.
func actionID(word string) string {
	if id := strings.ToUpper(strings.TrimSpace(word)); respond.ValidID(id) {
		return id
	}
	return word
}

func runUndo(cmd *cobra.Command, a *app, f responseFlags, ids []string) error {
	columns := outcomeNames()
	if f.plan || f.dryRun {
		columns = nil
	}
	r, err := a.responder(cmd, columns, f)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	if f.plan || f.dryRun {
		var plans []planned
		var errs []error
		for _, id := range ids {
			p, err := r.engine.PlanUndo(ctx, f.undoing(id))
			if err != nil {
				errs = append(errs, err)
				continue
			}
			plans = append(plans, planned{Plan: p})
		}
		return r.previewed(ctx, plans, errs, false)
	}
	return r.each(ctx, ids, func(id string) (outcome, error) {
		act, err := r.engine.Action(actionID(id))
		if err != nil {
			return outcome{}, err
		}
		return r.carried(ctx, respond.Undo, act.Target, nil, func() (respond.Report, error) {
			return r.engine.Undo(ctx, f.undoing(id), r.approval(false))
		})
	})
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
