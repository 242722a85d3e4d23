package aws

import (
	"cmp"
	"strings"
	"time"
)

// instance is a virtual machine. What it is told it has done at once.
type instance struct {
	id, image, model string
	state, reason    string // "running"; why it is in that state
	profile          string // ARN of its instance profile
	vpc, subnet      string
	public           string
	lifecycle        string // "spot", of a one-time request
	volume           string // its only one
	launched         time.Time
	noStop, noEnd    bool // stop and termination protection
	imds             bool // the metadata service is on
	hibernates       bool // was launched so
}

func (i *instance) key() string { return i.id }

// states are the codes of EC2's states.
func states() map[string]int {
	return map[string]int{"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
}

func stateElement(name, state string) element {
	return el(name, el("code", states()[state]), el("name", state))
}

// addInstance makes a running instance on an interface.
func (r *region) addInstance(n *nic, now time.Time) *instance {
	i := &instance{id: r.newID("i"), model: "t3.micro", state: "running", vpc: n.vpc, subnet: n.subnet, volume: r.newID("vol"), launched: now, imds: true}
	r.attach(n, i.id, 0)
	r.instances = append(r.instances, i)
	return i
}

// runInstances makes instances in the default VPC, or on an interface that is named.
func runInstances(c *call) (do, *apiError) {
	r := c.here()
	count, failed := c.number("MaxCount", 1)
	if failed != nil {
		return nil, failed
	}
	profile, failed := c.profileFor()
	if failed != nil {
		return nil, failed
	}
	tags, failed := c.tagsFor("instance")
	if failed != nil {
		return nil, failed
	}
	var given *nic
	if id := c.get("NetworkInterface.1.NetworkInterfaceId"); id != "" {
		if given = r.nics.get(id); given == nil || given.instance != "" {
			return nil, notFound("InvalidNetworkInterfaceID", "eni")(id)
		}
	}
	return func() []element {
		var made []*instance
		for range count {
			n := given
			if n == nil {
				n = r.addNIC(r.subnets[0])
				n.ephemeral = true
			}
			i := r.addInstance(n, c.opt.Now())
			i.image, i.profile, i.hibernates = c.get("ImageId"), profile, c.get("HibernationOptions.Configured") == "true"
			r.tag(i.id, tags)
			made = append(made, i)
		}
		return []element{el("reservationId", r.newID("r")), el("ownerId", r.account), el("instancesSet", each(made, r.renderInstance))}
	}, nil
}

// profileFor reads which instance profile a new instance has; "" is none.
func (c *call) profileFor() (string, *apiError) {
	name, arn := c.get("IamInstanceProfile.Name"), c.get("IamInstanceProfile.Arn")
	if name == "" && arn == "" {
		return "", nil
	}
	p := c.owner().profiles[nameOf(cmp.Or(arn, name))]
	if p == nil {
		return "", invalid("Value (%s%s) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name", name, arn)
	}
	return p.arn(c.account), nil
}

func describeInstances(c *call) (do, *apiError) {
	r := c.here()
	page, next, failed := selected(c, r.instances, c.list("InstanceId"), notFound("InvalidInstanceID", "i"), func(i *instance, name string) ([]string, bool) {
		v, known := map[string]string{"instance-id": i.id, "instance-state-name": i.state, "vpc-id": i.vpc, "subnet-id": i.subnet,
			"iam-instance-profile.arn": i.profile, "image-id": i.image, "instance-lifecycle": i.lifecycle}[name]
		return []string{v}, known
	})
	if failed != nil {
		return nil, failed
	}
	return reply(el("reservationSet", each(page, func(i *instance) element {
		return el("item", el("reservationId", "r"+strings.TrimPrefix(i.id, "i")), el("ownerId", r.account), el("instancesSet", r.renderInstance(i)))
	})), some("nextToken", next))
}

func (r *region) renderInstance(i *instance) element {
	nics := r.nicsOf(i.id)
	address, groups := "", element{}
	if len(nics) > 0 {
		address, groups = nics[0].address, r.renderGroups(nics[0].groups)
	}
	profile, hibernation, reason := element{}, element{}, element{}
	if i.profile != "" {
		profile = el("iamInstanceProfile", el("arn", i.profile), el("id", idOf("AIPA", i.profile)))
	}
	if i.hibernates {
		hibernation = el("hibernationOptions", el("configured", true))
	}
	if i.reason != "" {
		reason = el("stateReason", el("code", i.reason), el("message", i.reason))
	}
	return el("item", el("instanceId", i.id), el("imageId", i.image), el("instanceType", i.model), stateElement("instanceState", i.state), reason,
		el("launchTime", i.launched.UTC().Format(time.RFC3339)), el("placement", el("availabilityZone", r.region+"a")),
		el("privateIpAddress", address), some("ipAddress", i.public), some("vpcId", i.vpc), some("subnetId", i.subnet), groups, profile,
		el("rootDeviceType", "ebs"), el("rootDeviceName", "/dev/xvda"),
		el("blockDeviceMapping", el("item", el("deviceName", "/dev/xvda"), el("ebs", el("volumeId", i.volume), el("status", "attached")))),
		some("instanceLifecycle", i.lifecycle), r.tagSet("tagSet", i.id), hibernation, i.renderMetadata("metadataOptions"),
		el("networkInterfaceSet", each(nics, func(n *nic) element {
			return el("item", el("networkInterfaceId", n.id), el("subnetId", n.subnet), el("vpcId", n.vpc), el("ownerId", r.account), el("status", "in-use"),
				el("privateIpAddress", n.address), r.renderGroups(n.groups), n.renderAttachment(false), el("ipv6AddressesSet", items("ipv6Address", n.v6)))
		})))
}

func (i *instance) renderMetadata(name string) element {
	return el(name, el("state", "applied"), el("httpTokens", "required"), el("httpPutResponseHopLimit", 1),
		el("httpEndpoint", map[bool]string{true: "enabled", false: "disabled"}[i.imds]))
}

// instancesOf gives the instances that a call names, all of them.
func (c *call) instancesOf() ([]*instance, *apiError) {
	ids := c.list("InstanceId")
	if id := c.get("InstanceId"); id != "" {
		ids = []string{id}
	}
	var out []*instance
	for _, id := range ids {
		i := c.here().instances.get(id)
		if i == nil {
			return nil, notFound("InvalidInstanceID", "i")(id)
		}
		out = append(out, i)
	}
	if len(out) == 0 {
		return nil, refused("MissingParameter", "The request must contain the parameter InstanceId")
	}
	return out, nil
}

// transition answers what changes states. may refuses an instance.
func transition(to, told, reason string, may func(*instance) *apiError) action {
	return func(c *call) (do, *apiError) {
		all, failed := c.instancesOf()
		if failed != nil {
			return nil, failed
		}
		for _, i := range all {
			if failed := may(i); failed != nil {
				return nil, failed
			}
		}
		return func() []element {
			return []element{el("instancesSet", each(all, func(i *instance) element {
				before, now := i.state, told
				if before == to {
					now = to
				} else {
					i.state, i.reason = to, reason
				}
				if to == "terminated" {
					c.here().detach(i)
				}
				return el("item", el("instanceId", i.id), stateElement("currentState", now), stateElement("previousState", before))
			}))}
		}, nil
	}
}

func mayStop(i *instance) *apiError {
	switch {
	case i.state == "stopped":
		return nil
	case i.state != "running":
		return refused("IncorrectInstanceState", "The instance '%s' is not in a state from which it can be stopped.", i.id)
	case i.lifecycle == "spot":
		return refused("UnsupportedOperation", "You can't stop the Spot Instance '%s' because it is associated with a one-time Spot Instance request.", i.id)
	case i.noStop:
		return refused("OperationNotPermitted", "The instance '%s' may not be stopped. Modify its 'disableApiStop' instance attribute and try again.", i.id)
	}
	return nil
}

func mayStart(i *instance) *apiError {
	if i.state != "running" && i.state != "stopped" {
		return refused("IncorrectInstanceState", "The instance '%s' is not in a state from which it can be started.", i.id)
	}
	return nil
}

func mayEnd(i *instance) *apiError {
	if i.noEnd {
		return refused("OperationNotPermitted", "The instance '%s' may not be terminated.", i.id)
	}
	return nil
}

// detach lets go of the interfaces of an instance that ended.
func (r *region) detach(i *instance) {
	for _, n := range r.nicsOf(i.id) {
		n.instance, n.attachment = "", ""
		if n.ephemeral {
			r.nics.drop(n.id)
		}
	}
}

// protection gives the flag behind an attribute, nil for another attribute.
func (i *instance) protection(name string) *bool {
	switch name {
	case "disableApiStop":
		return &i.noStop
	case "disableApiTermination":
		return &i.noEnd
	}
	return nil
}

func describeAttribute(c *call) (do, *apiError) {
	all, failed := c.instancesOf()
	if failed != nil {
		return nil, failed
	}
	flag := all[0].protection(c.get("Attribute"))
	if flag == nil {
		return nil, invalid("The lab does not have the attribute %q", c.get("Attribute"))
	}
	return reply(el("instanceId", all[0].id), el(c.get("Attribute"), el("value", *flag)))
}

func modifyInstance(c *call) (do, *apiError) {
	all, failed := c.instancesOf()
	if failed != nil {
		return nil, failed
	}
	for _, name := range []string{"disableApiStop", "disableApiTermination"} {
		if value := c.get("D" + name[1:] + ".Value"); value != "" {
			return func() []element {
				*all[0].protection(name) = value == "true"
				return done()
			}, nil
		}
	}
	return nil, refused("InvalidParameterCombination", "The lab changes disableApiStop and disableApiTermination only")
}

func modifyMetadata(c *call) (do, *apiError) {
	all, failed := c.instancesOf()
	if failed != nil {
		return nil, failed
	}
	to := c.get("HttpEndpoint")
	if to != "enabled" && to != "disabled" {
		return nil, invalid("Value (%s) for parameter httpEndpoint is invalid.", to)
	}
	return func() []element {
		all[0].imds = to == "enabled"
		return []element{el("instanceId", all[0].id), all[0].renderMetadata("instanceMetadataOptions")}
	}, nil
}
