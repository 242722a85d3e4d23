package aws

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

// isolationGroup is the name of the empty group of each VPC.
const isolationGroup = "edrc-isolation"

// untrackPrefix begins the name of the open group of the two-step cut; the instance's
// id follows.
const untrackPrefix = "edrc-untrack-"

// purposeTag marks what edrc made, and what for; actionTag is the action that made it.
const (
	purposeTag = "edrc:purpose"
	actionTag  = "edrc:action"
)

// What groups are for.
const (
	forIsolation = "isolation"
	forUntrack   = "untrack"
)

// group is a security group of ours in a VPC, found by name and tag.
type group struct {
	VPC     string `json:"vpc"`
	Name    string `json:"name"`
	Purpose string `json:"purpose"`
	Action  string `json:"action,omitempty"`
}

// find gives the group, nil when the VPC has none of that name.
func (g group) find(ctx context.Context, s *session) (*types.SecurityGroup, error) {
	out, err := s.ec2.describeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{
		{Name: aws.String("vpc-id"), Values: []string{g.VPC}}, {Name: aws.String("group-name"), Values: []string{g.Name}}}})
	if err != nil {
		return nil, s.fail(err)
	}
	for _, x := range out.SecurityGroups {
		if aws.ToString(x.VpcId) == g.VPC && strings.EqualFold(aws.ToString(x.GroupName), g.Name) {
			return &x, nil
		}
	}
	return nil, nil
}

// ours reports whether edrc made the group for what it is wanted for.
func (g group) ours(x *types.SecurityGroup) bool { return tagMap(x.Tags)[purposeTag] == g.Purpose }

func (g group) foreign() error {
	return fault.New(fault.Conflict, "VPC %s has a security group %s without the tag %s=%s: somebody else made it", g.VPC, g.Name, purposeTag, g.Purpose).
		WithHint("rename it, or give it the tag when it is edrc's")
}

// id gives the id of the group, which must be there and ours.
func (g group) id(ctx context.Context, s *session) (string, error) {
	x, err := g.find(ctx, s)
	switch {
	case err != nil:
		return "", err
	case x == nil:
		return "", fault.New(fault.NotFound, "VPC %s has no security group %s", g.VPC, g.Name).WithHint("somebody deleted it meanwhile: undo the action and plan it again")
	case !g.ours(x):
		return "", g.foreign()
	}
	return aws.ToString(x.GroupId), nil
}

func (g group) input() *ec2.CreateSecurityGroupInput {
	tags := []types.Tag{{Key: aws.String(purposeTag), Value: aws.String(g.Purpose)}, {Key: aws.String(actionTag), Value: aws.String(g.Action)}}
	text := "edrc: no traffic in or out. Do not add rules."
	if g.Purpose == forUntrack {
		text = "edrc: all traffic, for some minutes only, to end tracked connections."
	}
	return &ec2.CreateSecurityGroupInput{GroupName: aws.String(g.Name), Description: aws.String(text), VpcId: aws.String(g.VPC),
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeSecurityGroup, Tags: tags}}}
}

func (g group) about() string { return "security group " + g.Name + " of " + g.VPC }

func (g *group) apply(ctx context.Context, s *session) (respond.Outcome, error) {
	x, err := g.find(ctx, s)
	if err == nil && x == nil {
		x, err = g.create(ctx, s)
	}
	if err != nil {
		return respond.Outcome{}, err
	}
	if x != nil && !g.ours(x) {
		return respond.Outcome{}, g.foreign()
	}
	return done("")
}

// create makes the group. It gives the one that is there when somebody was faster, or
// when the first answer was lost.
func (g *group) create(ctx context.Context, s *session) (*types.SecurityGroup, error) {
	_, err := s.ec2.createSecurityGroup(ctx, g.input())
	if is(err, "InvalidGroup.Duplicate") {
		if x, ferr := g.find(ctx, s); ferr != nil || x != nil {
			return x, ferr
		}
	}
	return nil, s.failWrite(err)
}

func (g *group) revert(ctx context.Context, s *session) (respond.Outcome, error) {
	x, err := g.find(ctx, s)
	if err != nil {
		return respond.Outcome{}, err
	}
	if x == nil || !g.ours(x) {
		return done("the group was gone already")
	}
	return g.remove(ctx, s, aws.ToString(x.GroupId))
}

// remove deletes the group unless somebody uses it.
func (g group) remove(ctx context.Context, s *session, id string) (respond.Outcome, error) {
	users, err := s.interfacesIn(ctx, id)
	if err != nil {
		return respond.Outcome{}, err
	}
	if len(users) > 0 {
		return left(fmt.Sprintf("group %s (%s) is still used by %s", g.Name, id, strings.Join(users, ", ")))
	}
	_, err = s.ec2.deleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &id})
	switch {
	case is(err, "DependencyViolation", "InvalidGroup.InUse"):
		return left(fmt.Sprintf("group %s (%s) is still used: AWS does not delete it", g.Name, id))
	case err != nil && !is(err, "InvalidGroup.NotFound"):
		return respond.Outcome{}, s.failWrite(err)
	}
	return done("")
}

func (g *group) read(ctx context.Context, s *session) (respond.Reading, error) {
	x, err := g.find(ctx, s)
	switch {
	case err != nil:
		return respond.Reading{State: respond.Unknown}, err
	case x == nil:
		return respond.Reading{State: respond.Prior, Detail: "there is no such group"}, nil
	case g.ours(x):
		return respond.Reading{State: respond.Applied, Detail: "the group is " + aws.ToString(x.GroupId)}, nil
	}
	return respond.Reading{State: respond.Other, Detail: "a group of that name is not edrc's"}, nil
}

func (g *group) rehearse(ctx context.Context, s *session) error {
	in := g.input()
	in.DryRun = aws.Bool(true)
	_, err := s.ec2.createSecurityGroup(ctx, in)
	return dryRun(err)
}

// interfacesIn gives the network interfaces that are in a group.
func (s *session) interfacesIn(ctx context.Context, id string) ([]string, error) {
	var out []string
	in := &ec2.DescribeNetworkInterfacesInput{Filters: []types.Filter{{Name: aws.String("group-id"), Values: []string{id}}}}
	for page, err := range s.networkInterfaces(ctx, in) {
		if err != nil {
			return nil, err
		}
		for _, n := range page.NetworkInterfaces {
			out = append(out, aws.ToString(n.NetworkInterfaceId))
		}
	}
	return out, nil
}

// rules gives every rule of a group.
func (s *session) rules(ctx context.Context, id string) ([]types.SecurityGroupRule, error) {
	var out []types.SecurityGroupRule
	in := &ec2.DescribeSecurityGroupRulesInput{Filters: []types.Filter{{Name: aws.String("group-id"), Values: []string{id}}}}
	for page, err := range pages(ctx, s, s.ec2.describeSecurityGroupRules, in, &in.NextToken,
		func(o *ec2.DescribeSecurityGroupRulesOutput) *string { return o.NextToken }) {
		if err != nil {
			return nil, err
		}
		out = append(out, page.SecurityGroupRules...)
	}
	return out, nil
}

// emptyGroup takes the rules away that AWS gives to every new group: all egress, IPv4
// and, in a VPC with IPv6, IPv6. It is never reversed: the group is deleted.
type emptyGroup struct {
	VPC  string `json:"vpc"`
	Name string `json:"name"`
}

func (g emptyGroup) group() group { return group{VPC: g.VPC, Name: g.Name, Purpose: forIsolation} }

// byDefault reports whether a rule is one that AWS gives to every new group.
func byDefault(r types.SecurityGroupRule) bool {
	return aws.ToBool(r.IsEgress) && aws.ToString(r.IpProtocol) == "-1" &&
		(aws.ToString(r.CidrIpv4) == "0.0.0.0/0" || aws.ToString(r.CidrIpv6) == "::/0")
}

// foreignRules names the rules that somebody added.
func foreignRules(rules []types.SecurityGroupRule) []string {
	var out []string
	for _, r := range rules {
		if !byDefault(r) {
			out = append(out, aws.ToString(r.SecurityGroupRuleId))
		}
	}
	return out
}

func (g emptyGroup) about() string { return g.group().about() }

func (g *emptyGroup) apply(ctx context.Context, s *session) (respond.Outcome, error) {
	id, err := g.group().id(ctx, s)
	if err != nil {
		return respond.Outcome{}, err
	}
	rules, err := s.rules(ctx, id)
	if err != nil {
		return respond.Outcome{}, err
	}
	if f := foreignRules(rules); len(f) > 0 {
		return respond.Outcome{}, notEmpty(g.Name, id, f)
	}
	if len(rules) == 0 {
		return done("")
	}
	var ids []string
	for _, r := range rules {
		ids = append(ids, aws.ToString(r.SecurityGroupRuleId))
	}
	// By the ids of the rules: one call for both families, and nothing is missed.
	err = s.eventually(ctx, func() error {
		_, err := s.ec2.revokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: &id, SecurityGroupRuleIds: ids})
		return err
	}, "InvalidGroup.NotFound")
	if err != nil && !is(err, "InvalidPermission.NotFound", "InvalidSecurityGroupRuleId.NotFound") {
		return respond.Outcome{}, s.failWrite(err)
	}
	if rules, err = s.rules(ctx, id); err == nil && len(rules) > 0 {
		err = fault.New(fault.InDoubt, "group %s (%s) still has %d rules after they were revoked", g.Name, id, len(rules))
	}
	if err != nil {
		return respond.Outcome{}, err
	}
	return done("")
}

func notEmpty(name, id string, rules []string) error {
	return fault.New(fault.Conflict, "group %s (%s) has rules that somebody added: %s", name, id, strings.Join(rules, ", ")).
		WithHint("an isolation group with rules isolates nothing: remove them, or rename the group")
}

func (g *emptyGroup) revert(context.Context, *session) (respond.Outcome, error) {
	return left("the group stays empty")
}

func (g *emptyGroup) read(ctx context.Context, s *session) (respond.Reading, error) {
	x, err := g.group().find(ctx, s)
	if err != nil || x == nil {
		return respond.Reading{State: respond.Prior, Detail: "there is no such group"}, err
	}
	rules, err := s.rules(ctx, aws.ToString(x.GroupId))
	switch {
	case err != nil:
		return respond.Reading{State: respond.Unknown}, err
	case len(rules) == 0:
		return respond.Reading{State: respond.Applied, Detail: "the group has no rules"}, nil
	}
	if f := foreignRules(rules); len(f) > 0 {
		return respond.Reading{State: respond.Other, Detail: "somebody added rules to the group: " + strings.Join(f, ", ")}, nil
	}
	return respond.Reading{State: respond.Prior, Detail: "the group still lets everything out"}, nil
}
