package aws

import (
	"context"
	"iter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"edrc/internal/fault"
)

// The calls of AWS that this package makes, as functions. No client is held, and none
// becomes an interface (the SDK's paginators would do that): a type that reflection can
// reach keeps all of its methods, and EC2's client has more than seven hundred.

// op is one operation of a service; O are its client's options.
type op[In, Out, O any] func(context.Context, *In, ...func(*O)) (*Out, error)

type ec2Op[In, Out any] = op[In, Out, ec2.Options]

type ec2Calls struct {
	describeInstances               ec2Op[ec2.DescribeInstancesInput, ec2.DescribeInstancesOutput]
	describeInstanceAttribute       ec2Op[ec2.DescribeInstanceAttributeInput, ec2.DescribeInstanceAttributeOutput]
	describeNetworkInterfaces       ec2Op[ec2.DescribeNetworkInterfacesInput, ec2.DescribeNetworkInterfacesOutput]
	describeSecurityGroups          ec2Op[ec2.DescribeSecurityGroupsInput, ec2.DescribeSecurityGroupsOutput]
	describeSecurityGroupRules      ec2Op[ec2.DescribeSecurityGroupRulesInput, ec2.DescribeSecurityGroupRulesOutput]
	describeNetworkAcls             ec2Op[ec2.DescribeNetworkAclsInput, ec2.DescribeNetworkAclsOutput]
	describeSnapshots               ec2Op[ec2.DescribeSnapshotsInput, ec2.DescribeSnapshotsOutput]
	describeTags                    ec2Op[ec2.DescribeTagsInput, ec2.DescribeTagsOutput]
	stopInstances                   ec2Op[ec2.StopInstancesInput, ec2.StopInstancesOutput]
	startInstances                  ec2Op[ec2.StartInstancesInput, ec2.StartInstancesOutput]
	modifyInstanceAttribute         ec2Op[ec2.ModifyInstanceAttributeInput, ec2.ModifyInstanceAttributeOutput]
	modifyInstanceMetadataOptions   ec2Op[ec2.ModifyInstanceMetadataOptionsInput, ec2.ModifyInstanceMetadataOptionsOutput]
	modifyNetworkInterfaceAttribute ec2Op[ec2.ModifyNetworkInterfaceAttributeInput, ec2.ModifyNetworkInterfaceAttributeOutput]
	createSecurityGroup             ec2Op[ec2.CreateSecurityGroupInput, ec2.CreateSecurityGroupOutput]
	deleteSecurityGroup             ec2Op[ec2.DeleteSecurityGroupInput, ec2.DeleteSecurityGroupOutput]
	authorizeSecurityGroupIngress   ec2Op[ec2.AuthorizeSecurityGroupIngressInput, ec2.AuthorizeSecurityGroupIngressOutput]
	authorizeSecurityGroupEgress    ec2Op[ec2.AuthorizeSecurityGroupEgressInput, ec2.AuthorizeSecurityGroupEgressOutput]
	revokeSecurityGroupEgress       ec2Op[ec2.RevokeSecurityGroupEgressInput, ec2.RevokeSecurityGroupEgressOutput]
	createNetworkACLEntry           ec2Op[ec2.CreateNetworkAclEntryInput, ec2.CreateNetworkAclEntryOutput]
	deleteNetworkACLEntry           ec2Op[ec2.DeleteNetworkAclEntryInput, ec2.DeleteNetworkAclEntryOutput]
	createSnapshots                 ec2Op[ec2.CreateSnapshotsInput, ec2.CreateSnapshotsOutput]
	createTags                      ec2Op[ec2.CreateTagsInput, ec2.CreateTagsOutput]
	deleteTags                      ec2Op[ec2.DeleteTagsInput, ec2.DeleteTagsOutput]
}

func newEC2(cfg aws.Config) ec2Calls {
	c := ec2.NewFromConfig(cfg)
	return ec2Calls{c.DescribeInstances, c.DescribeInstanceAttribute, c.DescribeNetworkInterfaces, c.DescribeSecurityGroups,
		c.DescribeSecurityGroupRules, c.DescribeNetworkAcls, c.DescribeSnapshots, c.DescribeTags, c.StopInstances, c.StartInstances,
		c.ModifyInstanceAttribute, c.ModifyInstanceMetadataOptions, c.ModifyNetworkInterfaceAttribute, c.CreateSecurityGroup,
		c.DeleteSecurityGroup, c.AuthorizeSecurityGroupIngress, c.AuthorizeSecurityGroupEgress, c.RevokeSecurityGroupEgress,
		c.CreateNetworkAclEntry, c.DeleteNetworkAclEntry, c.CreateSnapshots, c.CreateTags, c.DeleteTags}
}

type iamOp[In, Out any] = op[In, Out, iam.Options]

type iamCalls struct {
	getRole                     iamOp[iam.GetRoleInput, iam.GetRoleOutput]
	getRolePolicy               iamOp[iam.GetRolePolicyInput, iam.GetRolePolicyOutput]
	listRolePolicies            iamOp[iam.ListRolePoliciesInput, iam.ListRolePoliciesOutput]
	putRolePolicy               iamOp[iam.PutRolePolicyInput, iam.PutRolePolicyOutput]
	deleteRolePolicy            iamOp[iam.DeleteRolePolicyInput, iam.DeleteRolePolicyOutput]
	getInstanceProfile          iamOp[iam.GetInstanceProfileInput, iam.GetInstanceProfileOutput]
	listInstanceProfilesForRole iamOp[iam.ListInstanceProfilesForRoleInput, iam.ListInstanceProfilesForRoleOutput]
	getAccessKeyLastUsed        iamOp[iam.GetAccessKeyLastUsedInput, iam.GetAccessKeyLastUsedOutput]
	listAccessKeys              iamOp[iam.ListAccessKeysInput, iam.ListAccessKeysOutput]
	updateAccessKey             iamOp[iam.UpdateAccessKeyInput, iam.UpdateAccessKeyOutput]
	simulatePrincipalPolicy     iamOp[iam.SimulatePrincipalPolicyInput, iam.SimulatePrincipalPolicyOutput]
}

func newIAM(cfg aws.Config) iamCalls {
	c := iam.NewFromConfig(cfg)
	return iamCalls{c.GetRole, c.GetRolePolicy, c.ListRolePolicies, c.PutRolePolicy, c.DeleteRolePolicy, c.GetInstanceProfile,
		c.ListInstanceProfilesForRole, c.GetAccessKeyLastUsed, c.ListAccessKeys, c.UpdateAccessKey, c.SimulatePrincipalPolicy}
}

type asgOp[In, Out any] = op[In, Out, autoscaling.Options]

type asgCalls struct {
	describeInstances asgOp[autoscaling.DescribeAutoScalingInstancesInput, autoscaling.DescribeAutoScalingInstancesOutput]
	describeGroups    asgOp[autoscaling.DescribeAutoScalingGroupsInput, autoscaling.DescribeAutoScalingGroupsOutput]
	enterStandby      asgOp[autoscaling.EnterStandbyInput, autoscaling.EnterStandbyOutput]
	exitStandby       asgOp[autoscaling.ExitStandbyInput, autoscaling.ExitStandbyOutput]
}

func newASG(cfg aws.Config) asgCalls {
	c := autoscaling.NewFromConfig(cfg)
	return asgCalls{c.DescribeAutoScalingInstances, c.DescribeAutoScalingGroups, c.EnterStandby, c.ExitStandby}
}

type elbOp[In, Out any] = op[In, Out, elb.Options]

type elbCalls struct {
	describeTargetGroups elbOp[elb.DescribeTargetGroupsInput, elb.DescribeTargetGroupsOutput]
	describeTargetHealth elbOp[elb.DescribeTargetHealthInput, elb.DescribeTargetHealthOutput]
}

func newELB(cfg aws.Config) elbCalls {
	c := elb.NewFromConfig(cfg)
	return elbCalls{c.DescribeTargetGroups, c.DescribeTargetHealth}
}

// once tries a request again only when AWS said that it has not taken it. It is for calls
// that do more when they are done twice, and that AWS gives no token to tell apart.
type once struct{ aws.Retryer }

// IsErrorRetryable implements aws.Retryer.
func (o once) IsErrorRetryable(err error) bool {
	_, throttled := retry.DefaultThrottleErrorCodes[code(err)]
	return throttled && o.Retryer.IsErrorRetryable(err)
}

// pages reads a list page by page. token is the field of in that names the page, next
// gives the name of the following one, "" for none. An error is the last thing given.
func pages[In, Out, O any](ctx context.Context, s *session, call op[In, Out, O], in *In, token **string, next func(*Out) *string) iter.Seq2[*Out, error] {
	return func(yield func(*Out, error) bool) {
		for {
			out, err := call(ctx, in)
			if err != nil {
				yield(nil, s.fail(err))
				return
			}
			if !yield(out, nil) {
				return
			}
			following := aws.ToString(next(out))
			switch following {
			case "":
				return
			case aws.ToString(*token): // it would go round for ever
				yield(nil, s.fail(fault.New(fault.Unavailable, "%s/%s: a list repeats the token of its page", s.account, s.region).
					WithHint("a proxy may have answered, or the endpoint does not have this API")))
				return
			}
			*token = &following
		}
	}
}
