package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"edrc/internal/fault"
	"edrc/internal/report"
	"edrc/internal/term"
	"edrc/internal/triage"
)

type syncFlags struct {
	sources           []string
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

Exit: 0 done, 3 some source or file failed, 7 the scan quota is used up,
130 interrupted.`,
		Example: "  edrc sync --dry-run\n  edrc sync --source s1-prod --max-scans 50\n  */5 * * * *  edrc sync --max-runtime 4m",
		Args:    exact(0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSync(cmd, a, f) },
	}
	fl := c.Flags()
	fl.StringSliceVar(&f.sources, "source", nil, "only these `sources`")
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
	cfg, err := a.config(cmd.Flags())
	if err != nil {
		return err
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
	watch := newWatch(a.IO)
	svc, err := a.service(flags, serviceOptions{maxScans: f.maxScans, dryRun: f.dryRun, observe: watch.see})
	if err != nil {
		watch.done()
		return err
	}
	if svc.Scanner == nil {
		watch.done()
		return fault.Usagef("no scan engine is configured").WithHint("add `scan: {engine: intezer, api_key: …}` to %s", a.cfg.Path)
	}
	sum, err := svc.Sync(ctx, o)
	watch.done()
	if sum == nil {
		return err
	}
	errs := sourceErrors(sum.Errors)
	if out.Structured() {
		if perr := report.Object(ctx, a.IO, out, "edrc.sync/v1", syncJSON(sum)); perr != nil {
			return perr
		}
	} else {
		for _, line := range syncText(sum, a.verbose) {
			if _, perr := fmt.Fprintln(a.IO.Out, line); perr != nil {
				return perr
			}
		}
		report.Errors(a.IO, out.ErrorFormat(), errs)
	}
	if err != nil {
		return err
	}
	return syncExit(sum, errs)
}

// syncExit: interrupted, then failures, then a quota that left files waiting.
func syncExit(sum *triage.Summary, errs []error) error {
	if sum.Stopped == "interrupted" {
		return exitError(fault.ExitInterrupted)
	}
	worked := 0
	for _, s := range sum.Sources {
		if s.Error == "" {
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
	Errors []report.Failure `json:"errors"`
}

func syncJSON(sum *triage.Summary) summaryJSON {
	out := summaryJSON{Summary: sum, Errors: []report.Failure{}}
	for _, e := range sum.Errors {
		out.Errors = append(out.Errors, report.FailureOf(e.Err))
	}
	return out
}

// syncText says what a sync did, what it saved and what it left: at most four lines.
func syncText(s *triage.Summary, verbose bool) []string {
	first := fmt.Sprintf("%s (%d new), %s: %d remembered, %d looked up, %d scanned, %d failed. %s posted.",
		count(s.Alerts, "alert"), s.New, count(s.Files, "file"), s.Remembered, s.LookedUp, s.Scanned, s.Failed, count(s.Notes, "note"))
	if s.DryRun {
		first = fmt.Sprintf("dry run: %s (%d new), %s, %d remembered, %d looked up, %s to spend.",
			count(s.Alerts, "alert"), s.New, count(s.Files, "file"), s.Remembered, s.LookedUp, count(s.ScansPriced, "scan"))
	}
	lines := []string{first}
	var left []string
	if n := total(s.Waiting); n > 0 {
		left = append(left, fmt.Sprintf("%s waiting: %s.", count(n, "file"), tallyText(s.Waiting)))
	}
	if n := total(s.Skipped); n > 0 {
		left = append(left, fmt.Sprintf("%s skipped: %s.", count(n, "alert"), tallyText(s.Skipped)))
	}
	if s.NotesDue > 0 {
		left = append(left, fmt.Sprintf("%s still due.", count(s.NotesDue, "note")))
	}
	if s.Quarantined > 0 {
		left = append(left, fmt.Sprintf("%d quarantined: edrc quarantine list", s.Quarantined))
	}
	if len(left) > 0 {
		lines = append(lines, strings.Join(left, "  "))
	}
	cost := fmt.Sprintf("%s spent, %d saved", count(s.ScansSpent, "scan"), s.ScansSaved)
	if s.QuotaLeft != nil && s.QuotaLimit != nil {
		cost += fmt.Sprintf(", %d of %d left", *s.QuotaLeft, *s.QuotaLimit)
	}
	cost += fmt.Sprintf(".  %s", s.Took.Round(100*time.Millisecond))
	if s.Stopped != "" {
		cost += "  stopped: " + s.Stopped
	}
	lines = append(lines, cost)
	for _, src := range s.Sources {
		if src.Busy != "" {
			lines = append(lines, fmt.Sprintf("%s: %s", src.Source, src.Busy))
		}
		if verbose || src.Repaired > 0 || src.Late > 0 {
			lines = append(lines, fmt.Sprintf("%s: %d read, %d new, %d changed, %d skipped, %d notes posted, %d found, %d refused, %d in doubt, %d doubles removed, %d late",
				src.Source, src.Alerts, src.New, src.Changed, src.Skipped, src.Notes, src.Found, src.Refused, src.Doubts, src.Repaired, src.Late))
		}
	}
	return lines
}

func total(m map[string]int) int {
	n := 0
	for _, v := range m {
		n += v
	}
	return n
}

// tallyText lists counts, most first: "6 file needed, 3 analysis running".
func tallyText(m map[string]int) string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if m[a] != m[b] {
			return m[b] - m[a]
		}
		return strings.Compare(a, b)
	})
	parts := make([]string, len(keys))
	for i, k := range keys {
		parts[i] = fmt.Sprintf("%d %s", m[k], k)
	}
	return strings.Join(parts, ", ")
}

// watch shows progress on a terminal.
type watch struct {
	progress *term.Progress
	mu       sync.Mutex
	tasks    map[string]*term.Task
}

func newWatch(io *term.IO) *watch {
	return &watch{progress: io.NewProgress(), tasks: map[string]*term.Task{}}
}

func (w *watch) see(e triage.Event) {
	name, what := e.Source, e.What
	if name == "" {
		name = "files"
		what = "judged"
	}
	w.mu.Lock()
	t := w.tasks[name+what]
	if t == nil {
		t = w.progress.Task(name, what)
		w.tasks[name+what] = t
	}
	w.mu.Unlock()
	t.Set(e.Done)
}

func (w *watch) done() { w.progress.Done() }

func newReconcile(a *app) *cobra.Command {
	var since string
	var sources []string
	c := &cobra.Command{
		Use: "reconcile", Short: "Compare what the products list with what edrc has seen, and take in what was missed",
		Long: `Reconcile reads the alerts of the last days again by id and compares them with
what is remembered. Sync does the same once a day. An alert that was missed is
taken in, one that is gone is marked, a note of ours that is gone is reported.`,
		Example: "  edrc reconcile --since 7d",
		Args:    exact(0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, err := parseTime("--since", since, a.Now())
			if err != nil {
				return err
			}
			svc, err := a.service(cmd.Flags(), serviceOptions{})
			if err != nil {
				return err
			}
			if svc.Scanner == nil {
				return fault.Usagef("no scan engine is configured").WithHint("add `scan: {engine: intezer, api_key: …}` to %s", a.cfg.Path)
			}
			out, err := a.options(report.Names(differenceColumns()))
			if err != nil {
				return err
			}
			ctx, stop := a.interruptible(cmd.Context())
			defer stop()
			r, err := svc.Reconcile(ctx, sources, from)
			if err != nil {
				return err
			}
			errs := sourceErrors(r.Errors)
			l := report.List[triage.Difference]{Schema: "edrc.differences/v1", Columns: differenceColumns(), Items: r.Differences, Errors: errs,
				Empty: fmt.Sprintf("no difference: %s compared", count(r.Checked, "alert"))}
			if err := report.Print(cmd.Context(), a.IO, out, l); err != nil {
				return err
			}
			if !out.Machine() && len(r.Differences) > 0 {
				a.say("%s, %s compared", count(len(r.Differences), "difference"), count(r.Checked, "alert"))
			}
			return failed(errs, len(svc.Sources) > len(errs))
		},
	}
	c.Flags().StringVar(&since, "since", "7d", "compare alerts created since this `time`")
	c.Flags().StringSliceVar(&sources, "source", nil, "only these `sources`")
	return c
}

func differenceColumns() []report.Column[triage.Difference] {
	return []report.Column[triage.Difference]{
		{Name: "ref", Value: func(_ report.View, d triage.Difference) string { return d.Ref.String() }},
		{Name: "what", Value: func(_ report.View, d triage.Difference) string { return d.What }},
		{Name: "did", Value: func(_ report.View, d triage.Difference) string { return d.Did }, Shrink: 1, Min: 12},
	}
}
