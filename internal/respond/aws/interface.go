package aws

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

// nic is what is known of one network interface.
type nic struct {
	id, vpc, subnet, owner string
	groups                 []string
	tags                   map[string]string
	managed, v6            bool
}

func nicOf(n types.NetworkInterface) nic {
	out := nic{id: aws.ToString(n.NetworkInterfaceId), vpc: aws.ToString(n.VpcId), subnet: aws.ToString(n.SubnetId), owner: aws.ToString(n.OwnerId),
		tags: tagMap(n.TagSet), managed: aws.ToBool(n.RequesterManaged) || n.Operator != nil && aws.ToBool(n.Operator.Managed), v6: len(n.Ipv6Addresses) > 0}
	for _, g := range n.Groups {
		out.groups = append(out.groups, aws.ToString(g.GroupId))
	}
	slices.Sort(out.groups)
	return out
}

func (s *session) networkInterfaces(ctx context.Context, in *ec2.DescribeNetworkInterfacesInput) iter.Seq2[*ec2.DescribeNetworkInterfacesOutput, error] {
	return pages(ctx, s, s.ec2.describeNetworkInterfaces, in, &in.NextToken, func(o *ec2.DescribeNetworkInterfacesOutput) *string { return o.NextToken })
}

// nics gives the interfaces of an instance, in the order of their ids.
func (s *session) nics(ctx context.Context, instance string) ([]nic, error) {
	var out []nic
	in := &ec2.DescribeNetworkInterfacesInput{Filters: []types.Filter{{Name: aws.String("attachment.instance-id"), Values: []string{instance}}}}
	for page, err := range s.networkInterfaces(ctx, in) {
		if err != nil {
			return nil, err
		}
		for _, n := range page.NetworkInterfaces {
			if a := n.Attachment; a == nil || a.Status != types.AttachmentStatusDetaching && a.Status != types.AttachmentStatusDetached {
				out = append(out, nicOf(n))
			}
		}
	}
	slices.SortFunc(out, func(a, b nic) int { return strings.Compare(a.id, b.id) })
	return out, nil
}

// interfaceGroups replaces the security groups of one network interface by one of ours.
type interfaceGroups struct {
	Interface string   `json:"interface"`
	VPC       string   `json:"vpc"`
	Group     string   `json:"group"` // by name
	Purpose   string   `json:"purpose"`
	Prior     []string `json:"prior"`         // group ids
	Via       string   `json:"via,omitempty"` // name of the open group it may be in meanwhile
	// Restored is what reverting could give back, when not all of Prior exist any more.
	Restored []string `json:"restored,omitempty"`
}

func (x interfaceGroups) about() string { return "network interface " + x.Interface }

func (x interfaceGroups) to() group { return group{VPC: x.VPC, Name: x.Group, Purpose: x.Purpose} }

// current gives the groups of the interface; ok is false when it is gone.
func (x interfaceGroups) current(ctx context.Context, s *session) (groups []string, ok bool, err error) {
	out, err := s.ec2.describeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{x.Interface}})
	if is(err, "InvalidNetworkInterfaceID.NotFound") {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, s.fail(err)
	}
	for _, n := range out.NetworkInterfaces {
		if aws.ToString(n.NetworkInterfaceId) == x.Interface {
			return nicOf(n).groups, true, nil
		}
	}
	return nil, false, nil
}

// alone reports whether groups are this one group, when that is ours.
func (g group) alone(ctx context.Context, s *session, groups []string) (bool, error) {
	if g.Name == "" || len(groups) != 1 {
		return false, nil
	}
	found, err := g.find(ctx, s)
	return found != nil && g.ours(found) && aws.ToString(found.GroupId) == groups[0], err
}

func (x *interfaceGroups) set(ctx context.Context, s *session, groups []string) error {
	return s.eventually(ctx, func() error {
		_, err := s.ec2.modifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: &x.Interface, Groups: groups})
		return err
	}, "InvalidGroup.NotFound") // a group that was just made
}

func (x *interfaceGroups) apply(ctx context.Context, s *session) (respond.Outcome, error) {
	id, err := x.to().id(ctx, s)
	if err != nil {
		return respond.Outcome{}, err
	}
	if err := x.set(ctx, s, []string{id}); err != nil {
		return respond.Outcome{}, s.failWrite(err)
	}
	return done("")
}

// revert gives the interface its groups back. Groups that were deleted meanwhile cannot
// be given back; the others are, and it is said.
func (x *interfaceGroups) revert(ctx context.Context, s *session) (respond.Outcome, error) {
	_, ok, err := x.current(ctx, s)
	if err != nil {
		return respond.Outcome{}, err
	}
	if !ok {
		return left("interface " + x.Interface + " no longer exists")
	}
	there, err := s.existing(ctx, x.Prior)
	if err != nil {
		return respond.Outcome{}, err
	}
	if len(there) == 0 {
		return respond.Outcome{}, fault.New(fault.NotFound, "none of the groups that %s was in exists any more: %s", x.Interface, strings.Join(x.Prior, ", ")).
			WithHint("give it other groups by hand; it stays isolated until then")
	}
	if err := x.set(ctx, s, there); err != nil {
		return respond.Outcome{}, s.failWrite(err)
	}
	if len(there) == len(x.Prior) {
		return done("")
	}
	return learned(struct {
		Restored []string `json:"restored"`
	}{there}, "groups that were deleted meanwhile could not be given back: "+strings.Join(missing(x.Prior, there), ", "))
}

func missing(all, there []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(g string) bool { return slices.Contains(there, g) })
}

// existing gives those of the groups that exist, in order.
func (s *session) existing(ctx context.Context, ids []string) ([]string, error) {
	out, err := s.ec2.describeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{
		Filters: []types.Filter{{Name: aws.String("group-id"), Values: ids}}})
	if err != nil {
		return nil, s.fail(err)
	}
	known := map[string]bool{}
	for _, g := range out.SecurityGroups {
		known[aws.ToString(g.GroupId)] = true
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !known[id] }), nil
}

func (x *interfaceGroups) read(ctx context.Context, s *session) (respond.Reading, error) {
	groups, ok, err := x.current(ctx, s)
	if err != nil {
		return respond.Reading{State: respond.Unknown}, err
	}
	if !ok {
		return respond.Reading{State: respond.Prior, Detail: "interface " + x.Interface + " no longer exists"}, nil
	}
	detail := x.Interface + " is in " + strings.Join(groups, ", ")
	if slices.Equal(groups, x.Prior) || x.Restored != nil && slices.Equal(groups, x.Restored) {
		return respond.Reading{State: respond.Prior, Detail: detail}, nil
	}
	in, err := x.to().alone(ctx, s, groups)
	if err == nil && in {
		return respond.Reading{State: respond.Applied, Detail: detail}, nil
	}
	if err == nil {
		in, err = group{VPC: x.VPC, Name: x.Via, Purpose: forUntrack}.alone(ctx, s, groups)
	}
	switch {
	case err != nil:
		return respond.Reading{State: respond.Unknown}, err
	case in:
		return respond.Reading{State: respond.Prior, Detail: detail + " (open, on its way)"}, nil
	}
	return respond.Reading{State: respond.Other, Detail: detail}, nil
}

// rehearse asks with the groups that the interface has: the new one may not exist yet.
func (x *interfaceGroups) rehearse(ctx context.Context, s *session) error {
	_, err := s.ec2.modifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{
		NetworkInterfaceId: &x.Interface, Groups: x.Prior, DryRun: aws.Bool(true)})
	return dryRun(err)
}
