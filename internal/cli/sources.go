package cli

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"edrc/internal/fault"
	"edrc/internal/report"
	"edrc/internal/source"
	"edrc/internal/term"
)

// sourceRow is one configured source and what it can do: schema edrc.sources/v1.
type sourceRow struct {
	Name   string          `json:"name"`
	Kind   string          `json:"kind"`
	Tenant string          `json:"tenant,omitempty"` // the label of the configuration
	Can    map[string]bool `json:"can"`
}

func newSources(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "sources", Short: "The configured sources and what each can do",
		Example: "  edrc sources\n  edrc sources check", Args: cobra.ArbitraryArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			if _, err := a.options(report.Names(sourceColumns())); err != nil {
				return err
			}
			cfg, err := a.config(cmd.Flags())
			if err != nil {
				return err
			}
			sources, err := a.buildSources(cfg)
			if err != nil {
				return err
			}
			var rows []sourceRow
			for i, s := range sources {
				r := sourceRow{Name: s.Name(), Kind: s.Kind(), Tenant: cfg.Sources[i].Tenant, Can: map[string]bool{}}
				for _, c := range source.Capabilities(s) {
					r.Can[c.Name] = c.Has
				}
				rows = append(rows, r)
			}
			out, err := a.options(report.Names(sourceColumns()))
			if err != nil {
				return err
			}
			return report.Print(cmd.Context(), a.IO, out, report.List[sourceRow]{Schema: "edrc.sources/v1", Columns: sourceColumns(), Items: rows,
				Empty: "no source is configured in " + cfg.Path})
		},
	}
	c.AddCommand(newSourcesCheck(a))
	return c
}

// sourceColumns is the matrix. A column stands for one capability or for several that
// belong together.
func sourceColumns() []report.Column[sourceRow] {
	yes := func(name string) report.Column[sourceRow] {
		return report.Column[sourceRow]{Name: name, Value: func(_ report.View, r sourceRow) string {
			return map[bool]string{true: "yes", false: "-"}[r.Can[name]]
		}}
	}
	several := func(name, prefix string, words ...string) report.Column[sourceRow] {
		return report.Column[sourceRow]{Name: name, Value: func(_ report.View, r sourceRow) string {
			var can []string
			for _, w := range words {
				if r.Can[prefix+w] {
					can = append(can, w)
				}
			}
			return cmp.Or(strings.Join(can, ", "), "-")
		}}
	}
	alerts := several("alerts", "", "list", "get", "sync")
	alerts.Wide = true
	hosts := yes("hosts")
	hosts.Wide = true
	return []report.Column[sourceRow]{
		{Name: "source", Value: func(_ report.View, r sourceRow) string { return r.Name }},
		{Name: "kind", Value: func(_ report.View, r sourceRow) string { return r.Kind }},
		{Name: "tenant", Wide: true, Value: func(_ report.View, r sourceRow) string { return r.Tenant }},
		alerts, yes("incidents"), several("notes", "note ", "add", "list", "remove"), yes("resolve"), yes("fetch"), hosts, yes("isolate"),
	}
}

// checkRow is what a source or the engine answered: schema edrc.checks/v1.
type checkRow struct {
	Name     string            `json:"name"`
	OK       bool              `json:"ok"`
	Identity string            `json:"identity,omitempty"`
	Tenant   string            `json:"tenant,omitempty"`
	Version  string            `json:"version,omitempty"`
	Expires  time.Time         `json:"expires,omitzero"`
	Skew     float64           `json:"clock_skew_seconds,omitempty"`
	Missing  map[string]string `json:"missing,omitempty"`
	Warnings []string          `json:"warnings,omitempty"`
	Coverage []source.Coverage `json:"coverage,omitempty"` // of a product of many accounts and regions

	err error
}

func newSourcesCheck(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "check [SOURCE…]", Short: "Ask each source who we are and what we may do",
		Example: "  edrc sources check\n  edrc sources check s1-prod", Args: cobra.ArbitraryArgs, ValidArgsFunction: a.completeSources,
		RunE: func(cmd *cobra.Command, args []string) error {
			svc, out, err := a.begin(cmd, report.Names(checkColumns()), serviceOptions{})
			if err != nil {
				return err
			}
			picked, err := svc.Pick(args)
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			rows := checkAll(ctx, a, picked)
			if len(args) == 0 && a.engine != nil {
				rows = append(rows, a.checkEngine(ctx))
			}
			var errs []error
			for _, r := range rows {
				if r.err != nil {
					errs = append(errs, r.err)
				}
			}
			l := report.List[checkRow]{Schema: "edrc.checks/v1", Columns: checkColumns(), Items: rows, Errors: errs, Empty: "no source is configured"}
			if err := report.Print(cmd.Context(), a.IO, out, l); err != nil {
				return err
			}
			if !out.Structured() && out.Format != report.CSV && out.Format != report.MD && len(out.Columns) == 0 {
				if err := printCoverage(cmd.Context(), a, out, rows); err != nil {
					return err
				}
			}
			return failed(errs, len(rows) > len(errs))
		},
	}
}

func checkAll(ctx context.Context, a *app, picked []source.Source) []checkRow {
	rows := make([]checkRow, len(picked))
	var wg sync.WaitGroup
	for i, s := range picked {
		wg.Go(func() {
			h, err := s.Check(ctx)
			rows[i] = checkRow{Name: s.Name(), OK: err == nil, Identity: h.Identity, Tenant: h.Tenant, Version: h.Version,
				Expires: h.Expires, Skew: h.Skew.Seconds(), Missing: h.Missing, Coverage: h.Coverage, err: fault.At(err, s.Name(), "check")}
			rows[i].Warnings = checkWarnings(rows[i], a.Now())
			for _, end := range h.Retiring {
				rows[i].Warnings = append(rows[i].Warnings, "the product retires "+end+"; look for a newer edrc")
			}
		})
	}
	wg.Wait()
	return rows
}

func checkWarnings(r checkRow, now time.Time) []string {
	var out []string
	if left := r.Expires.Sub(now); !r.Expires.IsZero() && left < 14*24*time.Hour {
		out = append(out, "the token expires in "+report.Age(left))
	}
	if s := time.Duration(r.Skew * float64(time.Second)).Abs(); s > 2*time.Minute {
		out = append(out, "our clock and the product's differ by "+report.Age(s)+": check the time service")
	}
	keys := make([]string, 0, len(r.Missing))
	for k := range r.Missing {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		out = append(out, k+" needs "+r.Missing[k])
	}
	return out
}

// checkEngine asks the scan engine the same.
func (a *app) checkEngine(ctx context.Context) checkRow {
	identity, allowance, err := a.engine.Check(ctx)
	r := checkRow{Name: a.engine.Name(), OK: err == nil, Identity: identity, err: fault.At(err, a.engine.Name(), "check")}
	if left, limited := allowance.Left(); err == nil && limited && left == 0 {
		r.Warnings = append(r.Warnings, "no scans left")
	}
	return r
}

func checkColumns() []report.Column[checkRow] {
	return []report.Column[checkRow]{
		{Name: "source", Value: func(_ report.View, r checkRow) string { return r.Name }},
		{Name: "ok", Value: func(_ report.View, r checkRow) string { return map[bool]string{true: "yes", false: "no"}[r.OK] },
			Style: func(s term.Style, r checkRow, text string) string {
				if r.OK {
					return s.Green(text)
				}
				return s.Red(text)
			}},
		{Name: "identity", Value: func(_ report.View, r checkRow) string { return r.Identity }, Shrink: 3, Min: 8},
		{Name: "tenant", Value: func(_ report.View, r checkRow) string { return r.Tenant }, Shrink: 2, Min: 10},
		{Name: "version", Value: func(_ report.View, r checkRow) string { return r.Version }, Shrink: 4, Min: 8},
		{Name: "expires", Value: func(_ report.View, r checkRow) string {
			if r.Expires.IsZero() {
				return ""
			}
			return r.Expires.UTC().Format(time.DateOnly)
		}},
		{Name: "warnings", Value: func(_ report.View, r checkRow) string { return strings.Join(r.Warnings, "; ") }, Shrink: 1, Min: 12, Flex: true},
	}
}
