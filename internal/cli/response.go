package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"edrc/internal/alert"
	"edrc/internal/config"
	"edrc/internal/fault"
	"edrc/internal/report"
	"edrc/internal/respond"
	"edrc/internal/respond/aws"
	"edrc/internal/source"
	"edrc/internal/term"
	"edrc/internal/triage"
)

// responseFlags are what the commands that contain something are told; each has the
// part that it needs.
type responseFlags struct {
	options                   respond.Options
	cut, reason, kase, source string
	yes, shared, dryRun       bool
	noNote                    bool
	environment               string
	wait                      time.Duration
	// plan: the command only plans, as `edrc plan` does.
	plan bool
}

// confirming are the flags of every command that changes something.
func (f *responseFlags) confirming(fl *pflag.FlagSet) {
	fl.BoolVar(&f.yes, "yes", false, "do not ask")
	fl.DurationVar(&f.wait, "wait", 0, "how long to wait until each step is seen done (default 30s); after that it is accepted, exit 3")
}

// confining is for the commands that act in AWS.
func (f *responseFlags) confining(fl *pflag.FlagSet) {
	fl.StringVar(&f.environment, "environment", "", "refuse what is outside this environment, by the account, the region and the tags that it has now: its `NAME`")
}

func (f *responseFlags) sharing(fl *pflag.FlagSet) {
	fl.BoolVar(&f.shared, "yes-shared", false, "beside --yes: also when others use the target, too")
}

// responder carries the commands out.
type responder struct {
	a      *app
	f      responseFlags
	svc    *triage.Service
	engine *respond.Engine
	clouds clouds
	out    report.Options
	inside func(respond.Plan) error // refuses what is outside the environment; nil: none is named
	began  time.Time                // of the action that is carried out, after its confirmation
}

// responder builds the engine over what is configured. columns is nil for what is no list.
func (a *app) responder(cmd *cobra.Command, columns []string, f responseFlags) (*responder, error) {
	svc, out, err := a.begin(cmd, columns, serviceOptions{})
	if err != nil {
		return nil, err
	}
	r := &responder{a: a, f: f, svc: svc, out: out, engine: a.journals(a.cfg)}
	if r.clouds, err = a.drive(r.engine, svc.Sources); err != nil {
		return nil, err
	}
	if f.environment != "" {
		if err := r.confine(f.environment); err != nil {
			return nil, err
		}
	}
	r.engine.Settle = f.wait
	if !out.Machine() {
		r.engine.Progress = r.progress
	}
	return r, nil
}

// drive gives the engine whom to talk to: the sources, and AWS.
func (a *app) drive(e *respond.Engine, sources []source.Source) (clouds, error) {
	c, err := a.theClouds(a.cfg)
	e.Drivers = map[respond.Verb]respond.Driver{respond.IsolateHost: respond.Hosts{Sources: sources}}
	for _, v := range aws.Verbs() {
		e.Drivers[v] = c
	}
	return c, err
}

// journals is the engine without anybody to talk to: for what was done already.
func (a *app) journals(cfg *config.Config) *respond.Engine {
	e := &respond.Engine{StateDir: cfg.StateDir, Actor: respond.Self(), Now: a.Now, Sleep: sleep}
	if b, ok := cfg.Respond.(*respond.Belts); ok {
		e.Belts = *b
		e.Belts.File = cfg.Path
	}
	if a.Journal != nil {
		e.Journal = a.Journal(respond.Files{Dir: filepath.Join(cfg.StateDir, respond.ActionsDir)})
	}
	if e.Actor.User == "" {
		e.Actor.User = a.actor().User
	}
	return e
}

// records reads what was done already: it needs the configuration and asks nobody.
func (a *app) records(cmd *cobra.Command, columns []string) (*respond.Engine, report.Options, error) {
	if _, err := a.options(columns); err != nil {
		return nil, a.output, err
	}
	cfg, err := a.config(cmd.Flags())
	if err != nil {
		return nil, a.output, err
	}
	out, err := a.options(columns)
	return a.journals(cfg), out, err
}

// progress tells each step on stderr. On a terminal the line of a step that is under
// way is written over by its outcome.
func (r *responder) progress(p respond.Progress) {
	title := p.Title
	if p.Direction == respond.Revert {
		title = "reverse: " + title
	}
	width, _ := r.a.IO.ErrSize()
	live := r.a.IO.ErrTTY && len(title)+4 < width
	style := r.a.IO.ErrStyle()
	switch {
	case p.Waiting != "":
		_, _ = fmt.Fprintln(r.a.IO.Err, "waiting: another edrc is at work on "+p.Waiting)
		return
	case p.Outcome == nil && live:
		_, _ = fmt.Fprint(r.a.IO.Err, " … "+title)
		return
	case p.Outcome == nil:
		return
	case live:
		_, _ = fmt.Fprint(r.a.IO.Err, "\r")
	}
	mark, tail := style.Green(" ✓ "), ""
	switch {
	case p.Err != nil:
		mark = style.Red(" ✗ ")
	case p.Outcome.State == respond.Pending:
		mark, tail = style.Yellow(" … "), ", accepted"
	case p.Outcome.State == respond.Found:
		tail = ", it was so already"
	case p.Outcome.State == respond.Left:
		mark, tail = style.Yellow(" – "), ", left as it is"
	}
	_, _ = fmt.Fprintln(r.a.IO.Err, mark+title+tail)
}

// errPreview stops at the question: somebody only wanted to see what would be asked.
var errPreview = errors.New("preview")

// approval asks on the terminal; what is about to happen is shown before.
func (r *responder) approval(shown bool) respond.Approval {
	ok := respond.Approval{Yes: r.f.yes && !r.f.dryRun, Shared: r.f.shared}
	ok.Ask = func(ctx context.Context, q respond.Question) (bool, error) {
		if r.f.dryRun {
			return false, errors.Join(errPreview, r.printPlans(ctx, []respond.Plan{q.Plan}, nil))
		}
		if !shown {
			if err := planCard(besides(r.a.IO), q.Plan); err != nil {
				return false, err
			}
		}
		yes, err := r.ask(ctx, q)
		r.began = r.a.Now()
		if errors.Is(err, term.ErrNoTerminal) {
			err = respond.ErrNoTerminal
		}
		return yes, err
	}
	return ok
}

func (r *responder) ask(ctx context.Context, q respond.Question) (bool, error) {
	t := q.Plan.Target
	if q.Type == "" {
		text := fmt.Sprintf("%s %s?", title(string(q.Plan.Request.Verb)), t.Label())
		if of := q.Plan.Request.Of; of != "" {
			text = fmt.Sprintf("Undo %s (%s %s)?", of, q.Plan.Request.OfVerb, t.Label())
		}
		return r.a.IO.Confirm(ctx, text)
	}
	name := "id"
	if q.Type == t.Name || t.Kind == respond.Role {
		name = "name"
	}
	text := fmt.Sprintf("Type the %s's %s to %s it:", t.Kind, name, strings.Fields(string(q.Plan.Request.Verb))[0])
	if q.Plan.SharedBy != "" {
		text = q.Plan.SharedBy + "\n" + text
	}
	return r.a.IO.TypeName(ctx, text, q.Type)
}

// act carries one request after the other out, each confirmed by itself.
func (r *responder) act(ctx context.Context, list []respond.Request) error {
	if n := r.limit(); len(list) > n {
		return tooManyTargets(len(list), n)
	}
	var done []outcome
	var errs []error
	for _, req := range list {
		if err := ctx.Err(); err != nil {
			errs = append(errs, err)
			break
		}
		p, err := r.engine.Plan(ctx, req)
		if err == nil {
			var o outcome
			o, err = r.apply(ctx, p)
			done = append(done, o)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return r.report(ctx, done, errs)
}

func (r *responder) limit() int {
	if n := r.engine.Belts.MaxTargets; n > 0 {
		return n
	}
	return respond.DefaultMaxTargets
}

func tooManyTargets(n, limit int) error {
	return fault.New(fault.Denied, "%d targets in one run, and the limit is %d", n, limit).
		WithHint("name fewer, or raise respond.max_targets in the configuration")
}

// apply carries one plan out, and tells the alert.
func (r *responder) apply(ctx context.Context, p respond.Plan) (outcome, error) {
	shown := !r.out.Structured() && p.Already == ""
	if shown {
		if err := planCard(besides(r.a.IO), p); err != nil {
			return outcome{}, err
		}
	}
	return r.carried(ctx, p.Request.Verb, p.Target, func() (respond.Report, error) {
		return r.engine.Apply(ctx, p, r.approval(shown))
	})
}

// carried makes an outcome of what the engine did, and tells the alert.
func (r *responder) carried(ctx context.Context, v respond.Verb, t respond.Target, do func() (respond.Report, error)) (outcome, error) {
	r.began = r.a.Now()
	rep, err := do()
	o := outcome{Verb: v, Target: t, Already: rep.Already, Warnings: rep.Warnings, Seconds: r.a.Now().Sub(r.began).Seconds()}
	if act := rep.Action; act != nil {
		o.Action, o.Status, o.Of, o.Target, o.Alert = act.ID, act.Status, act.Of, act.Target, act.Alert
	}
	switch {
	case errors.Is(err, errPreview):
		return o, err
	case rep.Already != "":
		o.Status = "already"
	case o.Status == "":
		o.Status = "not begun"
	}
	return o, errors.Join(err, r.tell(ctx, rep.Action, &o))
}

// tell posts a note on the alert that named the target. The action's id is the note's
// key: an action that is carried on, or asked for again, is told once.
func (r *responder) tell(ctx context.Context, act *respond.Action, o *outcome) error {
	if act == nil || act.Alert == "" || r.f.noNote || act.Status != respond.StatusDone && act.Status != respond.StatusAccepted {
		return nil
	}
	ref, err := alert.ParseRef(act.Alert)
	if err != nil {
		return fault.Usagef("%v", err)
	}
	o.Alert = act.Alert
	receipt, err := r.svc.AddNote(ctx, ref, noteOn(act), act.ID)
	switch {
	case fault.Is(err, fault.Unsupported):
		o.Warnings = append(o.Warnings, "no note: "+err.Error())
		return nil
	case err != nil:
		return fault.At(err, ref.Source, "note on the alert")
	}
	o.NoteID, o.noted = receipt.NoteID, !receipt.Already
	return nil
}

// noteOn is what a colleague reads on the alert.
func noteOn(act *respond.Action) string {
	text := fmt.Sprintf("%s %s: %s", title(string(act.Verb)), act.Target.Label(), act.Status)
	undo := fmt.Sprintf(" (undo: edrc undo %s)", act.ID)
	if act.Verb == respond.Undo {
		text, undo = fmt.Sprintf("Undo of %s, %s %s: %s", act.Of, act.Plan.Request.OfVerb, act.Target.Label(), act.Status), ""
	}
	if act.Status == respond.StatusAccepted {
		text += ", not done yet"
	}
	if act.Reason != "" {
		text += "\nReason: " + act.Reason
	}
	return fmt.Sprintf("%s\nBy %s, action %s%s", text, act.Actor, act.ID, undo)
}
