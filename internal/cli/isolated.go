package cli

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"edrc/internal/fault"
	"edrc/internal/report"
	"edrc/internal/respond"
	"edrc/internal/term"
)

// standingJSON is one containment as it stands now: schema edrc.isolated/v1.
type standingJSON struct {
	Action string                `json:"action"`
	Verb   respond.Verb          `json:"verb"`
	Target respond.Target        `json:"target"`
	State  respond.StandingState `json:"state"`
	Since  time.Time             `json:"since"`
	By     string                `json:"by"` // as the vendor says, else who ran edrc
	Reason string                `json:"reason,omitempty"`
	Drift  []string              `json:"drift,omitempty"`
	Error  string                `json:"error,omitempty"`
}

func newIsolated(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "isolated", Short: "What edrc has contained, as the vendors say it stands now",
		Long: `Isolated reads everything that edrc contained and has not undone where it stands: in
the product, in AWS. What somebody changed meanwhile is shown as drift. What others
isolated is not listed.`,
		Example: "  edrc isolated\n  edrc isolated -o json --jq '.items[] | select(.state != \"isolated\")'",
		Args:    exact(0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := a.responder(cmd, report.Names(standingColumns()), responseFlags{})
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			_, errs := r.engine.Refresh(ctx)
			all, more := r.engine.Isolated(ctx)
			errs = append(errs, more...)
			for _, st := range all {
				if st.Err != nil {
					errs = append(errs, fault.At(st.Err, "", "read "+st.Action.Target.Label()+" ("+st.Action.ID+")"))
				}
			}
			columns := standingColumns()
			if !slices.ContainsFunc(all, func(s respond.Standing) bool { return len(s.Drift) > 0 }) && len(r.out.Columns) == 0 && r.out.Format != report.CSV {
				columns = columns[:len(columns)-1]
			}
			l := report.List[respond.Standing]{Schema: "edrc.isolated/v1", Columns: columns, Items: all, Errors: errs,
				Empty: "nothing that edrc contained still stands"}
			if err := report.PrintAs(ctx, a.IO, r.out, l, newStandingJSON); err != nil {
				return err
			}
			return failed(errs, len(all) > 0)
		},
	}
}

func newStandingJSON(s respond.Standing) standingJSON {
	out := standingJSON{Action: s.Action.ID, Verb: s.Action.Verb, Target: s.Action.Target, State: s.State, Since: s.Since,
		By: byWhom(s), Reason: s.Action.Reason, Drift: s.Drift}
	if s.Err != nil {
		out.Error = s.Err.Error()
	}
	return out
}

func byWhom(s respond.Standing) string {
	if s.By != "" {
		return s.By
	}
	return s.Action.Actor.String()
}

func standingColumns() []report.Column[respond.Standing] {
	type row = respond.Standing
	return []report.Column[row]{
		{Name: "target", Value: func(v report.View, r row) string { return targetText(v, r.Action.Target) }, Shrink: 1, Min: 12, Flex: true},
		{Name: "id", Wide: true, Value: func(_ report.View, r row) string { return r.Action.Target.ID }},
		{Name: "what", Value: func(_ report.View, r row) string { return string(r.Action.Verb) }, Shrink: 3, Min: 15},
		{Name: "where", Wide: true, Value: func(_ report.View, r row) string { return place(r.Action.Target) }},
		{Name: "state", Value: func(_ report.View, r row) string { return string(r.State) }, Style: func(s term.Style, r row, text string) string {
			switch r.State {
			case respond.StillIsolated:
				return s.Green(text)
			case respond.Isolating, respond.Releasing:
				return s.Yellow(text)
			}
			return s.Red(text)
		}},
		{Name: "since", Value: func(v report.View, r row) string { return when(v, r.Since) }, Sort: func(x, y row) int { return x.Since.Compare(y.Since) }},
		{Name: "by", Value: func(_ report.View, r row) string { return byWhom(r) }, Shrink: 4, Min: 6},
		{Name: "reason", Value: func(_ report.View, r row) string { return r.Action.Reason }, Shrink: 5, Min: 10},
		{Name: "action", Value: func(_ report.View, r row) string { return r.Action.ID }},
		{Name: "drift", Value: func(_ report.View, r row) string { return strings.Join(r.Drift, "; ") }, Shrink: 2, Min: 10, Flex: true},
	}
}
