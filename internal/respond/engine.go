package respond

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"edrc/internal/fault"
	"edrc/internal/safe"
)

// Engine plans, applies and reverses actions. Its fields are set before the first
// call and not changed after. One Engine is one run: its belt counts targets.
type Engine struct {
	StateDir string
	Drivers  map[Verb]Driver
	Journal  Journal // nil: Files in StateDir/actions
	Belts    Belts
	Actor    Actor
	Now      func() time.Time
	// Sleep waits, or gives the context's error.
	Sleep func(context.Context, time.Duration) error
	// Settle is how long a step may take to be seen by a reader; 0 is 30 s.
	Settle time.Duration
	// Progress is told each step as it begins and ends; may be nil.
	Progress func(Progress)

	applied atomic.Int64
}

// Progress is what happens to one step.
type Progress struct {
	Action    string
	Step, Of  int
	Title     string
	Direction Direction
	Outcome   *Outcome // nil: it begins
	Err       error
	// Waiting is what another edrc is at work on, while this one waits; nothing else is set then.
	Waiting string
}

// ActionsDir is where the journals of actions are, below the state directory.
const ActionsDir = "actions"

// AuditFile is the audit's name in the state directory.
const AuditFile = "audit.ndjson"

func (e *Engine) journal() Journal {
	if e.Journal != nil {
		return e.Journal
	}
	return Files{filepath.Join(e.StateDir, ActionsDir)}
}

// Audit gives the list of what was done and refused.
func (e *Engine) Audit() *Audit {
	return &Audit{Path: filepath.Join(e.StateDir, AuditFile), Now: e.Now}
}

func (e *Engine) driver(v Verb) (Driver, error) {
	d := e.Drivers[v]
	if d == nil {
		return nil, fault.New(fault.Unsupported, "nothing that is configured can %s", v).
			WithHint("see what each source can do: edrc sources")
	}
	return d, nil
}

// Plans plans several requests, and refuses more of them than one run may have. A
// request that cannot be planned is an error of its own, by index.
func (e *Engine) Plans(ctx context.Context, rs []Request) ([]Plan, []error, error) {
	if n := e.Belts.limit(); len(rs) > n {
		return nil, nil, tooMany(len(rs), n)
	}
	plans, errs := make([]Plan, len(rs)), make([]error, len(rs))
	for i, r := range rs {
		plans[i], errs[i] = e.Plan(ctx, r)
	}
	return plans, errs, nil
}

func tooMany(n, limit int) error {
	return fault.New(fault.Denied, "%d targets in one run, and the limit is %d", n, limit).
		WithHint("name fewer, or raise respond.max_targets in the configuration")
}

// Plan reads the target and says what would be done. It changes nothing, neither at
// the vendor nor here, but for a line in the audit when a guard or a belt refuses.
func (e *Engine) Plan(ctx context.Context, r Request) (Plan, error) {
	if r.Action == "" {
		r.Action = NewID()
	}
	if r.Verb == Undo {
		return e.planUndo(ctx, r)
	}
	d, err := e.driver(r.Verb)
	if err != nil {
		return Plan{}, err
	}
	if r.Target.Sample {
		return Plan{}, e.refused(ctx, r, e.Belts.check(Plan{Request: r, Target: r.Target}))
	}
	p, err := d.Plan(ctx, r)
	if err != nil {
		if fault.Is(err, fault.Denied) {
			err = e.refused(ctx, r, err)
		}
		return Plan{}, err
	}
	if p, err = e.sealed(r, p); err != nil {
		return Plan{}, err
	}
	if err := e.Belts.check(p); err != nil {
		return Plan{}, e.refused(ctx, r, err)
	}
	return p, nil
}

// sealed fills in what every plan has.
func (e *Engine) sealed(r Request, p Plan) (Plan, error) {
	p.Schema, p.Request, p.Made = PlanSchema, r, e.Now().UTC()
	p.shown()
	for i := range p.Steps {
		var err error
		if p.Steps[i].Data, err = compactJSON(p.Steps[i].Data); err != nil {
			return Plan{}, fmt.Errorf("%s: %w", stepTitle(p.Steps, i), err)
		}
	}
	p.Digest = p.digest()
	return p, nil
}

// refused notes a refusal in the audit. The refusal stands whether or not that works.
func (e *Engine) refused(ctx context.Context, r Request, why error) error {
	err := e.Audit().Append(ctx, AuditEntry{Event: AuditRefused, Actor: e.Actor, Action: r.Action, Verb: r.Verb,
		Target: r.Target.Key(), Name: nameOf(r.Target), Of: r.Of, Alert: r.Alert, Reason: r.Reason, Detail: why.Error()})
	if err != nil {
		return errors.Join(why, err)
	}
	return why
}

// Report is what became of an action.
type Report struct {
	Action *Action `json:"action,omitempty"` // nil when nothing was begun
	// Already says why there was nothing to do; "" otherwise.
	Already string `json:"already,omitempty"`
	// Warnings are what went less well without stopping the action.
	Warnings []string `json:"warnings,omitempty"`
}

// Apply carries out a plan that was just made, or one that was saved. The target is
// planned again under its lock: when that gives other steps, nothing is done and the
// error is fault.Conflict. A report may come with an error: fault.Partial when some
// steps are done, or when the vendor accepted what is not done yet.
func (e *Engine) Apply(ctx context.Context, p Plan, ok Approval) (Report, error) {
	if p.Already != "" {
		return Report{Already: p.Already}, nil
	}
	if err := e.admit(ctx, p); err != nil {
		return Report{}, err
	}
	if err := e.approve(ctx, p, ok); err != nil {
		return Report{}, err
	}
	unlock, err := e.lockTarget(ctx, p.Target)
	if err != nil {
		return Report{}, err
	}
	defer unlock()
	asked := p
	if p, err = e.again(ctx, p); err != nil || p.Already != "" {
		return Report{Already: p.Already}, err
	}
	if p.Severe && !asked.Severe || p.SharedBy != "" && asked.SharedBy == "" { // a saved plan is a file
		return Report{}, fault.New(fault.Conflict, "%s needs more to be confirmed than the plan says%s", p.Target.Label(), strings.TrimRight(": "+p.SharedBy, ": ")).
			WithHint("look at it again: edrc plan %s %s", p.Request.Verb, safe.Line(p.Request.Target.ID))
	}
	if err := e.rehearse(ctx, p); err != nil {
		return Report{}, err
	}
	a, err := e.begin(ctx, p)
	if err != nil {
		return Report{}, err
	}
	return e.carry(ctx, a)
}

// admit checks what needs no vendor.
func (e *Engine) admit(ctx context.Context, p Plan) error {
	if p.Severe && strings.TrimSpace(p.Request.Reason) == "" {
		return fault.Usagef("%s %s needs a reason", p.Request.Verb, p.Target.Label()).
			WithHint("say why with --reason: it stands in the journal and in the audit")
	}
	if p.Request.Verb == Undo { // it gives back; belts are against taking
		return nil
	}
	if err := e.Belts.check(p); err != nil {
		return e.refused(ctx, p.Request, err)
	}
	if n := int(e.applied.Add(1)); n > e.Belts.limit() {
		return e.refused(ctx, p.Request, tooMany(n, e.Belts.limit()))
	}
	return nil
}

// again plans once more, now that nobody else works on the target.
func (e *Engine) again(ctx context.Context, p Plan) (Plan, error) {
	now, err := e.Plan(ctx, p.Request)
	if err != nil || now.Already != "" || now.Digest == p.Digest {
		return now, err
	}
	of := p.Request.Target.ID
	if p.Request.Verb == Undo {
		of = p.Request.Of
	}
	return Plan{}, fault.New(fault.Conflict, "%s has changed since the plan was made: %s", p.Target.Label(),
		strings.Join(changes(p, now), "; ")).WithHint("look at it again: edrc plan %s %s", p.Request.Verb, safe.Line(of))
}

// rehearse asks the vendor whether the steps are allowed, where it can be asked.
func (e *Engine) rehearse(ctx context.Context, p Plan) error {
	r, ok := e.Drivers[p.Request.Verb].(Rehearser)
	if !ok { // an undo, among others: what may be done can be undone
		return nil
	}
	for i, s := range p.Steps {
		if err := r.Rehearse(ctx, s); err != nil && !s.Optional {
			return failedStep(p.Steps, i, "would fail, and nothing was changed", err)
		}
	}
	return nil
}

// failedStep says which step an error belongs to.
func failedStep(steps []Step, i int, how string, err error) error {
	out := &fault.Error{Kind: fault.KindOf(err), Msg: fmt.Sprintf("%s %s: %v", stepTitle(steps, i), how, err), Err: err}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		out.Hint, out.Status, out.Source = f.Hint, f.Status, ""
	}
	return out
}

// begin writes the plan to the journal and the action to the audit, both on disk
// before anything is changed.
func (e *Engine) begin(ctx context.Context, p Plan) (*Action, error) {
	id := p.Request.Action
	if _, err := e.journal().Load(id); !fault.Is(err, fault.NotFound) {
		return nil, errors.Join(fault.New(fault.Conflict, "this plan was carried out already, as action %s", id).
			WithHint("see it: edrc actions show %s; to do it once more, plan it again", id), err)
	}
	if err := e.Audit().Append(ctx, e.entry(p, AuditBegun)); err != nil {
		return nil, err
	}
	first := Line{Schema: LineSchema, Action: id, Time: e.Now().UTC(), Actor: e.Actor, Event: Planned, Plan: &p}
	if err := e.journal().Create(id, first); err != nil {
		return nil, err
	}
	return fold(id, []Line{first})
}

// nameOf is what the audit calls a target beside its key.
func nameOf(t Target) string {
	if t.Name == "" {
		return t.ID
	}
	return t.Name
}

func (e *Engine) entry(p Plan, ev AuditEvent) AuditEntry {
	out := AuditEntry{Event: ev, Actor: e.Actor, Action: p.Request.Action, Verb: p.Request.Verb, Target: p.Target.Key(), Name: nameOf(p.Target),
		Of: p.Request.Of, Alert: p.Request.Alert, Reason: p.Request.Reason}
	for _, s := range p.Steps {
		out.Steps = append(out.Steps, s.Title)
	}
	return out
}

// log writes one line of the action's journal, on disk when it returns, and takes it
// into the action.
func (e *Engine) log(a *Action, l Line) error {
	l.Schema, l.Action, l.Time, l.Actor = LineSchema, a.ID, e.Now().UTC(), e.Actor
	if err := e.journal().Append(a.ID, l); err != nil {
		return err
	}
	a.Changed = l.Time
	return a.add(l)
}
