package aws

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// profile finds the instance profile that a call names.
func (c *call) profile() (*profile, *apiError) {
	p := c.owner().profiles[nameOf(c.get("InstanceProfileName"))]
	if p == nil {
		return nil, missing("Instance Profile %s cannot be found.", c.get("InstanceProfileName"))
	}
	return p, nil
}

func (c *call) renderProfile(p *profile, name string) element {
	roles := element{name: "Roles"}
	if r := c.owner().roles[nameOf(p.role)]; r != nil && p.role != "" {
		roles = el("Roles", c.renderRole(r, "member"))
	}
	return el(name, el("InstanceProfileName", p.name), el("InstanceProfileId", idOf("AIPA", p.arn(c.account))), el("Arn", p.arn(c.account)),
		el("Path", p.path), el("CreateDate", "2024-01-01T00:00:00Z"), roles)
}

func createProfile(c *call) (do, *apiError) {
	p := &profile{name: c.get("InstanceProfileName"), path: cmpOr(c.get("Path"), "/")}
	if c.owner().profiles[nameOf(p.name)] != nil {
		return nil, exists("Instance Profile %s already exists.", p.name)
	}
	return func() []element {
		c.owner().profiles[nameOf(p.name)] = p
		return []element{c.renderProfile(p, "InstanceProfile")}
	}, nil
}

func getProfile(c *call) (do, *apiError) {
	p, failed := c.profile()
	if failed != nil {
		return nil, failed
	}
	return reply(c.renderProfile(p, "InstanceProfile"))
}

func deleteProfile(c *call) (do, *apiError) {
	p, failed := c.profile()
	switch {
	case failed != nil:
		return nil, failed
	case p.role != "":
		return nil, inUse("remove roles from instance profile")
	}
	return func() []element {
		delete(c.owner().profiles, nameOf(p.name))
		return nil
	}, nil
}

func addRoleToProfile(c *call) (do, *apiError) {
	p, failed := c.profile()
	if failed != nil {
		return nil, failed
	}
	r, failed := c.ownRole()
	if failed != nil {
		return nil, failed
	}
	if p.role != "" {
		return nil, &apiError{http.StatusConflict, "LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"}
	}
	return func() []element {
		p.role = r.name
		return nil
	}, nil
}

func removeRoleFromProfile(c *call) (do, *apiError) {
	p, failed := c.profile()
	switch {
	case failed != nil:
		return nil, failed
	case !strings.EqualFold(p.role, c.get("RoleName")) || p.role == "":
		return nil, missing("The role with name %s is not in the instance profile.", c.get("RoleName"))
	}
	return func() []element {
		p.role = ""
		return nil
	}, nil
}

// profilesOf gives the instance profiles that hold a role.
func (a *account) profilesOf(r *role) []*profile {
	var out []*profile
	for _, name := range slices.Sorted(maps.Keys(a.profiles)) {
		if p := a.profiles[name]; p.role != "" && strings.EqualFold(p.role, r.name) {
			out = append(out, p)
		}
	}
	return out
}

func listProfilesForRole(c *call) (do, *apiError) {
	r, failed := c.theRole()
	if failed != nil {
		return nil, failed
	}
	return listed(c, "InstanceProfiles", c.owner().profilesOf(r), func(p *profile) element { return c.renderProfile(p, "member") })
}
