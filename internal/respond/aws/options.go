package aws

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

// tags are tags on a resource, and the values they had before.
type tags struct {
	Resource string            `json:"resource"`
	Tags     map[string]string `json:"tags"`
	Prior    map[string]string `json:"prior,omitempty"`
}

func ec2Tags(m map[string]string) []types.Tag {
	var out []types.Tag
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, types.Tag{Key: aws.String(k), Value: aws.String(m[k])})
	}
	return out
}

func (t *tags) about() string { return t.Resource }

func (t *tags) apply(ctx context.Context, s *session) (respond.Outcome, error) {
	_, err := s.ec2.createTags(ctx, &ec2.CreateTagsInput{Resources: []string{t.Resource}, Tags: ec2Tags(t.Tags)})
	if err != nil {
		return respond.Outcome{}, s.failWrite(err)
	}
	return done("")
}

func (t *tags) revert(ctx context.Context, s *session) (respond.Outcome, error) {
	fresh := maps.Clone(t.Tags)
	maps.DeleteFunc(fresh, func(k, _ string) bool { _, had := t.Prior[k]; return had })
	if len(fresh) > 0 {
		_, err := s.ec2.deleteTags(ctx, &ec2.DeleteTagsInput{Resources: []string{t.Resource}, Tags: ec2Tags(fresh)})
		if err != nil {
			return respond.Outcome{}, s.failWrite(err)
		}
	}
	if len(t.Prior) > 0 {
		_, err := s.ec2.createTags(ctx, &ec2.CreateTagsInput{Resources: []string{t.Resource}, Tags: ec2Tags(t.Prior)})
		if err != nil {
			return respond.Outcome{}, s.failWrite(err)
		}
	}
	return done("")
}

func (t *tags) read(ctx context.Context, s *session) (respond.Reading, error) {
	out, err := s.ec2.describeTags(ctx, &ec2.DescribeTagsInput{Filters: []types.Filter{
		{Name: aws.String("resource-id"), Values: []string{t.Resource}},
		{Name: aws.String("key"), Values: slices.Sorted(maps.Keys(t.Tags))}}})
	if err != nil {
		return respond.Reading{State: respond.Unknown}, s.fail(err)
	}
	now := map[string]string{}
	for _, x := range out.Tags {
		if _, ours := t.Tags[aws.ToString(x.Key)]; ours {
			now[aws.ToString(x.Key)] = aws.ToString(x.Value)
		}
	}
	switch {
	case maps.Equal(now, t.Tags):
		return respond.Reading{State: respond.Applied}, nil
	case maps.Equal(now, t.Prior):
		return respond.Reading{State: respond.Prior}, nil
	}
	return respond.Reading{State: respond.Other, Detail: "the tags have other values"}, nil
}

func (t *tags) rehearse(ctx context.Context, s *session) error {
	_, err := s.ec2.createTags(ctx, &ec2.CreateTagsInput{Resources: []string{t.Resource}, Tags: ec2Tags(t.Tags), DryRun: aws.Bool(true)})
	return dryRun(err)
}

// metadata switches the metadata service of an instance off. Its other options stay.
type metadata struct {
	Instance string `json:"instance"`
}

// metadataStep is nil when the service is off already.
func (s *session) metadataStep(i types.Instance) (*respond.Step, error) {
	if i.MetadataOptions == nil || i.MetadataOptions.HttpEndpoint != types.InstanceMetadataEndpointStateEnabled {
		return nil, nil
	}
	st := s.newStep(kindMetadata, "switch the metadata service of "+aws.ToString(i.InstanceId)+" off", &metadata{aws.ToString(i.InstanceId)})
	return &st, nil
}

func (m *metadata) set(ctx context.Context, s *session, to types.InstanceMetadataEndpointState, dry bool) error {
	_, err := s.ec2.modifyInstanceMetadataOptions(ctx, &ec2.ModifyInstanceMetadataOptionsInput{InstanceId: &m.Instance, HttpEndpoint: to, DryRun: aws.Bool(dry)})
	return err
}

func (m *metadata) about() string { return "instance " + m.Instance }

func (m *metadata) apply(ctx context.Context, s *session) (respond.Outcome, error) {
	if err := m.set(ctx, s, types.InstanceMetadataEndpointStateDisabled, false); err != nil {
		return respond.Outcome{}, s.failWrite(err)
	}
	return done("")
}

func (m *metadata) revert(ctx context.Context, s *session) (respond.Outcome, error) {
	if err := m.set(ctx, s, types.InstanceMetadataEndpointStateEnabled, false); err != nil {
		return respond.Outcome{}, s.failWrite(err)
	}
	return done("")
}

func (m *metadata) read(ctx context.Context, s *session) (respond.Reading, error) {
	i, ok, err := s.instance(ctx, m.Instance)
	switch {
	case err != nil:
		return respond.Reading{State: respond.Unknown}, err
	case gone(i, ok):
		return terminated(m.Instance), nil
	case i.MetadataOptions == nil:
		return respond.Reading{State: respond.Prior, Detail: "EC2 tells nothing of the metadata service"}, nil
	case i.MetadataOptions.HttpEndpoint == types.InstanceMetadataEndpointStateDisabled:
		return respond.Reading{State: respond.Applied, Detail: "the metadata service is off"}, nil
	}
	return respond.Reading{State: respond.Prior, Detail: "the metadata service is on"}, nil
}

func (m *metadata) rehearse(ctx context.Context, s *session) error {
	return dryRun(m.set(ctx, s, types.InstanceMetadataEndpointStateDisabled, true))
}

// standby takes an instance out of service in its Auto Scaling group, and the group's
// desired capacity down by one.
type standby struct {
	Group    string `json:"group"`
	Instance string `json:"instance"`
}

func (x *standby) about() string { return "Auto Scaling group " + x.Group }

func (x *standby) apply(ctx context.Context, s *session) (respond.Outcome, error) {
	_, err := s.asg.enterStandby(ctx, &autoscaling.EnterStandbyInput{AutoScalingGroupName: &x.Group, InstanceIds: []string{x.Instance},
		ShouldDecrementDesiredCapacity: aws.Bool(true)}, func(o *autoscaling.Options) { o.Retryer = once{o.Retryer} })
	if err != nil {
		return respond.Outcome{}, s.failWrite(err)
	}
	return done("")
}

func (x *standby) revert(ctx context.Context, s *session) (respond.Outcome, error) {
	_, err := s.asg.exitStandby(ctx, &autoscaling.ExitStandbyInput{AutoScalingGroupName: &x.Group, InstanceIds: []string{x.Instance}},
		func(o *autoscaling.Options) { o.Retryer = once{o.Retryer} })
	if err != nil {
		return respond.Outcome{}, s.failWrite(err)
	}
	return done("")
}

func (x *standby) read(ctx context.Context, s *session) (respond.Reading, error) {
	g, err := s.scaling(ctx, x.Instance)
	switch {
	case err != nil:
		return respond.Reading{State: respond.Unknown}, err
	case g == nil: // detached, or terminated with the instance: there is nothing to put back
		return respond.Reading{State: respond.Prior, Detail: "the instance is no longer in Auto Scaling group " + x.Group}, nil
	case g.name != x.Group:
		return respond.Reading{State: respond.Other, Detail: "the instance is in Auto Scaling group " + g.name + ", not in " + x.Group}, nil
	}
	out := respond.Reading{Detail: "the instance is " + g.state + " in " + g.name}
	switch g.state {
	case "InService":
		out.State = respond.Prior
	case "Pending", "Pending:Wait", "Pending:Proceed":
		out.State, out.Pending = respond.Prior, true
	case "Standby":
		out.State = respond.Applied
	case "EnteringStandby":
		out.State, out.Pending = respond.Applied, true
	default:
		out.State = respond.Other
	}
	return out, nil
}

// snapshots are of every volume of an instance, at one point in time. They are kept.
type snapshots struct {
	Instance  string   `json:"instance"`
	Action    string   `json:"action"`
	Snapshots []string `json:"snapshots,omitempty"`
}

func (s *session) snapshotStep(r respond.Request) respond.Step {
	st := s.newStep(kindSnapshots, "take snapshots of every volume of "+r.Target.ID, &snapshots{Instance: r.Target.ID, Action: r.Action})
	st.Keep = true
	return st
}

func (x snapshots) input() *ec2.CreateSnapshotsInput {
	return &ec2.CreateSnapshotsInput{InstanceSpecification: &types.InstanceSpecification{InstanceId: aws.String(x.Instance)},
		Description: aws.String("edrc " + x.Action + ": evidence of " + x.Instance), CopyTagsFromSource: types.CopyTagsFromSourceVolume,
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeSnapshot, Tags: ec2Tags(x.mark())}}}
}

func (x snapshots) mark() map[string]string {
	return map[string]string{actionTag: x.Action, purposeTag: "evidence"}
}

func (x snapshots) about() string { return "the volumes of instance " + x.Instance }

func (x *snapshots) apply(ctx context.Context, s *session) (respond.Outcome, error) {
	out, err := s.ec2.createSnapshots(ctx, x.input(), func(o *ec2.Options) { o.Retryer = once{o.Retryer} })
	if err != nil {
		return respond.Outcome{}, s.failWrite(err)
	}
	var ids []string
	for _, n := range out.Snapshots {
		ids = append(ids, aws.ToString(n.SnapshotId))
	}
	if len(ids) == 0 {
		return respond.Outcome{}, fault.New(fault.Conflict, "instance %s has no volumes to take snapshots of", x.Instance).WithHint("leave --snapshot out")
	}
	return learned(struct {
		Snapshots []string `json:"snapshots"`
	}{ids}, fmt.Sprintf("%d snapshots were begun: %v", len(ids), ids))
}

func (x *snapshots) revert(context.Context, *session) (respond.Outcome, error) {
	return left("evidence is kept")
}

func (x *snapshots) read(ctx context.Context, s *session) (respond.Reading, error) {
	out, err := s.ec2.describeSnapshots(ctx, &ec2.DescribeSnapshotsInput{OwnerIds: []string{"self"},
		Filters: []types.Filter{{Name: aws.String("tag:" + actionTag), Values: []string{x.Action}}}})
	if err != nil {
		return respond.Reading{State: respond.Unknown}, s.fail(err)
	}
	if len(out.Snapshots) == 0 {
		return respond.Reading{State: respond.Prior}, nil
	}
	return respond.Reading{State: respond.Applied, Detail: fmt.Sprintf("%d snapshots", len(out.Snapshots))}, nil
}

func (x *snapshots) rehearse(ctx context.Context, s *session) error {
	in := x.input()
	in.DryRun = aws.Bool(true)
	_, err := s.ec2.createSnapshots(ctx, in)
	return dryRun(err)
}
