package aws

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

// naclEntry denies everything one way in a network ACL, before every other rule.
type naclEntry struct {
	ACL    string `json:"acl"`
	Number int32  `json:"number"`
	Egress bool   `json:"egress"`
	V6     bool   `json:"v6"`
}

// naclSteps deny everything in the ACLs of the interfaces' subnets.
func (s *session) naclSteps(ctx context.Context, nics []nic, p *respond.Plan) error {
	var subnets []string
	v6 := false
	for _, n := range nics {
		v6 = v6 || n.v6
		if !slices.Contains(subnets, n.subnet) {
			subnets = append(subnets, n.subnet)
		}
	}
	if len(subnets) == 0 {
		return nil
	}
	out, err := s.ec2.describeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{
		Filters: []types.Filter{{Name: aws.String("association.subnet-id"), Values: subnets}}})
	if err != nil {
		return s.fail(err)
	}
	for _, acl := range out.NetworkAcls {
		steps, whole, err := s.denySteps(acl, v6)
		if err != nil {
			return err
		}
		if !whole {
			p.Warnings = append(p.Warnings, "network ACL "+aws.ToString(acl.NetworkAclId)+" denies everything already: the undo of this action does not "+
				"take those rules away, and connections may go on when somebody does")
		}
		if len(steps) == 0 {
			continue
		}
		p.Steps = append(p.Steps, steps...)
		var hit []string
		for _, a := range acl.Associations {
			hit = append(hit, aws.ToString(a.SubnetId))
		}
		p.Blast = append(p.Blast, respond.Fact{What: "subnets that lose all traffic", Value: strings.Join(hit, ", ")})
		if err := s.neighbours(ctx, hit, p); err != nil {
			return err
		}
	}
	return nil
}

// mostNeighbours bounds how many instances a plan shows by name. The belts see all.
const mostNeighbours = 20

// neighbours adds the other instances of the subnets: they lose all traffic, too, and may
// be protected.
func (s *session) neighbours(ctx context.Context, subnets []string, p *respond.Plan) error {
	var ids []string
	in := &ec2.DescribeNetworkInterfacesInput{Filters: []types.Filter{{Name: aws.String("subnet-id"), Values: subnets}}}
	for page, err := range s.networkInterfaces(ctx, in) {
		if err != nil {
			return err
		}
		for _, n := range page.NetworkInterfaces {
			if n.Attachment == nil || n.Attachment.InstanceId == nil || *n.Attachment.InstanceId == p.Target.ID {
				continue
			}
			ids = append(ids, *n.Attachment.InstanceId)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	shown := 0
	for part := range slices.Chunk(ids, 100) {
		out, err := s.ec2.describeInstances(ctx, &ec2.DescribeInstancesInput{Filters: []types.Filter{{Name: aws.String("instance-id"), Values: part}}})
		if err != nil {
			return s.fail(err)
		}
		for _, r := range out.Reservations {
			for _, i := range r.Instances {
				tag := tagMap(i.Tags)
				p.Touched = append(p.Touched, respond.Touched{Kind: respond.Instance, ID: aws.ToString(i.InstanceId), Name: tag["Name"], Account: s.account, Tags: tag})
				if shown++; shown <= mostNeighbours {
					p.Blast = append(p.Blast, respond.Fact{What: "loses all traffic, too", Value: label(i) + ", " + string(stateOf(i))})
				}
			}
		}
	}
	if shown > mostNeighbours {
		p.Blast = append(p.Blast, respond.Fact{What: "lose all traffic, too", Value: fmt.Sprintf("%d more instances", shown-mostNeighbours)})
	}
	return nil
}

// denySteps take the two lowest numbers of each direction, which must be free or deny
// everything already: AWS uses the first rule that fits. whole is false when some do.
func (s *session) denySteps(acl types.NetworkAcl, v6 bool) (out []respond.Step, whole bool, err error) {
	id := aws.ToString(acl.NetworkAclId)
	for _, e := range acl.Entries {
		v6 = v6 || e.Ipv6CidrBlock != nil // AWS adds such a rule when the VPC has IPv6
	}
	wanted := denials(id, v6)
	n := len(wanted)
	for _, x := range acl.Entries {
		i := slices.IndexFunc(wanted, func(e *naclEntry) bool { return e.denies(x) })
		switch number := aws.ToInt32(x.RuleNumber); {
		case i >= 0:
			wanted = slices.Delete(wanted, i, i+1)
		case number <= 2:
			return nil, false, fault.New(fault.Conflict, "network ACL %s has a rule %d: nothing can be put before it", id, number).
				WithHint("renumber it, or cut connections another way")
		}
	}
	for _, e := range wanted {
		out = append(out, s.newStep(kindNACL, fmt.Sprintf("deny %s in network ACL %s", e.what(), id), e))
	}
	return out, len(wanted) == n, nil
}

// denials are the rules that deny everything in an ACL.
func denials(acl string, v6 bool) []*naclEntry {
	var out []*naclEntry
	for _, egress := range []bool{false, true} {
		out = append(out, &naclEntry{ACL: acl, Number: 1, Egress: egress})
		if v6 {
			out = append(out, &naclEntry{ACL: acl, Number: 2, Egress: egress, V6: true})
		}
	}
	return out
}

// there reports whether a rule of an ACL stands where this one belongs.
func (e naclEntry) there(x types.NetworkAclEntry) bool {
	return aws.ToInt32(x.RuleNumber) == e.Number && aws.ToBool(x.Egress) == e.Egress
}

// denies reports whether a rule of an ACL is this one.
func (e naclEntry) denies(x types.NetworkAclEntry) bool {
	return e.there(x) && x.RuleAction == types.RuleActionDeny && aws.ToString(x.Protocol) == "-1" &&
		(e.V6 && aws.ToString(x.Ipv6CidrBlock) == "::/0" || !e.V6 && aws.ToString(x.CidrBlock) == "0.0.0.0/0")
}

func (e naclEntry) what() string {
	out := "all IPv4"
	if e.V6 {
		out = "all IPv6"
	}
	if e.Egress {
		return out + " out"
	}
	return out + " in"
}

func (e naclEntry) input(dry bool) *ec2.CreateNetworkAclEntryInput {
	in := &ec2.CreateNetworkAclEntryInput{NetworkAclId: aws.String(e.ACL), RuleNumber: aws.Int32(e.Number), Egress: aws.Bool(e.Egress),
		Protocol: aws.String("-1"), RuleAction: types.RuleActionDeny, CidrBlock: aws.String("0.0.0.0/0"), DryRun: aws.Bool(dry)}
	if e.V6 {
		in.CidrBlock, in.Ipv6CidrBlock = nil, aws.String("::/0")
	}
	return in
}

func (e naclEntry) about() string { return "network ACL " + e.ACL }

func (e *naclEntry) apply(ctx context.Context, s *session) (respond.Outcome, error) {
	_, err := s.ec2.createNetworkACLEntry(ctx, e.input(false), func(o *ec2.Options) { o.Retryer = once{o.Retryer} })
	if err != nil {
		return respond.Outcome{}, s.failWrite(err)
	}
	return done("")
}

func (e *naclEntry) revert(ctx context.Context, s *session) (respond.Outcome, error) {
	_, err := s.ec2.deleteNetworkACLEntry(ctx, &ec2.DeleteNetworkAclEntryInput{NetworkAclId: &e.ACL, RuleNumber: &e.Number, Egress: &e.Egress})
	if err != nil && !is(err, "InvalidNetworkAclEntry.NotFound") {
		return respond.Outcome{}, s.failWrite(err)
	}
	return done("")
}

func (e *naclEntry) read(ctx context.Context, s *session) (respond.Reading, error) {
	out, err := s.ec2.describeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{e.ACL}})
	if is(err, "InvalidNetworkAclID.NotFound") {
		return respond.Reading{State: respond.Prior, Detail: "the network ACL is gone"}, nil
	}
	if err != nil {
		return respond.Reading{State: respond.Unknown}, s.fail(err)
	}
	for _, acl := range out.NetworkAcls {
		for _, x := range acl.Entries {
			if !e.there(x) {
				continue
			}
			if e.denies(x) {
				return respond.Reading{State: respond.Applied, Detail: "the rule is there"}, nil
			}
			return respond.Reading{State: respond.Other, Detail: fmt.Sprintf("rule %d is another one", e.Number)}, nil
		}
	}
	return respond.Reading{State: respond.Prior, Detail: "there is no such rule"}, nil
}

func (e *naclEntry) rehearse(ctx context.Context, s *session) error {
	_, err := s.ec2.createNetworkACLEntry(ctx, e.input(true))
	return dryRun(err)
}
