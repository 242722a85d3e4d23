package aws

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

var allOptions = respond.Options{Cut: respond.CutTwoStep, Snapshot: true, DisableIMDS: true}

func TestPlanningAndRehearsingSendNothingThatChangesAnything(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		for _, o := range []respond.Options{{}, allOptions, {Cut: respond.CutNACL}} {
			p, err := s.plan(respond.IsolateInstance, s.instance, o)
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Steps) < 10 || len(p.Warnings) == 0 || p.Undo == "" {
				t.Errorf("%+v", p)
			}
			for _, st := range p.Steps {
				if err := s.driver.Rehearse(t.Context(), st); err != nil {
					t.Errorf("%s: %v", st.Title, err)
				}
			}
			n := len(s.wire.seen)
			if w := s.wire.writes(); len(w) > 0 || n < 5 {
				t.Errorf("%d requests, and of them changed something: %v", n, w)
			}
		}
		if !s.asBefore() {
			t.Error("something was changed")
		}
	})
}

func TestAnEndpointThatIgnoresDryRunIsTold(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		s.wire.answer = func(c call) (int, string) {
			if c.form.Get("DryRun") == "true" {
				return 200, "<ok/>"
			}
			return 0, ""
		}
		_, err := s.do(respond.IsolateInstance, s.instance, respond.Options{})
		wantKind(t, err, fault.InDoubt, "ignored DryRun")
	})
}

func TestARefusalIsFoundByTheRehearsalBeforeAnythingIsDone(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		s.wire.answer = func(c call) (int, string) {
			if c.action == "ModifyNetworkInterfaceAttribute" && c.form.Get("DryRun") == "true" {
				return ec2Error(403, "UnauthorizedOperation")
			}
			return 0, ""
		}
		_, err := s.do(respond.IsolateInstance, s.instance, respond.Options{})
		wantKind(t, err, fault.Denied, "ec2:ModifyNetworkInterfaceAttribute", "nothing was changed")
		if w := s.wire.writes(); len(w) > 0 || !s.asBefore() {
			t.Errorf("%v", w)
		}
		if all, _ := s.engine().Actions(); len(all) != 0 {
			t.Errorf("%+v", all)
		}
	})
}

// TestAKillAtAnyBoundaryIsUndoneOrResumed kills between any two steps, and between a step
// and its record. Every second time the action is carried on first, and then undone.
func TestAKillAtAnyBoundaryIsUndoneOrResumed(t *testing.T) {
	rigs(t, func(t *testing.T, on *rig) {
		for name, tc := range map[string]struct {
			o         respond.Options
			lab, moto int // every boundary, or some of them: moto takes its time
		}{"plain": {respond.Options{}, 1, 5}, "two-step": {respond.Options{Cut: respond.CutTwoStep}, 3, 13}} {
			t.Run(name, func(t *testing.T) {
				var s *site
				turn, stride := 0, tc.lab
				if on.moto != nil {
					stride = tc.moto
				}
				everyKill(t, stride, func() *rig { s = on.again(t).site(); return s.rig }, respond.IsolateInstance, func(*rig) string { return s.instance }, tc.o,
					func(r *rig, a *respond.Action, at string) {
						if turn++; turn%2 == 0 {
							if _, err := r.engine().Resume(t.Context(), a.ID, yes); err != nil {
								t.Fatalf("%s: %v", at, err)
							}
							if why := s.cutOff(); why != "" || len(s.ours()) != 2 {
								t.Fatalf("%s: %s, %v", at, why, s.ours())
							}
						}
						r.mustUndo(a.ID)
						if !s.asBefore() {
							t.Fatalf("%s: %v, was %v; groups %v; tags %v", at, s.now(), s.groups, s.ours(), s.originalTags())
						}
					})
			})
		}
	})
}

// TestADenialAtAnyStepIsToldAndNothingIsForgotten refuses each changing request in turn.
func TestADenialAtAnyStepIsToldAndNothingIsForgotten(t *testing.T) {
	rigs(t, func(t *testing.T, on *rig) {
		plain := respond.Options{Snapshot: true, DisableIMDS: true}
		s := on.site()
		s.mustDo(respond.IsolateInstance, s.instance, plain)
		all := s.wire.writes()
		if len(all) != 12 {
			t.Fatalf("%d requests: %v", len(all), all)
		}
		for i, action := range all {
			if !on.takes(i) {
				continue
			}
			n := 0
			denied(t, on, action, i == 0, plain, func(c call) bool {
				if c.changes() {
					n++
				}
				return c.changes() && n == i+1
			})
		}
		for _, action := range []string{"AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress", "DeleteSecurityGroup"} {
			n := 0
			denied(t, on, action, false, respond.Options{Cut: respond.CutTwoStep}, func(c call) bool {
				if c.action == action {
					n++
				}
				return c.action == action && n == 1
			})
		}
	})
}

// denied runs an isolation in which one request is refused, and undoes it.
func denied(t *testing.T, on *rig, action string, first bool, o respond.Options, when func(call) bool) {
	t.Helper()
	s := on.again(t).site()
	s.wire.answer = func(c call) (int, string) {
		if when(c) {
			return ec2Error(403, "UnauthorizedOperation")
		}
		return 0, ""
	}
	rep, err := s.do(respond.IsolateInstance, s.instance, o)
	want := respond.StatusPartial
	switch {
	case action == "CreateTags": // the copy on the interface: a warning
		want = respond.StatusDone
		if err != nil || len(rep.Warnings) == 0 || s.cutOff() != "" {
			t.Fatalf("%s: %v %v", action, err, rep.Warnings)
		}
	case first:
		want = respond.StatusFailed
		wantKind(t, err, fault.Denied, "ec2:"+action)
	default:
		wantKind(t, err, fault.Partial, "ec2:"+action, "edrc undo")
	}
	s.wire.answer = nil
	s.reopen()
	a, err := s.engine().Action(rep.Action.ID)
	if err != nil || a.Status != want {
		t.Fatalf("%s: the action is %+v, %v", action, a, err)
	}
	s.mustUndo(a.ID)
	if !s.asBefore() || s.endpoint() != types.InstanceMetadataEndpointStateEnabled {
		t.Fatalf("%s: %v, was %v; groups %v; metadata %s", action, s.now(), s.groups, s.ours(), s.endpoint())
	}
}

func (s *site) endpoint() types.InstanceMetadataEndpointState {
	s.t.Helper()
	out := must(s.ec2.DescribeInstances(context.Background(), &ec2.DescribeInstancesInput{InstanceIds: []string{s.instance}}))(s.t)
	return out.Reservations[0].Instances[0].MetadataOptions.HttpEndpoint
}

// TestALostAnswerDoesNotLoseTheStep drops the answers to each changing request in turn,
// once and for every try.
func TestALostAnswerDoesNotLoseTheStep(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		s.mustDo(respond.IsolateInstance, s.instance, allOptions)
		for i, action := range slices.Compact(sorted(s.wire.writes())) {
			for _, always := range []bool{true, false} {
				if !s.takes(i) || !always && action != "CreateSecurityGroup" && action != "CreateSnapshots" {
					continue // a second try makes no difference to the others
				}
				s := s.again(t).site()
				lost := 0
				s.wire.lose = func(c call) bool {
					if c.action != action || !c.changes() || lost > 0 && !always {
						return false
					}
					lost++
					return true
				}
				rep, err := s.do(respond.IsolateInstance, s.instance, allOptions)
				if err != nil || lost == 0 || s.cutOff() != "" {
					t.Fatalf("%s, always %v: lost %d; %v; %s", action, always, lost, err, s.cutOff())
				}
				if n := s.snapshots(); n != 1 {
					t.Fatalf("%s, always %v: %d snapshots of one volume", action, always, n)
				}
				s.wire.lose = nil
				s.mustUndo(rep.Action.ID)
				if !s.asBefore() {
					t.Fatalf("%s: %v", action, s.now())
				}
			}
		}
	})
}

// snapshots counts those of edrc.
func (s *site) snapshots() int {
	s.t.Helper()
	out := must(s.ec2.DescribeSnapshots(context.Background(), &ec2.DescribeSnapshotsInput{OwnerIds: []string{"self"},
		Filters: []types.Filter{{Name: aws.String("tag-key"), Values: []string{actionTag}}}}))(s.t)
	return len(out.Snapshots)
}

func TestEveryOptionIsDoneAndUndone(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		rep := s.mustDo(respond.IsolateInstance, s.instance, allOptions)
		if s.cutOff() != "" || s.endpoint() != types.InstanceMetadataEndpointStateDisabled || s.snapshots() != 1 {
			t.Fatalf("%s; metadata %s; %d snapshots", s.cutOff(), s.endpoint(), s.snapshots())
		}
		if len(s.ours()) != 2 || s.slept.Seconds() < 180 {
			t.Errorf("the open groups are still there, or the wait was %s: %v", s.slept, s.ours())
		}
		s.mustUndo(rep.Action.ID)
		if !s.asBefore() || s.endpoint() != types.InstanceMetadataEndpointStateEnabled || s.snapshots() != 1 {
			t.Fatalf("%v; metadata %s; %d snapshots", s.now(), s.endpoint(), s.snapshots())
		}
	})
}

func TestTheTwoStepCutOpensEveryInterfaceBeforeItShutsOne(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		s.mustDo(respond.IsolateInstance, s.instance, respond.Options{Cut: respond.CutTwoStep})
		var order []string
		for _, c := range s.wire.seen {
			if c.action == "ModifyNetworkInterfaceAttribute" && c.changes() {
				order = append(order, c.form.Get("NetworkInterfaceId"))
			}
		}
		if want := append(slices.Clone(s.nics), s.nics...); !slices.Equal(sorted(order[:3]), s.nics) || !slices.Equal(order[3:], s.nics) {
			t.Fatalf("%v, want %v", order, want)
		}
	})
}

func TestTheNetworkACLDeniesEverythingUntilUndo(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		before := s.aclEntries()
		rep := s.mustDo(respond.IsolateInstance, s.instance, respond.Options{Cut: respond.CutNACL})
		var added []string
		for k, v := range s.aclEntries() {
			if before[k] != v {
				added = append(added, v)
			}
		}
		if len(added) < 4 || slices.ContainsFunc(added, func(v string) bool { return !strings.HasPrefix(v, "deny") }) {
			t.Fatalf("added %v", added)
		}
		s.mustUndo(rep.Action.ID)
		if !maps.Equal(s.aclEntries(), before) || !s.asBefore() {
			t.Fatalf("%v, was %v", s.aclEntries(), before)
		}
	})
}

func (s *site) aclEntries() map[string]string {
	s.t.Helper()
	out := must(s.ec2.DescribeNetworkAcls(context.Background(), &ec2.DescribeNetworkAclsInput{}))(s.t)
	got := map[string]string{}
	for _, acl := range out.NetworkAcls {
		for _, e := range acl.Entries {
			key := strings.Join([]string{aws.ToString(acl.NetworkAclId), fmt.Sprint(aws.ToInt32(e.RuleNumber)), map[bool]string{true: "out", false: "in"}[aws.ToBool(e.Egress)]}, " ")
			got[key] = string(e.RuleAction) + " " + aws.ToString(e.CidrBlock) + aws.ToString(e.Ipv6CidrBlock)
		}
	}
	return got
}

func TestANetworkACLWithoutRoomIsRefused(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		acl := aws.ToString(must(s.ec2.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{Filters: []types.Filter{
			{Name: aws.String("association.subnet-id"), Values: s.subnets[:1]}}}))(t).NetworkAcls[0].NetworkAclId)
		must(s.ec2.CreateNetworkAclEntry(t.Context(), &ec2.CreateNetworkAclEntryInput{NetworkAclId: &acl, RuleNumber: aws.Int32(1), Egress: aws.Bool(false),
			Protocol: aws.String("-1"), RuleAction: types.RuleActionAllow, CidrBlock: aws.String("10.0.0.0/8")}))(t)
		_, err := s.plan(respond.IsolateInstance, s.instance, respond.Options{Cut: respond.CutNACL})
		wantKind(t, err, fault.Conflict, "rule 1", acl)
	})
}

func TestRepeatingAnIsolationKeepsTheOriginals(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		first := s.mustDo(respond.IsolateInstance, s.instance, respond.Options{})
		s.wire.writes()
		rep, err := s.do(respond.IsolateInstance, s.instance, respond.Options{})
		if err != nil || !strings.Contains(rep.Already, "already isolated") || len(s.wire.writes()) > 0 {
			t.Fatalf("%+v %v", rep, err)
		}
		s.mustUndo(first.Action.ID)
		if !s.asBefore() {
			t.Fatalf("%v, was %v", s.now(), s.groups)
		}
	})
}

func TestTheGroupStaysWhileAnotherInstanceIsInIt(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		n := must(s.ec2.CreateNetworkInterface(t.Context(), &ec2.CreateNetworkInterfaceInput{SubnetId: &s.subnets[0], Groups: s.groups[s.primary]}))(t)
		out := must(s.ec2.RunInstances(t.Context(), &ec2.RunInstancesInput{ImageId: aws.String("ami-12c6146b"), MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
			NetworkInterfaces: []types.InstanceNetworkInterfaceSpecification{{DeviceIndex: aws.Int32(0), NetworkInterfaceId: n.NetworkInterface.NetworkInterfaceId}}}))(t)
		one := s.mustDo(respond.IsolateInstance, s.instance, respond.Options{})
		two := s.mustDo(respond.IsolateInstance, aws.ToString(out.Instances[0].InstanceId), respond.Options{})
		rep := s.mustUndo(one.Action.ID)
		if len(s.ours()) != 1 || !strings.Contains(strings.Join(rep.Warnings, " "), aws.ToString(n.NetworkInterface.NetworkInterfaceId)) {
			t.Fatalf("%v; %v", s.ours(), rep.Warnings)
		}
		s.mustUndo(two.Action.ID)
		if !s.asBefore() {
			t.Fatalf("the group was left behind: %v", s.ours())
		}
	})
}

func TestUndoOfAnInterfaceThatSomebodyMovedIsRefusedUnlessForced(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		rep := s.mustDo(respond.IsolateInstance, s.instance, respond.Options{})
		g := must(s.ec2.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: aws.String("forensic"), Description: aws.String("d"), VpcId: &s.vpcs[0]}))(t)
		must(s.ec2.ModifyNetworkInterfaceAttribute(t.Context(), &ec2.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: &s.primary, Groups: []string{aws.ToString(g.GroupId)}}))(t)
		s.wire.writes()
		_, err := s.undo(rep.Action.ID)
		wantKind(t, err, fault.Conflict, s.primary, aws.ToString(g.GroupId), "--force")
		if w := s.wire.writes(); len(w) > 0 {
			t.Fatal(w)
		}
		all, _ := s.engine().Isolated(t.Context())
		if all[0].State != respond.Drifted || len(all[0].Drift) != 1 {
			t.Errorf("%+v", all[0])
		}
		if _, err := s.engine().Undo(t.Context(), respond.UndoRequest{ID: rep.Action.ID, Force: true}, yes); err != nil || !s.asBefore() {
			t.Fatalf("%v; %v", err, s.now())
		}
	})
}

func TestGroupsThatWereDeletedMeanwhileAreSaidAndTheRestIsGivenBack(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		rep := s.mustDo(respond.IsolateInstance, s.instance, respond.Options{})
		two, gone := s.spare()
		must(s.ec2.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: &gone}))(t)
		got := s.mustUndo(rep.Action.ID)
		if len(s.now()[two]) != 1 || s.now()[two][0] == gone || !strings.Contains(strings.Join(got.Warnings, " "), gone) {
			t.Fatalf("%v; %v", s.now(), got.Warnings)
		}
	})
}

// spare gives an interface, and one of its two groups that no other interface is in alone.
func (s *site) spare() (string, string) {
	for id, g := range s.groups {
		for _, x := range g {
			if len(g) == 2 && !slices.ContainsFunc(s.nics, func(n string) bool { return n != id && slices.Equal(s.groups[n], []string{x}) }) {
				return id, x
			}
		}
	}
	s.t.Fatal("no such group")
	return "", ""
}

func TestAnInterfaceThatIsGoneDoesNotStopTheUndo(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		rep := s.mustDo(respond.IsolateInstance, s.instance, respond.Options{})
		s.wire.answer = func(c call) (int, string) {
			if c.form.Get("NetworkInterfaceId.1") == s.nics[2] {
				return ec2Error(400, "InvalidNetworkInterfaceID.NotFound")
			}
			return 0, ""
		}
		if _, err := s.undo(rep.Action.ID); err != nil {
			t.Fatal(err)
		}
		if now := s.now(); !slices.Equal(now[s.nics[0]], s.groups[s.nics[0]]) || !slices.Equal(now[s.nics[1]], s.groups[s.nics[1]]) {
			t.Fatalf("%v", now)
		}
	})
}

func TestAGroupThatIsNotOursOrNotEmptyIsNeverUsed(t *testing.T) {
	rigs(t, func(t *testing.T, on *rig) {
		prepare := func(t *testing.T, tagged bool) (*site, string) {
			s := on.again(t).site()
			in := &ec2.CreateSecurityGroupInput{GroupName: aws.String(isolationGroup), Description: aws.String("d"), VpcId: &s.vpcs[0]}
			if tagged {
				in.TagSpecifications = []types.TagSpecification{{ResourceType: types.ResourceTypeSecurityGroup, Tags: ec2Tags(map[string]string{purposeTag: forIsolation})}}
			}
			return s, aws.ToString(must(s.ec2.CreateSecurityGroup(t.Context(), in))(t).GroupId)
		}
		s, _ := prepare(t, false)
		_, err := s.plan(respond.IsolateInstance, s.instance, respond.Options{})
		wantKind(t, err, fault.Conflict, "without the tag")
		s, id := prepare(t, true)
		must(s.ec2.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &id, IpPermissions: []types.IpPermission{
			{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(22), ToPort: aws.Int32(22), IpRanges: []types.IpRange{{CidrIp: aws.String("10.9.0.1/32")}}}}}))(t)
		_, err = s.plan(respond.IsolateInstance, s.instance, respond.Options{})
		wantKind(t, err, fault.Conflict, id, "rules that somebody added")
		// A group that was left half-made, with all egress in both families, is emptied.
		s, id = prepare(t, true)
		_, _ = s.ec2.AuthorizeSecurityGroupEgress(t.Context(), &ec2.AuthorizeSecurityGroupEgressInput{GroupId: &id, IpPermissions: openGroup{Egress: true}.rule()})
		if n := len(must(s.ec2.DescribeSecurityGroupRules(t.Context(), &ec2.DescribeSecurityGroupRulesInput{Filters: []types.Filter{
			{Name: aws.String("group-id"), Values: []string{id}}}}))(t).SecurityGroupRules); n != 2 {
			t.Fatalf("the group begins with %d rules", n)
		}
		s.mustDo(respond.IsolateInstance, s.instance, respond.Options{})
		if why := s.cutOff(); why != "" {
			t.Fatal(why)
		}
	})
}

func TestInstancesThatCannotBeIsolatedAreRefused(t *testing.T) {
	rigs(t, func(t *testing.T, on *rig) {
		patched := func(from, to string) func(s *site) {
			return func(s *site) { s.patch(from, to) }
		}
		for name, tc := range map[string]struct {
			harm  func(*site)
			o     respond.Options
			kind  fault.Kind
			words []string
		}{
			"unknown": {func(s *site) { s.instance = "i-00000000000000000" }, respond.Options{}, fault.NotFound, []string{"us-east-1", "terminated"}},
			"terminated": {func(s *site) {
				must(s.ec2.TerminateInstances(context.Background(), &ec2.TerminateInstancesInput{InstanceIds: []string{s.instance}}))(s.t)
			}, respond.Options{}, fault.Conflict, []string{"terminated"}},
			"protected by its tag": {func(s *site) {
				must(s.ec2.CreateTags(context.Background(), &ec2.CreateTagsInput{Resources: []string{s.instance}, Tags: ec2Tags(map[string]string{respond.DefaultTag: "1"})}))(s.t)
			}, respond.Options{}, fault.Denied, []string{respond.DefaultTag}},
			"interface of a service":     {patched("<requesterManaged>false", "<requesterManaged>true"), respond.Options{}, fault.Denied, []string{"managed by an AWS service", "--force"}},
			"interface of another owner": {func(s *site) { s.patch("<ownerId>"+s.account, "<ownerId>999999999999") }, respond.Options{}, fault.Denied, []string{"999999999999", "shared VPC"}},
			"no room for standby": {func(s *site) {
				s.wire.answer = scaling1
			}, respond.Options{Standby: true}, fault.Conflict, []string{"asg-1", "needs at least 1"}},
		} {
			t.Run(name, func(t *testing.T) {
				s := on.again(t).site()
				tc.harm(s)
				_, err := s.do(respond.IsolateInstance, s.instance, tc.o)
				wantKind(t, err, tc.kind, tc.words...)
				if w := s.wire.writes(); len(w) > 0 {
					t.Error(w)
				}
			})
		}
	})
}
