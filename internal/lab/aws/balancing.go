package aws

// targets is a target group of a load balancer.
type targets struct {
	arn, name, vpc, protocol string
	port                     int
	ids                      []string
}

func (t *targets) key() string { return t.arn }

// balancingActions are the calls of Elastic Load Balancing.
func balancingActions() map[string]action {
	return map[string]action{
		"CreateTargetGroup":    createTargets,
		"RegisterTargets":      registerTargets,
		"DescribeTargetGroups": describeTargets,
		"DescribeTargetHealth": targetHealth,
	}
}

func (r *region) addTargets(name, vpc string, ids ...string) *targets {
	t := &targets{name: name, vpc: vpc, protocol: "HTTP", port: 80, ids: ids}
	t.arn = r.arn("elasticloadbalancing", "targetgroup/"+name+"/"+digest(r.account, r.region, name)[:16])
	r.targets = append(r.targets, t)
	return t
}

func renderTargets(t *targets) element {
	return el("member", el("TargetGroupArn", t.arn), el("TargetGroupName", t.name), el("Protocol", t.protocol), el("Port", t.port), el("VpcId", t.vpc),
		el("TargetType", "instance"))
}

func createTargets(c *call) (do, *apiError) {
	port, failed := c.number("Port", 80)
	if failed != nil {
		return nil, failed
	}
	if c.here().vpcs.get(c.get("VpcId")) == nil {
		return nil, refused("ValidationError", "The VPC ID '%s' is not found", c.get("VpcId"))
	}
	return func() []element {
		t := c.here().addTargets(c.get("Name"), c.get("VpcId"))
		t.protocol, t.port = c.get("Protocol"), port
		return []element{el("TargetGroups", renderTargets(t))}
	}, nil
}

// targetGroup finds the group that a call names.
func (c *call) targetGroup() (*targets, *apiError) {
	t := c.here().targets.get(c.get("TargetGroupArn"))
	if t == nil {
		return nil, refused("TargetGroupNotFound", "One or more target groups not found")
	}
	return t, nil
}

func registerTargets(c *call) (do, *apiError) {
	t, failed := c.targetGroup()
	if failed != nil {
		return nil, failed
	}
	return func() []element {
		for i := range c.count("Targets.member") {
			t.ids = append(t.ids, c.get(indexed("Targets.member", i)+".Id"))
		}
		return nil
	}, nil
}

func describeTargets(c *call) (do, *apiError) {
	size, failed := c.number("PageSize", 400)
	if failed != nil {
		return nil, failed
	}
	page, next, failed := pageOf(c.here().targets, size, c.get("Marker"))
	if failed != nil {
		return nil, failed
	}
	return reply(el("TargetGroups", each(page, renderTargets)), some("NextMarker", next))
}

func targetHealth(c *call) (do, *apiError) {
	t, failed := c.targetGroup()
	if failed != nil {
		return nil, failed
	}
	return reply(el("TargetHealthDescriptions", each(t.ids, func(id string) element {
		state := "unhealthy"
		if i := c.here().instances.get(id); i != nil && i.state == "running" {
			state = "healthy"
		}
		return el("member", el("Target", el("Id", id), el("Port", t.port)), el("TargetHealth", el("State", state)))
	})))
}
