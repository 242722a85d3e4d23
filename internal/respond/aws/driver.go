package aws

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"edrc/internal/awsconn"
	"edrc/internal/fault"
	"edrc/internal/respond"
)

// Driver contains what is in the accounts and regions of one connection.
type Driver struct {
	Conn *awsconn.Conn
	Now  func() time.Time
	// Sleep waits, or gives the context's error.
	Sleep func(context.Context, time.Duration) error
	// StopWait is how long an instance may take to stop or start; 0 is 10 min.
	StopWait time.Duration
	// UntrackWait is how long the two-step cut leaves the interfaces open; 0 is 180 s.
	UntrackWait time.Duration

	mu       sync.Mutex
	sessions map[string]*session
}

var (
	_ respond.Driver    = (*Driver)(nil)
	_ respond.Rehearser = (*Driver)(nil)
)

// Verbs are what this driver does, for respond.Engine.Drivers.
func Verbs() []respond.Verb {
	return []respond.Verb{respond.StopInstance, respond.IsolateRole, respond.IsolateInstance, respond.DisableKey}
}

// session is one account and region, and who we are there.
type session struct {
	d               *Driver
	account, region string
	who             awsconn.Identity
	about           string // what the calls are about, for refusals: "role web"
	ec2             ec2Calls
	iam             iamCalls
	asg             asgCalls
	elb             elbCalls
}

// at gives the session of an account and a region. account "" is the credential's own.
func (d *Driver) at(ctx context.Context, account, region string) (*session, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.sessions[account+"/"+region]; s != nil {
		return s, nil
	}
	cfg, err := d.Conn.For(ctx, account, region)
	if err != nil {
		return nil, err
	}
	who, err := d.Conn.Caller(ctx, account)
	if err != nil {
		return nil, err
	}
	if account != "" && who.Account != account {
		return nil, fault.New(fault.Denied, "the target is in account %s, and the credential belongs to %s", account, who.Account).
			WithHint("give account %s a role_arn in the configuration", account)
	}
	s := &session{d: d, account: who.Account, region: region, who: who, ec2: newEC2(cfg), iam: newIAM(cfg), asg: newASG(cfg), elb: newELB(cfg)}
	if d.sessions == nil {
		d.sessions = map[string]*session{}
	}
	d.sessions[account+"/"+region], d.sessions[who.Account+"/"+region] = s, s
	return s, nil
}

// of is the session for calls about one thing.
func (s *session) of(what string) *session {
	c := *s
	c.about = what
	return &c
}

// step is one change. Its exported fields are its JSON, prior state included.
type step interface {
	// about names what is changed, for a message.
	about() string
	apply(ctx context.Context, s *session) (respond.Outcome, error)
	revert(ctx context.Context, s *session) (respond.Outcome, error)
	read(ctx context.Context, s *session) (respond.Reading, error)
}

// rehearsable is a step that EC2's DryRun can be asked about.
type rehearsable interface {
	rehearse(ctx context.Context, s *session) error
}

// The kinds of steps. A kind is never changed once it was released: journals hold it.
const (
	kindPolicy     = "aws.role-policy/v1"
	kindDenied     = "aws.role-denied/v1"
	kindGroup      = "aws.group/v1"
	kindEmpty      = "aws.group-empty/v1"
	kindOpen       = "aws.group-open/v1"
	kindGroupGone  = "aws.group-gone/v1"
	kindInterface  = "aws.interface-groups/v1"
	kindEvery      = "aws.every-interface/v1"
	kindTags       = "aws.tags/v1"
	kindWait       = "aws.wait/v1"
	kindNACL       = "aws.nacl-entry/v1"
	kindMetadata   = "aws.metadata-service/v1"
	kindStandby    = "aws.standby/v1"
	kindSnapshots  = "aws.snapshots/v1"
	kindStop       = "aws.stop/v1"
	kindProtection = "aws.stop-protection/v1"
	kindKey        = "aws.key-status/v1"
)

// blank gives the type of a kind, nil for one that is not known.
func blank(kind string) step {
	switch kind {
	case kindPolicy:
		return &rolePolicy{}
	case kindDenied:
		return &roleDenied{}
	case kindGroup:
		return &group{}
	case kindEmpty:
		return &emptyGroup{}
	case kindOpen:
		return &openGroup{}
	case kindGroupGone:
		return &groupGone{}
	case kindInterface:
		return &interfaceGroups{}
	case kindEvery:
		return &everyInterface{}
	case kindTags:
		return &tags{}
	case kindWait:
		return &wait{}
	case kindNACL:
		return &naclEntry{}
	case kindMetadata:
		return &metadata{}
	case kindStandby:
		return &standby{}
	case kindSnapshots:
		return &snapshots{}
	case kindStop:
		return &stop{}
	case kindProtection:
		return &stopProtection{}
	case kindKey:
		return &keyStatus{}
	}
	return nil
}

// decode makes a step of its JSON. What it learned when it was done stands in Result.
func decode(s respond.Step) (step, error) {
	x := blank(s.Kind)
	if x == nil {
		return nil, fault.New(fault.Unsupported, "this edrc does not know steps of kind %q", s.Kind).
			WithHint("use the edrc that planned it, or a newer one")
	}
	for _, raw := range []json.RawMessage{s.Data, s.Result} {
		if raw == nil {
			continue
		}
		if err := json.Unmarshal(raw, x); err != nil {
			return nil, fault.New(fault.Corrupt, "a step of kind %s cannot be read: %w", s.Kind, err)
		}
	}
	return x, nil
}

// newStep makes the JSON of a step.
func (s *session) newStep(kind, title string, x step) respond.Step {
	data, err := json.Marshal(x)
	if err != nil { // plain structs: it cannot fail
		data = []byte("null")
	}
	return respond.Step{Kind: kind, Title: title, Account: s.account, Region: s.region, Data: data}
}

// learned gives an outcome with what a later reader needs.
func learned(what any, note string) (respond.Outcome, error) {
	b, err := json.Marshal(what)
	return respond.Outcome{State: respond.Done, Note: note, Result: b}, err
}

func done(note string) (respond.Outcome, error) {
	return respond.Outcome{State: respond.Done, Note: note}, nil
}

func left(note string) (respond.Outcome, error) {
	return respond.Outcome{State: respond.Left, Note: note}, nil
}

func (d *Driver) open(ctx context.Context, s respond.Step) (step, *session, error) {
	x, err := decode(s)
	if err != nil {
		return nil, nil, err
	}
	at, err := d.at(ctx, s.Account, s.Region)
	if err != nil {
		return nil, nil, err
	}
	return x, at.of(x.about()), nil
}

// Do implements respond.Driver.
func (d *Driver) Do(ctx context.Context, s respond.Step, dir respond.Direction) (respond.Outcome, error) {
	x, at, err := d.open(ctx, s)
	if err != nil {
		return respond.Outcome{}, err
	}
	if dir == respond.Revert {
		return x.revert(ctx, at)
	}
	return x.apply(ctx, at)
}

// Read implements respond.Driver.
func (d *Driver) Read(ctx context.Context, s respond.Step) (respond.Reading, error) {
	x, at, err := d.open(ctx, s)
	if err != nil {
		return respond.Reading{State: respond.Unknown}, err
	}
	return x.read(ctx, at)
}

// Rehearse implements respond.Rehearser, by EC2's DryRun.
func (d *Driver) Rehearse(ctx context.Context, s respond.Step) error {
	x, at, err := d.open(ctx, s)
	if err != nil {
		return err
	}
	if r, ok := x.(rehearsable); ok {
		return at.rehearsed(r.rehearse(ctx, at))
	}
	return nil
}

// Plan implements respond.Driver.
func (d *Driver) Plan(ctx context.Context, r respond.Request) (respond.Plan, error) {
	if reservedSample(r.Target.ID) {
		return respond.Plan{}, fault.New(fault.Denied, "%s is what sample findings name: there is nothing real to contain", r.Target.ID)
	}
	switch r.Verb {
	case respond.IsolateRole:
		return d.planRole(ctx, r)
	case respond.IsolateInstance:
		return d.planNetwork(ctx, r)
	case respond.StopInstance:
		return d.planStop(ctx, r)
	case respond.DisableKey:
		return d.planKey(ctx, r)
	}
	return respond.Plan{}, fault.New(fault.Unsupported, "AWS has nothing to %s", r.Verb)
}
