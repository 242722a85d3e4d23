package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/report"
	"edrc/internal/term"
	"edrc/internal/triage"
)

// listDefault is how many alerts a list shows when nobody says.
const listDefault = 50

func newAlerts(a *app) *cobra.Command {
	c := group("alerts", "List and read alerts", newAlertsList(a), newAlertsGet(a), newAlertsOpen(a), newAlertsFetch(a), newAlertsResolve(a))
	c.Aliases = []string{"alert"}
	return c
}

// alertFilters are the flags that narrow a list of alerts.
type alertFilters struct {
	sources              []string
	environment          string
	since, until         string
	severity, host, hash string
	statuses, verdicts   []string
	limit                int
	all, offline         bool
	repeats              bool
}

func newAlertsList(a *app) *cobra.Command {
	var f alertFilters
	var file string
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List alerts, worst first, with what is known of their files",
		Example: "  edrc alerts list --since 24h\n  edrc alerts list --severity high+ --verdict malicious -o wide\n  edrc alerts list --all -o ndjson | jq .ref\n  aws guardduty get-findings … | edrc alerts list --from-file -",
		Args:    exact(0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file != "" {
				return runAlertsFromFile(cmd, a, f, file)
			}
			return runAlertsList(cmd, a, f)
		},
	}
	filterFlags(c, &f)
	environmentFlag(c, &f.environment)
	fl := c.Flags()
	fl.IntVar(&f.limit, "limit", listDefault, "show the `N` worst; the newest with --sort age")
	fl.StringVar(&file, "from-file", "", "list GuardDuty findings that were exported to this `file`; - is stdin")
	fl.BoolVar(&f.all, "all", false, "show all that match")
	fl.BoolVar(&f.repeats, "repeats", false, "also show alerts that only repeat a finding which another source lists itself")
	fl.BoolVar(&f.offline, "offline", false, "ask no product: show what sync has seen")
	return c
}

// filterFlags are the flags that narrow what a command works on.
func filterFlags(c *cobra.Command, f *alertFilters) {
	fl := c.Flags()
	fl.StringSliceVar(&f.sources, "source", nil, "only these `sources`")
	fl.StringVar(&f.since, "since", "24h", "created since this `time`: 24h, 7d, yesterday, 2026-11-01, RFC 3339")
	fl.StringVar(&f.until, "until", "", "created until this `time`")
	fl.StringVar(&f.severity, "severity", "", "this `severity`; \"high+\" for that and above; or several with commas")
	fl.StringSliceVar(&f.statuses, "status", nil, "these `statuses`: new, in_progress, resolved")
	fl.StringVar(&f.host, "host", "", "on this `host`; \"FIN-*\" for a prefix")
	fl.StringVar(&f.hash, "hash", "", "naming this file `hash`")
	fl.StringSliceVar(&f.verdicts, "verdict", nil, "whose remembered verdict is one of these `classes`")
}

func runAlertsList(cmd *cobra.Command, a *app, f alertFilters) error {
	svc, out, err := a.begin(cmd, report.Names(alertColumns()), serviceOptions{})
	if err != nil {
		return err
	}
	o, err := f.options(a.Now())
	if err != nil {
		return err
	}
	if err := a.within(&o.Query, f.environment); err != nil {
		return err
	}
	o.ByTime = slices.Contains([]string{"time", "age"}, strings.ToLower(strings.TrimPrefix(out.Sort, "-")))
	list, err := svc.List(cmd.Context(), o)
	if err != nil {
		return err
	}
	errs := sourceErrors(list.Errors)
	for _, b := range list.Bad {
		errs = append(errs, fault.At(b.Err, b.Source, "list alerts"))
	}
	rows := report.List[triage.Row]{Schema: "edrc.alerts/v1", Columns: alertColumns(), Items: list.Rows, Errors: errs,
		Empty: "no alerts match; the window is --since " + f.since}
	if err := report.PrintAs(cmd.Context(), a.IO, out, rows, newAlertJSON); err != nil {
		return err
	}
	if !out.Machine() && len(list.Rows) > 0 {
		a.say("%s", listFooter(list))
	}
	return failed(errs, list.Sources > len(list.Errors))
}

func (f alertFilters) options(now time.Time) (triage.ListOptions, error) {
	o := triage.ListOptions{Sources: f.sources, Limit: f.limit, Offline: f.offline, Repeats: f.repeats}
	if f.all {
		o.Limit = 0
	} else if f.limit < 1 {
		return o, fault.Usagef("--limit: %d is not a number of alerts", f.limit).WithHint("use --all for no limit")
	}
	var err error
	if o.Query.Since, err = parseTime("--since", f.since, now); err != nil {
		return o, err
	}
	if o.Query.Until, err = parseTime("--until", f.until, now); err != nil {
		return o, err
	}
	if !o.Query.Until.IsZero() && o.Query.Until.Before(o.Query.Since) {
		return o, fault.Usagef("--until is before --since")
	}
	if o.Query.Severities, err = parseSeverities(f.severity); err != nil {
		return o, err
	}
	if o.Query.Statuses, err = parseStatuses(f.statuses); err != nil {
		return o, err
	}
	if o.Verdicts, err = parseClasses("--verdict", f.verdicts); err != nil {
		return o, err
	}
	if f.hash != "" {
		if o.Query.Hash, err = alert.ParseHash(f.hash); err != nil {
			return o, fault.Usagef("--hash: %v", err)
		}
	}
	o.Query.Host = f.host
	return o, nil
}

func listFooter(l *triage.Listing) string {
	text := count(len(l.Rows), "alert")
	if l.Total > len(l.Rows) {
		text = fmt.Sprintf("%d of %d alerts (--all)", len(l.Rows), l.Total)
	}
	from := count(l.Sources, "source")
	if failed := len(l.Errors); failed > 0 {
		from = fmt.Sprintf("%d of %s", l.Sources-failed, from)
	}
	known := 0
	for _, r := range l.Rows {
		if r.Verdict != nil {
			known++
		}
	}
	text = fmt.Sprintf("%s from %s, %s, %s remembered", text, from, count(l.Files, "file"), count(known, "verdict"))
	if l.Repeats > 0 {
		text += fmt.Sprintf("; %s another source's finding (--repeats)", map[bool]string{true: "1 more repeats", false: fmt.Sprintf("%d more repeat", l.Repeats)}[l.Repeats == 1])
	}
	return text
}

// alertColumns are the columns of an alert list.
func alertColumns() []report.Column[triage.Row] {
	type row = triage.Row
	return []report.Column[row]{
		{Name: "ref", Value: func(v report.View, r row) string {
			if v.TTY {
				return r.Alert.Ref.Short()
			}
			return r.Alert.Ref.String()
		}},
		{Name: "severity", Value: func(_ report.View, r row) string { return r.Alert.Severity.String() },
			Sort: func(a, b row) int { return int(b.Alert.Severity) - int(a.Alert.Severity) }, Style: styleSeverity},
		{Name: "time", Wide: true, Value: func(_ report.View, r row) string { return stamp(r.Alert.Created) },
			Sort: func(a, b row) int { return b.Alert.Created.Compare(a.Alert.Created) }},
		{Name: "age", Value: func(v report.View, r row) string { return when(v, r.Alert.Created) },
			Sort: func(a, b row) int { return b.Alert.Created.Compare(a.Alert.Created) }},
		{Name: "status", Wide: true, Value: func(_ report.View, r row) string { return string(r.Alert.Status) }},
		{Name: "host", Value: func(_ report.View, r row) string { return r.Alert.Host.Name }, Shrink: 2, Min: 8},
		{Name: "user", Wide: true, Value: func(_ report.View, r row) string { return r.Alert.User }, Shrink: 4, Min: 8},
		{Name: "what", Value: whatCell, Shrink: 2, Min: 12},
		{Name: "file", Value: func(_ report.View, r row) string { return fileName(r.Alert) }, Shrink: 2, Min: 10},
		{Name: "sha256", Wide: true, Value: func(_ report.View, r row) string { return string(firstHash(r.Alert)) }, Shrink: 5, Min: 12},
		{Name: "verdict", Value: func(v report.View, r row) string { return verdictCell(v, r) }, Shrink: 1, Min: 10, Flex: true,
			Sort: func(a, b row) int { return classRank(a) - classRank(b) }, Style: styleVerdict},
		{Name: "also", Wide: true, Value: func(v report.View, r row) string { return refsCell(v, r.Also) }, Shrink: 6},
		{Name: "same", Wide: true, Value: func(v report.View, r row) string { return refsCell(v, r.Same) }, Shrink: 6},
		{Name: "done", Wide: true, Value: func(_ report.View, r row) string { return doneCell(r.Record) }, Shrink: 6},
		{Name: "url", Wide: true, Value: func(_ report.View, r row) string { return r.Alert.URL }, Shrink: 7, Min: 10},
	}
}

func refsCell(v report.View, refs []alert.Ref) string {
	var out []string
	for _, ref := range refs {
		if v.TTY {
			out = append(out, ref.Short())
		} else {
			out = append(out, ref.String())
		}
	}
	return strings.Join(out, " ")
}

func classRank(r triage.Row) int {
	if r.Verdict == nil {
		return len(alert.Classes())
	}
	return slices.Index(alert.Classes(), r.Verdict.Class)
}

func fileName(a alert.Alert) string {
	if len(a.Files) == 0 {
		return ""
	}
	name := a.Files[0].Name
	if name == "" {
		name = string(a.Files[0].Best())
	}
	if n := len(a.Files) - 1; n > 0 {
		name += fmt.Sprintf(" +%d", n)
	}
	return name
}

func firstHash(a alert.Alert) alert.Hash {
	for _, f := range a.Files {
		if h := f.Best(); h != "" {
			return h
		}
	}
	return ""
}

// whatCell leaves out, for the eye, the file that stands beside it.
func whatCell(v report.View, r triage.Row) string {
	if v.TTY && len(r.Alert.Files) > 0 {
		if what, found := strings.CutPrefix(r.Alert.Title, r.Alert.Files[0].Name+" detected as "); found {
			return what
		}
	}
	return r.Alert.Title
}

func verdictCell(v report.View, r triage.Row) string {
	if r.Verdict == nil {
		return forEye(v, r.Scan)
	}
	text := strings.ReplaceAll(string(r.Verdict.Class), "_", " ")
	if r.Verdict.Family != "" {
		text += " " + r.Verdict.Family
	}
	return text
}

// forEye shortens a reason to what a table has room for: "file needed: the
// engine does not hold it" is "file needed". The card tells it whole.
func forEye(v report.View, reason string) string {
	if v.TTY {
		reason, _, _ = strings.Cut(reason, ":")
	}
	return reason
}

func doneCell(rec *ledger.Alert) string {
	switch {
	case rec == nil:
		return ""
	case rec.Noted != "":
		return "noted " + string(rec.Noted)
	case rec.Reason != "":
		return string(rec.State) + ": " + rec.Reason
	}
	return string(rec.State)
}

func styleSeverity(s term.Style, r triage.Row, text string) string {
	switch r.Alert.Severity {
	case alert.Critical:
		return s.Bold(s.Red(text))
	case alert.High:
		return s.Red(text)
	case alert.Medium:
		return s.Yellow(text)
	}
	return text
}

func styleVerdict(s term.Style, r triage.Row, text string) string {
	if r.Verdict == nil {
		return s.Faint(text)
	}
	return styleClass(s, r.Verdict.Class, text)
}

func styleClass(s term.Style, c alert.Class, text string) string {
	switch c {
	case alert.Malicious:
		return s.Red(text)
	case alert.Suspicious:
		return s.Yellow(text)
	case alert.Trusted, alert.NoThreats:
		return s.Green(text)
	}
	return text
}
