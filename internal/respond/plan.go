package respond

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/safe"
)

// Verb is what is done to a target, as the command line says it.
type Verb string

// The verbs.
const (
	StopInstance    Verb = "stop instance"
	IsolateRole     Verb = "isolate role"
	IsolateInstance Verb = "isolate security-group"
	IsolateHost     Verb = "isolate host"
	DisableKey      Verb = "disable key"
	Undo            Verb = "undo" // reverses another action
)

// TargetKind says what sort of thing a target is.
type TargetKind string

// The kinds of targets.
const (
	Instance TargetKind = "instance"
	Role     TargetKind = "role"
	Key      TargetKind = "key"
	HostKind TargetKind = "host"
	Profile  TargetKind = "instance profile" // until resolved to its role
)

// Target is what an action is about. Before planning it may be what a person typed;
// a [Plan] has it whole.
type Target struct {
	Kind TargetKind `json:"kind"`
	ID   string     `json:"id"`             // i-…, role name, AKIA…, the product's host id
	Name string     `json:"name,omitempty"` // for people: Name tag, computer name
	// Account is the 12-digit AWS account, Region the AWS region; "" until resolved.
	Account string `json:"account,omitempty"`
	Region  string `json:"region,omitempty"`
	Source  string `json:"source,omitempty"` // of a host: the source's name
	// Sample: the alert that named it is a sample that the vendor made up.
	Sample bool `json:"sample,omitempty"`
}

// Key identifies the target among all: two actions with one key never run at once.
func (t Target) Key() string {
	parts := []string{string(t.Kind), t.Source, t.Account, t.Region, t.ID}
	if t.Kind == Role || t.Kind == Key { // global in their account; role names ignore case
		parts[3], parts[4] = "", strings.ToLower(t.ID)
	}
	return strings.Join(parts, "/")
}

// Label is the target for a person: name and id where both are known.
func (t Target) Label() string {
	if t.Name == "" || t.Name == t.ID {
		return safe.Line(t.ID)
	}
	return safe.Line(t.Name + " (" + t.ID + ")")
}

// TypedName is what a person types to confirm: the id where there is no name.
func (t Target) TypedName() string {
	if t.Kind == HostKind && t.Name != "" {
		return t.Name
	}
	return t.ID
}

// Cut says how connections that are open already are ended when an instance is
// isolated by its security groups.
type Cut string

// The ways to cut connections.
const (
	CutNone    Cut = "none"     // leave them: they live until they are idle for long
	CutTwoStep Cut = "two-step" // open the groups wide for a while, so that flows are no longer tracked
	CutNACL    Cut = "nacl"     // deny everything in the subnet's network ACL
)

// Options are what a request may ask for beyond the verb. What a verb does not know
// is ignored.
type Options struct {
	Force       bool `json:"force,omitempty"`        // stop: hard; isolate: managed resources too; undo: overwrite what changed
	Hibernate   bool `json:"hibernate,omitempty"`    // stop: keep the memory on disk
	Unprotect   bool `json:"unprotect,omitempty"`    // stop: lift stop protection first, restore it at undo
	Cut         Cut  `json:"cut,omitempty"`          // isolate security-group; "" is none
	Snapshot    bool `json:"snapshot,omitempty"`     // snapshots of every volume first
	DisableIMDS bool `json:"disable_imds,omitempty"` // isolate security-group: no metadata service
	Standby     bool `json:"standby,omitempty"`      // take the instance out of its Auto Scaling group first
	KeepSSM     bool `json:"keep_ssm,omitempty"`     // isolate role: let the SSM agent live, for evidence
	// Mode is the product's own word for a way to isolate a host; "" is its usual one.
	Mode string `json:"mode,omitempty"`
}

// Request asks for one action on one target.
type Request struct {
	Action  string  `json:"action"` // the action's id; "": [Engine.Plan] draws one
	Verb    Verb    `json:"verb"`
	Target  Target  `json:"target"`
	Options Options `json:"options,omitzero"`
	Reason  string  `json:"reason,omitempty"`
	// Alert is the ref of the alert that named the target, "" when a person did. It is
	// told what became of the action.
	Alert string `json:"alert,omitempty"`
	// Case makes isolations of one role independent of each other: letting go for one
	// case leaves the others in place. Letters, digits and _+=,.@- only.
	Case string `json:"case,omitempty"`
	// Of is the action that is undone, OfVerb what it did; of Undo only.
	Of     string `json:"of,omitempty"`
	OfVerb Verb   `json:"of_verb,omitempty"`
}

// Step is one change, as data.
type Step struct {
	Kind    string `json:"kind"`  // "aws.role-policy/v1"
	Title   string `json:"title"` // "add the inline policy …: deny every action on every resource"
	Account string `json:"account,omitempty"`
	Region  string `json:"region,omitempty"`
	// Data is the driver's own: what to do and what stands there before. No secrets.
	Data json.RawMessage `json:"data"`
	// Result is what doing it taught, and what reading and reversing it need. The
	// journal keeps it.
	Result json.RawMessage `json:"result,omitempty"`
	// Transient: what it does is not meant to last; it is not looked for at the end.
	Transient bool `json:"transient,omitempty"`
	// Keep: never reversed.
	Keep bool `json:"keep,omitempty"`
	// Shared: several actions may want the same; whoever reverses it last removes it. The
	// containment rests on it, also where it is kept.
	Shared bool `json:"shared,omitempty"`
	// Optional: when it fails, that is a warning and the rest goes on.
	Optional bool `json:"optional,omitempty"`
}

// Fact is one line about the target: a state before, or somebody who is hit.
type Fact struct {
	What  string `json:"what"`
	Value string `json:"value"`
}

// Touched is a thing that the action hits, for the belts.
type Touched struct {
	Kind    TargetKind        `json:"kind"`
	ID      string            `json:"id"`
	Name    string            `json:"name,omitempty"`
	Account string            `json:"account,omitempty"`
	Tags    map[string]string `json:"tags,omitempty"`
}

// PlanSchema names a plan in JSON.
const PlanSchema = "edrc.plan/v1"

// Plan is what would be done, as data: it is printed, saved, and applied later. A
// saved plan is applied only when planning again gives the same steps.
type Plan struct {
	Schema  string    `json:"schema"`
	Request Request   `json:"request"`
	Target  Target    `json:"target"` // resolved
	Made    time.Time `json:"made"`
	// Already says why there is nothing to do; "" when there is.
	Already  string    `json:"already,omitempty"`
	Steps    []Step    `json:"steps"`
	Prior    []Fact    `json:"prior,omitempty"`
	Blast    []Fact    `json:"blast_radius,omitempty"`
	Warnings []string  `json:"warnings,omitempty"`
	Undo     string    `json:"undo,omitempty"`
	Touched  []Touched `json:"touched,omitempty"`
	// Severe: the target's name must be typed, and a reason given.
	Severe bool `json:"severe,omitempty"`
	// SharedBy says who else uses the target, when confirming needs more than --yes.
	SharedBy string `json:"shared_by,omitempty"`
	Digest   string `json:"digest"` // of target and steps, prior state included
}

// digest identifies what a plan would do to what it found.
func (p Plan) digest() string {
	b, err := json.Marshal(struct {
		Request Request
		Target  Target
		Already bool
		Steps   []Step
	}{p.Request, p.Target, p.Already != "", p.Steps})
	if err != nil { // Data that is no JSON: a driver's mistake, told by the journal as well
		b = []byte(err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// shown makes every text of a plan fit for a terminal: names and tags are chosen by
// whoever made the target.
func (p *Plan) shown() {
	for _, facts := range [][]Fact{p.Prior, p.Blast} {
		for i := range facts {
			facts[i] = Fact{safe.Line(facts[i].What), safe.Line(facts[i].Value)}
		}
	}
	for i := range p.Warnings {
		p.Warnings[i] = safe.Line(p.Warnings[i])
	}
	for i := range p.Steps {
		p.Steps[i].Title = safe.Line(p.Steps[i].Title)
	}
	p.Already, p.SharedBy = safe.Line(p.Already), safe.Line(p.SharedBy)
}

// ReadPlan reads a plan that was saved as JSON. A plan whose parts do not belong
// together is refused.
func ReadPlan(b []byte) (Plan, error) {
	var p Plan
	if err := json.Unmarshal(b, &p); err != nil {
		return Plan{}, fault.Usagef("this is not a plan: %w", err).WithHint("write one with: edrc plan … -o json")
	}
	switch {
	case p.Schema != PlanSchema:
		return Plan{}, fault.Usagef("this is not a plan: its schema is %q, not %q", p.Schema, PlanSchema).WithHint("write one with: edrc plan … -o json")
	case !ValidID(p.Request.Action):
		return Plan{}, fault.Usagef("the plan has no action id")
	}
	for i, s := range p.Steps {
		compact, err := compactJSON(s.Data)
		if err != nil {
			return Plan{}, fault.Usagef("step %d of the plan cannot be read: %w", i+1, err)
		}
		p.Steps[i].Data = compact
	}
	if p.digest() != p.Digest {
		return Plan{}, fault.New(fault.Conflict, "the plan was changed after it was made").WithHint("make it again: edrc plan …")
	}
	return p, nil
}

// Direction is which way a step goes.
type Direction string

// The directions.
const (
	Forward Direction = "apply"
	Revert  Direction = "revert"
)

// OutcomeState is what became of a step.
type OutcomeState string

// The outcomes.
const (
	Done    OutcomeState = "done"
	Pending OutcomeState = "pending"  // accepted, not done yet: the host is offline
	InDoubt OutcomeState = "in-doubt" // sent, and whether it was done is not known
	Left    OutcomeState = "left"     // of Revert: left as it is on purpose, for Note
	Found   OutcomeState = "found"    // it was so before; the engine's own, it is not reversed
	Failed  OutcomeState = "failed"   // not done; the engine's own
)

// Outcome is what became of a step. Result, when not nil, replaces the step's.
type Outcome struct {
	State  OutcomeState    `json:"state"`
	Note   string          `json:"note,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
}

// State is how a step's object stands now.
type State string

// The states.
const (
	Prior   State = "prior"   // as before the step
	Applied State = "applied" // as the step left it
	Other   State = "other"   // neither: somebody changed it
	Unknown State = "unknown" // it cannot be read
)

// Reading is what a driver read.
type Reading struct {
	State   State     `json:"state"`
	Detail  string    `json:"detail,omitempty"`  // what is there, when that is not plain
	Pending bool      `json:"pending,omitempty"` // on its way to State
	Offline bool      `json:"offline,omitempty"` // and waiting for a host that is not connected
	Since   time.Time `json:"since,omitzero"`    // when the vendor tells
	By      string    `json:"by,omitempty"`      // who did it, when the vendor tells
}

// Driver knows how one vendor's things are contained. Every method may be called in
// another process than the one that planned.
type Driver interface {
	// Plan reads the target and says what would be done. It changes nothing. What
	// must not be done is an error: fault.Denied for a guard, fault.NotFound,
	// fault.Unsupported.
	Plan(ctx context.Context, r Request) (Plan, error)
	// Do applies or reverses one step. A failure of kind fault.InDoubt may have
	// happened all the same; any other was not.
	Do(ctx context.Context, s Step, d Direction) (Outcome, error)
	// Read says how the step's object stands now. An error is Unknown.
	Read(ctx context.Context, s Step) (Reading, error)
}

// Rehearser is a driver whose vendor can say beforehand whether a step is allowed.
type Rehearser interface {
	// Rehearse asks, and changes nothing. A step that cannot be rehearsed is no error.
	Rehearse(ctx context.Context, s Step) error
}

var idForm = safe.Pattern(`^A-[A-Z2-7]{8}$`)

// ValidID reports whether s is an action's id: A- and 8 base32 characters.
func ValidID(s string) bool { return idForm().MatchString(s) }

// NewID draws an action's id.
func NewID() string {
	b := make([]byte, 5)
	_, _ = rand.Read(b)
	return "A-" + base32.StdEncoding.EncodeToString(b)
}

// stepTitle is how a message names a step.
func stepTitle(steps []Step, i int) string {
	return fmt.Sprintf("step %d of %d (%s)", i+1, len(steps), steps[i].Title)
}

// changes lists, for a person, where two plans for one request differ.
func changes(was, now Plan) []string {
	var out []string
	if was.Target != now.Target {
		out = append(out, fmt.Sprintf("the target was %s, it is %s", was.Target.Key(), now.Target.Key()))
	}
	for _, f := range now.Prior {
		i := slices.IndexFunc(was.Prior, func(o Fact) bool { return o.What == f.What })
		switch {
		case i < 0:
			out = append(out, fmt.Sprintf("%s is new: %s", f.What, f.Value))
		case was.Prior[i].Value != f.Value:
			out = append(out, fmt.Sprintf("%s was %s, it is %s", f.What, was.Prior[i].Value, f.Value))
		}
	}
	for _, f := range was.Prior {
		if !slices.ContainsFunc(now.Prior, func(n Fact) bool { return n.What == f.What }) {
			out = append(out, fmt.Sprintf("%s is gone (it was %s)", f.What, f.Value))
		}
	}
	if len(out) == 0 {
		out = append(out, fmt.Sprintf("%d steps were planned, now there are %d others", len(was.Steps), len(now.Steps)))
	}
	return out
}
