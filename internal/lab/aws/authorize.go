package aws

import (
	"net/http"
	"slices"
	"strings"
)

// documents are the policies of who asks.
func (v *Vendor) documents(k key) []string {
	policies := map[string]string{}
	a := v.accountOf(k.account)
	if u := a.users[nameOf(k.user)]; u != nil && k.user != "" {
		policies = u.policies
	}
	if r := a.roles[nameOf(k.role)]; r != nil && k.role != "" {
		policies = r.policies
	}
	var out []string
	for _, p := range policies {
		out = append(out, p)
	}
	return out
}

// permits asks the caller's policies for one action on one resource.
func (v *Vendor) permits(who caller, action, resource string, context map[string][]string) string {
	return decide(v.documents(who.key), question{action, resource, func(key string) []string {
		switch lower := strings.ToLower(key); lower {
		case "aws:principalaccount":
			return []string{who.account}
		case "aws:principalarn":
			return []string{who.arn}
		case "aws:requestedregion":
			return []string{who.region}
		default:
			return context[lower]
		}
	}})
}

// authorize refuses a call that the caller's policies do not allow on each resource that
// it touches. GetCallerIdentity needs nothing; AssumeRole asks the role, too.
func (c *call) authorize() *apiError {
	if c.service == "sts" {
		return nil
	}
	name := c.service + ":" + c.action
	for _, resource := range c.touched() {
		if decision := c.permits(c.caller, name, resource, c.context(resource)); decision != allowed {
			return c.denial(name, resource, decision)
		}
	}
	for i := range c.count("TagSpecification") { // tags at birth are a permission of their own
		resource := c.here().arn("ec2", c.get(indexed("TagSpecification", i)+".ResourceType")+"/*")
		context := c.context("")
		context["ec2:createaction"] = []string{c.action}
		if decision := c.permits(c.caller, "ec2:CreateTags", resource, context); decision != allowed {
			return c.denial("ec2:CreateTags", resource, decision)
		}
	}
	return nil
}

// denial words a refusal as the service does.
func (c *call) denial(name, resource, decision string) *apiError {
	why := " because no identity-based policy allows the " + name + " action"
	if decision == explicit {
		why = " with an explicit deny in an identity-based policy"
	}
	text := "User: " + c.caller.arn + " is not authorized to perform: " + name + " on resource: " + resource + why
	if c.service == "ec2" {
		return &apiError{http.StatusForbidden, "UnauthorizedOperation", "You are not authorized to perform this operation. " + text}
	}
	return &apiError{http.StatusForbidden, "AccessDenied", text}
}

// touched are the ARNs of what a call is about, "*" for a call that reads or names none.
func (c *call) touched() []string {
	var out []string
	switch {
	case c.service == "iam":
		a := c.owner()
		if name := c.get("RoleName"); name != "" {
			r := cmpNil(a.roles[nameOf(name)], &role{name: name, path: "/"})
			out = append(out, r.arn(c.account))
		}
		if name := c.get("InstanceProfileName"); name != "" {
			p := cmpNil(a.profiles[nameOf(name)], &profile{name: name, path: "/"})
			out = append(out, p.arn(c.account))
		}
		if name := c.get("UserName"); name != "" {
			out = append(out, (&user{name: name}).arn(c.account))
		}
	case c.service == "ec2" && !strings.HasPrefix(c.action, "Describe"):
		for name, values := range c.form {
			kind := typeOf(values[0])
			if kind != "" && kind != "security-group-rule" && strings.Contains(name, "Id") {
				out = append(out, c.here().arn("ec2", kind+"/"+values[0]))
			}
		}
		if c.action == "CreateSecurityGroup" {
			out = append(out, c.here().arn("ec2", "security-group/*"))
		}
	}
	if len(out) == 0 {
		return []string{"*"}
	}
	slices.Sort(out)
	return out
}

func cmpNil[T any](a, b *T) *T {
	if a == nil {
		return b
	}
	return a
}

// context is what conditions can ask of a resource and of the request's tags.
func (c *call) context(resource string) map[string][]string {
	out := map[string][]string{}
	if c.service != "ec2" {
		return out
	}
	for k, v := range c.here().tags[resource[strings.LastIndexByte(resource, '/')+1:]] {
		for _, prefix := range []string{"aws", "ec2"} {
			out[prefix+":resourcetag/"+strings.ToLower(k)] = []string{v}
		}
	}
	for i := range c.count("Tag") {
		out["aws:tagkeys"] = append(out["aws:tagkeys"], c.get(indexed("Tag", i)+".Key"))
	}
	return out
}

// simulate is SimulatePrincipalPolicy: what a principal's policies say of actions.
func simulate(c *call) (do, *apiError) {
	arn := c.get("PolicySourceArn")
	who := caller{key: key{account: c.account, arn: arn}, region: c.region}
	switch {
	case strings.HasPrefix(arn, "arn:aws:iam::"+c.account+":user/"):
		who.user = nameOf(arn)
	case strings.HasPrefix(arn, "arn:aws:iam::"+c.account+":role/"):
		who.role = nameOf(arn)
	}
	if c.owner().users[who.user] == nil && c.owner().roles[who.role] == nil {
		return nil, missing("The principal %s cannot be found.", arn)
	}
	resources := c.list("ResourceArns.member")
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	type result struct{ action, resource string }
	var all []result
	for _, a := range c.list("ActionNames.member") {
		for _, r := range resources {
			all = append(all, result{a, r})
		}
	}
	return listed(c, "EvaluationResults", all, func(r result) element {
		return el("member", el("EvalActionName", r.action), el("EvalResourceName", r.resource),
			el("EvalDecision", c.permits(who, r.action, r.resource, nil)))
	})
}
