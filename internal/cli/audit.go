package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"edrc/internal/report"
	"edrc/internal/respond"
)

func newAudit(a *app) *cobra.Command {
	return group("audit", "Who contained what and why, and what was refused", newAuditList(a), newAuditVerify(a))
}

func newAuditList(a *app) *cobra.Command {
	var since string
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the audit, oldest first", Example: "  edrc audit list --since 7d\n  edrc audit list -o ndjson",
		Args: exact(0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, err := parseTime("--since", since, a.Now())
			if err != nil {
				return err
			}
			e, out, err := a.records(cmd, report.Names(auditColumns()))
			if err != nil {
				return err
			}
			var items []respond.AuditEntry
			var errs []error
			for entry, err := range e.Audit().Entries() {
				switch {
				case err != nil:
					errs = append(errs, err)
				case !entry.Time.Before(from):
					items = append(items, entry)
				}
			}
			l := report.List[respond.AuditEntry]{Schema: "edrc.audit/v1", Columns: auditColumns(), Items: items, Errors: errs, Empty: "the audit is empty"}
			if err := report.Print(cmd.Context(), a.IO, out, l); err != nil {
				return err
			}
			return failed(errs, len(items) > 0)
		},
	}
	c.Flags().StringVar(&since, "since", "", "only lines since this `time` (7d, 2026-11-01)")
	return c
}

func auditColumns() []report.Column[respond.AuditEntry] {
	type row = respond.AuditEntry
	return []report.Column[row]{
		{Name: "line", Wide: true, Right: true, Value: func(_ report.View, r row) string { return fmt.Sprint(r.Seq) }, Sort: func(x, y row) int { return x.Seq - y.Seq }},
		{Name: "time", Value: func(v report.View, r row) string { return when(v, r.Time) }, Sort: func(x, y row) int { return x.Time.Compare(y.Time) }},
		{Name: "who", Value: func(_ report.View, r row) string { return r.Actor.String() }, Shrink: 4, Min: 6},
		{Name: "event", Value: func(_ report.View, r row) string { return string(r.Event) }},
		{Name: "what", Value: func(_ report.View, r row) string {
			if r.Of != "" {
				return "undo " + r.Of
			}
			return string(r.Verb)
		}, Shrink: 3, Min: 15},
		{Name: "target", Value: func(v report.View, r row) string {
			if v.TTY && r.Name != "" {
				return r.Name
			}
			return r.Target
		}, Shrink: 1, Min: 12, Flex: true},
		{Name: "action", Value: func(_ report.View, r row) string { return r.Action }},
		{Name: "status", Value: func(_ report.View, r row) string { return string(r.Status) }},
		{Name: "reason", Value: func(_ report.View, r row) string { return r.Reason }, Shrink: 5, Min: 10},
		{Name: "alert", Wide: true, Value: func(_ report.View, r row) string { return r.Alert }, Shrink: 6, Min: 12},
		{Name: "detail", Wide: true, Value: func(_ report.View, r row) string { return r.Detail }, Shrink: 5, Min: 8},
	}
}

func newAuditVerify(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "verify", Short: "Check that no line of the audit was changed, removed, added or moved", Example: "  edrc audit verify",
		Args: exact(0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			e, out, err := a.records(cmd, nil)
			if err != nil {
				return err
			}
			audit := e.Audit()
			good, err := audit.Verify(cmd.Context())
			if err != nil {
				return err
			}
			if out.Structured() {
				return report.Object(cmd.Context(), a.IO, out, "edrc.audit.verified/v1", struct {
					Lines int    `json:"lines"`
					Path  string `json:"path"`
				}{good, audit.Path})
			}
			_, err = fmt.Fprintf(a.IO.Out, "%s, unbroken: %s\n", count(good, "line"), audit.Path)
			return err
		},
	}
}
