package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

// policyPrefix begins the name of every policy that isolates a role.
const policyPrefix = "edrc-isolate-"

// denyAll is what isolates a role. An explicit deny is above every allow.
const denyAll = `{"Version":"2012-10-17","Statement":[{"Sid":"EdrcIsolate","Effect":"Deny","Action":"*","Resource":"*"}]}`

// denyAllButSSM leaves the SSM agent alive, for evidence. AWS documents no complete
// list of what the agent needs.
const denyAllButSSM = `{"Version":"2012-10-17","Statement":[{"Sid":"EdrcIsolate","Effect":"Deny",` +
	`"NotAction":["ssm:UpdateInstanceInformation","ssmmessages:*","ec2messages:*"],"Resource":"*"}]}`

// rolePolicy is an inline policy on a role.
type rolePolicy struct {
	Role     string `json:"role"`
	Policy   string `json:"policy"`
	Document string `json:"document"`
}

// errRoleGone is a role that was deleted.
func roleGone(s *session, role string) error {
	return fault.New(fault.NotFound, "%s: the role %s was deleted", s.account, role)
}

// current reads the policy: "" when the role has none of that name.
func (p *rolePolicy) current(ctx context.Context, s *session) (string, error) {
	out, err := s.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &p.Role, PolicyName: &p.Policy})
	if !is(err, "NoSuchEntity") {
		if err != nil {
			return "", s.fail(err)
		}
		return decoded(aws.ToString(out.PolicyDocument)), nil
	}
	_, err = s.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &p.Role})
	if is(err, "NoSuchEntity") {
		return "", roleGone(s, p.Role)
	}
	return "", s.fail(err)
}

// decoded undoes the URL encoding in which IAM gives documents.
func decoded(doc string) string {
	if plain, err := url.PathUnescape(doc); err == nil {
		return plain
	}
	return doc
}

// sameJSON compares documents by what they say.
func sameJSON(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return a == b
	}
	return reflect.DeepEqual(x, y)
}

func (p *rolePolicy) apply(ctx context.Context, s *session) (respond.Outcome, error) {
	now, err := p.current(ctx, s)
	switch {
	case err != nil:
		return respond.Outcome{}, err
	case now != "" && sameJSON(now, p.Document):
		return done("")
	case now != "":
		return respond.Outcome{}, fault.New(fault.Conflict, "role %s has a policy %s that edrc did not write: it is not overwritten", p.Role, p.Policy)
	}
	_, err = s.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &p.Role, PolicyName: &p.Policy, PolicyDocument: &p.Document})
	if err != nil {
		return respond.Outcome{}, s.failWrite(err)
	}
	return done("")
}

func (p *rolePolicy) revert(ctx context.Context, s *session) (respond.Outcome, error) {
	_, err := s.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &p.Role, PolicyName: &p.Policy})
	if is(err, "NoSuchEntity") {
		if _, err := p.current(ctx, s); fault.Is(err, fault.NotFound) {
			return left("the role " + p.Role + " was deleted: there is nothing to give back")
		}
		return done("the policy was gone already")
	}
	if err != nil {
		return respond.Outcome{}, s.failWrite(err)
	}
	return done("")
}

func (p *rolePolicy) read(ctx context.Context, s *session) (respond.Reading, error) {
	now, err := p.current(ctx, s)
	switch {
	case fault.Is(err, fault.NotFound):
		return respond.Reading{State: respond.Prior, Detail: "the role " + p.Role + " was deleted"}, nil
	case err != nil:
		return respond.Reading{State: respond.Unknown}, err
	case now == "":
		return respond.Reading{State: respond.Prior, Detail: "no such policy on the role"}, nil
	case sameJSON(now, p.Document):
		return respond.Reading{State: respond.Applied, Detail: "the policy is in place"}, nil
	}
	return respond.Reading{State: respond.Other, Detail: "the policy " + p.Policy + " has another text"}, nil
}

// findRole gives the role that a target means: by its name, or by the instance that
// has it.
func (d *Driver) findRole(ctx context.Context, t respond.Target) (*session, *types.Role, string, error) {
	if t.Kind == respond.Instance {
		return d.roleOfInstance(ctx, t)
	}
	var found *types.Role
	at, err := d.search(ctx, t, true, func(s *session) (bool, error) {
		r, err := s.role(ctx, t.ID)
		if r != nil {
			found = r
		}
		return r != nil, err
	})
	if err != nil {
		return nil, nil, "", err
	}
	return at[0], found, "", nil
}

// role reads a role, nil when there is none of that name.
func (s *session) role(ctx context.Context, name string) (*types.Role, error) {
	out, err := s.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
	switch {
	case is(err, "NoSuchEntity"):
		return nil, nil
	case err != nil:
		return nil, s.fail(err)
	}
	return out.Role, nil
}

// roleOfInstance follows instance, instance profile, role.
func (d *Driver) roleOfInstance(ctx context.Context, t respond.Target) (*session, *types.Role, string, error) {
	s, i, err := d.findInstance(ctx, t)
	if err != nil {
		return nil, nil, "", err
	}
	if i.IamInstanceProfile == nil {
		return nil, nil, "", fault.New(fault.NotFound, "instance %s has no instance profile: there is no role to isolate", t.ID)
	}
	arn := aws.ToString(i.IamInstanceProfile.Arn)
	name := arn[strings.LastIndexByte(arn, '/')+1:] // the path is not part of it
	out, err := s.iam.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: &name})
	if is(err, "NoSuchEntity") {
		return nil, nil, "", fault.New(fault.NotFound, "the instance profile %s of %s was deleted: which role it held cannot be read", name, t.ID).
			WithHint("the instance may hold credentials for some hours yet: name the role, or isolate the instance")
	}
	if err != nil {
		return nil, nil, "", s.fail(err)
	}
	if out.InstanceProfile == nil || len(out.InstanceProfile.Roles) == 0 {
		return nil, nil, "", fault.New(fault.NotFound, "the instance profile %s of %s holds no role: there is nothing to isolate", name, t.ID)
	}
	r, err := s.role(ctx, aws.ToString(out.InstanceProfile.Roles[0].RoleName))
	if err == nil && r == nil {
		err = roleGone(s, aws.ToString(out.InstanceProfile.Roles[0].RoleName))
	}
	return s, r, "of instance " + t.ID + ", by instance profile " + name, err
}

// ownRole refuses the role that edrc runs as, here and before it assumed another.
func (s *session) ownRole(ctx context.Context, name string) error {
	callers := []string{s.who.ARN}
	if own, err := s.d.Conn.Caller(ctx, ""); err == nil && own.Account == s.account {
		callers = append(callers, own.ARN)
	}
	for _, arn := range callers {
		if t, ok := parseARN(arn); ok && t.Kind == respond.Role && strings.EqualFold(t.ID, name) {
			return fault.New(fault.Denied, "edrc itself runs as role %s: isolating it would lock edrc out, undo included", name).
				WithHint("use the credentials of another role")
		}
	}
	return nil
}

// owned refuses roles that only AWS can change.
func owned(r *types.Role) error {
	name, path := aws.ToString(r.RoleName), aws.ToString(r.Path)
	switch {
	case strings.HasPrefix(path, "/aws-service-role/"):
		return fault.New(fault.Denied, "%s is a service-linked role: only AWS can change it, and its sessions cannot be revoked", name).
			WithHint("contain what uses it, or deny it with a service control policy")
	case strings.HasPrefix(path, "/aws-reserved/"):
		return fault.New(fault.Denied, "%s is a role of IAM Identity Center: only AWS can change it", name).
			WithHint("put the deny into the permission set's inline policy, or remove the account assignment")
	}
	return nil
}

func (d *Driver) planRole(ctx context.Context, r respond.Request) (respond.Plan, error) {
	s, role, via, err := d.findRole(ctx, r.Target)
	if err != nil {
		return respond.Plan{}, err
	}
	name := aws.ToString(role.RoleName)
	if err := owned(role); err != nil {
		return respond.Plan{}, err
	}
	if err := s.ownRole(ctx, name); err != nil {
		return respond.Plan{}, err
	}
	p := respond.Plan{Severe: true, Undo: "the policy is removed: edrc undo " + r.Action,
		Target:  respond.Target{Kind: respond.Role, ID: name, Account: s.account, Region: s.region},
		Touched: []respond.Touched{{Kind: respond.Role, ID: name, Account: s.account, Tags: iamTags(role.Tags)}}}
	if via != "" {
		p.Blast = append(p.Blast, respond.Fact{What: "role", Value: name + " " + via})
	}
	policy := &rolePolicy{Role: name, Policy: policyPrefix + firstOf(r.Case, r.Action), Document: denyAll}
	if r.Options.KeepSSM {
		policy.Document = denyAllButSSM
		p.Warnings = append(p.Warnings, "the SSM agent keeps its channel, and so does whoever can use it; whether the exception is enough for it AWS does not say")
	}
	if p.Already, err = s.alreadyDenied(ctx, name, r.Case, &p); err != nil || p.Already != "" {
		return p, err
	}
	if err := s.roleBlast(ctx, role, &p); err != nil {
		return respond.Plan{}, err
	}
	p.Warnings = append(p.Warnings,
		"everything that runs with the role stops working with AWS: SSM and CloudWatch agents, image pulls, backups. Collect what needs them first",
		"not stopped: sessions of other roles that were assumed from this one, access keys that were made with it, sts:GetCallerIdentity. It takes effect within minutes")
	p.Steps = []respond.Step{s.newStep(kindPolicy, "put policy "+policy.Policy+" on role "+name, policy)}
	return p, nil
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func iamTags(ts []types.Tag) map[string]string {
	out := map[string]string{}
	for _, t := range ts {
		out[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return out
}

// alreadyDenied says that a policy of ours denies everything already: any when the
// request names no case, else the one of that case.
func (s *session) alreadyDenied(ctx context.Context, role, kase string, p *respond.Plan) (string, error) {
	var names []string
	pages := iam.NewListRolePoliciesPaginator(s.iam, &iam.ListRolePoliciesInput{RoleName: &role})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", s.fail(err)
		}
		names = append(names, page.PolicyNames...)
	}
	p.Prior = append(p.Prior, respond.Fact{What: "inline policies", Value: firstOf(strings.Join(names, ", "), "none")})
	for _, n := range names {
		if !strings.HasPrefix(n, policyPrefix) || kase != "" && n != policyPrefix+kase {
			continue
		}
		step := rolePolicy{Role: role, Policy: n}
		doc, err := step.current(ctx, s)
		if err != nil {
			return "", err
		}
		if sameJSON(doc, denyAll) || sameJSON(doc, denyAllButSSM) {
			return fmt.Sprintf("already isolated: role %s has the policy %s", role, n), nil
		}
		if kase != "" {
			return "", fault.New(fault.Conflict, "role %s has a policy %s that edrc did not write: it is not overwritten", role, n).
				WithHint("look at it, and use another --case")
		}
	}
	return "", nil
}
