package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"edrc/internal/report"
	"edrc/internal/triage"
)

func newReconcile(a *app) *cobra.Command {
	var since string
	var sources []string
	c := &cobra.Command{
		Use: "reconcile", Short: "Compare what the products list with what edrc has seen, and take in what was missed",
		Long: `Reconcile reads the alerts of the last days again by id and compares them with
what is remembered. Sync does the same once a day. An alert that was missed is
taken in, one that is gone is marked, a note of ours that is gone is reported.`,
		Example: "  edrc reconcile --since 7d",
		Args:    exact(0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, err := parseTime("--since", since, a.Now())
			if err != nil {
				return err
			}
			svc, out, err := a.begin(cmd, report.Names(differenceColumns()), serviceOptions{judges: true})
			if err != nil {
				return err
			}
			r, err := svc.Reconcile(cmd.Context(), sources, from)
			if err != nil {
				return err
			}
			errs := sourceErrors(r.Errors)
			l := report.List[triage.Difference]{Schema: "edrc.differences/v1", Columns: differenceColumns(), Items: r.Differences, Errors: errs,
				Empty: fmt.Sprintf("no difference: %s compared", count(r.Checked, "alert"))}
			if err := report.Print(cmd.Context(), a.IO, out, l); err != nil {
				return err
			}
			if !out.Machine() && len(r.Differences) > 0 {
				a.say("%s, %s compared", count(len(r.Differences), "difference"), count(r.Checked, "alert"))
			}
			return failed(errs, len(svc.Sources) > len(errs))
		},
	}
	c.Flags().StringVar(&since, "since", "7d", "compare alerts created since this `time`")
	c.Flags().StringSliceVar(&sources, "source", nil, "only these `sources`")
	return c
}

func differenceColumns() []report.Column[triage.Difference] {
	return []report.Column[triage.Difference]{
		{Name: "ref", Value: func(_ report.View, d triage.Difference) string { return d.Ref.String() }},
		{Name: "what", Value: func(_ report.View, d triage.Difference) string { return d.What }},
		{Name: "did", Value: func(_ report.View, d triage.Difference) string { return d.Did }, Shrink: 1, Min: 12},
	}
}
