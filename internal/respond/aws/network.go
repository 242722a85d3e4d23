package aws

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

// originalTag keeps the groups of an interface on the interface itself: a second copy,
// beside the journal. A tag's value has room for 12 ids.
const (
	originalTag  = "edrc:orig-sg"
	originalTag2 = "edrc:orig-sg-2"
	idsPerTag    = 12
)

// planNetwork puts every interface of an instance into the empty group of its VPC.
func (d *Driver) planNetwork(ctx context.Context, r respond.Request) (respond.Plan, error) {
	s, i, err := d.findInstance(ctx, r.Target)
	if err != nil {
		return respond.Plan{}, err
	}
	if err := canIsolate(i, r.Options.Force); err != nil {
		return respond.Plan{}, err
	}
	p := s.instancePlan(ctx, i, r.Target.ID)
	p.Undo = "each interface gets its groups back, and the empty groups are deleted: edrc undo " + r.Action
	all, open, err := s.open(ctx, r, &p)
	if err != nil {
		return respond.Plan{}, err
	}
	if err := s.before(ctx, i, r, &p); err != nil {
		return respond.Plan{}, err
	}
	s.groupSteps(r, open, &p)
	if len(open) > 0 {
		p.Steps = append(p.Steps, s.everyStep(r.Target.ID, all, open))
	}
	if r.Options.Cut == respond.CutNACL { // also for interfaces that are isolated already: their connections may be open
		if err := s.naclSteps(ctx, all, &p); err != nil {
			return respond.Plan{}, err
		}
	}
	uncut := r.Options.Cut == respond.CutTwoStep && len(open) < len(all)
	if len(p.Steps) == 0 {
		p.Already = "already isolated: every interface is in the empty group " + isolationGroup + " of its VPC"
		if uncut {
			p.Already += ". " + notCut
		}
		return p, nil
	}
	if uncut {
		p.Warnings = append(p.Warnings, notCut)
	}
	p.Warnings = append(p.Warnings, cutWarning(r.Options.Cut),
		"security groups never filter Amazon's DNS resolver, DHCP, the time service and the instance metadata service: DNS tunnels stay open"+
			metadataWarning(r.Options))
	return p, nil
}

// notCut is for interfaces that an earlier action isolated: moving them into the open group
// now would lose the groups that they had.
const notCut = "The connections of interfaces that are isolated already are not cut by two-step: " +
	"undo that action first, or use --cut-connections nacl"

func canIsolate(i types.Instance, force bool) error {
	switch stateOf(i) {
	case types.InstanceStateNameTerminated, types.InstanceStateNameShuttingDown:
		return fault.New(fault.Conflict, "instance %s is %s", label(i), stateOf(i))
	}
	return managed(i, force)
}

func metadataWarning(o respond.Options) string {
	if o.DisableIMDS {
		return ""
	}
	return ", and the role's credentials stay readable on the instance (--disable-imds, isolate role)"
}

// cutWarning says what becomes of connections that are open.
func cutWarning(c respond.Cut) string {
	switch c {
	case respond.CutTwoStep:
		return "the instance is open to everything for the minutes of the first step; connections over NAT gateways, load balancers, " +
			"endpoints and transit gateways are tracked all the same and are not cut"
	case respond.CutNACL:
		return "the network ACL is that of the whole subnet, and of every other subnet that it is associated with: all of them lose all traffic until the undo"
	}
	return "connections that are open stay open: tracked flows live until they are idle, for TCP up to 5 days (350 s on newer instance types). " +
		"To cut them: --cut-connections, or stop the instance"
}

// open gives every interface, and of those the ones that are not isolated yet. It adds
// them to the plan.
func (s *session) open(ctx context.Context, r respond.Request, p *respond.Plan) (all, out []nic, err error) {
	if all, err = s.nics(ctx, r.Target.ID); err != nil {
		return nil, nil, err
	}
	if len(all) == 0 {
		return nil, nil, fault.New(fault.NotFound, "instance %s has no network interface in a VPC", r.Target.ID)
	}
	for _, n := range all {
		p.Prior = append(p.Prior, respond.Fact{What: "groups of " + n.id, Value: strings.Join(n.groups, ", ")})
		switch {
		case n.owner != "" && n.owner != s.account:
			return nil, nil, fault.New(fault.Denied, "interface %s belongs to account %s: its groups cannot be changed from %s", n.id, n.owner, s.account).
				WithHint("in a shared VPC the owner of the interface must do it")
		case n.managed && !r.Options.Force:
			return nil, nil, fault.New(fault.Denied, "interface %s is managed by an AWS service: its groups cannot be changed", n.id).
				WithHint("contain it where it was made; --force isolates the other interfaces and leaves this one open")
		case n.managed:
			p.Warnings = append(p.Warnings, "interface "+n.id+" is managed by an AWS service and STAYS OPEN")
			continue
		}
		isolated, err := s.isolated(ctx, n)
		if err != nil {
			return nil, nil, err
		}
		if !isolated {
			out = append(out, n)
		}
	}
	return all, out, nil
}

// isolated reports whether an interface is in the empty group of its VPC alone. A group
// of that name which is not ours, or not empty, is an error.
func (s *session) isolated(ctx context.Context, n nic) (bool, error) {
	g := group{VPC: n.vpc, Name: isolationGroup, Purpose: forIsolation}
	found, err := g.find(ctx, s)
	if err != nil || found == nil {
		return false, err
	}
	if !g.ours(found) {
		return false, g.foreign()
	}
	rules, err := s.rules(ctx, aws.ToString(found.GroupId))
	if err != nil {
		return false, err
	}
	if f := foreignRules(rules); len(f) > 0 {
		return false, notEmpty(g.Name, aws.ToString(found.GroupId), f)
	}
	return len(rules) == 0 && slices.Equal(n.groups, []string{aws.ToString(found.GroupId)}), nil
}

// before adds what comes before the groups: evidence, Auto Scaling, the metadata service.
func (s *session) before(ctx context.Context, i types.Instance, r respond.Request, p *respond.Plan) error {
	if r.Options.Snapshot {
		p.Steps = append(p.Steps, s.snapshotStep(r))
	}
	if err := s.withScaling(ctx, p, r.Options.Standby); err != nil {
		return err
	}
	if !r.Options.DisableIMDS {
		return nil
	}
	st, err := s.metadataStep(i)
	if err != nil || st == nil {
		return err
	}
	p.Prior = append(p.Prior, respond.Fact{What: "metadata service", Value: "enabled"})
	p.Steps = append(p.Steps, *st)
	return nil
}

// groupSteps adds, VPC by VPC, the groups and what puts the interfaces into them.
func (s *session) groupSteps(r respond.Request, nics []nic, p *respond.Plan) {
	var vpcs []string
	for _, n := range nics {
		if !slices.Contains(vpcs, n.vpc) {
			vpcs = append(vpcs, n.vpc)
		}
	}
	byVPC := func(vpc string) []nic {
		return slices.DeleteFunc(slices.Clone(nics), func(n nic) bool { return n.vpc != vpc })
	}
	for _, vpc := range vpcs {
		st := s.newStep(kindGroup, fmt.Sprintf("have the group %s in %s", isolationGroup, vpc),
			&group{VPC: vpc, Name: isolationGroup, Purpose: forIsolation, Action: r.Action})
		st.Shared = true
		empty := s.newStep(kindEmpty, fmt.Sprintf("take every rule from %s in %s", isolationGroup, vpc), &emptyGroup{VPC: vpc, Name: isolationGroup})
		empty.Keep, empty.Shared = true, true // a rule that somebody adds later opens whatever is in the group
		p.Steps = append(p.Steps, st, empty)
	}
	for _, n := range nics {
		p.Steps = append(p.Steps, s.originalStep(n))
	}
	via, closing := "", []respond.Step(nil)
	if r.Options.Cut == respond.CutTwoStep && len(nics) > 0 {
		via = untrackPrefix + r.Target.ID
		for _, vpc := range vpcs {
			opening, last := s.untrackSteps(vpc, r.Target.ID, r.Action, byVPC(vpc))
			p.Steps, closing = append(p.Steps, opening...), append(closing, last)
		}
		p.Steps = append(p.Steps, s.waitStep())
	}
	for _, n := range nics {
		p.Steps = append(p.Steps, s.newStep(kindInterface, fmt.Sprintf("put %s into %s alone", n.id, isolationGroup),
			&interfaceGroups{Interface: n.id, VPC: n.vpc, Group: isolationGroup, Purpose: forIsolation, Prior: n.groups, Via: via}))
	}
	p.Steps = append(p.Steps, closing...)
}

func (s *session) waitStep() respond.Step {
	d := s.d.UntrackWait
	if d <= 0 {
		d = 180 * time.Second // AWS's own runbooks wait so long
	}
	st := s.newStep(kindWait, fmt.Sprintf("wait %s until connections are no longer tracked", d), &wait{Seconds: int(d.Seconds())})
	st.Transient, st.Keep = true, true
	return st
}

// originalStep writes the groups of an interface on it. It may fail: the journal has them.
func (s *session) originalStep(n nic) respond.Step {
	x := &tags{Resource: n.id, Tags: map[string]string{}, Prior: map[string]string{}}
	x.Tags[originalTag] = strings.Join(n.groups[:min(len(n.groups), idsPerTag)], ",")
	if len(n.groups) > idsPerTag {
		x.Tags[originalTag2] = strings.Join(n.groups[idsPerTag:], ",")
	}
	for k := range x.Tags {
		if v, ok := n.tags[k]; ok {
			x.Prior[k] = v
		}
	}
	st := s.newStep(kindTags, "write the groups of "+n.id+" on it as a tag", x)
	st.Optional = true
	return st
}
