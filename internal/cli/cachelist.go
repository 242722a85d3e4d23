package cli

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/report"
	"edrc/internal/term"
	"edrc/internal/triage"
)

// style is what colours a cell.
type style = term.Style

// verdictFlags narrow what is remembered of files.
type verdictFlags struct {
	classes       []string
	family, since string
}

func (f *verdictFlags) register(c *cobra.Command) {
	fl := c.Flags()
	fl.StringSliceVar(&f.classes, "verdict", nil, "only these `classes`")
	fl.StringVar(&f.family, "family", "", "only this `family`; \"Lock*\" for a prefix")
	fl.StringVar(&f.since, "since", "", "learned since this `time`: 24h, 7d, yesterday, 2026-11-01, RFC 3339")
}

func (f verdictFlags) filter(now time.Time) (triage.VerdictFilter, error) {
	out := triage.VerdictFilter{Family: f.family}
	var err error
	if out.Classes, err = parseClasses("--verdict", f.classes); err != nil {
		return out, err
	}
	out.Since, err = parseTime("--since", f.since, now)
	return out, err
}

// rememberedJSON is one remembered verdict: schema edrc.verdicts.list/v1.
type rememberedJSON struct {
	Hash     alert.Hash    `json:"hash"`
	Verdict  alert.Verdict `json:"verdict"`
	Learned  time.Time     `json:"learned"`
	Age      float64       `json:"age_seconds"`
	Believed bool          `json:"believed"`
	By       string        `json:"by,omitempty"`
	Engine   string        `json:"engine"`
}

func newRememberedJSON(svc *triage.Service, v *ledger.VerdictRecord) rememberedJSON {
	return rememberedJSON{Hash: v.Verdict.Best(), Verdict: v.Verdict, Learned: v.Learned, Age: v.Age(svc.Now()).Seconds(),
		Believed: svc.Believed(v), By: v.By, Engine: v.Engine}
}

func newCacheList(a *app) *cobra.Command {
	var f verdictFlags
	limit, all := listDefault, false
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the remembered verdicts, newest first",
		Long: `List shows what is remembered of files, the verdict learned last first. With
--all, -o ndjson and -o csv stream: any number of verdicts, in no order, in little memory.`,
		Example: "  edrc cache list --verdict malicious --since 7d\n  edrc cache list --family 'Lock*' -o wide\n  edrc cache list --all -o ndjson",
		Args:    exact(0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !all && limit < 1 {
				return fault.Usagef("--limit: %d is not a number of verdicts", limit).WithHint("use --all for no limit")
			}
			filter, err := f.filter(a.Now())
			if err != nil {
				return err
			}
			svc, out, err := a.ready(cmd, report.Names(rememberedColumns()), false)
			if err != nil {
				return err
			}
			if all {
				limit = 0
			}
			return runCacheList(cmd.Context(), a, svc, out, filter, limit)
		},
	}
	f.register(c)
	c.Flags().IntVar(&limit, "limit", listDefault, "show the `N` newest")
	c.Flags().BoolVar(&all, "all", false, "show all that match")
	return c
}

func runCacheList(ctx context.Context, a *app, svc *triage.Service, out report.Options, f triage.VerdictFilter, limit int) error {
	found := func(yield func(rememberedJSON, error) bool) {
		for v, err := range svc.Verdicts(ctx, f) {
			if err != nil {
				yield(rememberedJSON{}, err)
				return
			}
			if !yield(newRememberedJSON(svc, v), nil) {
				return
			}
		}
	}
	if limit == 0 && out.Streams() {
		n, errs, err := report.Stream(ctx, a.IO, out, rememberedColumns(), found)
		if err != nil {
			return err
		}
		return failed(errs, n > 0)
	}
	rows, total, err := newest(found, limit)
	if err != nil {
		return err
	}
	l := report.List[rememberedJSON]{Schema: "edrc.verdicts.list/v1", Columns: rememberedColumns(), Items: rows, Empty: "no verdict matches"}
	if err := report.Print(ctx, a.IO, out, l); err != nil {
		return err
	}
	switch {
	case out.Machine() || total == 0:
	case total > len(rows):
		a.say("%d of %s (--all)", len(rows), count(total, "verdict"))
	default:
		a.say("%s", count(total, "verdict"))
	}
	return nil
}

// newest keeps the limit verdicts that were learned last (0: all), in memory for
// about twice as many.
func newest(found iter.Seq2[rememberedJSON, error], limit int) (rows []rememberedJSON, total int, err error) {
	cut := func() {
		slices.SortStableFunc(rows, func(x, y rememberedJSON) int { return y.Learned.Compare(x.Learned) })
		if limit > 0 && len(rows) > limit {
			clear(rows[limit:])
			rows = rows[:limit]
		}
	}
	for r, err := range found {
		if err != nil {
			return nil, total, err
		}
		total++
		if rows = append(rows, r); limit > 0 && len(rows) >= 2*limit {
			cut()
		}
	}
	cut()
	return rows, total, nil
}

func rememberedColumns() []report.Column[rememberedJSON] {
	type row = rememberedJSON
	return []report.Column[row]{
		{Name: "hash", Value: func(v report.View, r row) string { return hashCell(v, r.Hash) }, Shrink: 2, Min: 12},
		{Name: "verdict", Value: func(_ report.View, r row) string { return className(r.Verdict.Class) }, Flex: true, Min: 10,
			Sort: func(x, y row) int {
				return slices.Index(alert.Classes(), x.Verdict.Class) - slices.Index(alert.Classes(), y.Verdict.Class)
			},
			Style: func(s style, r row, text string) string { return styleClass(s, r.Verdict.Class, text) }},
		{Name: "family", Value: func(_ report.View, r row) string { return r.Verdict.Family }, Shrink: 1, Min: 8},
		{Name: "name", Value: func(_ report.View, r row) string { return r.Verdict.Name }, Shrink: 3, Min: 10},
		{Name: "type", Wide: true, Value: func(_ report.View, r row) string { return r.Verdict.FileType }, Shrink: 4, Min: 4},
		{Name: "learned", Value: func(v report.View, r row) string { return when(v, r.Learned) }, Sort: func(x, y row) int { return y.Learned.Compare(x.Learned) }},
		{Name: "age", Value: func(_ report.View, r row) string { return report.Age(time.Duration(r.Age * float64(time.Second))) },
			Sort: func(x, y row) int { return int(x.Age - y.Age) }, Right: true},
		{Name: "believed", Value: func(_ report.View, r row) string { return map[bool]string{true: "yes", false: "too old"}[r.Believed] }, Shrink: 4, Min: 7},
		{Name: "by", Wide: true, Value: func(_ report.View, r row) string { return r.By }, Shrink: 5, Min: 6},
		{Name: "engine", Wide: true, Value: func(_ report.View, r row) string { return r.Engine }, Shrink: 6, Min: 8},
		{Name: "link", Wide: true, Value: func(_ report.View, r row) string { return r.Verdict.URL }, Shrink: 7, Min: 12},
	}
}

// hashCell shortens a hash for the eye; it is whole in a pipe.
func hashCell(v report.View, h alert.Hash) string {
	if v.TTY && len(h) > 16 {
		return fmt.Sprintf("%s…", h[:12])
	}
	return string(h)
}
