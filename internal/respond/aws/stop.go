package aws

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

func (d *Driver) planStop(ctx context.Context, r respond.Request) (respond.Plan, error) {
	s, i, err := d.findInstance(ctx, r.Target)
	if err != nil {
		return respond.Plan{}, err
	}
	p := s.instancePlan(ctx, i, r.Target.ID)
	p.Undo = "the instance is started, on another host and with another public address: edrc undo " + r.Action
	switch stateOf(i) {
	case types.InstanceStateNameStopped, types.InstanceStateNameStopping:
		p.Already = "instance " + label(i) + " is " + string(stateOf(i)) + " already"
		return p, nil
	case types.InstanceStateNameRunning:
	default:
		return respond.Plan{}, fault.New(fault.Conflict, "instance %s is %s: only a running one can be stopped", label(i), stateOf(i))
	}
	if err := s.canStop(ctx, i, r, &p); err != nil {
		return respond.Plan{}, err
	}
	stopWarnings(i, r.Options, &p)
	if r.Options.Snapshot {
		p.Steps = append([]respond.Step{s.snapshotStep(r)}, p.Steps...)
	}
	title := "stop instance " + r.Target.ID
	if r.Options.Hibernate {
		title = "hibernate instance " + r.Target.ID
	}
	p.Steps = append(p.Steps, s.newStep(kindStop, title, &stop{Instance: r.Target.ID, Hibernate: r.Options.Hibernate, Force: r.Options.Force}))
	return p, nil
}

// canStop refuses what EC2 would refuse, and adds standby and stop protection.
func (s *session) canStop(ctx context.Context, i types.Instance, r respond.Request, p *respond.Plan) error {
	if err := managed(i, r.Options.Force); err != nil {
		return err
	}
	if i.RootDeviceType == types.DeviceTypeInstanceStore {
		return fault.New(fault.Unsupported, "instance %s has an instance-store root: it cannot be stopped, only terminated", label(i)).
			WithHint("isolate its security groups instead")
	}
	if i.InstanceLifecycle == types.InstanceLifecycleTypeSpot {
		p.Warnings = append(p.Warnings, "it is a spot instance: only one of a persistent request can be stopped, and cancelling the request terminates it")
	}
	if r.Options.Hibernate && (i.HibernationOptions == nil || !aws.ToBool(i.HibernationOptions.Configured)) {
		return fault.New(fault.Unsupported, "instance %s was not launched with hibernation", label(i)).
			WithHint("stop it without --hibernate: its memory is lost")
	}
	protected, err := s.stopProtected(ctx, r.Target.ID)
	if err != nil {
		return err
	}
	if protected && !r.Options.Unprotect {
		return fault.New(fault.Denied, "instance %s has stop protection", label(i)).
			WithHint("--unprotect lifts it first, and undo restores it")
	}
	if err := s.withScaling(ctx, p, r.Options.Standby); err != nil {
		return err
	}
	if protected {
		p.Prior = append(p.Prior, respond.Fact{What: "stop protection", Value: "on"})
		p.Steps = append(p.Steps, s.newStep(kindProtection, "lift stop protection of "+r.Target.ID, &stopProtection{r.Target.ID}))
	}
	return nil
}

func stopWarnings(i types.Instance, o respond.Options, p *respond.Plan) {
	if o.Hibernate {
		p.Warnings = append(p.Warnings, "when hibernation fails, EC2 stops the instance all the same and its memory is lost")
	} else {
		p.Warnings = append(p.Warnings, "its memory is lost, and all evidence in it")
		if i.HibernationOptions != nil && aws.ToBool(i.HibernationOptions.Configured) {
			p.Warnings = append(p.Warnings, "it can hibernate, which keeps the memory: --hibernate")
		}
	}
	p.Warnings = append(p.Warnings, "instance-store volumes are lost; EBS volumes and private addresses stay")
	if i.PublicIpAddress != nil {
		p.Warnings = append(p.Warnings, "its public address "+*i.PublicIpAddress+" is lost unless it is an Elastic IP")
	}
	p.Warnings = append(p.Warnings, "the role's credentials that were stolen keep working: isolate role. Malware that starts with the system starts again at undo")
}

// stop stops an instance that runs.
type stop struct {
	Instance  string `json:"instance"`
	Hibernate bool   `json:"hibernate,omitempty"`
	Force     bool   `json:"force,omitempty"`
}

func (x stop) input(dry bool) *ec2.StopInstancesInput {
	in := &ec2.StopInstancesInput{InstanceIds: []string{x.Instance}, DryRun: aws.Bool(dry)}
	if x.Hibernate {
		in.Hibernate = aws.Bool(true)
	}
	if x.Force {
		in.Force = aws.Bool(true)
	}
	return in
}

func (x stop) about() string { return "instance " + x.Instance }

func (x *stop) apply(ctx context.Context, s *session) (respond.Outcome, error) {
	if _, err := s.ec2.stopInstances(ctx, x.input(false)); err != nil {
		return respond.Outcome{}, s.failWrite(err)
	}
	i, err := s.until(ctx, x.Instance, types.InstanceStateNameStopped)
	if err != nil {
		return respond.Outcome{}, err
	}
	if stateOf(i) != types.InstanceStateNameStopped {
		return respond.Outcome{State: respond.Pending, Note: fmt.Sprintf("it is still %s: if it stays so, --force stops it hard", stateOf(i))}, nil
	}
	if x.Hibernate && i.StateReason != nil && aws.ToString(i.StateReason.Code) != "Client.UserInitiatedHibernate" {
		return done("EC2 gives as reason " + aws.ToString(i.StateReason.Code) + ": it may not have hibernated, and the memory may be lost")
	}
	return done("")
}

func (x *stop) revert(ctx context.Context, s *session) (respond.Outcome, error) {
	_, err := s.ec2.startInstances(ctx, &ec2.StartInstancesInput{InstanceIds: []string{x.Instance}})
	if err != nil {
		return respond.Outcome{}, s.failWrite(err)
	}
	i, err := s.until(ctx, x.Instance, types.InstanceStateNameRunning)
	if err != nil {
		return respond.Outcome{}, err
	}
	if stateOf(i) != types.InstanceStateNameRunning {
		return respond.Outcome{State: respond.Pending, Note: "it is still " + string(stateOf(i))}, nil
	}
	return done("")
}

// until reads an instance every 15 s until it has the state, or the time is over. What
// fails here fails after the instance was told: it is in doubt.
func (s *session) until(ctx context.Context, id string, want types.InstanceStateName) (types.Instance, error) {
	const poll = 15 * time.Second
	left := s.d.StopWait
	if left <= 0 {
		left = 10 * time.Minute
	}
	for {
		i, err := s.mustInstance(ctx, id)
		if err == nil && (stateOf(i) == want || left <= 0) {
			return i, nil
		}
		if err == nil {
			left -= poll
			err = s.d.Sleep(ctx, poll)
		}
		if err != nil {
			return i, fault.New(fault.InDoubt, "the instance was told, and how it stands cannot be read: %w", err)
		}
	}
}

func (x *stop) read(ctx context.Context, s *session) (respond.Reading, error) {
	i, ok, err := s.instance(ctx, x.Instance)
	if err != nil {
		return respond.Reading{State: respond.Unknown}, err
	}
	if gone(i, ok) {
		return terminated(x.Instance), nil
	}
	out := respond.Reading{State: respond.Other, Detail: "the instance is " + string(stateOf(i))}
	switch stateOf(i) {
	case types.InstanceStateNameRunning:
		out.State = respond.Prior
	case types.InstanceStateNamePending:
		out.State, out.Pending = respond.Prior, true
	case types.InstanceStateNameStopped:
		out.State = respond.Applied
	case types.InstanceStateNameStopping:
		out.State, out.Pending = respond.Applied, true
	}
	return out, nil
}

func (x *stop) rehearse(ctx context.Context, s *session) error {
	_, err := s.ec2.stopInstances(ctx, x.input(true))
	return dryRun(err)
}

// stopProtection is lifted before a stop.
type stopProtection struct {
	Instance string `json:"instance"`
}

func (s *session) stopProtected(ctx context.Context, id string) (bool, error) {
	out, err := s.ec2.describeInstanceAttribute(ctx, &ec2.DescribeInstanceAttributeInput{InstanceId: &id, Attribute: types.InstanceAttributeNameDisableApiStop})
	if err != nil {
		return false, s.fail(err)
	}
	return out.DisableApiStop != nil && aws.ToBool(out.DisableApiStop.Value), nil
}

func (x *stopProtection) set(ctx context.Context, s *session, on, dry bool) error {
	_, err := s.ec2.modifyInstanceAttribute(ctx, &ec2.ModifyInstanceAttributeInput{InstanceId: &x.Instance,
		DisableApiStop: &types.AttributeBooleanValue{Value: &on}, DryRun: &dry})
	return err
}

func (x stopProtection) about() string { return "instance " + x.Instance }

func (x *stopProtection) apply(ctx context.Context, s *session) (respond.Outcome, error) {
	if err := x.set(ctx, s, false, false); err != nil {
		return respond.Outcome{}, s.failWrite(err)
	}
	return done("")
}

func (x *stopProtection) revert(ctx context.Context, s *session) (respond.Outcome, error) {
	if err := x.set(ctx, s, true, false); err != nil {
		return respond.Outcome{}, s.failWrite(err)
	}
	return done("")
}

func (x *stopProtection) read(ctx context.Context, s *session) (respond.Reading, error) {
	i, ok, err := s.instance(ctx, x.Instance)
	if err == nil && gone(i, ok) {
		return terminated(x.Instance), nil
	}
	on := false
	if err == nil {
		on, err = s.stopProtected(ctx, x.Instance)
	}
	switch {
	case err != nil:
		return respond.Reading{State: respond.Unknown}, err
	case on:
		return respond.Reading{State: respond.Prior, Detail: "stop protection is on"}, nil
	}
	return respond.Reading{State: respond.Applied, Detail: "stop protection is off"}, nil
}

func (x *stopProtection) rehearse(ctx context.Context, s *session) error {
	return dryRun(x.set(ctx, s, false, true))
}
