package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"edrc/internal/alert"
	"edrc/internal/config"
	"edrc/internal/lab"
	"edrc/internal/ledger"
	"edrc/internal/report"
	"edrc/internal/safe"
	"edrc/internal/source/all"
)

// Completion never touches the network: refs come from the store, names from the
// configuration.

// maxCompletions bounds the refs offered at once.
const maxCompletions = 50

func (a *app) completeSources(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	cfg, err := a.config(cmd.Flags())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, s := range cfg.Sources {
		names = append(names, s.Name+"\t"+productName(s))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeEnvironments(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	cfg, err := a.config(cmd.Flags())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, e := range environments(cfg) {
		var groups []string
		for _, g := range newEnvironmentRow(e).Groups {
			groups = append(groups, groupText(g))
		}
		names = append(names, e.name+"\t"+strings.Join(groups, "; "))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func productName(s config.Source) string {
	for _, p := range all.Products() {
		if p.Kind == s.Kind {
			return p.Name
		}
	}
	return s.Kind
}

// completeRefs offers the newest remembered alerts.
func (a *app) completeRefs(cmd *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
	defer cancel()
	cfg, err := a.config(cmd.Flags())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	db, err := a.theStore(cfg)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	_ = db.View(ctx, func(tx ledger.Tx) error {
		out = nil
		for rec, err := range tx.Alerts("", a.Now().Add(-7*24*time.Hour), time.Time{}) {
			if err != nil {
				return err
			}
			if ref := rec.Ref().String(); strings.HasPrefix(ref, toComplete) {
				out = append(out, fmt.Sprintf("%s\t%s %s", ref, rec.Severity, safe.Line(rec.Title)))
				if len(out) > maxCompletions { // keep the newest
					out = out[1:]
				}
			}
		}
		return nil
	})
	return out, cobra.ShellCompDirectiveNoFileComp
}

// completeFlags gives every flag with a closed set of values its completion.
func completeFlags(a *app, root *cobra.Command) {
	fixed := map[string][]string{
		"output": report.Formats(), "color": {"auto", "always", "never"},
		"severity": append(alert.SeverityNames(), "high+", "medium+"),
		"products": slices.Concat(lab.Products(), lab.Variants(), []string{"all"}),
		"status":   {string(alert.StatusNew), string(alert.StatusInProgress), string(alert.StatusResolved)},
		"verdict":  classNames(), "fail-on": classNames(),
	}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		for flag, values := range fixed {
			if c.LocalFlags().Lookup(flag) != nil {
				_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
			}
		}
		if f := c.LocalFlags().Lookup("source"); f != nil {
			_ = c.RegisterFlagCompletionFunc("source", a.completeSources)
		}
		if f := c.LocalFlags().Lookup("environment"); f != nil {
			_ = c.RegisterFlagCompletionFunc("environment", a.completeEnvironments)
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
}
