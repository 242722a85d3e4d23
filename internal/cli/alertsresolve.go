package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/report"
	"edrc/internal/safe"
	"edrc/internal/term"
	"edrc/internal/triage"
)

// resolveAsk is how many alerts are resolved without a question: it is light, and
// can be taken back.
const resolveAsk = 10

type resolveFlags struct {
	as, status, assign, reason string
	tags                       []string
	note, dryRun, yes          bool
}

func newAlertsResolve(a *app) *cobra.Command {
	var f resolveFlags
	c := &cobra.Command{
		Use: "resolve REF…|-", Short: "Set what an analyst decided: verdict, status, assignee, tags",
		Long: `Resolve sets the analyst's decision in the alert's product. What a product cannot
express is refused before anything is sent to any of them. The values before each
change are kept in actions/changes.ndjson of the state directory, before it is made:
edrc undo C-… sets them back, by the id that is shown.`,
		Example: "  edrc alerts resolve s1-prod:1698432198765432101 --as true-positive --status resolved --reason IR-2231 --note\n" +
			"  edrc alerts list --hash 3f0c9a… -o ndjson | jq -r .ref | edrc alerts resolve - --as false-positive --status resolved --yes",
		Args: atLeast(1, "the REF of an alert, or - for stdin"), ValidArgsFunction: a.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error { return runResolve(cmd, a, f, args) },
	}
	fl := c.Flags()
	fl.StringVar(&f.as, "as", "", "the analyst's `verdict`: true-positive, false-positive, benign")
	fl.StringVar(&f.status, "status", "", "the `status`: new, in_progress, resolved")
	fl.StringVar(&f.assign, "assign", "", "the `person` who works on it, as the product names people")
	fl.StringSliceVar(&f.tags, "tag", nil, "add these `tags`")
	fl.StringVar(&f.reason, "reason", "", "why, in a `sentence`: kept with the change")
	fl.BoolVar(&f.note, "note", false, "post the reason as a note, too")
	fl.BoolVar(&f.dryRun, "dry-run", false, "show what would change; change nothing")
	fl.BoolVar(&f.yes, "yes", false, fmt.Sprintf("do not ask, also for more than %d alerts", resolveAsk))
	_ = c.RegisterFlagCompletionFunc("as", cobra.FixedCompletions(asWords(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

func asWords() []string { return []string{"true-positive", "false-positive", "benign"} }

// resolution reads the flags.
func (f resolveFlags) resolution() (alert.Resolution, error) {
	r := alert.Resolution{Assign: strings.TrimSpace(f.assign), Reason: strings.TrimSpace(f.reason)}
	if f.as != "" {
		word := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(f.as)), "_", "-")
		if !slices.Contains(asWords(), word) {
			return r, notOneOf("--as", f.as, asWords())
		}
		r.Verdict = strings.ReplaceAll(word, "-", "_")
	}
	if f.status != "" {
		statuses, err := parseStatuses([]string{f.status})
		if err != nil {
			return r, err
		}
		r.Status = statuses[0]
	}
	for _, tag := range f.tags {
		if tag = strings.TrimSpace(tag); tag != "" && !slices.Contains(r.Tags, tag) {
			r.Tags = append(r.Tags, tag)
		}
	}
	switch {
	case r.Verdict == "" && r.Status == "" && r.Assign == "" && len(r.Tags) == 0:
		return r, fault.Usagef("what was decided? Give --as, --status, --assign or --tag").WithHint("words alone are a note: edrc note add REF --text …")
	case f.note && r.Reason == "":
		return r, fault.Usagef("--note posts the reason: give --reason")
	case !utf8.ValidString(r.Reason) || len(r.Reason) > 4096:
		return r, fault.Usagef("--reason: is no sentence of UTF-8 text up to 4096 bytes")
	}
	return r, nil
}

func runResolve(cmd *cobra.Command, a *app, f resolveFlags, args []string) error {
	r, err := f.resolution()
	if err != nil {
		return err
	}
	words, err := readWords(a.IO.In, args)
	if err != nil {
		return err
	}
	svc, out, err := a.ready(cmd, report.Names(changeColumns()), true)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	refs, err := alertRefs(ctx, svc, words)
	if err != nil {
		return err
	}
	if err := svc.CanResolve(refs, r); err != nil {
		return err
	}
	if !f.dryRun && !f.yes && len(refs) > resolveAsk {
		if err := confirmResolve(ctx, a, f, r, len(refs)); err != nil {
			return err
		}
	}
	rows, errs := resolveAll(ctx, a, svc, f, r, refs)
	return printChanges(ctx, a, out, rows, errs, len(refs))
}

// alertRefs reads refs, each once.
func alertRefs(ctx context.Context, svc *triage.Service, words []string) ([]alert.Ref, error) {
	var refs []alert.Ref
	seen := map[alert.Ref]bool{}
	for _, w := range words {
		ref, err := svc.Expand(ctx, w)
		if err != nil {
			return nil, err
		}
		if ref, err = svc.AsAlert(ref); err != nil {
			return nil, err
		}
		if !seen[ref] {
			seen[ref] = true
			refs = append(refs, ref)
		}
	}
	return refs, nil
}

func confirmResolve(ctx context.Context, a *app, f resolveFlags, r alert.Resolution, n int) error {
	yes, err := a.IO.Confirm(ctx, fmt.Sprintf("Set %s on %d alerts?", wishText(r), n))
	switch {
	case errors.Is(err, term.ErrNoTerminal):
		return fault.New(fault.Declined, "resolving %d alerts needs confirmation: pass --yes", n).WithHint("see what would change first: --dry-run")
	case err != nil:
		return err
	case !yes:
		return fault.New(fault.Declined, "declined: nothing was changed")
	}
	return nil
}

func wishText(r alert.Resolution) string {
	var parts []string
	for _, p := range [][2]string{{"verdict", r.Verdict}, {"status", string(r.Status)}, {"assignee", r.Assign}, {"tags", strings.Join(r.Tags, ", ")}} {
		if p[1] != "" {
			parts = append(parts, p[0]+" "+p[1])
		}
	}
	return strings.Join(parts, " and ")
}

// changedJSON is one resolved alert: schema edrc.changes/v1.
type changedJSON struct {
	triage.Change
	NoteID string `json:"note_id,omitempty"`
	DryRun bool   `json:"dry_run,omitempty"`
}

// resolveAll works the refs off one by one; Ctrl-C ends it between two.
func resolveAll(ctx context.Context, a *app, svc *triage.Service, f resolveFlags, r alert.Resolution, refs []alert.Ref) (rows []changedJSON, errs []error) {
	journal := a.changes(a.cfg.StateDir)
	for _, ref := range refs {
		if a.interrupted() {
			return rows, append(errs, fault.New(fault.Interrupted, "interrupted: %d of %d alerts were not looked at", len(refs)-len(rows), len(refs)))
		}
		c, err := svc.PlanResolve(ctx, ref, r)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		row := changedJSON{DryRun: f.dryRun}
		if !f.dryRun {
			err = svc.Resolve(ctx, c, r, journal)
		}
		row.Change = *c
		if err == nil && f.note && !f.dryRun {
			var note *triage.NoteReceipt
			if note, err = svc.AddNote(ctx, ref, r.Reason, c.ID); err == nil {
				row.NoteID = note.NoteID
			}
		}
		if err != nil {
			errs = append(errs, err)
		}
		rows = append(rows, row)
	}
	return rows, errs
}

func printChanges(ctx context.Context, a *app, out report.Options, rows []changedJSON, errs []error, asked int) error {
	l := report.List[changedJSON]{Schema: "edrc.changes/v1", Columns: changeColumns(), Items: rows, Errors: errs, Empty: "nothing to change"}
	if err := report.Print(ctx, a.IO, out, l); err != nil {
		return err
	}
	good := 0
	for _, r := range rows {
		if r.DryRun || r.State == triage.ChangeDone || r.State == triage.ChangeUnchanged || r.State == triage.ChangePending {
			good++
		}
	}
	if !out.Machine() && len(rows) > 0 && rows[0].DryRun {
		a.say("dry run: nothing was sent")
	} else if !out.Machine() && good > 0 {
		a.say("%d of %s as decided.  Undo: edrc undo %s", good, count(asked, "alert"), rows[0].ID)
	}
	return failed(errs, good > 0)
}

func changeColumns() []report.Column[changedJSON] {
	type row = changedJSON
	return []report.Column[row]{
		{Name: "ref", Value: func(_ report.View, r row) string { return r.Ref.String() }},
		{Name: "change", Value: func(_ report.View, r row) string { return fieldsText(r.Fields) }, Shrink: 1, Min: 16, Flex: true},
		{Name: "state", Value: func(_ report.View, r row) string {
			if r.DryRun {
				return "would change"
			}
			return r.State
		}},
		{Name: "id", Value: func(_ report.View, r row) string {
			if r.DryRun {
				return ""
			}
			return r.ID
		}, Shrink: 2, Min: 10},
		{Name: "note", Wide: true, Value: func(_ report.View, r row) string { return r.NoteID }},
	}
}

func fieldsText(fields map[string]triage.FieldChange) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		parts = append(parts, fieldText(name, fields[name]))
	}
	return safe.Line(strings.Join(parts, ", "))
}

func fieldText(name string, f triage.FieldChange) string {
	return fmt.Sprintf("%s %s → %s", name, cmp.Or(f.Before, "-"), f.After)
}
