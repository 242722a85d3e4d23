package aws

import "slices"

// scaling is an Auto Scaling group. It does not replace what is unhealthy.
type scaling struct {
	name, launch      string
	min, max, desired int
	members           []*member
}

// member is an instance in a group.
type member struct{ instance, state string }

func (s *scaling) key() string { return s.name }

// scalingActions are the calls of Auto Scaling.
func scalingActions() map[string]action {
	return map[string]action{
		"CreateLaunchConfiguration":    func(*call) (do, *apiError) { return reply() },
		"CreateAutoScalingGroup":       createScaling,
		"DescribeAutoScalingGroups":    describeScaling,
		"DescribeAutoScalingInstances": describeMembers,
		"EnterStandby":                 enterStandby,
		"ExitStandby":                  exitStandby,
	}
}

func validation(text string) *apiError { return refused("ValidationError", "%s", text) }

// createScaling also starts the instances that the group wants, in the default VPC.
func createScaling(c *call) (do, *apiError) {
	r := c.here()
	g := &scaling{name: c.get("AutoScalingGroupName"), launch: c.get("LaunchConfigurationName")}
	for name, to := range map[string]*int{"MinSize": &g.min, "MaxSize": &g.max, "DesiredCapacity": &g.desired} {
		n, failed := c.number(name, 0)
		if failed != nil {
			return nil, failed
		}
		*to = n
	}
	switch {
	case r.scaling.get(g.name) != nil:
		return nil, refused("AlreadyExists", "AutoScalingGroup by this name already exists")
	case g.min > g.desired || g.desired > g.max || g.max > 100:
		return nil, validation("Desired capacity must be between the specified min size and max size")
	}
	return func() []element {
		for range g.desired {
			n := r.addNIC(r.subnets[0])
			n.ephemeral = true
			g.members = append(g.members, &member{r.addInstance(n, c.opt.Now()).id, "InService"})
		}
		r.scaling = append(r.scaling, g)
		return nil
	}, nil
}

// scalingPage is a page as Auto Scaling gives it.
func scalingPage[T any](c *call, name string, list []T, render func(T) element) (do, *apiError) {
	size, failed := c.number("MaxRecords", 50)
	if failed != nil {
		return nil, failed
	}
	page, next, failed := pageOf(list, size, c.get("NextToken"))
	if failed != nil {
		return nil, failed
	}
	return reply(el(name, each(page, render)), some("NextToken", next))
}

func describeScaling(c *call) (do, *apiError) {
	names := c.list("AutoScalingGroupNames.member")
	found := slices.DeleteFunc(slices.Clone(c.here().scaling), func(s *scaling) bool { return len(names) > 0 && !slices.Contains(names, s.name) })
	return scalingPage(c, "AutoScalingGroups", found, func(s *scaling) element {
		return el("member", el("AutoScalingGroupName", s.name), el("MinSize", s.min), el("MaxSize", s.max), el("DesiredCapacity", s.desired),
			el("Instances", each(s.members, func(m *member) element {
				return el("member", el("InstanceId", m.instance), el("LifecycleState", m.state), el("HealthStatus", "Healthy"))
			})))
	})
}

func describeMembers(c *call) (do, *apiError) {
	ids := c.list("InstanceIds.member")
	var found []element
	for _, s := range c.here().scaling {
		for _, m := range s.members {
			if len(ids) == 0 || slices.Contains(ids, m.instance) {
				found = append(found, el("member", el("InstanceId", m.instance), el("AutoScalingGroupName", s.name), el("LifecycleState", m.state),
					el("AvailabilityZone", c.region+"a"), el("HealthStatus", "HEALTHY"), el("ProtectedFromScaleIn", false)))
			}
		}
	}
	return scalingPage(c, "AutoScalingInstances", found, func(e element) element { return e })
}

// moved finds the group and the members that a call moves from one state to another.
func (c *call) moved(from string) (*scaling, []*member, *apiError) {
	g := c.here().scaling.get(c.get("AutoScalingGroupName"))
	if g == nil {
		return nil, nil, validation("AutoScalingGroup name not found - null")
	}
	var out []*member
	for _, id := range c.list("InstanceIds.member") {
		i := slices.IndexFunc(g.members, func(m *member) bool { return m.instance == id })
		if i < 0 || g.members[i].state != from {
			return nil, nil, validation("The instance " + id + " is not in " + from + ".")
		}
		out = append(out, g.members[i])
	}
	return g, out, nil
}

func enterStandby(c *call) (do, *apiError) {
	g, moved, failed := c.moved("InService")
	switch {
	case failed != nil:
		return nil, failed
	case c.get("ShouldDecrementDesiredCapacity") != "true":
		return nil, validation("The lab does not start instances in place of those in standby")
	case g.desired-len(moved) < g.min:
		return nil, validation("AutoScalingGroup " + g.name + " would fall below its min size")
	}
	return func() []element {
		for _, m := range moved {
			m.state = "Standby"
		}
		g.desired -= len(moved)
		return nil
	}, nil
}

func exitStandby(c *call) (do, *apiError) {
	g, moved, failed := c.moved("Standby")
	switch {
	case failed != nil:
		return nil, failed
	case g.desired+len(moved) > g.max:
		return nil, validation("AutoScalingGroup " + g.name + " would exceed its max size")
	}
	return func() []element {
		for _, m := range moved {
			m.state = "InService"
		}
		g.desired += len(moved)
		return nil
	}, nil
}
