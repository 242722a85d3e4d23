package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"edrc/internal/ledger"
	"edrc/internal/report"
	"edrc/internal/triage"
)

func newQuarantine(a *app) *cobra.Command {
	act := func(use, short, did string, fn func(*triage.Service, context.Context, []string) ([]*ledger.Quarantined, error)) *cobra.Command {
		return &cobra.Command{
			Use: use + " ID…", Short: short, Example: fmt.Sprintf("  edrc quarantine %s Q-1A2B3C4D", use),
			Args: atLeast(1, "the ID of a quarantined item"), ValidArgsFunction: cobra.NoFileCompletions,
			RunE: func(cmd *cobra.Command, args []string) error {
				svc, err := a.service(cmd.Flags(), serviceOptions{})
				if err != nil {
					return err
				}
				items, err := fn(svc, cmd.Context(), args)
				for _, q := range items {
					a.say("%s %s (%s of %s)", q.ID, did, q.What, q.Name)
				}
				return err
			},
		}
	}
	list := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "What was set aside after repeated trouble, and why",
		Example: "  edrc quarantine list", Args: exact(0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			svc, out, err := a.begin(cmd, report.Names(quarantineColumns()), serviceOptions{})
			if err != nil {
				return err
			}
			items, err := svc.Quarantine(cmd.Context())
			if err != nil {
				return err
			}
			return report.Print(cmd.Context(), a.IO, out, report.List[*ledger.Quarantined]{Schema: "edrc.quarantine/v1",
				Columns: quarantineColumns(), Items: items, Empty: "nothing is quarantined"})
		},
	}
	return group("quarantine", "Alerts and notes that were set aside for a person", list,
		act("retry", "Try quarantined items again with the next sync", "will be tried again by the next sync", (*triage.Service).Retry),
		act("drop", "Forget quarantined items", "dropped", (*triage.Service).Drop))
}

func quarantineColumns() []report.Column[*ledger.Quarantined] {
	type row = *ledger.Quarantined
	return []report.Column[row]{
		{Name: "id", Value: func(_ report.View, q row) string { return q.ID }},
		{Name: "source", Value: func(_ report.View, q row) string { return q.Name }},
		{Name: "what", Value: func(_ report.View, q row) string { return q.What }},
		{Name: "alert", Value: func(_ report.View, q row) string { return q.Alert }, Shrink: 2, Min: 8},
		{Name: "since", Value: func(v report.View, q row) string { return when(v, q.At) }, Sort: func(x, y row) int { return x.At.Compare(y.At) }},
		{Name: "times", Value: func(_ report.View, q row) string { return fmt.Sprint(q.Count) }, Right: true},
		{Name: "reason", Value: func(_ report.View, q row) string { return q.Reason }, Shrink: 1, Min: 16, Flex: true},
	}
}
