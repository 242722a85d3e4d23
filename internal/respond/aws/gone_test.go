package aws

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"edrc/internal/respond"
)

func (r *rig) terminate(id string) {
	r.t.Helper()
	must(r.ec2.TerminateInstances(r.t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{id}}))(r.t)
}

// TestWhatWasDoneToAnInstanceThatIsGoneCanBeClosed: it would stand as isolated for ever.
func TestWhatWasDoneToAnInstanceThatIsGoneCanBeClosed(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		for _, forgotten := range []bool{false, true} {
			id := r.run("", 1)[0]
			must(r.ec2.ModifyInstanceAttribute(t.Context(), &ec2.ModifyInstanceAttributeInput{InstanceId: &id, DisableApiStop: &types.AttributeBooleanValue{Value: aws.Bool(true)}}))(t)
			rep := r.mustDo(respond.StopInstance, id, respond.Options{Unprotect: true})
			r.terminate(id)
			if forgotten {
				r.wire.answer = func(c call) (int, string) {
					if strings.HasPrefix(c.action, "DescribeInstance") {
						return ec2Error(400, "InvalidInstanceID.NotFound")
					}
					return 0, ""
				}
			}
			if all, errs := r.engine().Isolated(t.Context()); len(all) != 1 || all[0].State != respond.Released || !strings.Contains(strings.Join(all[0].Drift, " "), "terminated") || len(errs) > 0 {
				t.Fatalf("%+v %v", all, errs)
			}
			r.wire.writes()
			r.mustUndo(rep.Action.ID)
			if w := r.wire.writes(); len(w) > 0 {
				t.Errorf("sent for an instance that is gone: %v", w)
			}
			if all, _ := r.engine().Isolated(t.Context()); len(all) != 0 {
				t.Fatalf("%+v", all)
			}
		}
	})
}

func TestAnInstanceThatLeftItsGroupDoesNotStopTheUndo(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		_, id := r.scaled(1, 2)
		rep := r.mustDo(respond.StopInstance, id, respond.Options{Standby: true})
		r.wire.answer = func(c call) (int, string) {
			if c.action == "DescribeAutoScalingInstances" { // somebody detached it
				return 200, "<DescribeAutoScalingInstancesResponse><DescribeAutoScalingInstancesResult><AutoScalingInstances/></DescribeAutoScalingInstancesResult></DescribeAutoScalingInstancesResponse>"
			}
			return 0, ""
		}
		r.mustUndo(rep.Action.ID)
		if r.state(id) != types.InstanceStateNameRunning {
			t.Fatal(r.state(id))
		}
	})
}

func TestTheRoleOfAnInstanceProfileIsFoundWithoutAnInstance(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		r.role("web", "/", ec2Trust)
		rep := r.mustDo(respond.IsolateRole, "arn:aws:iam::"+r.account+":instance-profile/app/profile-web", respond.Options{})
		if got := rep.Action.Target; got.Kind != respond.Role || got.ID != "web" || len(r.policies("web")) != 2 {
			t.Fatalf("%+v %v", got, r.policies("web"))
		}
		_, err := r.plan(respond.IsolateRole, "arn:aws:iam::"+r.account+":instance-profile/none", respond.Options{})
		if err == nil || !strings.Contains(err.Error(), "there is no instance profile none") {
			t.Error(err)
		}
	})
}

// TestARegionThatCannotBeReadDoesNotKeepARoleAlive: who uses it there is not known, which needs more than --yes.
func TestARegionThatCannotBeReadDoesNotKeepARoleAlive(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		r.role("web", "/", ec2Trust)
		r.wire.answer = func(c call) (int, string) {
			if c.action == "DescribeInstances" {
				return ec2Error(503, "RequestLimitExceeded")
			}
			return 0, ""
		}
		p, err := r.plan(respond.IsolateRole, "web", respond.Options{})
		if err != nil || !strings.Contains(p.SharedBy, unread) {
			t.Fatalf("%q %v", p.SharedBy, err)
		}
		_, err = r.engine().Apply(t.Context(), p, respond.Approval{Yes: true})
		if err == nil || len(r.policies("web")) != 1 {
			t.Error("it was isolated without a word about those who are not known")
		}
		r.mustDo(respond.IsolateRole, "web", respond.Options{})
	})
}
