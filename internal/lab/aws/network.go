package aws

import (
	"fmt"
	"slices"
	"strings"
)

// vpc is a network.
type vpc struct {
	id, cidr, v6 string
	isDefault    bool
}

type subnet struct{ id, vpc, cidr, acl string }

// nic is a network interface. It is attached while it has an instance.
type nic struct {
	id, vpc, subnet, address, public string
	v6, groups                       []string
	instance, attachment             string
	index                            int
	ephemeral                        bool // it ends with its instance
}

func (v *vpc) key() string    { return v.id }
func (s *subnet) key() string { return s.id }
func (n *nic) key() string    { return n.id }

// addVPC makes a VPC with what each has: a default group and a default network ACL.
func (r *region) addVPC(cidr string, six bool) *vpc {
	v := &vpc{id: r.newID("vpc"), cidr: cidr}
	if six {
		v.v6 = fmt.Sprintf("2001:db8:%x00::/56", len(r.vpcs))
	}
	r.vpcs = append(r.vpcs, v)
	g := r.addGroup(v, "default", "default VPC security group")
	g.rules = append(g.rules, &rule{id: r.newID("sgr"), protocol: "-1", from: -1, to: -1, peer: g.id})
	r.addACL(v)
	return v
}

func (r *region) addSubnet(v *vpc, cidr string) *subnet {
	s := &subnet{id: r.newID("subnet"), vpc: v.id, cidr: cidr}
	for _, a := range r.acls {
		if a.vpc == v.id {
			s.acl = a.id
		}
	}
	r.subnets = append(r.subnets, s)
	return s
}

// addNIC makes an interface. Without groups it is in the default one of its VPC.
func (r *region) addNIC(s *subnet, groups ...string) *nic {
	n := &nic{id: r.newID("eni"), vpc: s.vpc, subnet: s.id, groups: groups}
	if len(groups) == 0 {
		n.groups = []string{r.groupNamed(s.vpc, "default").id}
	}
	parts := strings.Split(s.cidr, ".")
	n.address = strings.Join(parts[:3], ".") + fmt.Sprint(".", 10+len(r.nics)%200)
	if v6 := r.vpcs.get(s.vpc).v6; v6 != "" {
		n.v6 = []string{strings.TrimSuffix(v6, "/56") + fmt.Sprintf("%x", 16+len(r.nics))}
	}
	r.nics = append(r.nics, n)
	return n
}

func (r *region) attach(n *nic, instance string, index int) {
	n.instance, n.index, n.attachment = instance, index, r.newID("eni-attach")
}

// nicsOf gives the interfaces of an instance, the primary one first.
func (r *region) nicsOf(instance string) []*nic {
	var out []*nic
	for _, n := range r.nics {
		if n.instance == instance {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b *nic) int { return a.index - b.index })
	return out
}

func createVPC(c *call) (do, *apiError) {
	if c.get("CidrBlock") == "" {
		return nil, refused("MissingParameter", "The request must contain the parameter CidrBlock")
	}
	return func() []element {
		v := c.here().addVPC(c.get("CidrBlock"), c.get("AmazonProvidedIpv6CidrBlock") == "true")
		return []element{el("vpc", el("vpcId", v.id), el("state", "pending"), el("cidrBlock", v.cidr), el("ownerId", c.account))}
	}, nil
}

func createSubnet(c *call) (do, *apiError) {
	v := c.here().vpcs.get(c.get("VpcId"))
	if v == nil || strings.Count(c.get("CidrBlock"), ".") != 3 {
		return nil, refused("InvalidVpcID.NotFound", "The vpc ID '%s' does not exist, or the subnet has no CIDR block", c.get("VpcId"))
	}
	return func() []element {
		s := c.here().addSubnet(v, c.get("CidrBlock"))
		return []element{el("subnet", el("subnetId", s.id), el("vpcId", s.vpc), el("cidrBlock", s.cidr), el("state", "available"))}
	}, nil
}

func createNIC(c *call) (do, *apiError) {
	s := c.here().subnets.get(c.get("SubnetId"))
	if s == nil {
		return nil, refused("InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", c.get("SubnetId"))
	}
	groups := c.list("SecurityGroupId")
	if failed := c.here().groupsFit(groups, s.vpc); failed != nil {
		return nil, failed
	}
	return func() []element {
		n := c.here().addNIC(s, groups...)
		return []element{el("networkInterface", c.here().renderNIC(n).kids)}
	}, nil
}

func attachNIC(c *call) (do, *apiError) {
	n, i := c.here().nics.get(c.get("NetworkInterfaceId")), c.here().instances.get(c.get("InstanceId"))
	index, failed := c.number("DeviceIndex", 0)
	switch {
	case failed != nil:
		return nil, failed
	case n == nil:
		return nil, notFound("InvalidNetworkInterfaceID", "eni")(c.get("NetworkInterfaceId"))
	case i == nil:
		return nil, notFound("InvalidInstanceID", "i")(c.get("InstanceId"))
	case n.instance != "":
		return nil, refused("InvalidNetworkInterface.InUse", "Interface: [%s] in use.", n.id)
	}
	return func() []element {
		c.here().attach(n, i.id, index)
		return []element{el("attachmentId", n.attachment)}
	}, nil
}

func describeNICs(c *call) (do, *apiError) {
	r := c.here()
	page, next, failed := selected(c, r.nics, c.list("NetworkInterfaceId"), notFound("InvalidNetworkInterfaceID", "eni"), func(n *nic, name string) ([]string, bool) {
		switch name {
		case "attachment.instance-id":
			return []string{n.instance}, true
		case "attachment.status":
			return []string{map[bool]string{true: "attached"}[n.instance != ""]}, true
		case "group-id":
			return n.groups, true
		case "vpc-id":
			return []string{n.vpc}, true
		case "subnet-id":
			return []string{n.subnet}, true
		case "network-interface-id":
			return []string{n.id}, true
		}
		return nil, false
	})
	if failed != nil {
		return nil, failed
	}
	return reply(el("networkInterfaceSet", each(page, r.renderNIC)), some("nextToken", next))
}

// modifyNIC replaces the groups of an interface.
func modifyNIC(c *call) (do, *apiError) {
	n := c.here().nics.get(c.get("NetworkInterfaceId"))
	groups := c.list("SecurityGroupId")
	switch {
	case n == nil:
		return nil, notFound("InvalidNetworkInterfaceID", "eni")(c.get("NetworkInterfaceId"))
	case len(groups) == 0:
		return nil, refused("MissingParameter", "The lab changes the groups of an interface only")
	case len(groups) > 16:
		return nil, refused("SecurityGroupsPerInterfaceLimitExceeded", "The maximum number of security groups per interface has been reached.")
	}
	if failed := c.here().groupsFit(groups, n.vpc); failed != nil {
		return nil, failed
	}
	return func() []element {
		n.groups = groups
		return done()
	}, nil
}

// groupsFit refuses groups that are not in the VPC.
func (r *region) groupsFit(ids []string, vpc string) *apiError {
	for _, id := range ids {
		if g := r.groups.get(id); g == nil || g.vpc != vpc {
			return refused("InvalidGroup.NotFound", "The security group '%s' does not exist in VPC '%s'", id, vpc)
		}
	}
	return nil
}

func (r *region) renderGroups(ids []string) element {
	return el("groupSet", each(ids, func(id string) element {
		name := ""
		if g := r.groups.get(id); g != nil {
			name = g.name
		}
		return el("item", el("groupId", id), el("groupName", name))
	}))
}

func (n *nic) renderAttachment(withInstance bool) element {
	if n.instance == "" {
		return element{}
	}
	out := el("attachment", el("attachmentId", n.attachment), el("deviceIndex", n.index), el("status", "attached"), el("deleteOnTermination", n.ephemeral))
	if withInstance {
		out.kids = append(out.kids, el("instanceId", n.instance))
	}
	return out
}

// renderNIC is an interface as DescribeNetworkInterfaces gives it.
func (r *region) renderNIC(n *nic) element {
	status := "available"
	if n.instance != "" {
		status = "in-use"
	}
	association := element{}
	if n.public != "" {
		association = el("association", el("publicIp", n.public), el("ipOwnerId", "amazon"))
	}
	return el("item", el("networkInterfaceId", n.id), el("subnetId", n.subnet), el("vpcId", n.vpc), el("availabilityZone", r.region+"a"),
		el("ownerId", r.account), el("requesterManaged", false), el("status", status), el("privateIpAddress", n.address), el("sourceDestCheck", true),
		r.renderGroups(n.groups), n.renderAttachment(true), association, r.tagSet("tagSet", n.id), el("interfaceType", "interface"),
		el("ipv6AddressesSet", items("ipv6Address", n.v6)))
}
