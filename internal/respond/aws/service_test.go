package aws

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

// scaled starts an Auto Scaling group and gives one of its instances.
func (r *rig) scaled(min, desired int32) (*autoscaling.Client, string) {
	r.t.Helper()
	ctx := r.t.Context()
	c := autoscaling.NewFromConfig(r.admin("us-east-1"))
	must(c.CreateLaunchConfiguration(ctx, &autoscaling.CreateLaunchConfigurationInput{LaunchConfigurationName: aws.String("lc"),
		ImageId: aws.String("ami-12c6146b"), InstanceType: aws.String("t3.micro")}))(r.t)
	must(c.CreateAutoScalingGroup(ctx, &autoscaling.CreateAutoScalingGroupInput{AutoScalingGroupName: aws.String("asg-1"), LaunchConfigurationName: aws.String("lc"),
		MinSize: &min, MaxSize: aws.Int32(3), DesiredCapacity: &desired, AvailabilityZones: []string{"us-east-1a"}}))(r.t)
	out := must(c.DescribeAutoScalingInstances(ctx, &autoscaling.DescribeAutoScalingInstancesInput{}))(r.t)
	return c, aws.ToString(out.AutoScalingInstances[0].InstanceId)
}

func TestStandbyTakesTheInstanceOutOfItsGroupAndUndoPutsItBack(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		c, id := r.scaled(1, 2)
		state := func() (string, int32) {
			i := must(c.DescribeAutoScalingInstances(context.Background(), &autoscaling.DescribeAutoScalingInstancesInput{InstanceIds: []string{id}}))(t)
			g := must(c.DescribeAutoScalingGroups(context.Background(), &autoscaling.DescribeAutoScalingGroupsInput{}))(t)
			return aws.ToString(i.AutoScalingInstances[0].LifecycleState), aws.ToInt32(g.AutoScalingGroups[0].DesiredCapacity)
		}
		p, err := r.plan(respond.StopInstance, id, respond.Options{})
		if err != nil || !strings.Contains(strings.Join(p.Warnings, " "), "--standby") || !hasFact(p, "Auto Scaling group", "asg-1") {
			t.Fatalf("%+v %v", p, err)
		}
		rep := r.mustDo(respond.StopInstance, id, respond.Options{Standby: true})
		if s, n := state(); s != "Standby" || n != 1 {
			t.Fatal(s, n)
		}
		r.mustUndo(rep.Action.ID)
		if s, n := state(); s != "InService" || n != 2 {
			t.Fatal(s, n)
		}
	})
}

func TestAGroupThatCannotSpareTheInstanceIsTold(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		_, id := r.scaled(1, 1)
		_, err := r.do(respond.StopInstance, id, respond.Options{Standby: true})
		wantKind(t, err, fault.Conflict, "needs at least 1", "without --standby")
	})
}

func TestWhatCannotBeReadForInformationIsAWarning(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		id := r.run("", 1)[0]
		r.wire.answer = func(c call) (int, string) {
			if strings.HasPrefix(c.action, "DescribeAutoScaling") || strings.HasPrefix(c.action, "DescribeTarget") {
				return iamError(403, "AccessDenied")
			}
			return 0, ""
		}
		p, err := r.plan(respond.StopInstance, id, respond.Options{})
		text := strings.Join(p.Warnings, " ")
		if err != nil || !strings.Contains(text, "autoscaling:DescribeAutoScalingInstances") || !strings.Contains(text, "elasticloadbalancing:DescribeTargetGroups") {
			t.Fatalf("%s %v", text, err)
		}
		_, err = r.plan(respond.StopInstance, id, respond.Options{Standby: true})
		wantKind(t, err, fault.Denied, "autoscaling:DescribeAutoScalingInstances")
	})
}

func TestLoadBalancersThatSendToTheInstanceAreShown(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		id := r.run("", 1)[0]
		vpc := aws.ToString(must(r.ec2.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{id}}))(t).Reservations[0].Instances[0].VpcId)
		c := elb.NewFromConfig(r.admin("us-east-1"))
		for _, name := range []string{"shop", "other"} {
			g := must(c.CreateTargetGroup(t.Context(), &elb.CreateTargetGroupInput{Name: &name, Protocol: elbtypes.ProtocolEnumHttp, Port: aws.Int32(80), VpcId: &vpc}))(t)
			if name == "shop" {
				must(c.RegisterTargets(t.Context(), &elb.RegisterTargetsInput{TargetGroupArn: g.TargetGroups[0].TargetGroupArn,
					Targets: []elbtypes.TargetDescription{{Id: &id}}}))(t)
			}
		}
		p, err := r.plan(respond.StopInstance, id, respond.Options{})
		if err != nil || !hasFact(p, "load balancer target group", "shop") || hasFact(p, "load balancer target group", "other") {
			t.Fatalf("%+v %v", p.Blast, err)
		}
	})
}

func TestAnInstanceIsFoundInTheRegionWhereItIs(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		id := r.run("", 1)[0]
		r.opt.Regions = []string{"eu-west-1", "us-east-1"}
		r.reopen()
		rep := r.mustDo(respond.StopInstance, id, respond.Options{})
		if rep.Action.Target.Region != "us-east-1" {
			t.Fatal(rep.Action.Target)
		}
		r.mustUndo(rep.Action.ID)
		_, err := r.do(respond.StopInstance, "i-00000000000000000", respond.Options{})
		wantKind(t, err, fault.NotFound, r.account+"/eu-west-1", r.account+"/us-east-1")
	})
}

func TestANewerEdrcsStepsAreNotGuessedAt(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		_, err := r.driver.Do(t.Context(), respond.Step{Kind: "aws.role-policy/v2", Data: []byte(`{}`), Region: "us-east-1"}, respond.Forward)
		wantKind(t, err, fault.Unsupported, "aws.role-policy/v2")
		_, err = r.driver.Read(t.Context(), respond.Step{Kind: kindPolicy, Data: []byte(`[]`), Region: "us-east-1"})
		wantKind(t, err, fault.Corrupt)
	})
}

func TestTheNewStepOfEveryKindCanBeReadAgain(t *testing.T) {
	for _, kind := range []string{kindPolicy, kindGroup, kindEmpty, kindOpen, kindGroupGone, kindInterface, kindTags, kindWait, kindNACL, kindMetadata,
		kindStandby, kindSnapshots, kindStop, kindProtection, kindKey, kindEvery} {
		if x := blank(kind); x == nil {
			t.Errorf("%s has no type", kind)
		}
		if _, err := decode((&session{}).newStep(kind, "t", blank(kind))); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
