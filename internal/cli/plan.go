package cli

import (
	"context"

	"github.com/spf13/cobra"

	"edrc/internal/report"
	"edrc/internal/respond"
)

func newPlan(a *app) *cobra.Command {
	return group("plan", "Show what containing would do, or save it for apply: -o json > p.json",
		group("isolate", "Plan to cut a host, an instance or a role off", isolates(a, true)...),
		group("stop", "Plan to stop an EC2 instance", newDeed(a, stopInstance(), true)),
		group("disable", "Plan to disable an AWS access key", newDeed(a, disableKey(), true)),
		newPlanUndo(a))
}

func newPlanUndo(a *app) *cobra.Command {
	f := responseFlags{plan: true}
	c := &cobra.Command{
		Use: "undo ACTION…", Short: "Plan to undo actions", Example: "  edrc plan undo A-7QK2M4XP -o json > p.json",
		Args: atLeast(1, "the id of an action"), ValidArgsFunction: a.completeActions,
		RunE: func(cmd *cobra.Command, args []string) error { return runUndo(cmd, a, f, args) },
	}
	undoFlags(c.Flags(), &f)
	f.confining(c.Flags())
	return c
}

// preview shows the plans and changes nothing.
func (r *responder) preview(ctx context.Context, list []respond.Request) error {
	found, failures, err := r.engine.Plans(ctx, list)
	if err != nil {
		return err
	}
	var plans []respond.Plan
	var errs []error
	unreasoned := false
	for i := range list {
		if failures[i] != nil {
			errs = append(errs, failures[i])
			continue
		}
		plans = append(plans, found[i])
		unreasoned = unreasoned || found[i].Severe && found[i].Request.Reason == ""
	}
	return r.previewed(ctx, plans, errs, unreasoned)
}

// previewed prints plans and ends the command.
func (r *responder) previewed(ctx context.Context, plans []respond.Plan, errs []error, unreasoned bool) error {
	if len(plans) == 0 && len(errs) == 1 && !r.out.Structured() {
		return errs[0]
	}
	if err := r.printPlans(ctx, plans, errs); err != nil {
		return err
	}
	switch {
	case r.f.plan && unreasoned:
		r.a.warn("without --reason this can be looked at, and not be applied")
	case !r.f.plan && !r.out.Machine():
		r.a.say("dry run: nothing was changed")
	}
	return failed(errs, len(plans) > 0)
}

func outcomeNames() []string { return report.Names(outcomeColumns()) }
