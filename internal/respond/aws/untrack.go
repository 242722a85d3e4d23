package aws

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

// openGroup lets everything in, or everything out over IPv6, of the group of the two-step
// cut: flows that it allows are not tracked, and end at once when the rule goes. IPv4 is
// let out of every new group. It is not reversed: the group is deleted.
type openGroup struct {
	VPC    string `json:"vpc"`
	Name   string `json:"name"`
	Egress bool   `json:"egress"`
}

func (g openGroup) group() group { return group{VPC: g.VPC, Name: g.Name, Purpose: forUntrack} }

func (g openGroup) rule() []types.IpPermission {
	p := types.IpPermission{IpProtocol: aws.String("-1"), Ipv6Ranges: []types.Ipv6Range{{CidrIpv6: aws.String("::/0")}}}
	if !g.Egress {
		p.IpRanges = []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}
	}
	return []types.IpPermission{p}
}

func (g openGroup) about() string { return g.group().about() }

func (g *openGroup) apply(ctx context.Context, s *session) (respond.Outcome, error) {
	id, err := g.group().id(ctx, s)
	if err != nil {
		return respond.Outcome{}, err
	}
	err = s.eventually(ctx, func() (err error) {
		if g.Egress {
			_, err = s.ec2.authorizeSecurityGroupEgress(ctx, &ec2.AuthorizeSecurityGroupEgressInput{GroupId: &id, IpPermissions: g.rule()})
		} else {
			_, err = s.ec2.authorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &id, IpPermissions: g.rule()})
		}
		return err
	}, "InvalidGroup.NotFound")
	if err != nil && !is(err, "InvalidPermission.Duplicate") { // a VPC with IPv6 gives the rule to every group
		return respond.Outcome{}, s.failWrite(err)
	}
	return done("")
}

func (g *openGroup) revert(context.Context, *session) (respond.Outcome, error) {
	return left("the group is deleted")
}

func (g *openGroup) read(ctx context.Context, s *session) (respond.Reading, error) {
	x, err := g.group().find(ctx, s)
	if err != nil || x == nil {
		return respond.Reading{State: respond.Prior}, err
	}
	rules, err := s.rules(ctx, aws.ToString(x.GroupId))
	if err != nil {
		return respond.Reading{State: respond.Unknown}, err
	}
	for _, r := range rules {
		if aws.ToBool(r.IsEgress) == g.Egress && aws.ToString(r.CidrIpv6) == "::/0" {
			return respond.Reading{State: respond.Applied}, nil
		}
	}
	return respond.Reading{State: respond.Prior}, nil
}

// groupGone deletes the open group when it has served. It is not reversed.
type groupGone struct {
	VPC  string `json:"vpc"`
	Name string `json:"name"`
}

func (g groupGone) group() group { return group{VPC: g.VPC, Name: g.Name, Purpose: forUntrack} }

func (g groupGone) about() string { return g.group().about() }

func (g *groupGone) apply(ctx context.Context, s *session) (respond.Outcome, error) {
	x := g.group()
	return x.revert(ctx, s)
}

func (g *groupGone) revert(context.Context, *session) (respond.Outcome, error) {
	return left("the group is not made again")
}

func (g *groupGone) read(ctx context.Context, s *session) (respond.Reading, error) {
	x, err := g.group().find(ctx, s)
	switch {
	case err != nil:
		return respond.Reading{State: respond.Unknown}, err
	case x == nil:
		return respond.Reading{State: respond.Applied, Detail: "the group is gone"}, nil
	}
	return respond.Reading{State: respond.Prior, Detail: "the open group is still there"}, nil
}

// wait lets flows become untracked.
type wait struct {
	Seconds int `json:"seconds"`
}

func (w *wait) about() string { return everything }

func (w *wait) apply(ctx context.Context, s *session) (respond.Outcome, error) {
	if err := s.d.Sleep(ctx, time.Duration(w.Seconds)*time.Second); err != nil {
		return respond.Outcome{}, fault.New(fault.Interrupted, "cut off while the open group lets EVERYTHING in and out: carry on at once (%w)", err)
	}
	return done("")
}

func (w *wait) revert(context.Context, *session) (respond.Outcome, error) { return done("") }

func (w *wait) read(context.Context, *session) (respond.Reading, error) {
	return respond.Reading{State: respond.Prior}, nil
}

// untrackSteps put the interfaces of one VPC into an open group for a while. The steps
// that put them into the empty one follow, and then close.
func (s *session) untrackSteps(vpc, instance, action string, nics []nic) (open []respond.Step, closing respond.Step) {
	name := untrackPrefix + instance
	create := s.newStep(kindGroup, fmt.Sprintf("create the open group %s in %s", name, vpc), &group{VPC: vpc, Name: name, Purpose: forUntrack, Action: action})
	create.Transient = true
	open = []respond.Step{create}
	for _, egress := range []bool{false, true} {
		title := "let everything into " + name
		if egress {
			title = "let all IPv6 out of " + name
		}
		fill := s.newStep(kindOpen, title, &openGroup{VPC: vpc, Name: name, Egress: egress})
		fill.Transient, fill.Keep = true, true
		open = append(open, fill)
	}
	for _, n := range nics {
		st := s.newStep(kindInterface, fmt.Sprintf("put %s into the open group for a while", n.id),
			&interfaceGroups{Interface: n.id, VPC: vpc, Group: name, Purpose: forUntrack, Prior: n.groups})
		st.Transient = true
		open = append(open, st)
	}
	closing = s.newStep(kindGroupGone, "delete the open group "+name, &groupGone{VPC: vpc, Name: name})
	closing.Keep = true
	return open, closing
}
