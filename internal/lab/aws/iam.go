package aws

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
)

// role is a role of IAM.
type role struct {
	name, path, trust string
	tags              map[string]string
	policies          map[string]string // inline, by name
	used              time.Time         // zero: never
	usedIn            string            // region
}

// profile is an instance profile. It holds one role at most.
type profile struct{ name, path, role string }

// user is a user of IAM; its keys are with the vendor's.
type user struct {
	name     string
	policies map[string]string
}

func (r *role) arn(account string) string {
	return "arn:aws:iam::" + account + ":role" + r.path + r.name
}
func (p *profile) arn(account string) string {
	return "arn:aws:iam::" + account + ":instance-profile" + p.path + p.name
}
func (u *user) arn(account string) string { return "arn:aws:iam::" + account + ":user/" + u.name }

// nameOf is what roles, profiles and users are kept by: the last part of an ARN, or a
// name, without regard to case.
func nameOf(arn string) string { return strings.ToLower(arn[strings.LastIndexByte(arn, '/')+1:]) }

// idOf makes the unique id of something in IAM: AROA…, AIPA…, AIDA….
func idOf(kind, arn string) string { return kind + strings.ToUpper(digest(kind, arn))[:17] }

// iamActions are the calls of IAM, those that set a scene included.
func iamActions() map[string]action {
	return map[string]action{
		"CreateRole":       createRole,
		"GetRole":          getRole,
		"DeleteRole":       deleteRole,
		"PutRolePolicy":    putRolePolicy,
		"GetRolePolicy":    getRolePolicy,
		"DeleteRolePolicy": deleteRolePolicy,
		"ListRolePolicies": listRolePolicies,

		"CreateInstanceProfile":         createProfile,
		"GetInstanceProfile":            getProfile,
		"DeleteInstanceProfile":         deleteProfile,
		"AddRoleToInstanceProfile":      addRoleToProfile,
		"RemoveRoleFromInstanceProfile": removeRoleFromProfile,
		"ListInstanceProfilesForRole":   listProfilesForRole,

		"CreateUser":              createUser,
		"PutUserPolicy":           putUserPolicy,
		"CreateAccessKey":         createKey,
		"DeleteAccessKey":         deleteKey,
		"ListAccessKeys":          listKeysOfUser,
		"UpdateAccessKey":         updateKey,
		"GetAccessKeyLastUsed":    keyLastUsed,
		"SimulatePrincipalPolicy": simulate,
	}
}

// missing is IAM's error for what is not there; exists for what is there already.
func missing(format string, args ...any) *apiError {
	return &apiError{http.StatusNotFound, "NoSuchEntity", fmt.Sprintf(format, args...)}
}

func exists(format string, args ...any) *apiError {
	return &apiError{http.StatusConflict, "EntityAlreadyExists", fmt.Sprintf(format, args...)}
}

func inUse(what string) *apiError {
	return &apiError{http.StatusConflict, "DeleteConflict", "Cannot delete entity, must " + what + " first."}
}

// theRole finds the role that a call names.
func (c *call) theRole() (*role, *apiError) {
	r := c.owner().roles[nameOf(c.get("RoleName"))]
	if r == nil || strings.Contains(c.get("RoleName"), "/") {
		return nil, missing("The role with name %s cannot be found.", c.get("RoleName"))
	}
	return r, nil
}

// ownRole is theRole for a call that changes it: roles of AWS's own cannot be.
func (c *call) ownRole() (*role, *apiError) {
	r, failed := c.theRole()
	if failed == nil && (strings.HasPrefix(r.path, "/aws-service-role/") || strings.HasPrefix(r.path, "/aws-reserved/")) {
		failed = refused("UnmodifiableEntity", "Cannot perform the operation on the protected role '%s' - this role is only modifiable by AWS", r.name)
	}
	return r, failed
}

// createRole also makes roles below the paths of AWS's own, which AWS makes itself: a
// test has no other way.
func createRole(c *call) (do, *apiError) {
	name, path, trust := c.get("RoleName"), cmpOr(c.get("Path"), "/"), c.get("AssumeRolePolicyDocument")
	if _, ok := readPolicy(trust); !ok || name == "" || len(name) > 64 {
		return nil, refused("MalformedPolicyDocument", "This policy contains invalid Json, or the role has no name")
	}
	if c.owner().roles[nameOf(name)] != nil {
		return nil, exists("Role with name %s already exists.", name)
	}
	tags, failed := c.tagsAt("Tags.member")
	if failed != nil {
		return nil, failed
	}
	return func() []element {
		r := c.owner().addRole(name, path, trust)
		r.tags = tags
		return []element{c.renderRole(r, "Role")}
	}, nil
}

func (a *account) addRole(name, path, trust string) *role {
	r := &role{name: name, path: path, trust: trust, policies: map[string]string{}}
	a.roles[nameOf(name)] = r
	return r
}

func (c *call) renderRole(r *role, name string) element {
	used := element{}
	if !r.used.IsZero() {
		used = el("RoleLastUsed", el("LastUsedDate", r.used.UTC().Format(time.RFC3339)), el("Region", r.usedIn))
	}
	tags := each(slices.Sorted(maps.Keys(r.tags)), func(k string) element { return el("member", el("Key", k), el("Value", r.tags[k])) })
	return el(name, el("Path", r.path), el("RoleName", r.name), el("RoleId", idOf("AROA", r.arn(c.account))), el("Arn", r.arn(c.account)),
		el("CreateDate", "2024-01-01T00:00:00Z"), el("AssumeRolePolicyDocument", escape(r.trust)), el("Tags", tags), used, el("MaxSessionDuration", 3600))
}

func getRole(c *call) (do, *apiError) {
	r, failed := c.theRole()
	if failed != nil {
		return nil, failed
	}
	return reply(c.renderRole(r, "Role"))
}

func deleteRole(c *call) (do, *apiError) {
	r, failed := c.ownRole()
	switch {
	case failed != nil:
		return nil, failed
	case len(r.policies) > 0:
		return nil, inUse("delete policies")
	case len(c.owner().profilesOf(r)) > 0:
		return nil, inUse("remove roles from instance profile")
	}
	return func() []element {
		delete(c.owner().roles, nameOf(r.name))
		return nil
	}, nil
}

// checkPolicies refuses documents that are none, and more than an identity may have.
func checkPolicies(have map[string]string, name, text string, most int) *apiError {
	if _, ok := readPolicy(text); !ok {
		return refused("MalformedPolicyDocument", "Syntax errors in policy.")
	}
	all := maps.Clone(have)
	all[name] = text
	size := 0
	for _, t := range all {
		size += len(strings.Join(strings.FieldsFunc(t, unicode.IsSpace), ""))
	}
	if size > most {
		return &apiError{http.StatusConflict, "LimitExceeded", fmt.Sprintf("Maximum policy size of %d bytes exceeded", most)}
	}
	return nil
}

func putRolePolicy(c *call) (do, *apiError) {
	r, failed := c.ownRole()
	if failed != nil {
		return nil, failed
	}
	name, text := c.get("PolicyName"), c.get("PolicyDocument")
	if failed := checkPolicies(r.policies, name, text, 10240); failed != nil {
		return nil, failed
	}
	return func() []element {
		r.policies[name] = text
		return nil
	}, nil
}

// rolePolicy finds the policy that a call names.
func (c *call) rolePolicy(find func() (*role, *apiError)) (*role, string, *apiError) {
	r, failed := find()
	if failed != nil {
		return nil, "", failed
	}
	text, ok := r.policies[c.get("PolicyName")]
	if !ok {
		return nil, "", missing("The role policy with name %s cannot be found.", c.get("PolicyName"))
	}
	return r, text, nil
}

func getRolePolicy(c *call) (do, *apiError) {
	r, text, failed := c.rolePolicy(c.theRole)
	if failed != nil {
		return nil, failed
	}
	return reply(el("RoleName", r.name), el("PolicyName", c.get("PolicyName")), el("PolicyDocument", escape(text)))
}

func deleteRolePolicy(c *call) (do, *apiError) {
	r, _, failed := c.rolePolicy(c.ownRole)
	if failed != nil {
		return nil, failed
	}
	return func() []element {
		delete(r.policies, c.get("PolicyName"))
		return nil
	}, nil
}

// listed answers with a page of a list, as IAM has them.
func listed[T any](c *call, name string, list []T, render func(T) element) (do, *apiError) {
	size, failed := c.number("MaxItems", 100)
	if failed != nil {
		return nil, failed
	}
	page, next, failed := pageOf(list, size, c.get("Marker"))
	if failed != nil {
		return nil, failed
	}
	return reply(el(name, each(page, render)), el("IsTruncated", next != ""), some("Marker", next))
}

func listRolePolicies(c *call) (do, *apiError) {
	r, failed := c.theRole()
	if failed != nil {
		return nil, failed
	}
	return listed(c, "PolicyNames", slices.Sorted(maps.Keys(r.policies)), func(n string) element { return el("member", n) })
}
