package cli

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/report"
	"edrc/internal/term"
)

// fetchedJSON is one alert, or one file of an alert, that was kept as evidence:
// schema edrc.fetched/v1.
type fetchedJSON struct {
	Ref      alert.Ref        `json:"ref"`
	What     string           `json:"what"` // alert or file
	File     string           `json:"file"`
	Kept     bool             `json:"kept"` // it was there already
	SHA256   string           `json:"sha256,omitempty"`
	Bytes    int64            `json:"bytes,omitempty"`
	Contents *custodyContents `json:"contents,omitempty"` // of an archive
}

// fetchFlags are those of alerts fetch, beside the filters.
type fetchFlags struct {
	alertFilters
	dir                    string
	force, files, endpoint bool
	waitTimeout            string
	wait                   time.Duration
}

func newAlertsFetch(a *app) *cobra.Command {
	var f fetchFlags
	c := &cobra.Command{
		Use: "fetch [REF…|-] --dir DIR", Short: "Keep alerts as evidence: one file each, the vendor's object whole, with a manifest",
		Long: `Fetch writes each alert to DIR as SOURCE_ID.json, byte for byte what the product
gave, and a line to DIR/manifest.ndjson: its SHA-256, its times, who fetched it, when
and with what. It takes refs, or the filters of edrc alerts list, for any number of
alerts. Files that are there already are kept, so that a run can be repeated.

With --files the files that the alerts name are fetched from their products, too,
compared with the alerts' hashes, and kept as FILE_SHA256.zip: AES-256, password
` + evidencePassword + `, each once, never in clear. 7-Zip opens them; unzip cannot read AES. Their
lines in the manifest tell the hashes of the archive and of what is in it, and the
host that it came from. A file that cannot be had now is reported, the rest goes
on (exit 3), and the same command again fetches what is missing.`,
		Example: "  edrc alerts fetch s1-prod:1698432198765432101 --dir IR-2231\n  edrc alerts fetch --host FIN-WS-014 --since 30d --files --dir IR-2231",
		Args:    cobra.ArbitraryArgs, ValidArgsFunction: a.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd, args); err != nil {
				return err
			}
			return runFetch(cmd, a, f, args)
		},
	}
	filterFlags(c, &f.alertFilters)
	environmentFlag(c, &f.environment)
	fl := c.Flags()
	fl.StringVar(&f.dir, "dir", "", "write to this `folder`; it is made when it is not there")
	fl.BoolVar(&f.force, "force", false, "replace files that are there already")
	fl.BoolVar(&f.files, "files", false, "also fetch the files that the alerts name, as encrypted archives")
	fl.StringVar(&f.waitTimeout, "wait-timeout", "10m", "with --files: wait at most this `long` for a file")
	fl.BoolVar(&f.endpoint, "endpoint", false, "with --files: also in ways that run something on the endpoint (as fetch.endpoint: true)")
	_ = c.MarkFlagDirname("dir")
	return c
}

// check looks at the flags before anything is read.
func (f *fetchFlags) check(cmd *cobra.Command, args []string) (err error) {
	if f.dir == "" {
		return fault.Usagef("where to? Give --dir DIR").WithHint("for example: %s", firstExample(cmd))
	}
	own := []string{"dir", "force", "files", "wait-timeout", "endpoint"}
	filtered := ""
	cmd.Flags().Visit(func(fl *pflag.Flag) {
		if cmd.LocalNonPersistentFlags().Lookup(fl.Name) != nil && !slices.Contains(own, fl.Name) {
			filtered = fl.Name
		}
		if !f.files && (fl.Name == "wait-timeout" || fl.Name == "endpoint") {
			err = fault.Usagef("--%s goes with --files", fl.Name)
		}
	})
	if len(args) > 0 && filtered != "" {
		return fault.Usagef("REFs and --%s exclude each other: a REF names its alert already", filtered)
	}
	if err == nil {
		f.wait, err = parseDuration("--wait-timeout", f.waitTimeout)
	}
	return err
}

func runFetch(cmd *cobra.Command, a *app, f fetchFlags, args []string) error {
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
	svc, out, err := a.begin(cmd, report.Names(fetchedColumns()), serviceOptions{endpoint: f.endpoint})
	if err != nil {
		return err
	}
	if err := a.within(&o.Query, f.environment); err != nil {
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
	evidence, err := a.openCustody(f.dir, f.force)
	if err != nil {
		return err
	}
	alerts := svc.Stream(ctx, o)
	if len(refs) > 0 {
		alerts = svc.StreamRefs(ctx, refs)
	}
	if !f.files {
		return keepAlerts(ctx, a, out, evidence, alerts, nil)
	}
	to, err := evidence.openArchives()
	if err != nil {
		return err
	}
	return keepAlerts(ctx, a, out, evidence, alerts, &fileEvidence{svc: svc, to: to, wait: f.wait, now: a.Now,
		fetching: a.fetching(a.cfg, svc, serviceOptions{endpoint: f.endpoint})})
}

// tally is what a fetch did: alerts, then distinct files.
type tally struct{ written, kept, files, filesKept, filesFailed int }

// keepAlerts writes alerts as they come, then the files that they name, if those are
// wanted; a list of them is held only where the output needs one.
func keepAlerts(ctx context.Context, a *app, out report.Options, evidence *custody, alerts iter.Seq2[alert.Alert, error], files *fileEvidence) error {
	var sum tally
	var progress *term.Progress
	if !a.trace && !(out.Streams() && a.IO.OutTTY) { // each would overwrite the other
		progress = a.IO.NewProgress()
	}
	defer progress.Done()
	kept := evidence.keep(alerts, &sum)
	if files != nil {
		kept = evidence.keep(files.watch(ctx, alerts), &sum)
		kept = both(kept, func(yield func(fetchedJSON, error) bool) {
			files.task = progress.Task("files", "done")
			files.fetch(ctx, &sum)(yield)
		})
	}
	var errs []error
	var err error
	if out.Streams() {
		_, errs, err = report.Stream(ctx, a.IO, out, fetchedColumns(), kept)
	} else {
		errs, err = listKept(ctx, a, out, kept, progress)
	}
	if serr := evidence.settle(); err == nil {
		err = serr
	}
	progress.Done()
	stopped := fault.Is(err, fault.Interrupted)
	if stopped && !out.Streams() { // what came before it is worth knowing
		report.Errors(a.IO, out.ErrorFormat(), slices.DeleteFunc(errs, func(err error) bool { return fault.Is(err, fault.Interrupted) }))
	}
	if !out.Machine() && (err == nil || stopped) {
		a.say("%s", sum.text(evidence, files != nil, stopped))
	}
	if err != nil {
		return err
	}
	if nothingElse(errs) && sum.written+sum.files+sum.filesKept == 0 {
		return failed(errs, false)
	}
	return failed(errs, sum.written+sum.kept > 0)
}

// text says what a fetch did.
func (t tally) text(evidence *custody, files, stopped bool) string {
	text := fmt.Sprintf("%s written to %s", count(t.written, "alert"), evidence.dir)
	if t.kept > 0 {
		text += fmt.Sprintf(", %d there already (--force replaces them)", t.kept)
	}
	if files {
		text += fmt.Sprintf("; %s fetched", count(t.files, "file"))
		if t.filesKept > 0 {
			text += fmt.Sprintf(", %d there already", t.filesKept)
		}
		if t.filesFailed > 0 {
			text += fmt.Sprintf(", %d could not be had (the same command again tries those)", t.filesFailed)
		}
	}
	text += ". Manifest: " + evidence.manifest()
	if t.files+t.filesKept > 0 {
		text += ". The archives' password: " + evidencePassword
	}
	if stopped {
		text += ". Interrupted: the same command carries on"
	}
	return text
}

// both gives what one sequence gives, then what the other does.
func both[T any](first, second iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, seq := range []iter.Seq2[T, error]{first, second} {
			for v, err := range seq {
				if !yield(v, err) {
					return
				}
			}
		}
	}
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
			if !yield(fetchedJSON{Ref: al.Ref, What: custodyAlert, File: line.File, Kept: was, SHA256: line.SHA256, Bytes: line.Bytes}, nil) {
				return
			}
		}
	}
}

// listKept shows a list where one was asked for; for a person the summary is enough.
func listKept(ctx context.Context, a *app, out report.Options, kept iter.Seq2[fetchedJSON, error], progress *term.Progress) (errs []error, err error) {
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
	progress.Done()
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
