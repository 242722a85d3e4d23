package aws

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// group is a security group.
type group struct {
	id, name, text, vpc string
	rules               []*rule
}

// rule lets one range, or one group, through.
type rule struct {
	id, protocol string
	egress       bool
	from, to     int // -1: all ports
	v4, v6, peer string
}

func (g *group) key() string { return g.id }

// same reports whether two rules say the same.
func (x *rule) same(y *rule) bool {
	a, b := *x, *y
	a.id, b.id = "", ""
	return a == b
}

// addGroup makes a group that lets everything out, in each family that its VPC has.
func (r *region) addGroup(v *vpc, name, text string) *group {
	g := &group{id: r.newID("sg"), name: name, text: text, vpc: v.id}
	g.rules = append(g.rules, &rule{id: r.newID("sgr"), protocol: "-1", egress: true, from: -1, to: -1, v4: "0.0.0.0/0"})
	if v.v6 != "" {
		g.rules = append(g.rules, &rule{id: r.newID("sgr"), protocol: "-1", egress: true, from: -1, to: -1, v6: "::/0"})
	}
	r.groups = append(r.groups, g)
	return g
}

// groupNamed finds a group of a VPC, nil for none. Names ignore case.
func (r *region) groupNamed(vpc, name string) *group {
	for _, g := range r.groups {
		if g.vpc == vpc && strings.EqualFold(g.name, name) {
			return g
		}
	}
	return nil
}

func createGroup(c *call) (do, *apiError) {
	r, name := c.here(), c.get("GroupName")
	v := r.vpcs.get(c.get("VpcId"))
	if c.get("VpcId") == "" {
		v = r.vpcs[0]
	}
	tags, failed := c.tagsFor("security-group")
	switch {
	case failed != nil:
		return nil, failed
	case v == nil:
		return nil, refused("InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", c.get("VpcId"))
	case name == "" || len(name) > 255 || strings.HasPrefix(name, "sg-") || c.get("GroupDescription") == "":
		return nil, invalid("Value (%s) for parameter GroupName or its description is invalid.", name)
	case r.groupNamed(v.id, name) != nil:
		return nil, refused("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", name, v.id)
	}
	return func() []element {
		g := r.addGroup(v, name, c.get("GroupDescription"))
		r.tag(g.id, tags)
		return append(done(), el("groupId", g.id), r.tagSet("tagSet", g.id))
	}, nil
}

func (c *call) group() (*group, *apiError) {
	g := c.here().groups.get(c.get("GroupId"))
	if g == nil {
		return nil, refused("InvalidGroup.NotFound", "The security group '%s' does not exist", c.get("GroupId"))
	}
	return g, nil
}

func deleteGroup(c *call) (do, *apiError) {
	g, failed := c.group()
	if failed != nil {
		return nil, failed
	}
	used := slices.ContainsFunc(c.here().nics, func(n *nic) bool { return slices.Contains(n.groups, g.id) }) ||
		slices.ContainsFunc(c.here().groups, func(o *group) bool {
			return o != g && slices.ContainsFunc(o.rules, func(x *rule) bool { return x.peer == g.id })
		})
	switch {
	case g.name == "default":
		return nil, refused("CannotDelete", "the specified group: %q name: %q cannot be deleted by a user", g.id, g.name)
	case used:
		return nil, refused("DependencyViolation", "resource %s has a dependent object", g.id)
	}
	return func() []element {
		c.here().groups.drop(g.id)
		delete(c.here().tags, g.id)
		return append(done(), el("groupId", g.id))
	}, nil
}

func describeGroups(c *call) (do, *apiError) {
	r := c.here()
	missing := func(id string) *apiError {
		return refused("InvalidGroup.NotFound", "The security group '%s' does not exist", id)
	}
	page, next, failed := selected(c, r.groups, c.list("GroupId"), missing, func(g *group, name string) ([]string, bool) {
		v, known := map[string]string{"vpc-id": g.vpc, "group-name": g.name, "group-id": g.id, "description": g.text}[name]
		return []string{v}, known
	})
	if failed != nil {
		return nil, failed
	}
	return reply(el("securityGroupInfo", each(page, r.renderGroup)), some("nextToken", next))
}

func (r *region) renderGroup(g *group) element {
	side := func(name string, egress bool) element {
		return el(name, each(slices.DeleteFunc(slices.Clone(g.rules), func(x *rule) bool { return x.egress != egress }), r.renderPermission))
	}
	return el("item", el("ownerId", r.account), el("groupId", g.id), el("groupName", g.name), el("groupDescription", g.text), el("vpcId", g.vpc),
		side("ipPermissions", false), side("ipPermissionsEgress", true), r.tagSet("tagSet", g.id))
}

func (x *rule) ports() []element {
	if x.protocol == "-1" {
		return nil
	}
	return []element{el("fromPort", x.from), el("toPort", x.to)}
}

// renderPermission is a rule in the older form. AWS puts those that differ in their
// ranges alone into one; here each is one of its own.
func (r *region) renderPermission(x *rule) element {
	out := el("item", el("ipProtocol", x.protocol), x.ports())
	switch {
	case x.v4 != "":
		out.kids = append(out.kids, el("ipRanges", el("item", el("cidrIp", x.v4))))
	case x.v6 != "":
		out.kids = append(out.kids, el("ipv6Ranges", el("item", el("cidrIpv6", x.v6))))
	default:
		out.kids = append(out.kids, el("groups", el("item", el("groupId", x.peer), el("userId", r.account))))
	}
	return out
}

// ruleOf is a rule and its group, as DescribeSecurityGroupRules lists them.
type ruleOf struct {
	*rule
	group *group
}

func (x ruleOf) key() string { return x.id }

func describeRules(c *call) (do, *apiError) {
	r := c.here()
	var all table[ruleOf]
	for _, g := range r.groups {
		for _, x := range g.rules {
			all = append(all, ruleOf{x, g})
		}
	}
	page, next, failed := selected(c, all, c.list("SecurityGroupRuleId"), notFound("InvalidSecurityGroupRuleId", "sgr"), func(x ruleOf, name string) ([]string, bool) {
		v, known := map[string]string{"group-id": x.group.id, "security-group-rule-id": x.id}[name]
		return []string{v}, known
	})
	if failed != nil {
		return nil, failed
	}
	return reply(el("securityGroupRuleSet", each(page, r.renderRule)), some("nextToken", next))
}

func (r *region) renderRule(x ruleOf) element {
	peer := element{}
	if x.peer != "" {
		peer = el("referencedGroupInfo", el("groupId", x.peer), el("userId", r.account))
	}
	return el("item", el("securityGroupRuleId", x.id), el("groupId", x.group.id), el("groupOwnerId", r.account), el("isEgress", x.egress),
		el("ipProtocol", x.protocol), el("fromPort", x.from), el("toPort", x.to), some("cidrIpv4", x.v4), some("cidrIpv6", x.v6), peer)
}

// permissions reads the rules of a request, one for each range.
func (c *call) permissions(egress bool) ([]*rule, *apiError) {
	var out []*rule
	for i := range c.count("IpPermissions") {
		p := indexed("IpPermissions", i)
		from, failed := c.number(p+".FromPort", -1)
		to, bad := c.number(p+".ToPort", -1)
		if failed = cmp.Or(failed, bad); failed != nil {
			return nil, failed
		}
		one := rule{protocol: c.get(p + ".IpProtocol"), egress: egress, from: from, to: to}
		for list, part := range map[string]string{"IpRanges": "CidrIp", "Ipv6Ranges": "CidrIpv6", "Groups": "GroupId"} {
			for j := range c.count(p + "." + list) {
				x, value := one, c.get(fmt.Sprint(p, ".", list, ".", j+1, ".", part))
				switch list {
				case "IpRanges":
					x.v4 = value
				case "Ipv6Ranges":
					x.v6 = value
				default:
					x.peer = value
				}
				out = append(out, &x)
			}
		}
	}
	if len(out) == 0 {
		return nil, refused("MissingParameter", "The request must contain rules")
	}
	slices.SortFunc(out, func(a, b *rule) int { return strings.Compare(a.v4+a.v6+a.peer, b.v4+b.v6+b.peer) })
	return out, nil
}

// authorizeGroup adds rules: all of them, or none when one is there already.
func authorizeGroup(egress bool) action {
	return func(c *call) (do, *apiError) {
		g, failed := c.group()
		if failed != nil {
			return nil, failed
		}
		rules, failed := c.permissions(egress)
		if failed != nil {
			return nil, failed
		}
		for _, x := range rules {
			if slices.ContainsFunc(g.rules, x.same) {
				return nil, refused("InvalidPermission.Duplicate", "the specified rule %q already exists", cmp.Or(x.v4, x.v6, x.peer))
			}
		}
		return func() []element {
			for _, x := range rules {
				x.id = c.here().newID("sgr")
				g.rules = append(g.rules, x)
			}
			return done()
		}, nil
	}
}

// revokeGroup takes rules away, by their ids or by what they say.
func revokeGroup(egress bool) action {
	return func(c *call) (do, *apiError) {
		g, failed := c.group()
		if failed != nil {
			return nil, failed
		}
		ids := c.list("SecurityGroupRuleId")
		var rules []*rule
		if len(ids) == 0 {
			if rules, failed = c.permissions(egress); failed != nil {
				return nil, failed
			}
		}
		for _, x := range rules {
			i := slices.IndexFunc(g.rules, x.same)
			if i < 0 {
				return nil, refused("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
			}
			ids = append(ids, g.rules[i].id)
		}
		for _, id := range ids {
			if !slices.ContainsFunc(g.rules, func(x *rule) bool { return x.id == id && x.egress == egress }) {
				return nil, refused("InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%s' does not exist", id)
			}
		}
		return func() []element {
			g.rules = slices.DeleteFunc(g.rules, func(x *rule) bool { return slices.Contains(ids, x.id) })
			return done()
		}, nil
	}
}
