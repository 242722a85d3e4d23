package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"edrc/internal/fault"
	"edrc/internal/report"
	"edrc/internal/respond"
	"edrc/internal/term"
)

func newActions(a *app) *cobra.Command {
	return group("actions", "What was contained, resolved and undone, and what is half-done", newActionsList(a), newActionsShow(a), newActionsResume(a))
}

// actionJSON is one action in a list: schema edrc.actions/v1. `actions show` has it whole.
type actionJSON struct {
	ID       string         `json:"id"`
	Verb     respond.Verb   `json:"verb"`
	Target   respond.Target `json:"target"`
	Status   respond.Status `json:"status"`
	Started  time.Time      `json:"started"`
	Changed  time.Time      `json:"changed"`
	Actor    respond.Actor  `json:"actor"`
	Reason   string         `json:"reason,omitempty"`
	Alert    string         `json:"alert,omitempty"`
	Error    string         `json:"error,omitempty"`
	Of       string         `json:"of,omitempty"`
	UndoneBy string         `json:"undone_by,omitempty"`
}

func newActionsList(a *app) *cobra.Command {
	var since string
	open := false
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the actions, oldest first", Example: "  edrc actions list\n  edrc actions list --open",
		Args: exact(0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, err := parseTime("--since", since, a.Now())
			if err != nil {
				return err
			}
			e, out, err := a.records(cmd, report.Names(actionColumns()))
			if err != nil {
				return err
			}
			all, errs := e.Actions()
			all, more := withChanges(all, e.StateDir)
			errs = append(errs, more...)
			var items []*respond.Action
			for _, act := range all {
				if !act.Started.Before(from) && (!open || act.Open() && act.UndoneBy == "") {
					items = append(items, act)
				}
			}
			l := report.List[*respond.Action]{Schema: "edrc.actions/v1", Columns: actionColumns(), Items: items, Errors: errs, Empty: "no actions"}
			err = report.PrintAs(cmd.Context(), a.IO, out, l, func(act *respond.Action) actionJSON {
				return actionJSON{act.ID, act.Verb, act.Target, act.Status, act.Started, act.Changed, act.Actor, act.Reason, act.Alert, act.Error, act.Of, act.UndoneBy}
			})
			if err != nil {
				return err
			}
			return failed(errs, len(items) > 0)
		},
	}
	c.Flags().BoolVar(&open, "open", false, "only what is not finished: half-done, partial, accepted, running")
	c.Flags().StringVar(&since, "since", "", "only those begun since this `time` (7d, 2026-11-01)")
	return c
}

func actionColumns() []report.Column[*respond.Action] {
	type row = *respond.Action
	return []report.Column[row]{
		{Name: "action", Value: func(_ report.View, r row) string { return r.ID }},
		{Name: "begun", Value: func(v report.View, r row) string { return when(v, r.Started) }, Sort: func(x, y row) int { return x.Started.Compare(y.Started) }},
		{Name: "what", Value: func(_ report.View, r row) string {
			if r.Of != "" {
				return "undo " + r.Of
			}
			return string(r.Verb)
		}, Shrink: 3, Min: 15},
		{Name: "target", Value: func(v report.View, r row) string { return targetText(v, r.Target) }, Shrink: 1, Min: 12, Flex: true},
		{Name: "status", Value: func(_ report.View, r row) string { return string(r.Status) }, Style: styleStatus},
		{Name: "by", Value: func(_ report.View, r row) string { return r.Actor.String() }, Shrink: 4, Min: 6},
		{Name: "reason", Value: func(_ report.View, r row) string { return r.Reason }, Shrink: 5, Min: 10},
		{Name: "id", Wide: true, Value: func(_ report.View, r row) string { return r.Target.ID }},
		{Name: "where", Wide: true, Value: func(_ report.View, r row) string { return place(r.Target) }},
		{Name: "alert", Wide: true, Value: func(_ report.View, r row) string { return r.Alert }, Shrink: 6, Min: 12},
		{Name: "undone_by", Wide: true, Value: func(_ report.View, r row) string { return r.UndoneBy }},
	}
}

func styleStatus(s term.Style, r *respond.Action, text string) string {
	switch r.Status {
	case respond.StatusDone, respond.StatusUndone:
		return s.Green(text)
	case respond.StatusFailed, respond.StatusPartial, respond.StatusHalfDone:
		return s.Red(text)
	}
	return s.Yellow(text)
}

func newActionsShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show ACTION", Short: "Show one action: its steps, what became of each, and what is next", Example: "  edrc actions show A-7QK2M4XP",
		Args: exact(1, "the id of an action"), ValidArgsFunction: a.completeActions,
		RunE: func(cmd *cobra.Command, args []string) error {
			e, out, err := a.records(cmd, nil)
			if err != nil {
				return err
			}
			act, err := anAction(e, actionID(args[0]))
			if err != nil {
				return err
			}
			if out.Structured() {
				return report.Object(cmd.Context(), a.IO, out, "edrc.action.detail/v1", act)
			}
			return actionCard(a, act)
		},
	}
}

// anAction gives an action, or a change as one, by its id.
func anAction(e *respond.Engine, id string) (*respond.Action, error) {
	if !isChange(id) {
		return e.Action(id)
	}
	c, err := findChange(e.StateDir, id)
	return c.action(), err
}

func actionCard(a *app, act *respond.Action) error {
	what := title(string(act.Verb))
	if act.Of != "" {
		what = "Undo " + act.Of + ": " + string(act.Plan.Request.OfVerb)
	}
	var steps []string
	for i, s := range act.Steps {
		state := string(s.Outcome.State)
		switch {
		case state == "" && s.Intended:
			state = "in-doubt: it may have been sent"
		case state == "":
			state = "not begun"
		}
		line := fmt.Sprintf("%d %s: %s", i+1, s.Title, state)
		for _, more := range []string{s.Outcome.Note, s.Error} {
			if more != "" {
				line += " · " + more
			}
		}
		steps = append(steps, line)
	}
	right := fmt.Sprintf("%s · %s · begun %s ago", act.ID, act.Status, report.Age(a.Now().Sub(act.Started)))
	return report.Card(a.IO, what+"  "+act.Target.Label(), right, []report.Row{
		{Label: "where", Lines: lines(place(act.Target))},
		{Label: "by", Lines: lines(act.Actor.String() + ", " + act.Started.UTC().Format("2006-01-02 15:04:05 UTC"))},
		{Label: "reason", Lines: lines(act.Reason), Whole: true},
		{Label: "alert", Lines: lines(act.Alert), Whole: true},
		{Label: "before", Lines: facts(act.Plan.Prior), Whole: true},
		{Label: "steps", Lines: steps, Whole: true},
		{Label: "error", Lines: lines(act.Error), Whole: true},
		{Label: "undone", Lines: lines(undoneLine(act)), Whole: true},
		{Label: "next", Lines: nextSteps(act), Whole: true},
	})
}

func undoneLine(act *respond.Action) string {
	switch {
	case act.UndoneBy == "":
		return ""
	case act.Status == respond.StatusUndone:
		return "by " + act.UndoneBy
	}
	return "begun by " + act.UndoneBy
}

func nextSteps(act *respond.Action) []string {
	var out []string
	if isChange(act.ID) && act.Of != "" {
		if act.Open() && act.UndoneBy == "" {
			out = append(out, "edrc undo "+act.Of)
		}
		return append(out, "edrc alerts get "+act.Alert)
	}
	if !isChange(act.ID) && act.Open() && act.UndoneBy == "" && act.Status != respond.StatusRunning {
		out = append(out, "edrc actions resume "+act.ID)
	}
	switch {
	case act.Verb == respond.Undo || act.Status == respond.StatusUndone || act.Status == respond.StatusFailed:
	default:
		out = append(out, "edrc undo "+act.ID)
	}
	return out
}

func newActionsResume(a *app) *cobra.Command {
	var f responseFlags
	c := &cobra.Command{
		Use: "resume ACTION…", Short: "Carry on an action that was cut off, from the first step that is not known to be done",
		Example: "  edrc actions resume A-7QK2M4XP", Args: atLeast(1, "the id of an action"), ValidArgsFunction: a.completeActions,
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := a.responder(cmd, outcomeNames(), f)
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			return r.each(ctx, args, func(id string) (outcome, error) { return r.resume(ctx, actionID(id)) })
		},
	}
	f.confirming(c.Flags())
	f.confining(c.Flags())
	f.sharing(c.Flags())
	f.noting(c.Flags())
	return c
}

func (r *responder) resume(ctx context.Context, id string) (outcome, error) {
	if isChange(id) {
		return outcome{}, fault.Usagef("%s changed an alert, and is not carried on", id).
			WithHint("look at the alert and decide again, or set it back: edrc undo %s", id)
	}
	act, err := r.engine.Action(id)
	if err != nil {
		return outcome{}, err
	}
	if err := r.outside(act.Plan); err != nil {
		return outcome{}, err
	}
	return r.carried(ctx, act.Verb, act.Target, func() (respond.Report, error) {
		return r.engine.Resume(ctx, id, r.approval(false))
	})
}

// completeActions offers the actions, newest first.
func (a *app) completeActions(cmd *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	e, _, err := a.records(cmd, nil)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	all, _ := e.Actions()
	all, _ = withChanges(all, e.StateDir)
	var out []string
	for i := len(all) - 1; i >= 0 && len(out) < maxCompletions; i-- {
		if act := all[i]; strings.HasPrefix(act.ID, strings.ToUpper(toComplete)) {
			out = append(out, fmt.Sprintf("%s\t%s %s, %s", act.ID, act.Verb, act.Target.Label(), act.Status))
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}
