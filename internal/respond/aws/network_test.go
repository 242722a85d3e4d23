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

	"edrc/internal/respond"
)

// site is an instance with three interfaces in two VPCs, one of them with IPv6.
type site struct {
	*rig
	instance string
	vpcs     []string
	subnets  []string
	nics     []string
	primary  string              // the interface in the first VPC that the instance was started with
	groups   map[string][]string // by interface, as they were
}

// sites is rigs with a site.
func sites(t *testing.T, test func(t *testing.T, s *site)) {
	rigs(t, func(t *testing.T, r *rig) { test(t, r.site()) })
}

func (r *rig) site() *site {
	r.t.Helper()
	s, t := &site{rig: r, groups: map[string][]string{}}, r.t
	ctx := t.Context()
	var sgs []string
	for i := range 2 {
		in := &ec2.CreateVpcInput{CidrBlock: aws.String(fmt.Sprintf("10.%d.0.0/16", i)), AmazonProvidedIpv6CidrBlock: aws.Bool(i == 0)}
		vpc := aws.ToString(must(s.ec2.CreateVpc(ctx, in))(t).Vpc.VpcId)
		sub := must(s.ec2.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &vpc, CidrBlock: aws.String(fmt.Sprintf("10.%d.1.0/24", i))}))(t)
		s.vpcs, s.subnets = append(s.vpcs, vpc), append(s.subnets, aws.ToString(sub.Subnet.SubnetId))
		for _, name := range []string{"web", "db"} {
			g := must(s.ec2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{GroupName: aws.String(name), Description: aws.String("d"), VpcId: &vpc}))(t)
			sgs = append(sgs, aws.ToString(g.GroupId))
		}
	}
	// The interfaces are made first: those that moto makes for an instance add the
	// instance's groups to every answer, whatever they are changed to.
	for i, groups := range [][]string{sgs[:2], sgs[:1], sgs[2:]} {
		n := must(s.ec2.CreateNetworkInterface(ctx, &ec2.CreateNetworkInterfaceInput{SubnetId: &s.subnets[i/2], Groups: groups}))(t)
		id := n.NetworkInterface.NetworkInterfaceId
		if i == 0 {
			out := must(s.ec2.RunInstances(ctx, &ec2.RunInstancesInput{ImageId: aws.String("ami-12c6146b"), MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
				NetworkInterfaces: []types.InstanceNetworkInterfaceSpecification{{DeviceIndex: aws.Int32(0), NetworkInterfaceId: id}},
				TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeInstance,
					Tags: []types.Tag{{Key: aws.String("Name"), Value: aws.String("web-1")}}}}}))(t)
			s.instance, s.primary = aws.ToString(out.Instances[0].InstanceId), aws.ToString(id)
			continue
		}
		must(s.ec2.AttachNetworkInterface(ctx, &ec2.AttachNetworkInterfaceInput{InstanceId: &s.instance, NetworkInterfaceId: id, DeviceIndex: aws.Int32(int32(i))}))(t)
	}
	s.groups = s.now()
	s.nics = slices.Sorted(maps.Keys(s.groups))
	if len(s.nics) != 3 {
		t.Fatalf("the instance has the interfaces %v", s.nics)
	}
	return s
}

// now gives the groups of each interface of the instance.
func (s *site) now() map[string][]string {
	s.t.Helper()
	out := must(s.ec2.DescribeNetworkInterfaces(context.Background(), &ec2.DescribeNetworkInterfacesInput{
		Filters: []types.Filter{{Name: aws.String("attachment.instance-id"), Values: []string{s.instance}}}}))(s.t)
	got := map[string][]string{}
	for _, n := range out.NetworkInterfaces {
		got[aws.ToString(n.NetworkInterfaceId)] = nicOf(n).groups
	}
	return got
}

func (s *site) asBefore() bool {
	return maps.EqualFunc(s.now(), s.groups, slices.Equal) && len(s.ours()) == 0 && len(s.originalTags()) == 0
}

// ours gives the groups that edrc made, by id.
func (s *site) ours() map[string]types.SecurityGroup {
	s.t.Helper()
	out := must(s.ec2.DescribeSecurityGroups(context.Background(), &ec2.DescribeSecurityGroupsInput{}))(s.t)
	got := map[string]types.SecurityGroup{}
	for _, g := range out.SecurityGroups {
		if strings.HasPrefix(aws.ToString(g.GroupName), "edrc-") {
			got[aws.ToString(g.GroupId)] = g
		}
	}
	return got
}

func (s *site) originalTags() map[string]string {
	s.t.Helper()
	out := must(s.ec2.DescribeTags(context.Background(), &ec2.DescribeTagsInput{Filters: []types.Filter{{Name: aws.String("key"), Values: []string{originalTag, originalTag2}}}}))(s.t)
	got := map[string]string{}
	for _, x := range out.Tags {
		got[aws.ToString(x.ResourceId)] = aws.ToString(x.Value)
	}
	return got
}

// cutOff says what is wrong with the isolation; "" when every interface is in an empty
// group of its own VPC, alone.
func (s *site) cutOff() string {
	s.t.Helper()
	groups := s.ours()
	vpcOf := map[string]string{}
	out := must(s.ec2.DescribeNetworkInterfaces(context.Background(), &ec2.DescribeNetworkInterfacesInput{}))(s.t)
	for _, n := range out.NetworkInterfaces {
		vpcOf[aws.ToString(n.NetworkInterfaceId)] = aws.ToString(n.VpcId)
	}
	for id, in := range s.now() {
		if len(in) != 1 {
			return fmt.Sprint(id, " is in ", in)
		}
		g, ok := groups[in[0]]
		if !ok || aws.ToString(g.VpcId) != vpcOf[id] || aws.ToString(g.GroupName) != isolationGroup {
			return fmt.Sprint(id, " is in ", in)
		}
		if len(g.IpPermissions)+len(g.IpPermissionsEgress) > 0 {
			return fmt.Sprint(in[0], " has rules: ", g.IpPermissions, g.IpPermissionsEgress)
		}
	}
	return ""
}

func TestEveryInterfaceEndsInAnEmptyGroupAndUndoGivesEachItsGroupsBack(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		r := s.mustDo(respond.IsolateInstance, s.instance, respond.Options{})
		if why := s.cutOff(); why != "" {
			t.Fatal(why)
		}
		if n := len(s.ours()); n != 2 {
			t.Errorf("%d groups for two VPCs", n)
		}
		for id, groups := range s.groups {
			if got := s.originalTags()[id]; got != strings.Join(groups, ",") {
				t.Errorf("%s was in %v and its tag says %q", id, groups, got)
			}
		}
		all, errs := s.engine().Isolated(t.Context())
		if len(errs) > 0 || len(all) != 1 || all[0].State != respond.StillIsolated || all[0].Action.Target.Name != "web-1" {
			t.Fatalf("%+v %v", all, errs)
		}
		s.mustUndo(r.Action.ID)
		if !s.asBefore() {
			t.Fatalf("after undo: %v, was %v; groups %v; tags %v", s.now(), s.groups, s.ours(), s.originalTags())
		}
	})
}
