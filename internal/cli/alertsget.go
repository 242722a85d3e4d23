package cli

import (
	"context"
	"fmt"
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

func newAlertsGet(a *app) *cobra.Command {
	offline := false
	c := &cobra.Command{
		Use: "get REF…", Short: "Show one alert: what happened, how bad, what was done, what is next",
		Example: "  edrc alerts get s1-prod:1698432198765432101\n  edrc alerts get s1-prod:…88213 -o json",
		Args:    atLeast(1, "the REF of an alert"), ValidArgsFunction: a.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error {
			svc, out, err := a.begin(cmd, nil, serviceOptions{})
			if err != nil {
				return err
			}
			return runAlertsGet(cmd.Context(), a, svc, out, args, offline)
		},
	}
	c.Flags().BoolVar(&offline, "offline", false, "ask no product: show what sync has seen")
	return c
}

func runAlertsGet(ctx context.Context, a *app, svc *triage.Service, out report.Options, args []string, offline bool) error {
	var errs []error
	shown := 0
	for _, arg := range args {
		ref, err := svc.Expand(ctx, arg)
		if err != nil {
			return err
		}
		if ref.Incident {
			return fault.Usagef("%s is an incident", arg).WithHint("scan its files with: edrc scan incident %s", arg)
		}
		d, err := svc.Get(ctx, ref, offline)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if d.Same, err = svc.Same(ctx, d.Alert, offline); err != nil {
			return err
		}
		if out.Structured() {
			err = report.Object(ctx, a.IO, out, "edrc.alert/v1", newDetailJSON(d))
		} else {
			if shown > 0 {
				fmt.Fprintln(a.IO.Out)
			}
			err = alertCard(a, d)
		}
		if err != nil {
			return err
		}
		shown++
	}
	report.Errors(a.IO, out.ErrorFormat(), errs)
	return failed(errs, shown > 0)
}

// alertCard answers five questions in ten seconds: what, where, which file, how
// bad, what now.
func alertCard(a *app, d *triage.Detail) error {
	al := d.Alert
	now := a.Now()
	layout := "15:04 UTC"
	if now.Sub(al.Created) > 12*time.Hour {
		layout = "2006-01-02 15:04 UTC"
	}
	right := fmt.Sprintf("%s · %s · %s ago (%s)", al.Severity, al.Status, report.Age(now.Sub(al.Created)), al.Created.UTC().Format(layout))
	rows := []report.Row{
		{Label: "ref", Lines: []string{al.Ref.String()}, Whole: true},
		{Label: "host", Lines: []string{hostLine(al)}},
		{Label: "command", Lines: lines(al.Command)},
	}
	for _, f := range d.Files {
		rows = append(rows, fileRows(f, a)...)
	}
	if len(d.Files) == 0 {
		rows = append(rows, report.Row{Label: "file", Lines: []string{"none named"}})
	}
	var also []string
	for _, ref := range d.Same {
		also = append(also, ref.String()+" (the same finding)")
	}
	for _, ref := range d.Also {
		also = append(also, ref.String()+" (same file, same host)")
	}
	rows = append(rows,
		report.Row{Label: "also", Lines: also, Whole: true},
		report.Row{Label: "attack", Lines: lines(attackLine(al.Attack))},
		report.Row{Label: "done", Lines: doneLines(d, a)},
		report.Row{Label: "console", Lines: lines(al.URL), Whole: true},
		report.Row{Label: "contain", Lines: insteadLines(a, al)},
		report.Row{Label: "next", Lines: nextLines(a, d), Whole: true})
	return report.Card(a.IO, al.Title, right, rows)
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func hostLine(al alert.Alert) string {
	h := al.Host
	var facts []string
	if h.OS != "" {
		facts = append(facts, h.OS)
	}
	if h.Reachable != nil {
		facts = append(facts, map[bool]string{true: "online", false: "offline"}[*h.Reachable])
	}
	if h.Isolation != "" {
		facts = append(facts, map[string]string{"none": "not isolated"}[h.Isolation]+map[bool]string{true: "", false: h.Isolation}[h.Isolation == "none"])
	}
	text := h.Name
	if len(facts) > 0 {
		text += " (" + strings.Join(facts, ", ") + ")"
	}
	if al.User != "" {
		text += " · user " + al.User
	}
	return text
}

// fileRows shows a file, its hash to copy, and what is known of it.
func fileRows(f triage.FileView, a *app) []report.Row {
	name := f.File.Path
	if name == "" {
		name = f.File.Name
	}
	if f.File.Size > 0 {
		name += " · " + triage.Bytes(f.File.Size)
	}
	hash := report.Row{Label: "hash", Lines: []string{"none that is usable"}}
	if h := f.File.Best(); h != "" {
		hash = report.Row{Label: string(h.Algo()), Lines: []string{string(h)}, Whole: true}
	}
	verdict := report.Row{Label: "verdict", Lines: []string{verdictLine(f, a)}, Whole: f.Verdict == nil}
	file := report.Row{Label: "file", Lines: []string{name}, Tail: true}
	if f.Verdict == nil {
		return []report.Row{file, hash, verdict}
	}
	verdict.Style = func(s term.Style, line string) string { return styleClass(s, f.Verdict.Class, line) }
	return []report.Row{file, hash, verdict,
		{Label: "report", Lines: lines(f.Verdict.URL), Whole: true}}
}

func verdictLine(f triage.FileView, a *app) string {
	if f.Verdict == nil {
		switch text := f.Explain(a.Now()); {
		case text == "":
			return "none"
		case f.State == ledger.JobWithheld || f.State == ledger.JobFailed:
			return "none · " + text
		default:
			return "none yet · " + text
		}
	}
	v := f.Verdict
	parts := []string{className(v.Class)}
	if v.SubVerdict != "" && v.SubVerdict != string(v.Class) {
		parts = append(parts, strings.ReplaceAll(v.SubVerdict, "_", " "))
	}
	if v.Family != "" {
		parts = append(parts, v.Family)
	}
	if v.Genes > 0 {
		parts = append(parts, fmt.Sprintf("%d shared genes", v.Genes))
	}
	if !f.Learned.IsZero() {
		parts = append(parts, fmt.Sprintf("%s %s ago", f.From, report.Age(a.Now().Sub(f.Learned))))
	}
	return strings.Join(parts, " · ")
}

func className(c alert.Class) string { return strings.ReplaceAll(string(c), "_", " ") }

func attackLine(ts []alert.Technique) string {
	var out []string
	for _, t := range ts {
		if t.Name != "" && t.Name != t.ID {
			out = append(out, t.ID+" "+t.Name)
		} else if t.Tactic != "" {
			out = append(out, t.ID+" ("+t.Tactic+")")
		} else {
			out = append(out, t.ID)
		}
	}
	return strings.Join(out, " · ")
}

// doneLines says what edrc did, or why it did nothing.
func doneLines(d *triage.Detail, a *app) []string {
	rec := d.Record
	if rec == nil {
		return []string{"nothing yet: sync has not seen it"}
	}
	var out []string
	if e := d.Effect; e != nil {
		switch e.State {
		case ledger.EffectDone:
			what := "note " + e.NoteID + " posted"
			if e.NoteID == "" {
				what = "note posted"
			}
			if e.Foreign {
				what = "note of Intezer EDR Connect found"
			}
			out = append(out, fmt.Sprintf("%s %s ago", what, report.Age(a.Now().Sub(e.Changed))))
		case ledger.EffectRefused:
			out = append(out, "note refused: "+e.Reason)
		default:
			out = append(out, fmt.Sprintf("note in doubt since %s ago (attempt %d): %s", report.Age(a.Now().Sub(e.Changed)), e.Attempt, e.Reason))
		}
	}
	switch {
	case rec.Reason == "":
	case rec.State == ledger.AlertDone: // the row is called so
		out = append(out, rec.Reason)
	default:
		out = append(out, string(rec.State)+": "+rec.Reason)
	}
	if len(out) == 0 {
		switch rec.State {
		case ledger.AlertOpen:
			out = append(out, "nothing yet: waiting for the verdict, then for the note")
		default:
			out = append(out, string(rec.State))
		}
	}
	return out
}
