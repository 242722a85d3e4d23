package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"edrc/internal/report"
	"edrc/internal/triage"
)

func newCachePrune(a *app) *cobra.Command {
	var olderThan string
	dryRun := false
	c := &cobra.Command{
		Use: "prune", Short: "Forget what is too old to matter",
		Long: `Prune forgets verdicts that are older than --older-than and are no longer believed.
One that an open alert waits with stays.

Alerts that edrc is done with, the records of their notes, and file jobs are kept
for 180 days at least, whatever --older-than says: an alert that was forgotten
earlier would be new, and noted again, when its product lists it once more.`,
		Example: "  edrc cache prune --older-than 365d --dry-run\n  edrc cache prune && edrc cache compact",
		Args:    exact(0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			older, err := parseDuration("--older-than", olderThan)
			if err != nil {
				return err
			}
			svc, out, err := a.ready(cmd, nil, false)
			if err != nil {
				return err
			}
			p, err := svc.Prune(cmd.Context(), triage.PruneOptions{OlderThan: older, DryRun: dryRun})
			if err != nil {
				return err
			}
			if out.Structured() {
				return report.Object(cmd.Context(), a.IO, out, "edrc.cache.prune/v1", p)
			}
			return pruneText(a, p)
		},
	}
	c.Flags().StringVar(&olderThan, "older-than", "180d", "forget verdicts older than this `age`")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be forgotten; forget nothing")
	return c
}

func pruneText(a *app, p *triage.Pruned) error {
	what := fmt.Sprintf("%s, %s, %s, %s", count(p.Verdicts, "verdict"), count(p.Alerts, "alert"), count(p.Notes, "note record"), count(p.Jobs, "file job"))
	line := "forgotten: " + what
	if p.DryRun {
		line = "dry run: would forget " + what
	}
	if _, err := fmt.Fprintln(a.IO.Out, line); err != nil {
		return err
	}
	a.say("alerts, note records and file jobs younger than %s are kept", report.Age(p.Retention))
	if !p.DryRun && p.Verdicts+p.Alerts+p.Notes+p.Jobs > 0 {
		a.say("the file gives its space back with: edrc cache compact")
	}
	return nil
}

// compactJSON is a compaction: schema edrc.cache.compact/v1.
type compactJSON struct {
	Path   string `json:"path"`
	Before int64  `json:"bytes_before"`
	After  int64  `json:"bytes_after"`
}

func newCacheCompact(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "compact", Short: "Write the store anew without its free space; other runs wait meanwhile", Example: "  edrc cache compact",
		Args: exact(0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			db, out, err := a.storeOnly(cmd)
			if err != nil {
				return err
			}
			j := compactJSON{Path: a.cfg.Store.Path}
			if j.Before, j.After, err = db.Compact(cmd.Context()); err != nil {
				return err
			}
			if out.Structured() {
				return report.Object(cmd.Context(), a.IO, out, "edrc.cache.compact/v1", j)
			}
			if j.Before == 0 {
				a.say("nothing is remembered yet")
				return nil
			}
			_, err = fmt.Fprintf(a.IO.Out, "%s: %s before, %s now\n", j.Path, triage.Bytes(j.Before), triage.Bytes(j.After))
			return err
		},
	}
}
