package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/iam"

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
	ec2             *ec2.Client
	iam             *iam.Client
	asg             *autoscaling.Client
	elb             *elb.Client
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
	s := &session{d: d, account: who.Account, region: region, who: who, ec2: ec2.NewFromConfig(cfg), iam: iam.NewFromConfig(cfg),
		asg: autoscaling.NewFromConfig(cfg), elb: elb.NewFromConfig(cfg)}
	if d.sessions == nil {
		d.sessions = map[string]*session{}
	}
	d.sessions[account+"/"+region], d.sessions[who.Account+"/"+region] = s, s
	return s, nil
}

// step is one change. Its exported fields are its JSON, prior state included.
type step interface {
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
	kindGroup      = "aws.group/v1"
	kindEmpty      = "aws.group-empty/v1"
	kindOpen       = "aws.group-open/v1"
	kindGroupGone  = "aws.group-gone/v1"
	kindInterface  = "aws.interface-groups/v1"
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
	return x, at, err
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

// scope is where a target may be.
type scope struct{ account, region string }

// scopes gives where a target is looked for: where it says, else everywhere that is
// configured. global is for what has no region.
func (d *Driver) scopes(ctx context.Context, t respond.Target, global bool) ([]scope, error) {
	accounts, regions := []string{t.Account}, []string{t.Region}
	var err error
	if t.Account == "" {
		if accounts, err = d.Conn.Accounts(ctx); err != nil {
			return nil, err
		}
	}
	if t.Region == "" || global {
		if regions, err = d.Conn.Regions(ctx); err != nil {
			return nil, err
		}
	}
	if global {
		regions = regions[:1]
	}
	var out []scope
	for _, a := range accounts {
		for _, r := range regions {
			out = append(out, scope{a, r})
		}
	}
	return out, nil
}

// search asks one scope after the other. look says whether the target is there.
func (d *Driver) search(ctx context.Context, t respond.Target, global bool, look func(*session) (bool, error)) ([]*session, error) {
	scopes, err := d.scopes(ctx, t, global)
	if err != nil {
		return nil, err
	}
	var found []*session
	var places []string
	var failed error
	for _, sc := range scopes {
		s, err := d.at(ctx, sc.account, sc.region)
		if err == nil {
			var there bool
			if there, err = look(s); err == nil && there {
				found = append(found, s)
			}
		}
		if err != nil && failed == nil {
			failed = err
		}
		places = append(places, strings.Trim(sc.account+"/"+sc.region, "/"))
	}
	switch {
	case len(found) == 1 || len(found) > 1 && !global:
		return found, nil
	case len(found) > 1:
		return nil, fault.Usagef("%s is in %d accounts", t.ID, len(found)).WithHint("say which one: give its ARN")
	case failed != nil:
		return nil, fault.At(failed, "", fmt.Sprintf("look for %s", t.ID))
	}
	return nil, fault.New(fault.NotFound, "there is no %s %s in %s", t.Kind, t.ID, strings.Join(places, ", ")).
		WithHint("check the id, and the accounts and regions of the configuration; a terminated instance is forgotten after an hour")
}
