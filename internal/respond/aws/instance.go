package aws

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

// pause is n times the shortest wait between two looks.
func (d *Driver) pause(n int) time.Duration { return time.Duration(n) * time.Second }

// instance reads one instance; ok is false when it is not here.
func (s *session) instance(ctx context.Context, id string) (i types.Instance, ok bool, err error) {
	out, err := s.ec2.describeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	if is(err, "InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed") {
		return i, false, nil
	}
	if err != nil {
		return i, false, s.fail(err)
	}
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			if aws.ToString(i.InstanceId) == id {
				return i, true, nil
			}
		}
	}
	return i, false, nil
}

// gone reports whether an instance can be given nothing back: it was terminated, lately or
// so long ago that AWS has forgotten it.
func gone(i types.Instance, ok bool) bool {
	return !ok || stateOf(i) == types.InstanceStateNameTerminated || stateOf(i) == types.InstanceStateNameShuttingDown
}

// terminated is how what was done to an instance stands when it is gone: there is nothing to reverse.
func terminated(id string) respond.Reading {
	return respond.Reading{State: respond.Prior, Detail: "instance " + id + " was terminated"}
}

// mustInstance is instance for one that a step is about.
func (s *session) mustInstance(ctx context.Context, id string) (types.Instance, error) {
	i, ok, err := s.instance(ctx, id)
	if err == nil && !ok {
		err = fault.New(fault.NotFound, "%s/%s: there is no instance %s any more", s.account, s.region, id)
	}
	return i, err
}

// findInstance looks for an instance where the target says, else everywhere.
func (d *Driver) findInstance(ctx context.Context, t respond.Target) (*session, types.Instance, error) {
	var found types.Instance
	at, err := d.search(ctx, t, false, func(s *session) (bool, error) {
		if found.InstanceId != nil { // ids are unique
			return false, nil
		}
		i, ok, err := s.instance(ctx, t.ID)
		if ok {
			found = i
		}
		return ok, err
	})
	if err != nil {
		return nil, found, err
	}
	return at[0], found, nil
}

func stateOf(i types.Instance) types.InstanceStateName {
	if i.State == nil {
		return ""
	}
	return i.State.Name
}

// label is the instance for a person: its name and id.
func label(i types.Instance) string {
	return respond.Target{ID: aws.ToString(i.InstanceId), Name: tagMap(i.Tags)["Name"]}.Label()
}

func tagMap(ts []types.Tag) map[string]string {
	out := map[string]string{}
	for _, t := range ts {
		out[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return out
}

// instancePlan begins a plan about an instance: what it is, and who depends on it.
func (s *session) instancePlan(ctx context.Context, i types.Instance, id string) respond.Plan {
	tag := tagMap(i.Tags)
	p := respond.Plan{Severe: true,
		Target:  respond.Target{Kind: respond.Instance, ID: id, Name: tag["Name"], Account: s.account, Region: s.region},
		Touched: []respond.Touched{{Kind: respond.Instance, ID: id, Name: tag["Name"], Account: s.account, Tags: tag}},
		Prior:   []respond.Fact{{What: "state", Value: string(stateOf(i))}},
	}
	if a := addresses(i); len(a) > 0 {
		p.Blast = append(p.Blast, respond.Fact{What: "addresses", Value: strings.Join(a, ", ")})
	}
	if i.IamInstanceProfile != nil {
		p.Blast = append(p.Blast, respond.Fact{What: "instance profile", Value: aws.ToString(i.IamInstanceProfile.Arn)})
	}
	if i.InstanceLifecycle != "" {
		p.Blast = append(p.Blast, respond.Fact{What: "lifecycle", Value: string(i.InstanceLifecycle)})
	}
	if c := cluster(tag); c != "" {
		p.Warnings = append(p.Warnings, "it is a node of the Kubernetes cluster "+c+
			": its pods are hit; pods with security groups of their own have other interfaces and stay connected")
	}
	s.balancers(ctx, i, &p)
	return p
}

// cluster names the Kubernetes cluster that a node's tags tell of.
func cluster(tag map[string]string) string {
	for k, v := range tag {
		if name, ok := strings.CutPrefix(k, "kubernetes.io/cluster/"); ok {
			return name
		}
		if k == "eks:cluster-name" {
			return v
		}
	}
	return ""
}

func addresses(i types.Instance) []string {
	var out []string
	for _, n := range i.NetworkInterfaces {
		out = append(out, aws.ToString(n.PrivateIpAddress))
		for _, v6 := range n.Ipv6Addresses {
			out = append(out, aws.ToString(v6.Ipv6Address))
		}
	}
	if ip := aws.ToString(i.PublicIpAddress); ip != "" {
		out = append(out, ip+" (public)")
	}
	return slices.DeleteFunc(out, func(s string) bool { return s == "" })
}

// managed refuses an instance that another service operates.
func managed(i types.Instance, force bool) error {
	if i.Operator == nil || !aws.ToBool(i.Operator.Managed) || force {
		return nil
	}
	return fault.New(fault.Denied, "instance %s is managed by %s", label(i), cmp.Or(aws.ToString(i.Operator.Principal), "another service")).
		WithHint("contain it there; --force tries all the same")
}

// scaling reads the Auto Scaling group of an instance; nil when it is in none.
func (s *session) scaling(ctx context.Context, id string) (*scaling, error) {
	out, err := s.asg.describeInstances(ctx, &autoscaling.DescribeAutoScalingInstancesInput{InstanceIds: []string{id}})
	if err != nil {
		return nil, s.fail(err)
	}
	for _, i := range out.AutoScalingInstances {
		if aws.ToString(i.InstanceId) != id {
			continue
		}
		g := &scaling{name: aws.ToString(i.AutoScalingGroupName), state: aws.ToString(i.LifecycleState)}
		groups, err := s.asg.describeGroups(ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{g.name}})
		if err != nil {
			return nil, s.fail(err)
		}
		for _, x := range groups.AutoScalingGroups {
			g.min, g.desired, g.max = aws.ToInt32(x.MinSize), aws.ToInt32(x.DesiredCapacity), aws.ToInt32(x.MaxSize)
		}
		return g, nil
	}
	return nil, nil
}

type scaling struct {
	name, state       string
	min, desired, max int32
}

// withScaling adds the instance's Auto Scaling group to the plan: standby when asked
// for, a warning otherwise.
func (s *session) withScaling(ctx context.Context, p *respond.Plan, ask bool) error {
	g, err := s.scaling(ctx, p.Target.ID)
	switch {
	case err != nil && (ask || !fault.Is(err, fault.Denied)):
		return err
	case err != nil:
		p.Warnings = append(p.Warnings, "whether it is in an Auto Scaling group is not known: "+err.Error())
		return nil
	case g == nil:
		return nil
	}
	p.Blast = append(p.Blast, respond.Fact{What: "Auto Scaling group", Value: fmt.Sprintf("%s (%s; min %d, desired %d, max %d)", g.name, g.state, g.min, g.desired, g.max)})
	switch {
	case !ask:
		p.Warnings = append(p.Warnings, "Auto Scaling group "+g.name+" will find it unhealthy, terminate it and replace it, and the evidence with it: consider --standby")
	case g.state != "InService":
		p.Warnings = append(p.Warnings, "it is "+g.state+" in "+g.name+": it is not put into standby")
	case g.desired-1 < g.min:
		return fault.New(fault.Conflict, "Auto Scaling group %s has %d instances and needs at least %d: none can be put into standby", g.name, g.desired, g.min).
			WithHint("lower its minimum first, or go on without --standby and expect the group to replace the instance")
	default:
		p.Steps = append(p.Steps, s.newStep(kindStandby, "put it into standby in Auto Scaling group "+g.name, &standby{Group: g.name, Instance: p.Target.ID}))
	}
	return nil
}

// mostGroups bounds how many target groups are asked about one instance.
const mostGroups = 100

// balancers adds the load balancers that send to the instance. What cannot be read is a
// warning: it is for information only.
func (s *session) balancers(ctx context.Context, i types.Instance, p *respond.Plan) {
	asked := 0
	in := &elb.DescribeTargetGroupsInput{}
	for page, err := range pages(ctx, s, s.elb.describeTargetGroups, in, &in.Marker, func(o *elb.DescribeTargetGroupsOutput) *string { return o.NextMarker }) {
		if err != nil {
			p.Warnings = append(p.Warnings, "which load balancers send to it is not known: "+err.Error())
			return
		}
		for _, g := range page.TargetGroups {
			if aws.ToString(g.VpcId) != aws.ToString(i.VpcId) || g.TargetType == elbtypes.TargetTypeEnumLambda {
				continue
			}
			if asked++; asked > mostGroups {
				p.Warnings = append(p.Warnings, fmt.Sprintf("only %d target groups of its VPC were asked whether they send to it", mostGroups))
				return
			}
			s.balancer(ctx, g, i, p)
		}
	}
}

func (s *session) balancer(ctx context.Context, g elbtypes.TargetGroup, i types.Instance, p *respond.Plan) {
	out, err := s.elb.describeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: g.TargetGroupArn})
	if err != nil {
		p.Warnings = append(p.Warnings, "whether target group "+aws.ToString(g.TargetGroupName)+" sends to it is not known: "+s.fail(err).Error())
		return
	}
	known := append(addresses(i), aws.ToString(i.InstanceId))
	for _, h := range out.TargetHealthDescriptions {
		if h.Target == nil || !slices.Contains(known, aws.ToString(h.Target.Id)) {
			continue
		}
		health := ""
		if h.TargetHealth != nil {
			health = " (" + string(h.TargetHealth.State) + ")"
		}
		p.Blast = append(p.Blast, respond.Fact{What: "load balancer target group", Value: aws.ToString(g.TargetGroupName) + health})
		return
	}
}
