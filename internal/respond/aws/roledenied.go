package aws

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

// harmless is the action that is asked about: nothing is done.
const harmless = "ec2:DescribeInstances"

// roleDenied asks IAM what it would answer to a session of the role, by its
// SimulatePrincipalPolicy. It changes nothing, and is asked anew each time.
type roleDenied struct {
	ARN string `json:"arn"`
}

func (s *session) deniedStep(role *types.Role) respond.Step {
	st := s.newStep(kindDenied, "see that a session of the role is denied (simulated call)", &roleDenied{aws.ToString(role.Arn)})
	st.Transient, st.Keep = true, true
	return st
}

func (x *roleDenied) about() string { return "role " + x.ARN }

// apply asks until the answer is an explicit deny. Where IAM cannot be asked nothing is
// claimed: the policy itself is read back in any case.
func (x *roleDenied) apply(ctx context.Context, s *session) (respond.Outcome, error) {
	var answer types.PolicyEvaluationDecisionType
	for wait := s.d.pause(1); ; wait *= 2 {
		var err error
		if answer, err = x.ask(ctx, s); err != nil {
			if ctx.Err() != nil {
				return respond.Outcome{}, err
			}
			return left("IAM was not asked: " + err.Error())
		}
		if answer == types.PolicyEvaluationDecisionTypeExplicitDeny {
			return done("")
		}
		if wait > s.d.pause(8) {
			break
		}
		if err := s.d.Sleep(ctx, wait); err != nil {
			return respond.Outcome{}, err
		}
	}
	return respond.Outcome{}, fault.New(fault.Conflict, "the policy is written, and to a simulated %s of the role IAM still says %s", harmless, answer).
		WithHint("a policy can take some minutes to hold")
}

func (x *roleDenied) ask(ctx context.Context, s *session) (types.PolicyEvaluationDecisionType, error) {
	out, err := s.iam.simulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &x.ARN, ActionNames: []string{harmless}})
	if err != nil {
		return "", s.fail(err)
	}
	if len(out.EvaluationResults) != 1 {
		return "", fault.New(fault.Unavailable, "%s: the answer to a simulated call has %d results, not one", s.account, len(out.EvaluationResults))
	}
	return out.EvaluationResults[0].EvalDecision, nil
}

func (x *roleDenied) revert(context.Context, *session) (respond.Outcome, error) { return done("") }

// read gives the state in which the question is to be asked.
func (x *roleDenied) read(context.Context, *session) (respond.Reading, error) {
	return respond.Reading{State: respond.Prior}, nil
}
