package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/report"
	"edrc/internal/term"
	"edrc/internal/triage"
)

// scanFlags are shared by the scan commands.
type scanFlags struct {
	note, noWait, refresh, dryRun bool
	endpoint                      bool
	failOn                        []string
	maxAge, waitTimeout           string
}

func newScan(a *app) *cobra.Command {
	return group("scan", "Is this file bad? What is remembered first, a paid scan last",
		newScanShow(a), newScanHash(a), newScanFile(a), newScanAlert(a, "alert", "Scan the files of alerts"),
		newScanAlert(a, "incident", "Scan the files of incidents"))
}

func (f *scanFlags) register(c *cobra.Command, note bool) {
	fl := c.Flags()
	if note {
		fl.BoolVar(&f.note, "note", false, "post the verdict note on the alert")
	}
	fl.StringSliceVar(&f.failOn, "fail-on", nil, "exit 10 when a verdict is one of these `classes`, 3 when there is none")
	fl.BoolVar(&f.noWait, "no-wait", false, "do not wait for a running analysis; sync or the same command carries on")
	fl.BoolVar(&f.refresh, "refresh", false, "believe nothing that is remembered; this may spend a scan")
	fl.StringVar(&f.maxAge, "max-age", "", "believe verdicts up to this `age` only: 12h, 7d")
	fl.BoolVar(&f.dryRun, "dry-run", false, "say what it would cost, spend nothing")
	fl.StringVar(&f.waitTimeout, "wait-timeout", "10m", "wait at most this `long` for an analysis")
}

func newScanHash(a *app) *cobra.Command {
	var f scanFlags
	c := &cobra.Command{
		Use: "hash HASH…|-", Short: "Scan files by hash (MD5, SHA-1 or SHA-256); - reads them from stdin",
		Example: "  edrc scan hash 3f0c9a…\n  cut -d, -f2 hashes.csv | edrc scan hash - --fail-on malicious",
		Args:    atLeast(1, "a hash, or - for stdin"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			words, err := readWords(a.IO.In, args)
			if err != nil {
				return err
			}
			var files []triage.Judged
			for _, w := range words {
				h, err := alert.ParseHash(w)
				if err != nil {
					return fault.Usagef("%v", err)
				}
				if h.Refused() {
					return fault.Usagef("%s names no file: it is the hash of nothing, or all zeros", h)
				}
				files = append(files, triage.Judged{File: alert.File{Hashes: alert.NewHashes(string(h))}})
			}
			return runScan(cmd, a, f, scanInput{total: len(files), scan: func(ctx context.Context, svc *triage.Service, o triage.ScanOptions) ([]triage.Judged, error) {
				return svc.Scan(ctx, files, o)
			}})
		},
	}
	f.register(c, false)
	return c
}

func newScanAlert(a *app, use, short string) *cobra.Command {
	var f scanFlags
	c := &cobra.Command{
		Use: use + " REF…|-", Short: short + "; - reads refs from stdin",
		Long: short + `. What is remembered and what the engine knows costs nothing; a file that the
engine does not hold is fetched from the product and uploaded, where scan.upload in
the configuration allows it. That may take a while: Ctrl-C, --no-wait and
--wait-timeout leave the rest to the next sync, which carries it on.`,
		Example: fmt.Sprintf("  edrc scan %s s1-prod:1698432198765432101 --note", use),
		Args:    atLeast(1, "the REF of an alert, or - for stdin"), ValidArgsFunction: a.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error {
			words, err := readWords(a.IO.In, args)
			if err != nil {
				return err
			}
			var files []triage.Judged
			in := scanInput{}
			in.read = func(ctx context.Context, svc *triage.Service) ([]alert.Ref, []error, error) {
				refs, err := scanRefs(ctx, svc, words, use == "incident")
				if err != nil {
					return nil, nil, err
				}
				found, errs := svc.AlertFiles(ctx, refs)
				files = found
				return refs, sourceErrors(errs), nil
			}
			in.scan = func(ctx context.Context, svc *triage.Service, o triage.ScanOptions) ([]triage.Judged, error) {
				return svc.Scan(ctx, files, o)
			}
			return runScan(cmd, a, f, in)
		},
	}
	f.register(c, true)
	c.Flags().BoolVar(&f.endpoint, "endpoint", false, "get files also in ways that run something on the endpoint (as fetch.endpoint: true)")
	return c
}

// scanRefs gives the alerts that are meant.
func scanRefs(ctx context.Context, svc *triage.Service, words []string, incidents bool) ([]alert.Ref, error) {
	var refs []alert.Ref
	for _, w := range words {
		ref, err := svc.Expand(ctx, w)
		if err != nil {
			return nil, err
		}
		if !ref.Incident && !incidents {
			refs = append(refs, ref)
			continue
		}
		ref.Incident = true
		of, err := svc.IncidentAlerts(ctx, ref)
		if err != nil {
			return nil, err
		}
		refs = append(refs, of...)
	}
	return refs, nil
}

// readWords gives the arguments, or the first words of stdin's lines for "-".
func readWords(in io.Reader, args []string) ([]string, error) {
	if !slices.Contains(args, "-") {
		return args, nil
	}
	if len(args) > 1 {
		return nil, fault.Usagef("- stands alone: the rest is read from stdin")
	}
	var out []string
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) > 0 && !strings.HasPrefix(f[0], "#") {
			out = append(out, f[0])
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fault.Usagef("stdin: %v", err)
	}
	if len(out) == 0 {
		return nil, fault.Usagef("stdin is empty")
	}
	return out, nil
}

// scanInput is what one of the scan commands adds to what they share.
type scanInput struct {
	// read finds out what is to be scanned; nil when that is known.
	read func(context.Context, *triage.Service) (refs []alert.Ref, errs []error, err error)
	scan func(context.Context, *triage.Service, triage.ScanOptions) ([]triage.Judged, error)
	// total is the number of files, 0 while it is not known.
	total int
}

func runScan(cmd *cobra.Command, a *app, f scanFlags, in scanInput) error {
	ctx := cmd.Context()
	failOn, err := parseClasses("--fail-on", f.failOn)
	if err != nil {
		return err
	}
	o, err := f.options(cmd.CommandPath())
	if err != nil {
		return err
	}
	svc, out, err := a.begin(cmd, report.Names(scanColumns()), serviceOptions{dryRun: f.dryRun, judges: true, finishes: true, endpoint: f.endpoint})
	if err != nil {
		return err
	}
	var refs []alert.Ref
	var errs []error
	scanCtx, stop := a.interruptible(ctx)
	defer stop()
	if in.read != nil {
		if refs, errs, err = in.read(scanCtx, svc); err != nil {
			return err
		}
	}
	progress := a.IO.NewProgress()
	o.Watch = watchScan(progress.Task("scan", "files"), in.total)
	files, err := in.scan(scanCtx, svc, o)
	interrupted := scanCtx.Err() != nil
	stop()
	progress.Done()
	if err != nil && len(files) == 0 {
		return err
	}
	for _, j := range files {
		if j.Err != nil && !fault.Is(j.Err, fault.Interrupted) {
			errs = append(errs, j.Err)
		}
	}
	if err := printScans(cmd.Context(), a, out, files, errs); err != nil {
		return err
	}
	if f.note && !f.dryRun {
		errs = append(errs, postNotes(cmd.Context(), a, svc, out, refs, files)...)
	}
	if !out.Machine() {
		scanFooter(cmd.Context(), a, svc, files, f.dryRun)
	}
	if interrupted {
		return exitError(fault.ExitInterrupted)
	}
	return scanExit(files, errs, failOn)
}

// watchScan shows how many files are through, and where one stands that is not.
func watchScan(t *term.Task, total int) func(alert.File, string, bool) {
	var done atomic.Int64
	t.Total(total)
	return func(f alert.File, text string, through bool) {
		if through {
			t.Set(int(done.Add(1)))
			return
		}
		name := f.Name
		if name == "" {
			name = string(f.Best())
		}
		t.Note(name + ": " + text)
	}
}

func (f scanFlags) options(by string) (triage.ScanOptions, error) {
	o := triage.ScanOptions{Refresh: f.refresh, By: by}
	var err error
	if f.maxAge != "" {
		if o.MaxAge, err = parseDuration("--max-age", f.maxAge); err != nil {
			return o, err
		}
	}
	if o.Wait, err = parseDuration("--wait-timeout", f.waitTimeout); err != nil {
		return o, err
	}
	if f.noWait {
		o.Wait = 0
	}
	return o, nil
}

// parseDuration reads 30s, 10m, 12h, 7d.
func parseDuration(flag, text string) (time.Duration, error) {
	now := time.Unix(0, 0)
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return d, nil
	}
	if t, err := report.ParseTime(text, now); err == nil && !t.After(now) {
		return now.Sub(t), nil
	}
	return 0, fault.Usagef("%s: %q is not a duration (30s, 10m, 12h, 7d)", flag, text)
}

// scanExit: a threat that was asked for, then partial failure.
func scanExit(files []triage.Judged, errs []error, failOn []alert.Class) error {
	judged := 0
	for _, j := range files {
		if j.Verdict == nil {
			continue
		}
		judged++
		if slices.Contains(failOn, j.Verdict.Class) {
			return exitError(fault.ExitThreat)
		}
	}
	if len(failOn) > 0 && judged < len(files) && len(errs) == 0 {
		return exitError(fault.ExitPartial) // "not bad" would be a guess
	}
	for _, j := range files {
		if strings.HasPrefix(j.Pending, "quota") {
			errs = append(errs, fault.New(fault.Quota, "%s", j.Pending))
			break
		}
	}
	return failed(errs, judged > 0)
}

func printScans(ctx context.Context, a *app, out report.Options, files []triage.Judged, errs []error) error {
	l := report.List[triage.Judged]{Schema: "edrc.scans/v1", Columns: scanColumns(), Items: files, Errors: errs, Empty: "no file to scan"}
	return report.PrintAs(ctx, a.IO, out, l, newScanJSON)
}

func scanColumns() []report.Column[triage.Judged] {
	type row = triage.Judged
	verdict := func(r row) alert.Verdict {
		if r.Verdict == nil {
			return alert.Verdict{}
		}
		return *r.Verdict
	}
	return []report.Column[row]{
		{Name: "file", Value: func(v report.View, r row) string {
			if r.File.Name != "" {
				return r.File.Name
			}
			if h := string(r.File.Best()); !v.TTY || len(h) <= 16 {
				return h
			}
			return string(r.File.Best())[:12] + "…"
		}, Shrink: 2, Min: 12},
		{Name: "hash", Wide: true, Value: func(_ report.View, r row) string { return string(r.File.Best()) }, Shrink: 5, Min: 12},
		{Name: "ref", Wide: true, Value: func(_ report.View, r row) string {
			if r.Ref.ID == "" {
				return ""
			}
			return r.Ref.String()
		}, Shrink: 5},
		{Name: "verdict", Value: func(v report.View, r row) string {
			if r.Verdict == nil {
				return "none: " + forEye(v, pendingText(r))
			}
			return className(r.Verdict.Class)
		}, Flex: true, Shrink: 1, Min: 12, Style: func(s term.Style, r row, text string) string {
			return styleClass(s, verdict(r).Class, text)
		}},
		{Name: "detail", Wide: true, Value: func(_ report.View, r row) string { return strings.ReplaceAll(verdict(r).SubVerdict, "_", " ") }, Shrink: 4, Min: 8},
		{Name: "family", Value: func(_ report.View, r row) string { return verdict(r).Family }, Shrink: 1, Min: 8},
		{Name: "from", Value: func(v report.View, r row) string {
			if r.Verdict == nil {
				return ""
			}
			return fmt.Sprintf("%s, %s", r.From, report.Age(r.Age))
		}, Shrink: 3, Min: 8},
		{Name: "cost", Right: true, Value: func(_ report.View, r row) string { return fmt.Sprint(r.Cost) }},
		{Name: "link", Wide: true, Value: func(_ report.View, r row) string { return verdict(r).URL }, Shrink: 6, Min: 12},
	}
}

// pendingText says why a file has no verdict.
func pendingText(j triage.Judged) string {
	if j.Pending == "" && j.Err != nil {
		return "failed"
	}
	return j.Pending
}

// postNotes posts the verdict on each alert that has one, and says so.
func postNotes(ctx context.Context, a *app, svc *triage.Service, out report.Options, refs []alert.Ref, files []triage.Judged) []error {
	var errs []error
	for _, ref := range refs {
		if !slices.ContainsFunc(files, func(j triage.Judged) bool { return j.Ref == ref && j.Verdict != nil }) {
			continue
		}
		for _, r := range svc.PostVerdicts(ctx, []alert.Ref{ref}) {
			switch {
			case r.Err != nil:
				errs = append(errs, r.Err)
				report.Error(a.IO, out.ErrorFormat(), r.Err)
			case out.Machine():
			case r.Already:
				a.say("note is there already on %s", ref)
			default:
				a.say("note posted to %s", ref)
			}
		}
	}
	return errs
}

// leftToSync counts the files that something is still under way for.
func leftToSync(files []triage.Judged) int {
	n := 0
	for _, j := range files {
		if j.Verdict == nil && j.Err == nil && j.Waits {
			n++
		}
	}
	return n
}

// scanFooter says what it cost and what is left.
func scanFooter(ctx context.Context, a *app, svc *triage.Service, files []triage.Judged, dryRun bool) {
	spent := 0
	for _, j := range files {
		spent += j.Cost
	}
	if dryRun {
		a.say("dry run: %s would be spent", count(svc.Scanner.Priced(), "scan"))
		return
	}
	text := count(spent, "scan") + " spent"
	if q, err := svc.Scanner.QuotaNow(ctx); err == nil && q != nil {
		text += quotaText(q)
	}
	a.say("%s", text)
	if n := leftToSync(files); n > 0 {
		a.say("%s not judged yet: edrc sync carries on, or the same command", count(n, "file"))
	}
	for _, j := range files {
		if j.Verdict != nil && j.Verdict.URL != "" && len(files) == 1 {
			a.say("%s", j.Verdict.URL)
		}
	}
}
