package aws

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

// Actions gives the IAM actions that a verb needs, undo included, with every option:
// first those that read, then those that write. It is what docs/response.md lists.
func Actions(v respond.Verb) (read, write []string) {
	instance := []string{"ec2:DescribeInstances", "autoscaling:DescribeAutoScalingInstances", "autoscaling:DescribeAutoScalingGroups",
		"elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth"}
	options := []string{"ec2:CreateSnapshots", "autoscaling:EnterStandby", "autoscaling:ExitStandby"}
	switch v {
	case respond.StopInstance:
		return append(instance, "ec2:DescribeInstanceAttribute", "ec2:DescribeSnapshots"),
			append([]string{"ec2:StopInstances", "ec2:StartInstances", "ec2:ModifyInstanceAttribute", "ec2:CreateTags"}, options...)
	case respond.IsolateRole:
		return []string{"ec2:DescribeInstances", "iam:GetRole", "iam:GetRolePolicy", "iam:ListRolePolicies", "iam:GetInstanceProfile",
			"iam:ListInstanceProfilesForRole", "iam:SimulatePrincipalPolicy"}, []string{"iam:PutRolePolicy", "iam:DeleteRolePolicy"}
	case respond.IsolateInstance:
		return append(instance, "ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups", "ec2:DescribeSecurityGroupRules",
				"ec2:DescribeTags", "ec2:DescribeNetworkAcls", "ec2:DescribeSnapshots"),
			append([]string{"ec2:CreateSecurityGroup", "ec2:DeleteSecurityGroup", "ec2:RevokeSecurityGroupEgress", "ec2:ModifyNetworkInterfaceAttribute",
				"ec2:CreateTags", "ec2:DeleteTags", "ec2:AuthorizeSecurityGroupIngress", "ec2:AuthorizeSecurityGroupEgress",
				"ec2:CreateNetworkAclEntry", "ec2:DeleteNetworkAclEntry", "ec2:ModifyInstanceMetadataOptions"}, options...)
	case respond.DisableKey:
		return []string{"iam:GetAccessKeyLastUsed", "iam:ListAccessKeys"}, []string{"iam:UpdateAccessKey"}
	}
	return nil, nil
}

// Permission says whether the credential may call an IAM action.
type Permission struct {
	Account string
	Action  string
	Allowed bool
	Why     string // of a refusal: "implicitDeny", "explicitDeny"
}

// Allowed asks IAM which actions the credential of an account may call, on any
// resource and without conditions: what a policy allows for some resources only is
// told as not allowed. It needs iam:SimulatePrincipalPolicy and iam:GetRole on itself;
// without them the error is fault.Denied and nothing is known.
func (d *Driver) Allowed(ctx context.Context, account string, verbs ...respond.Verb) ([]Permission, error) {
	regions, err := d.Conn.Regions(ctx)
	if err != nil {
		return nil, err
	}
	s, err := d.at(ctx, account, regions[0])
	if err != nil {
		return nil, err
	}
	who, err := s.principal(ctx)
	if err != nil {
		return nil, err
	}
	var actions []string
	for _, v := range verbs {
		read, write := Actions(v)
		actions = append(append(actions, read...), write...)
	}
	slices.Sort(actions)
	actions = slices.Compact(actions)
	var out []Permission
	in := &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &who, ActionNames: actions}
	for page, err := range pages(ctx, s, s.iam.simulatePrincipalPolicy, in, &in.Marker, func(o *iam.SimulatePrincipalPolicyOutput) *string { return o.Marker }) {
		if err != nil {
			return nil, fault.At(err, "", "ask what the credential may do")
		}
		for _, r := range page.EvaluationResults {
			p := Permission{Account: s.account, Action: aws.ToString(r.EvalActionName), Allowed: r.EvalDecision == "allowed"}
			if !p.Allowed {
				p.Why = string(r.EvalDecision)
			}
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b Permission) int { return strings.Compare(a.Action, b.Action) })
	return out, nil
}

// principal gives the ARN that policies are attached to: of a session, its role's.
func (s *session) principal(ctx context.Context) (string, error) {
	t, ok := parseARN(s.who.ARN)
	if !ok || t.Kind != respond.Role {
		return s.who.ARN, nil
	}
	r, err := s.role(ctx, t.ID) // the session's ARN has not the role's path
	if err != nil {
		return "", err
	}
	if r == nil {
		return "", roleGone(s, t.ID)
	}
	return aws.ToString(r.Arn), nil
}
