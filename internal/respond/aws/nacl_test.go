package aws

import (
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

// neighbour starts another instance in the first subnet.
func (s *site) neighbour(t *testing.T, tags ...types.Tag) string {
	t.Helper()
	n := must(s.ec2.CreateNetworkInterface(t.Context(), &ec2.CreateNetworkInterfaceInput{SubnetId: &s.subnets[0], Groups: s.groups[s.primary]}))(t)
	out := must(s.ec2.RunInstances(t.Context(), &ec2.RunInstancesInput{ImageId: aws.String("ami-12c6146b"), MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
		NetworkInterfaces: []types.InstanceNetworkInterfaceSpecification{{DeviceIndex: aws.Int32(0), NetworkInterfaceId: n.NetworkInterface.NetworkInterfaceId}}}))(t)
	id := aws.ToString(out.Instances[0].InstanceId)
	if len(tags) > 0 {
		must(s.ec2.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{id}, Tags: tags}))(t)
	}
	return id
}

func TestANetworkACLIsNotClosedOverAProtectedNeighbour(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		cut := respond.Options{Cut: respond.CutNACL}
		other := s.neighbour(t)
		p, err := s.plan(respond.IsolateInstance, s.instance, cut)
		if err != nil || !strings.Contains(fmt.Sprint(p.Blast), "loses all traffic, too "+other) {
			t.Fatalf("%v %v", p.Blast, err)
		}
		s.neighbour(t, types.Tag{Key: aws.String(respond.DefaultTag), Value: aws.String("true")}, types.Tag{Key: aws.String("Name"), Value: aws.String("dc-1")})
		_, err = s.plan(respond.IsolateInstance, s.instance, cut)
		wantKind(t, err, fault.Denied, "dc-1", "protected")
		if _, err := s.plan(respond.IsolateInstance, s.instance, respond.Options{}); err != nil {
			t.Errorf("without the network ACL nobody else is hit: %v", err)
		}
	})
}

func TestConnectionsOfAnIsolatedInstanceAreCutWhenThatIsAskedLater(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		before := s.aclEntries()
		first := s.mustDo(respond.IsolateInstance, s.instance, respond.Options{})
		rep, err := s.do(respond.IsolateInstance, s.instance, respond.Options{Cut: respond.CutTwoStep})
		if err != nil || !strings.Contains(rep.Already, "not cut") {
			t.Errorf("what two-step cannot do now is not said: %q %v", rep.Already, err)
		}
		second := s.mustDo(respond.IsolateInstance, s.instance, respond.Options{Cut: respond.CutNACL})
		if maps.Equal(s.aclEntries(), before) {
			t.Fatal("nothing was cut")
		}
		if rep, err = s.do(respond.IsolateInstance, s.instance, respond.Options{Cut: respond.CutNACL}); err != nil || rep.Already == "" {
			t.Errorf("once more: %+v %v", rep, err)
		}
		s.mustUndo(second.Action.ID)
		if !maps.Equal(s.aclEntries(), before) || s.cutOff() != "" {
			t.Fatalf("%v, was %v; %s", s.aclEntries(), before, s.cutOff())
		}
		s.mustUndo(first.Action.ID)
		if !s.asBefore() {
			t.Fatalf("%v, was %v", s.now(), s.groups)
		}
	})
}

func TestRulesOfAnotherActionAreNotTakenAway(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		s.mustDo(respond.IsolateInstance, s.instance, respond.Options{Cut: respond.CutNACL})
		closed := s.aclEntries()
		other := s.neighbour(t)
		p, err := s.plan(respond.IsolateInstance, other, respond.Options{Cut: respond.CutNACL})
		if err != nil || !strings.Contains(strings.Join(p.Warnings, " "), "denies everything already") {
			t.Fatalf("%v %v", p.Warnings, err)
		}
		rep := s.mustDo(respond.IsolateInstance, other, respond.Options{Cut: respond.CutNACL})
		s.mustUndo(rep.Action.ID)
		if !maps.Equal(s.aclEntries(), closed) {
			t.Fatalf("%v, was %v", s.aclEntries(), closed)
		}
	})
}

func TestARuleThatSomebodyAddsToTheEmptyGroupIsDrift(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		s.mustDo(respond.IsolateInstance, s.instance, respond.Options{})
		if all, errs := s.engine().Isolated(t.Context()); len(all) != 1 || all[0].State != respond.StillIsolated || len(errs) > 0 {
			t.Fatalf("%+v %v", all, errs)
		}
		for id := range s.ours() {
			must(s.ec2.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &id, IpPermissions: []types.IpPermission{
				{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(22), ToPort: aws.Int32(22), IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}}}}))(t)
		}
		all, errs := s.engine().Isolated(t.Context())
		if len(all) != 1 || all[0].State != respond.Drifted || !strings.Contains(strings.Join(all[0].Drift, " "), "somebody added rules") || len(errs) > 0 {
			t.Fatalf("%+v %v", all, errs)
		}
		s.mustUndo(all[0].Action.ID) // the interfaces get their groups back all the same
		if !s.asBefore() {
			t.Fatalf("%v, was %v", s.now(), s.groups)
		}
	})
}

// attach gives the instance one more interface, in the group of its first.
func (s *site) attach(t *testing.T) string {
	t.Helper()
	n := must(s.ec2.CreateNetworkInterface(t.Context(), &ec2.CreateNetworkInterfaceInput{SubnetId: &s.subnets[0], Groups: s.groups[s.primary]}))(t)
	must(s.ec2.AttachNetworkInterface(t.Context(), &ec2.AttachNetworkInterfaceInput{InstanceId: &s.instance,
		NetworkInterfaceId: n.NetworkInterface.NetworkInterfaceId, DeviceIndex: aws.Int32(5)}))(t)
	return aws.ToString(n.NetworkInterface.NetworkInterfaceId)
}

func TestAnInterfaceThatIsAttachedLaterIsDrift(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		first := s.mustDo(respond.IsolateInstance, s.instance, respond.Options{})
		late := s.attach(t)
		all, errs := s.engine().Isolated(t.Context())
		if len(all) != 1 || all[0].State != respond.Drifted || !strings.Contains(strings.Join(all[0].Drift, " "), late) || len(errs) > 0 {
			t.Fatalf("%+v %v", all, errs)
		}
		second := s.mustDo(respond.IsolateInstance, s.instance, respond.Options{})
		if why := s.cutOff(); why != "" {
			t.Fatal(why)
		}
		if all, _ = s.engine().Isolated(t.Context()); len(all) != 2 || all[0].State != respond.StillIsolated || all[1].State != respond.StillIsolated {
			t.Fatalf("%+v", all)
		}
		s.mustUndo(second.Action.ID)
		s.mustUndo(first.Action.ID)
		now := s.now()
		delete(now, late)
		if !maps.EqualFunc(now, s.groups, slices.Equal) || len(s.ours()) > 0 {
			t.Fatalf("%v, was %v; %v", now, s.groups, s.ours())
		}
	})
}

func TestAnInterfaceThatIsAttachedDuringTheActionIsToldAndLeftOpenByNobody(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		late := ""
		s.wire.answer = func(c call) (int, string) {
			if c.action == "ModifyNetworkInterfaceAttribute" && c.changes() && late == "" {
				late = s.attach(t)
			}
			return 0, ""
		}
		rep, err := s.do(respond.IsolateInstance, s.instance, respond.Options{})
		wantKind(t, err, fault.Partial, late, "isolate the instance once more")
		s.mustDo(respond.IsolateInstance, s.instance, respond.Options{})
		if why := s.cutOff(); why != "" {
			t.Fatal(why)
		}
		if rep, err = s.engine().Resume(t.Context(), rep.Action.ID, yes); err != nil || rep.Action.Status != respond.StatusDone {
			t.Fatalf("%+v %v", rep, err)
		}
	})
}
