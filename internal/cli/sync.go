package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/report"
	"edrc/internal/respond"
	"edrc/internal/safe"
	"edrc/internal/triage"
)

type syncFlags struct {
	sources           []string
	environment       string
	since             string
	maxScans          int
	maxRuntime, every string
	dryRun            bool
}

func newSync(a *app) *cobra.Command {
	var f syncFlags
	c := &cobra.Command{
		Use: "sync", Short: "Judge every new file alert once and write the verdicts back",
		Long: `Sync does for every new alert what an analyst would: it reads all sources from
where the last run stopped, has each distinct file judged once, and posts the
verdict on every alert that names it. It may be stopped anywhere and run twice:
the next run carries on, no note is doubled and no scan is paid for twice.

With --environment only the alerts in it are taken in and noted. Such a sync has its
own place where the last one stopped, so that a sync of everything misses nothing.
Files that earlier runs left are judged all the same.

Exit: 0 done, 3 some source or file failed, 7 files wait because the scan
quota or --max-scans is used up, 130 interrupted.`,
		Example: "  edrc sync --dry-run\n  edrc sync --source s1-prod --max-scans 50\n  */5 * * * *  edrc sync --max-runtime 4m",
		Args:    exact(0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSync(cmd, a, f) },
	}
	fl := c.Flags()
	fl.StringSliceVar(&f.sources, "source", nil, "only these `sources`")
	environmentFlag(c, &f.environment)
	fl.StringVar(&f.since, "since", "", "read again from this `time` too; moves no watermark")
	fl.IntVar(&f.maxScans, "max-scans", 0, "spend at most `N` scans")
	fl.StringVar(&f.maxRuntime, "max-runtime", "", "end at the next boundary after this `long`")
	fl.StringVar(&f.every, "interval", "", "keep running, one pass each `interval`")
	fl.BoolVar(&f.dryRun, "dry-run", false, "say what would be done and what it would cost; write and spend nothing")
	return c
}

func runSync(cmd *cobra.Command, a *app, f syncFlags) error {
	o := triage.SyncOptions{Sources: f.sources, Stop: a.Interrupt, DryRun: f.dryRun}
	var err error
	if o.Since, err = parseTime("--since", f.since, a.Now()); err != nil {
		return err
	}
	if f.maxRuntime != "" {
		if o.MaxRuntime, err = parseDuration("--max-runtime", f.maxRuntime); err != nil {
			return err
		}
	}
	if f.maxScans < 0 {
		return fault.Usagef("--max-scans: %d is not a number of scans", f.maxScans)
	}
	if _, err := a.options(nil); err != nil {
		return err
	}
	cfg, err := a.config(cmd.Flags())
	if err != nil {
		return err
	}
	if f.environment != "" {
		e, err := findEnvironment(cfg, f.environment)
		if err != nil {
			return err
		}
		o.Environment = e.part()
	}
	every := cfg.Sync.Interval
	if f.every != "" {
		if every, err = parseDuration("--interval", f.every); err != nil {
			return err
		}
	}
	out, err := a.options(nil)
	if err != nil {
		return err
	}
	if every <= 0 || f.dryRun {
		return syncOnce(cmd.Context(), cmd.Flags(), a, out, f, o)
	}
	return syncForever(cmd.Context(), cmd.Flags(), a, out, f, o, every)
}

// syncForever runs a pass each interval until it is interrupted. A pass that
// fails is reported and the next one tries again.
func syncForever(ctx context.Context, flags flagSet, a *app, out report.Options, f syncFlags, o triage.SyncOptions, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := syncOnce(ctx, flags, a, out, f, o)
		select {
		case <-o.Stop:
			return exitError(fault.ExitInterrupted)
		default:
		}
		if err != nil && fault.Is(err, fault.Usage) {
			return err
		}
		if err != nil {
			a.exit(err)
		}
		o.Since = time.Time{} // once is enough
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-o.Stop:
			return exitError(fault.ExitInterrupted)
		case <-tick.C:
		}
	}
}

func syncOnce(ctx context.Context, flags flagSet, a *app, out report.Options, f syncFlags, o triage.SyncOptions) error {
	watch := newWatch(a.IO, o.Stop, !a.trace)
	defer watch.done()
	svc, err := a.service(flags, serviceOptions{maxScans: f.maxScans, dryRun: f.dryRun, observe: watch.see, judges: true})
	if err != nil {
		return err
	}
	// A store that cannot be used is told once, not by each worker.
	if err := svc.Store.View(ctx, func(ledger.Tx) error { return nil }); err != nil {
		return err
	}
	sum, err := svc.Sync(ctx, o)
	watch.done()
	if sum == nil {
		return err
	}
	errs := sourceErrors(sum.Errors)
	ended, warnings := a.reread(ctx, svc, sum)
	if out.Structured() {
		if perr := report.Object(ctx, a.IO, out, "edrc.sync/v1", syncJSON(sum, ended, warnings)); perr != nil {
			return perr
		}
	} else {
		if perr := printSummary(a, sum, ended); perr != nil {
			return perr
		}
		report.Errors(a.IO, out.ErrorFormat(), errs)
		for _, w := range warnings {
			a.warn(w.Error())
		}
	}
	if err != nil {
		return err
	}
	return syncExit(sum, append(errs, warnings...))
}

// reread ends the actions that a vendor had accepted and has done since. Without any
// it reads their journals and nothing else.
func (a *app) reread(ctx context.Context, svc *triage.Service, sum *triage.Summary) (ended []*respond.Action, warnings []error) {
	if sum.DryRun || sum.Stopped == "interrupted" || ctx.Err() != nil {
		return nil, nil
	}
	e := a.journals(a.cfg)
	all, errs := e.Actions()
	if !slices.ContainsFunc(all, func(act *respond.Action) bool { return act.Status == respond.StatusAccepted }) {
		return nil, errs
	}
	opened := len(a.closers)
	_, err := a.drive(e, svc.Sources)
	if err == nil {
		ended, errs = e.Refresh(ctx)
	} else {
		errs = append(errs, err)
	}
	for _, c := range slices.Backward(a.closers[opened:]) { // a sync that keeps running does this each time
		c()
	}
	a.closers = a.closers[:opened]
	for _, err := range errs {
		warnings = append(warnings, fault.At(err, "", "read again what was accepted"))
	}
	return ended, warnings
}

// printSummary shows a person some lines; a log gets one to find again.
func printSummary(a *app, sum *triage.Summary, ended []*respond.Action) error {
	text := syncText(sum)
	if len(ended) > 0 {
		text = append(text, endedText(ended))
	}
	if !a.IO.OutTTY {
		text = []string{strings.Join(text, "  ")}
	}
	for _, line := range append(text, sourceLines(sum, a.verbose)...) {
		if _, err := fmt.Fprintln(a.IO.Out, safe.Line(line)); err != nil {
			return err
		}
	}
	return nil
}

// syncExit: interrupted, then failures, then a quota that left files waiting.
func syncExit(sum *triage.Summary, errs []error) error {
	if sum.Stopped == "interrupted" {
		return exitError(fault.ExitInterrupted)
	}
	worked := 0
	for _, s := range sum.Sources {
		if s.Error == "" || s.Partial {
			worked++
		}
	}
	if len(errs) == 0 && sum.QuotaShort && !sum.DryRun {
		return exitError(fault.ExitLimit)
	}
	return failed(errs, worked > 0)
}

// summaryJSON is a sync's summary with the errors in it: schema edrc.sync/v1.
type summaryJSON struct {
	*triage.Summary
	// ActionsDone are the actions that were accepted before and are done now, by id.
	ActionsDone []string         `json:"actions_done,omitempty"`
	Errors      []report.Failure `json:"errors"`
}

func syncJSON(sum *triage.Summary, ended []*respond.Action, warnings []error) summaryJSON {
	out := summaryJSON{Summary: sum, Errors: []report.Failure{}}
	for _, act := range ended {
		out.ActionsDone = append(out.ActionsDone, act.ID)
	}
	for _, e := range sum.Errors {
		out.Errors = append(out.Errors, report.FailureOf(e.Err))
	}
	for _, w := range warnings {
		out.Errors = append(out.Errors, report.FailureOf(w))
	}
	return out
}
