package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"

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
			return runScan(cmd, a, f, scanInput{total: len(files), carriesOn: "edrc sync carries on, or the same command", scan: func(ctx context.Context, svc *triage.Service, o triage.ScanOptions) ([]triage.Judged, error) {
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
			in := scanInput{carriesOn: "edrc sync carries on, or the same command"}
			in.read = func(ctx context.Context, svc *triage.Service) ([]alert.Ref, int, []error, error) {
				refs, err := scanRefs(ctx, svc, words, use == "incident")
				if err != nil {
					return nil, 0, nil, err
				}
				found, errs := svc.AlertFiles(ctx, refs)
				files = found
				return refs, len(files), sourceErrors(errs), nil
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
	// read finds out what is to be scanned, and how many files that are; nil when that
	// is known.
	read func(context.Context, *triage.Service) (refs []alert.Ref, total int, errs []error, err error)
	scan func(context.Context, *triage.Service, triage.ScanOptions) ([]triage.Judged, error)
	// total is the number of files, 0 while it is not known.
	total int
	// carriesOn says how files that are not judged yet will be.
	carriesOn string
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
		if refs, in.total, errs, err = in.read(scanCtx, svc); err != nil {
			return err
		}
	}
	var progress *term.Progress
	if !a.trace { // each would overwrite the other
		progress = a.IO.NewProgress()
	}
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
		scanFooter(cmd.Context(), a, svc, files, f.dryRun, in.carriesOn)
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
