package cli

import (
	"context"
	"fmt"
	"iter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/report"
)

// fetchedJSON is one alert that was kept as evidence: schema edrc.fetched/v1.
type fetchedJSON struct {
	Ref    alert.Ref `json:"ref"`
	File   string    `json:"file"`
	Kept   bool      `json:"kept"` // it was there already
	SHA256 string    `json:"sha256,omitempty"`
	Bytes  int64     `json:"bytes,omitempty"`
}

func newAlertsFetch(a *app) *cobra.Command {
	var f alertFilters
	var dir string
	force := false
	c := &cobra.Command{
		Use: "fetch [REF…|-] --dir DIR", Short: "Keep alerts as evidence: one file each, the vendor's object whole, with a manifest",
		Long: `Fetch writes each alert to DIR as SOURCE_ID.json, byte for byte what the product
gave, and a line to DIR/manifest.ndjson: its SHA-256, its times, who fetched it, when
and with what. It takes refs, or the filters of edrc alerts list, for any number of
alerts. Files that are there already are kept, so that a run can be repeated.`,
		Example: "  edrc alerts fetch s1-prod:1698432198765432101 --dir IR-2231\n  edrc alerts fetch --host FIN-WS-014 --since 30d --dir IR-2231",
		Args:    cobra.ArbitraryArgs, ValidArgsFunction: a.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if dir == "" {
				return fault.Usagef("where to? Give --dir DIR").WithHint("for example: %s", firstExample(cmd))
			}
			filtered := ""
			cmd.Flags().Visit(func(fl *pflag.Flag) {
				if cmd.LocalNonPersistentFlags().Lookup(fl.Name) != nil && fl.Name != "dir" && fl.Name != "force" {
					filtered = fl.Name
				}
			})
			if len(args) > 0 && filtered != "" {
				return fault.Usagef("REFs and --%s exclude each other: a REF names its alert already", filtered)
			}
			return runFetch(cmd, a, f, args, dir, force)
		},
	}
	filterFlags(c, &f)
	c.Flags().StringVar(&dir, "dir", "", "write to this `folder`; it is made when it is not there")
	c.Flags().BoolVar(&force, "force", false, "replace files that are there already")
	return c
}

func runFetch(cmd *cobra.Command, a *app, f alertFilters, args []string, dir string, force bool) error {
	f.all = true
	o, err := f.options(a.Now())
	if err != nil {
		return err
	}
	words := args
	if len(args) > 0 {
		if words, err = readWords(a.IO.In, args); err != nil {
			return err
		}
	}
	svc, out, err := a.ready(cmd, report.Names(fetchedColumns()), false)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	refs, err := alertRefs(ctx, svc, words)
	if err != nil {
		return err
	}
	if _, err := svc.Pick(o.Sources); err != nil {
		return err
	}
	evidence, err := a.openCustody(dir, force)
	if err != nil {
		return err
	}
	alerts := svc.Stream(ctx, o)
	if len(refs) > 0 {
		alerts = svc.StreamRefs(ctx, refs)
	}
	return keepAlerts(ctx, a, out, evidence, alerts)
}

// tally is what a fetch did.
type tally struct{ written, kept int }

// keepAlerts writes alerts as they come; a list of them is held only where the
// output needs one.
func keepAlerts(ctx context.Context, a *app, out report.Options, evidence *custody, alerts iter.Seq2[alert.Alert, error]) error {
	var sum tally
	kept := evidence.keep(alerts, &sum)
	var errs []error
	var err error
	if out.Streams() {
		_, errs, err = report.Stream(ctx, a.IO, out, fetchedColumns(), kept)
	} else {
		errs, err = listKept(ctx, a, out, kept)
	}
	if serr := evidence.settle(); err == nil {
		err = serr
	}
	if err != nil {
		return err
	}
	if !out.Machine() {
		text := fmt.Sprintf("%s written to %s", count(sum.written, "alert"), evidence.dir)
		if sum.kept > 0 {
			text += fmt.Sprintf(", %d there already (--force replaces them)", sum.kept)
		}
		a.say("%s", text+". Manifest: "+evidence.manifest())
	}
	return failed(errs, sum.written+sum.kept > 0)
}

// keep writes each alert when it is asked for. A folder that cannot be written to
// ends it.
func (c *custody) keep(alerts iter.Seq2[alert.Alert, error], sum *tally) iter.Seq2[fetchedJSON, error] {
	return func(yield func(fetchedJSON, error) bool) {
		for al, err := range alerts {
			if err != nil {
				if !yield(fetchedJSON{}, err) {
					return
				}
				continue
			}
			line, was, err := c.alert(al)
			if err != nil {
				yield(fetchedJSON{}, fault.At(err, al.Ref.Source, "keep "+al.Ref.String()))
				return
			}
			if was {
				sum.kept++
			} else {
				sum.written++
			}
			if !yield(fetchedJSON{Ref: al.Ref, File: line.File, Kept: was, SHA256: line.SHA256, Bytes: line.Bytes}, nil) {
				return
			}
		}
	}
}

// listKept shows a list where one was asked for; for a person the summary is enough.
func listKept(ctx context.Context, a *app, out report.Options, kept iter.Seq2[fetchedJSON, error]) (errs []error, err error) {
	show := out.Structured() || out.Format == report.MD || out.Format == report.CSV || out.Format == report.Wide || len(out.Columns) > 0 || out.Sort != ""
	l := report.List[fetchedJSON]{Schema: "edrc.fetched/v1", Columns: fetchedColumns()}
	for r, err := range kept {
		switch {
		case err != nil:
			l.Errors = append(l.Errors, err)
		case show:
			l.Items = append(l.Items, r)
		}
	}
	if ctx.Err() != nil {
		return l.Errors, ctx.Err()
	}
	return l.Errors, report.Print(ctx, a.IO, out, l)
}

func fetchedColumns() []report.Column[fetchedJSON] {
	type row = fetchedJSON
	return []report.Column[row]{
		{Name: "ref", Value: func(_ report.View, r row) string { return r.Ref.String() }},
		{Name: "file", Value: func(_ report.View, r row) string { return r.File }, Shrink: 2, Min: 16},
		{Name: "bytes", Value: func(_ report.View, r row) string { return fmt.Sprint(r.Bytes) }, Right: true, Sort: func(x, y row) int { return int(x.Bytes - y.Bytes) }},
		{Name: "kept", Value: func(_ report.View, r row) string { return map[bool]string{true: "was there", false: "written"}[r.Kept] }},
		{Name: "sha256", Value: func(_ report.View, r row) string { return r.SHA256 }, Shrink: 1, Min: 12},
	}
}
