package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/report"
	"edrc/internal/respond"
	"edrc/internal/safe"
	"edrc/internal/term"
)

// outcome is what became of one target: schema edrc.responses/v1.
type outcome struct {
	Action   string         `json:"action,omitempty"`
	Verb     respond.Verb   `json:"verb"`
	Target   respond.Target `json:"target"`
	Status   respond.Status `json:"status"` // also "already" and "not begun"
	Of       string         `json:"of,omitempty"`
	Already  string         `json:"already,omitempty"`
	Warnings []string       `json:"warnings,omitempty"`
	Alert    string         `json:"alert,omitempty"` // the ref that named the target
	NoteID   string         `json:"note_id,omitempty"`
	Seconds  float64        `json:"seconds"`

	noted bool
}

// good reports whether what was asked for is so now, or on its way.
func (o outcome) good() bool {
	return o.Already != "" || o.Status == respond.StatusDone || o.Status == respond.StatusAccepted
}

// printPlans shows what would be done: schema edrc.plans/v1.
func (r *responder) printPlans(ctx context.Context, plans []respond.Plan, errs []error) error {
	if r.out.Structured() {
		return report.Print(ctx, r.a.IO, r.out, report.List[respond.Plan]{Schema: "edrc.plans/v1", Items: plans, Errors: errs})
	}
	for i, p := range plans {
		if i > 0 {
			if _, err := fmt.Fprintln(r.a.IO.Out); err != nil {
				return err
			}
		}
		if id := p.Request.Action; r.f.dryRun && id != "" { // it will never be
			p.Undo = strings.ReplaceAll(p.Undo, id, "A-…")
			p.Steps = slices.Clone(p.Steps)
			for i := range p.Steps {
				p.Steps[i].Title = strings.ReplaceAll(p.Steps[i].Title, id, "A-…")
			}
		}
		if err := planCard(r.a.IO, p); err != nil {
			return err
		}
	}
	report.Errors(r.a.IO, r.out.ErrorFormat(), errs)
	return nil
}

// planCard shows a plan: what it does, what is there before, who is hit.
func planCard(t *term.IO, p respond.Plan) error {
	verb := title(string(p.Request.Verb))
	if p.Request.Of != "" {
		verb = "Undo " + p.Request.Of + ": " + string(p.Request.OfVerb)
	}
	var does []string
	for _, s := range p.Steps {
		does = append(does, stepVerb(p.Request.Verb, s))
	}
	undo := p.Undo
	switch {
	case p.Already != "":
		does, undo = []string{"nothing: " + p.Already}, ""
	case len(does) == 0:
		does = []string{"nothing: all of it is as it was before"}
	}
	return report.Card(t, verb+"  "+p.Target.Label(), place(p.Target), []report.Row{
		{Label: "does", Lines: does, Whole: true},
		{Label: "before", Lines: facts(p.Prior), Whole: true},
		{Label: "hits", Lines: facts(p.Blast), Whole: true},
		{Label: "shared", Lines: lines(p.SharedBy), Whole: true, Style: func(s term.Style, text string) string { return s.Yellow(text) }},
		{Label: "beware", Lines: p.Warnings, Whole: true},
		{Label: "undo", Lines: lines(undo), Whole: true},
		{Label: "reason", Lines: lines(p.Request.Reason), Whole: true},
		{Label: "alert", Lines: lines(p.Request.Alert), Whole: true},
	})
}

func stepVerb(v respond.Verb, s respond.Step) string {
	switch {
	case v == respond.Undo:
		return "reverse: " + s.Title
	case s.Optional:
		return s.Title + " (if it can be done)"
	}
	return s.Title
}

func facts(list []respond.Fact) []string {
	var out []string
	for _, f := range list {
		out = append(out, f.What+": "+f.Value)
	}
	return out
}

// place says where a target is.
func place(t respond.Target) string {
	var parts []string
	if t.Account != "" {
		parts = append(parts, "account "+t.Account)
	}
	if t.Region != "" && t.Kind == respond.Instance {
		parts = append(parts, t.Region)
	}
	if t.Source != "" {
		parts = append(parts, t.Source)
	}
	return strings.Join(parts, " · ")
}

// targetText is a target for the eye by its name alone, in a pipe with its id.
func targetText(v report.View, t respond.Target) string {
	if !v.TTY {
		return t.Label()
	}
	if ref, err := alert.ParseRef(t.ID); err == nil && t.Kind == alertTarget {
		return ref.Short()
	}
	return cmp.Or(t.Name, t.ID)
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// report prints what became of each target.
func (r *responder) report(ctx context.Context, done []outcome, errs []error) error {
	var rows []outcome
	good := false
	for _, o := range done {
		if o.Verb != "" {
			rows = append(rows, o)
			good = good || o.good()
		}
	}
	errs = withoutPreviews(errs)
	if r.f.dryRun {
		for _, o := range rows {
			if o.Already != "" && !r.out.Structured() {
				r.a.say("%s", outcomeLine(o))
			}
		}
		return r.previewed(ctx, nil, errs, false)
	}
	if r.out.Structured() || r.out.Format != "" && r.out.Format != report.Table || len(r.out.Columns) > 0 {
		if err := report.Print(ctx, r.a.IO, r.out, report.List[outcome]{Schema: "edrc.responses/v1", Columns: outcomeColumns(), Items: rows, Errors: errs}); err != nil {
			return err
		}
		return failed(errs, good)
	}
	for _, o := range rows {
		for _, w := range o.Warnings {
			r.a.say("   %s", safe.Line(w))
		}
		if o.noted {
			r.a.say("note posted to %s", safe.Line(o.Alert))
		}
		if !o.good() {
			continue // its error says all
		}
		if _, err := fmt.Fprintln(r.a.IO.Out, safe.Line(outcomeLine(o))); err != nil {
			return err
		}
	}
	report.Errors(r.a.IO, r.out.ErrorFormat(), errs)
	return failed(errs, good)
}

func withoutPreviews(errs []error) []error {
	var out []error
	for _, err := range errs {
		if !errors.Is(err, errPreview) {
			out = append(out, err)
		}
	}
	return out
}

func outcomeLine(o outcome) string {
	took := (time.Duration(o.Seconds * float64(time.Second))).Round(time.Second / 10)
	switch {
	case o.Already != "":
		return fmt.Sprintf("%s: %s", o.Target.Label(), o.Already)
	case o.Status == respond.StatusAccepted:
		return fmt.Sprintf("%s %s %s: accepted", o.Action, o.Verb, o.Target.Label())
	case o.Of != "":
		return fmt.Sprintf("%s undid %s (%s) in %s.", o.Action, o.Of, o.Target.Label(), took)
	}
	return fmt.Sprintf("%s %s %s: done and read back in %s.  Undo: edrc undo %s", o.Action, o.Verb, o.Target.Label(), took, o.Action)
}

func outcomeColumns() []report.Column[outcome] {
	return []report.Column[outcome]{
		{Name: "action", Value: func(_ report.View, o outcome) string { return o.Action }},
		{Name: "what", Value: func(_ report.View, o outcome) string { return string(o.Verb) }},
		{Name: "target", Value: func(_ report.View, o outcome) string { return o.Target.Label() }, Shrink: 1, Min: 12, Flex: true},
		{Name: "where", Value: func(_ report.View, o outcome) string { return place(o.Target) }, Shrink: 3, Min: 8},
		{Name: "status", Value: func(_ report.View, o outcome) string { return string(o.Status) }},
		{Name: "detail", Value: func(_ report.View, o outcome) string {
			return strings.Join(append(lines(o.Already), o.Warnings...), "; ")
		}, Shrink: 2, Min: 10},
	}
}

// needsReason is the error for a severe action that nobody gave a reason for.
func needsReason(v respond.Verb) error {
	return fault.Usagef("%s needs a reason", v).
		WithHint("say why, for the audit and for the alert: --reason \"IR-2231 stolen credentials\"")
}

// besides is the terminal with stderr in stdout's place: what is shown before a
// question is no result.
func besides(t *term.IO) *term.IO {
	c := *t
	c.Out, c.OutTTY, c.Width = t.Err, t.ErrTTY, 0
	if t.ErrTTY {
		c.Width, _ = t.ErrSize()
	}
	return &c
}
