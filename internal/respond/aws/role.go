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

// title says what the policy does.
func (p *rolePolicy) title() string {
	if p.Document == denyAllButSSM {
		return "add the inline policy " + p.Policy + ": deny every action but the SSM agent's, on every resource"
	}
	return "add the inline policy " + p.Policy + ": deny every action on every resource"
}

// roleGone is a role that was deleted.
func roleGone(s *session, role string) error {
	return fault.New(fault.NotFound, "%s: the role %s was deleted", s.account, role)
}

// current reads the policy: "" when the role has none of that name.
func (p *rolePolicy) current(ctx context.Context, s *session) (string, error) {
	out, err := s.iam.getRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &p.Role, PolicyName: &p.Policy})
	if !is(err, "NoSuchEntity") {
		if err != nil {
			return "", s.fail(err)
		}
		return decoded(aws.ToString(out.PolicyDocument)), nil
	}
	_, err = s.iam.getRole(ctx, &iam.GetRoleInput{RoleName: &p.Role})
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

func (p *rolePolicy) about() string { return "role " + p.Role }

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
	_, err = s.iam.putRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &p.Role, PolicyName: &p.Policy, PolicyDocument: &p.Document})
	if err != nil {
		return respond.Outcome{}, s.failWrite(err)
	}
	return done("")
}

func (p *rolePolicy) revert(ctx context.Context, s *session) (respond.Outcome, error) {
	_, err := s.iam.deleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &p.Role, PolicyName: &p.Policy})
	note := ""
	if is(err, "NoSuchEntity") {
		if _, err := p.current(ctx, s); fault.Is(err, fault.NotFound) {
			return left("the role " + p.Role + " was deleted: there is nothing to give back")
		}
		err, note = nil, "the policy was gone already"
	}
	if err != nil {
		return respond.Outcome{}, s.failWrite(err)
	}
	return done(strings.Trim(note+"; "+p.others(ctx, s), "; "))
}

// others says which policies of ours still isolate the role: those of other cases. What
// cannot be read is not said.
func (p *rolePolicy) others(ctx context.Context, s *session) string {
	names, err := s.policyNames(ctx, p.Role)
	if err != nil {
		return ""
	}
	var still []string
	for _, n := range names {
		doc := ""
		if strings.HasPrefix(n, policyPrefix) && n != p.Policy {
			doc, _ = (&rolePolicy{Role: p.Role, Policy: n}).current(ctx, s)
		}
		if sameJSON(doc, denyAll) || sameJSON(doc, denyAllButSSM) {
			still = append(still, n)
		}
	}
	if len(still) == 0 {
		return ""
	}
	return "the role stays isolated by " + strings.Join(still, ", ")
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
	if p.Already, err = s.alreadyDenied(ctx, policy, r.Case, &p); err != nil || p.Already != "" {
		return p, err
	}
	if err := s.roleBlast(ctx, role, &p); err != nil {
		return respond.Plan{}, err
	}
	p.Warnings = append(p.Warnings,
		"everything that runs with the role stops working with AWS: SSM and CloudWatch agents, image pulls, backups. Collect what needs them first",
		"not stopped: sessions of other roles that were assumed from this one, access keys that were made with it, sts:GetCallerIdentity. It takes effect within minutes")
	p.Steps = []respond.Step{s.newStep(kindPolicy, policy.title(), policy), s.deniedStep(role)}
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

// policyNames gives the inline policies of a role.
func (s *session) policyNames(ctx context.Context, role string) ([]string, error) {
	var names []string
	in := &iam.ListRolePoliciesInput{RoleName: &role}
	for page, err := range pages(ctx, s, s.iam.listRolePolicies, in, &in.Marker, func(o *iam.ListRolePoliciesOutput) *string { return o.Marker }) {
		if err != nil {
			return nil, err
		}
		names = append(names, page.PolicyNames...)
	}
	return names, nil
}

// alreadyDenied says that a policy of ours denies already what want would: any when the
// request names no case, else the one of that case. One that leaves the SSM agent its
// channel is not enough for one that does not.
func (s *session) alreadyDenied(ctx context.Context, want *rolePolicy, kase string, p *respond.Plan) (string, error) {
	role := want.Role
	names, err := s.policyNames(ctx, role)
	if err != nil {
		return "", err
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
		switch {
		case sameJSON(doc, want.Document):
			return fmt.Sprintf("already isolated: role %s has the policy %s", role, n), nil
		case sameJSON(doc, denyAll):
			return fmt.Sprintf("already isolated: role %s has the policy %s, which leaves the SSM agent nothing either", role, n), nil
		case sameJSON(doc, denyAllButSSM) && kase != "":
			return "", fault.New(fault.Conflict, "role %s has a policy %s that leaves the SSM agent its channel: it is not overwritten", role, n).
				WithHint("undo that action first, or use another --case")
		case sameJSON(doc, denyAllButSSM):
			p.Warnings = append(p.Warnings, "the policy "+n+" isolates the role already, but for the SSM agent's channel: it stays when this action is undone")
		case kase != "":
			return "", fault.New(fault.Conflict, "role %s has a policy %s that edrc did not write: it is not overwritten", role, n).
				WithHint("look at it, and use another --case")
		}
	}
	return "", nil
}
