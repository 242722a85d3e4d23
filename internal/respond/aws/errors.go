package aws

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/smithy-go"

	"edrc/internal/awsconn"
	"edrc/internal/fault"
)

// code gives AWS's error code, "" when AWS did not answer with one.
func code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// is reports whether AWS answered with one of the codes.
func is(err error, codes ...string) bool { return err != nil && slices.Contains(codes, code(err)) }

// hints say what to do about codes that only response actions meet.
func hint(c string) string {
	switch c {
	case "InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed":
		return "the instance is in another account or region, or was terminated more than an hour ago"
	case "IncorrectInstanceState", "IncorrectState":
		return "look at the instance's state, and try again when it has settled"
	case "OperationNotPermitted":
		return "the instance is protected against this, or a service manages it; stop protection is lifted with --unprotect"
	case "UnsupportedOperation":
		return "one-time spot instances and instances with an instance-store root cannot be stopped; isolate it instead"
	case "InvalidGroup.NotFound":
		return "the security group is gone: plan again"
	case "InvalidNetworkInterfaceID.NotFound":
		return "the network interface was detached or deleted meanwhile: plan again"
	case "InvalidGroup.InUse", "DependencyViolation":
		return "something still uses the security group"
	case "SecurityGroupLimitExceeded", "SecurityGroupsPerInterfaceLimitExceeded", "RulesPerSecurityGroupLimitExceeded",
		"TagLimitExceeded", "NetworkAclEntryLimitExceeded":
		return "a quota of the account is used up: remove what is not needed, or ask AWS for more"
	case "LimitExceeded":
		return "the role has no room for another inline policy (10,240 characters): attach the AWS managed policy AWSDenyAll instead"
	case "MalformedPolicyDocument":
		return "AWS did not accept the policy: please report this"
	case "UnmodifiableEntity":
		return "AWS owns this role: nobody can change it"
	case "ConcurrentModification":
		return "somebody else is changing it at this moment: try again"
	case "InsufficientInstanceCapacity":
		return "AWS has no room for the instance now: try again later"
	case "InvalidParameterValue":
		return "AWS did not accept a value: plan again, the target may have changed"
	case "NoSuchEntity":
		return "the role, profile, policy or key does not exist, or was deleted meanwhile"
	}
	return ""
}

// everything is what an action is allowed on that knows no resources.
const everything = "*"

// resource is what a call was about. Of the calls that describe, IAM knows no resources.
func (s *session) resource(err error) string {
	if strings.Contains(awsconn.Action(err), ":Describe") {
		return everything
	}
	return s.about
}

// fail turns the error of a reading call into a fault of this account and region.
func (s *session) fail(err error) error {
	err = s.d.Conn.Explain(awsconn.On(err, s.resource(err)), s.account, s.region)
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	if h := hint(code(f.Err)); h != "" && f.Kind != fault.Denied {
		return f.WithHint("%s", h)
	}
	return f
}

// failWrite is fail for a call that changes something: without an answer of AWS's own
// it may have happened.
func (s *session) failWrite(err error) error {
	if err == nil {
		return nil
	}
	out := s.fail(err)
	f, ok := errors.AsType[*fault.Error](out)
	if !ok || f.Kind != fault.Unavailable && f.Kind != fault.Interrupted {
		return out
	}
	c := *f
	c.Kind = fault.InDoubt
	c.Hint = "it is read back before anything else is done"
	return &c
}

// rehearsed reads the answer to a DryRun. AWS answers with an error always; only a
// refusal and a missing object count, because some steps depend on earlier ones.
func (s *session) rehearsed(err error) error {
	switch {
	case err == nil:
		return nil
	case is(err, "DryRunOperation"):
		return nil
	}
	out := s.fail(err)
	switch fault.KindOf(out) {
	case fault.Denied, fault.Auth, fault.NotFound, fault.InDoubt:
		return out
	}
	return nil
}

// dryRun reads a DryRun that was not answered with an error: it was carried out.
func dryRun(err error) error {
	if err == nil {
		return fault.New(fault.InDoubt, "the endpoint ignored DryRun, and may have done what it was only asked about").
			WithHint("look at the target; use an endpoint that honours DryRun")
	}
	return err
}

// eventually repeats a call while AWS says that what was just made is not there.
func (s *session) eventually(ctx context.Context, call func() error, codes ...string) error {
	err := call()
	for wait := s.d.pause(1); is(err, codes...) && wait <= s.d.pause(8); wait *= 2 {
		if serr := s.d.Sleep(ctx, wait); serr != nil {
			return serr
		}
		err = call()
	}
	return err
}
