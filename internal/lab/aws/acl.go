package aws

import "slices"

// acl is a network ACL. Every one here is the default of its VPC.
type acl struct {
	id, vpc string
	entries []entry
}

// entry is a rule of an ACL; the lowest number that fits decides.
type entry struct {
	number           int
	egress           bool
	action, protocol string
	v4, v6           string
}

func (a *acl) key() string { return a.id }

// addACL lets everything through, in each family that the VPC has.
func (r *region) addACL(v *vpc) {
	a := &acl{id: r.newID("acl"), vpc: v.id}
	for _, egress := range []bool{true, false} {
		a.entries = append(a.entries, entry{100, egress, "allow", "-1", "0.0.0.0/0", ""}, entry{32767, egress, "deny", "-1", "0.0.0.0/0", ""})
		if v.v6 != "" {
			a.entries = append(a.entries, entry{101, egress, "allow", "-1", "", "::/0"}, entry{32768, egress, "deny", "-1", "", "::/0"})
		}
	}
	r.acls = append(r.acls, a)
}

// subnetsOf gives the subnets that an ACL is associated with.
func (r *region) subnetsOf(a *acl) []string {
	var out []string
	for _, s := range r.subnets {
		if s.acl == a.id {
			out = append(out, s.id)
		}
	}
	return out
}

func describeACLs(c *call) (do, *apiError) {
	r := c.here()
	page, next, failed := selected(c, r.acls, c.list("NetworkAclId"), notFound("InvalidNetworkAclID", "acl"), func(a *acl, name string) ([]string, bool) {
		switch name {
		case "association.subnet-id":
			return r.subnetsOf(a), true
		case "vpc-id":
			return []string{a.vpc}, true
		case "network-acl-id":
			return []string{a.id}, true
		}
		return nil, false
	})
	if failed != nil {
		return nil, failed
	}
	return reply(el("networkAclSet", each(page, r.renderACL)), some("nextToken", next))
}

func (r *region) renderACL(a *acl) element {
	associations := each(r.subnetsOf(a), func(s string) element {
		return el("item", el("networkAclAssociationId", "aclassoc-0"+digest(s)[:16]), el("networkAclId", a.id), el("subnetId", s))
	})
	entries := each(a.entries, func(e entry) element {
		return el("item", el("ruleNumber", e.number), el("protocol", e.protocol), el("ruleAction", e.action), el("egress", e.egress),
			some("cidrBlock", e.v4), some("ipv6CidrBlock", e.v6))
	})
	return el("item", el("networkAclId", a.id), el("vpcId", a.vpc), el("default", true), el("ownerId", r.account),
		el("associationSet", associations), el("entrySet", entries), r.tagSet("tagSet", a.id))
}

// entryAt finds the ACL that a call is about, and the place of its rule, -1 for none.
func entryAt(c *call) (*acl, int, entry, *apiError) {
	a := c.here().acls.get(c.get("NetworkAclId"))
	number, failed := c.number("RuleNumber", 0)
	if a == nil {
		failed = notFound("InvalidNetworkAclID", "acl")(c.get("NetworkAclId"))
	}
	if failed != nil {
		return nil, 0, entry{}, failed
	}
	e := entry{number, c.get("Egress") == "true", c.get("RuleAction"), c.get("Protocol"), c.get("CidrBlock"), c.get("Ipv6CidrBlock")}
	return a, slices.IndexFunc(a.entries, func(x entry) bool { return x.number == e.number && x.egress == e.egress }), e, nil
}

func createEntry(c *call) (do, *apiError) {
	a, at, e, failed := entryAt(c)
	switch {
	case failed != nil:
		return nil, failed
	case at >= 0:
		return nil, refused("NetworkAclEntryAlreadyExists", "The network acl entry identified by %d already exists.", e.number)
	case e.number < 1 || e.number > 32766 || (e.v4 == "") == (e.v6 == "") || e.action != "allow" && e.action != "deny":
		return nil, invalid("The network ACL entry is not valid")
	}
	return func() []element {
		a.entries = append(a.entries, e)
		return done()
	}, nil
}

func deleteEntry(c *call) (do, *apiError) {
	a, at, e, failed := entryAt(c)
	switch {
	case failed != nil:
		return nil, failed
	case at < 0 || e.number > 32766:
		return nil, refused("InvalidNetworkAclEntry.NotFound", "The network acl entry identified by %d does not exist", e.number)
	}
	return func() []element {
		a.entries = slices.Delete(a.entries, at, at+1)
		return done()
	}, nil
}
