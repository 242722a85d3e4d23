package aws

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

func (r *rig) state(id string) types.InstanceStateName {
	r.t.Helper()
	out := must(r.ec2.DescribeInstances(context.Background(), &ec2.DescribeInstancesInput{InstanceIds: []string{id}}))(r.t)
	return stateOf(out.Reservations[0].Instances[0])
}

func TestAnInstanceIsStoppedAndStartedByUndo(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		id := r.run("", 1)[0]
		p, err := r.plan(respond.StopInstance, id, respond.Options{})
		if err != nil || !strings.Contains(strings.Join(p.Warnings, " "), "memory is lost") {
			t.Fatalf("%+v %v", p, err)
		}
		if w := r.wire.writes(); len(w) > 0 {
			t.Fatal(w)
		}
		rep := r.mustDo(respond.StopInstance, "arn:aws:ec2:us-east-1:"+r.account+":instance/"+id, respond.Options{Snapshot: true})
		if r.state(id) != types.InstanceStateNameStopped {
			t.Fatal(r.state(id))
		}
		again, err := r.do(respond.StopInstance, id, respond.Options{})
		if err != nil || !strings.Contains(again.Already, "stopped already") {
			t.Fatal(again, err)
		}
		r.mustUndo(rep.Action.ID)
		if r.state(id) != types.InstanceStateNameRunning {
			t.Fatal(r.state(id))
		}
	})
}

func TestAStopThatTakesLongIsAcceptedAndAStuckOneIsTold(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		id := r.run("", 1)[0]
		p, err := r.plan(respond.StopInstance, id, respond.Options{})
		if err != nil {
			t.Fatal(err)
		}
		stopped := false
		r.wire.lose = func(c call) bool { stopped = stopped || c.action == "StopInstances" && c.changes(); return false }
		r.wire.edit = func(body string) string {
			if stopped {
				return strings.ReplaceAll(body, "<name>stopped</name>", "<name>stopping</name>")
			}
			return body
		}
		rep, err := r.engine().Apply(t.Context(), p, yes)
		wantKind(t, err, fault.Partial, "accepted")
		if rep.Action.Status != respond.StatusAccepted || !strings.Contains(rep.Action.Steps[0].Outcome.Note, "--force") {
			t.Fatalf("%+v", rep.Action.Steps[0])
		}
		r.wire.edit = nil
		if done, errs := r.engine().Refresh(t.Context()); len(done) != 1 || len(errs) > 0 {
			t.Fatal(done, errs)
		}
	})
}

func TestStopProtectionIsLiftedOnlyWhenAskedAndRestored(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		id := r.run("", 1)[0]
		protect := func() bool {
			out := must(r.ec2.DescribeInstanceAttribute(t.Context(), &ec2.DescribeInstanceAttributeInput{InstanceId: &id, Attribute: types.InstanceAttributeNameDisableApiStop}))(t)
			return aws.ToBool(out.DisableApiStop.Value)
		}
		must(r.ec2.ModifyInstanceAttribute(t.Context(), &ec2.ModifyInstanceAttributeInput{InstanceId: &id, DisableApiStop: &types.AttributeBooleanValue{Value: aws.Bool(true)}}))(t)
		_, err := r.do(respond.StopInstance, id, respond.Options{})
		wantKind(t, err, fault.Denied, "stop protection", "--unprotect")
		rep := r.mustDo(respond.StopInstance, id, respond.Options{Unprotect: true})
		if protect() || r.state(id) != types.InstanceStateNameStopped {
			t.Fatal(protect(), r.state(id))
		}
		r.mustUndo(rep.Action.ID)
		if !protect() || r.state(id) != types.InstanceStateNameRunning {
			t.Fatal(protect(), r.state(id))
		}
	})
}

func TestInstancesThatCannotBeStoppedAreRefused(t *testing.T) {
	rigs(t, func(t *testing.T, on *rig) {
		for name, tc := range map[string]struct {
			from, to string
			o        respond.Options
			kind     fault.Kind
			words    string
		}{
			"pending":               {"<name>running</name>", "<name>pending</name>", respond.Options{}, fault.Conflict, "pending"},
			"instance-store root":   {"<rootDeviceType>ebs<", "<rootDeviceType>instance-store<", respond.Options{}, fault.Unsupported, "instance-store"},
			"managed":               {"<instanceId>", "<operator><managed>true</managed><principal>eks.amazonaws.com</principal></operator><instanceId>", respond.Options{}, fault.Denied, "eks.amazonaws.com"},
			"hibernation is not on": {"", "", respond.Options{Hibernate: true}, fault.Unsupported, "hibernation"},
		} {
			t.Run(name, func(t *testing.T) {
				r := on.again(t)
				id := r.run("", 1)[0]
				if tc.from != "" {
					r.patch(tc.from, tc.to)
				}
				_, err := r.do(respond.StopInstance, id, tc.o)
				wantKind(t, err, tc.kind, tc.words)
				if w := r.wire.writes(); len(w) > 0 {
					t.Error(w)
				}
			})
		}
	})
}

func TestAPlanToStopWarnsOfWhatIsLost(t *testing.T) {
	rigs(t, func(t *testing.T, on *rig) {
		for name, tc := range map[string]struct{ from, to, words string }{
			"spot":           {"<instanceId>", "<instanceLifecycle>spot</instanceLifecycle><instanceId>", "persistent request"},
			"kubernetes":     {"<instanceId>", "<tagSet><item><key>kubernetes.io/cluster/prod</key><value>owned</value></item></tagSet><instanceId>", "Kubernetes cluster prod"},
			"can hibernate":  {"<instanceId>", "<hibernationOptions><configured>true</configured></hibernationOptions><instanceId>", "--hibernate"},
			"public address": {"<instanceId>", "<ipAddress>203.0.113.9</ipAddress><instanceId>", "Elastic IP"},
		} {
			t.Run(name, func(t *testing.T) {
				r := on.again(t)
				id := r.run("", 1)[0]
				r.patch(tc.from, tc.to)
				p, err := r.plan(respond.StopInstance, id, respond.Options{})
				if err != nil || !strings.Contains(strings.Join(p.Warnings, " "), tc.words) {
					t.Fatalf("%v %v", p.Warnings, err)
				}
			})
		}
	})
}

func TestHibernationIsAskedForAndItsFailureIsTold(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		id := r.run("", 1)[0]
		r.patch("<instanceId>", "<hibernationOptions><configured>true</configured></hibernationOptions><instanceId>")
		rep, err := r.do(respond.StopInstance, id, respond.Options{Hibernate: true})
		if err != nil {
			t.Fatal(err)
		}
		asked := false
		for _, c := range r.wire.seen {
			asked = asked || c.action == "StopInstances" && c.form.Get("Hibernate") == "true"
		}
		if !asked || !strings.Contains(strings.Join(rep.Warnings, " "), "may not have hibernated") {
			t.Fatalf("asked %v: %v", asked, rep.Warnings)
		}
	})
}

// TestEveryErrorCodeIsToldWithWhatToDo answers the changing call with each code that the
// action can meet.
func TestEveryErrorCodeIsToldWithWhatToDo(t *testing.T) {
	rigs(t, func(t *testing.T, on *rig) {
		for _, tc := range []struct {
			action, code string
			status       int
			kind         fault.Kind
			words        string
		}{
			{"StopInstances", "UnauthorizedOperation", 403, fault.Denied, "ec2:StopInstances"},
			{"StopInstances", "InvalidInstanceID.NotFound", 400, fault.NotFound, "another account or region"},
			{"StopInstances", "InvalidInstanceID.Malformed", 400, fault.Invalid, "another account or region"},
			{"StopInstances", "IncorrectInstanceState", 400, fault.Conflict, "state"},
			{"StopInstances", "IncorrectState", 400, fault.Conflict, "state"},
			{"StopInstances", "OperationNotPermitted", 400, fault.Conflict, "--unprotect"},
			{"StopInstances", "UnsupportedOperation", 400, fault.Unsupported, "spot"},
			{"StopInstances", "RequestLimitExceeded", 503, fault.RateLimited, "throttles"},
			{"StopInstances", "Throttling", 400, fault.RateLimited, "throttles"},
			{"StopInstances", "AuthFailure", 401, fault.Auth, "credential"},
			{"StopInstances", "ExpiredToken", 400, fault.Auth, "renew"},
			{"StopInstances", "InvalidClientTokenId", 403, fault.Auth, "renew"},
			{"StopInstances", "UnrecognizedClientException", 400, fault.Auth, "renew"},
			{"StopInstances", "OptInRequired", 403, fault.Denied, "not enabled"},
			{"StopInstances", "RegionDisabledException", 403, fault.Denied, "not enabled"},
			{"PutRolePolicy", "AccessDenied", 403, fault.Denied, "iam:PutRolePolicy"},
			{"PutRolePolicy", "AccessDeniedException", 403, fault.Denied, "iam:PutRolePolicy"},
			{"PutRolePolicy", "NoSuchEntity", 404, fault.NotFound, "does not exist"},
			{"PutRolePolicy", "LimitExceeded", 409, fault.Quota, "AWSDenyAll"},
			{"PutRolePolicy", "MalformedPolicyDocument", 400, fault.Invalid, "policy"},
			{"PutRolePolicy", "UnmodifiableEntity", 400, fault.Unsupported, "AWS owns"},
			{"PutRolePolicy", "ConcurrentModification", 409, fault.Conflict, "try again"},
			{"PutRolePolicy", "ServiceFailure", 500, fault.Partial, "ServiceFailure"},
			{"CreateSecurityGroup", "SecurityGroupLimitExceeded", 400, fault.Quota, "quota"},
			{"CreateSecurityGroup", "InvalidGroup.Duplicate", 400, fault.Conflict, "InvalidGroup.Duplicate"},
			{"RevokeSecurityGroupEgress", "InvalidPermission.NotFound", 400, fault.Partial, "still has"},
			{"RevokeSecurityGroupEgress", "InvalidGroup.NotFound", 400, fault.Partial, "plan again"},
			{"ModifyNetworkInterfaceAttribute", "InvalidNetworkInterfaceID.NotFound", 400, fault.Partial, "detached"},
			{"ModifyNetworkInterfaceAttribute", "SecurityGroupsPerInterfaceLimitExceeded", 400, fault.Partial, "quota"},
			{"ModifyNetworkInterfaceAttribute", "InvalidParameterValue", 400, fault.Partial, "plan again"},
		} {
			t.Run(tc.action+" "+tc.code, func(t *testing.T) {
				r := on.again(t)
				r.role("web", "/", ec2Trust)
				target, v := r.run("", 1)[0], respond.StopInstance
				switch tc.action {
				case "StopInstances":
				case "PutRolePolicy":
					target, v = "web", respond.IsolateRole
				default:
					v = respond.IsolateInstance
				}
				r.wire.answer = refuse(tc.action, tc.status, tc.code)
				_, err := r.do(v, target, respond.Options{})
				wantKind(t, err, tc.kind, tc.words)
			})
		}
	})
}

func TestAGroupInUseAtUndoIsLeft(t *testing.T) {
	rigs(t, func(t *testing.T, on *rig) {
		for _, code := range []string{"DependencyViolation", "InvalidGroup.InUse", "InvalidGroup.NotFound"} {
			s := on.again(t).site()
			rep := s.mustDo(respond.IsolateInstance, s.instance, respond.Options{})
			s.wire.answer = refuse("DeleteSecurityGroup", 400, code)
			_, err := s.undo(rep.Action.ID)
			if code == "InvalidGroup.NotFound" { // AWS says it is gone, and still lists it
				wantKind(t, err, fault.Partial, "reading it back")
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", code, err)
			}
		}
	})
}

func TestATagThatHasNoRoomIsAWarning(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		s.wire.answer = refuse("CreateTags", 400, "TagLimitExceeded")
		rep, err := s.do(respond.IsolateInstance, s.instance, respond.Options{})
		if err != nil || len(rep.Warnings) != 3 || !strings.Contains(rep.Warnings[0], "TagLimitExceeded") || s.cutOff() != "" {
			t.Fatal(rep.Warnings, err)
		}
	})
}

func TestAKeyIsDisabledAndEnabledByUndo(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		key, _ := r.user("bob")
		status := func() iamtypes.StatusType {
			return must(r.iam.ListAccessKeys(t.Context(), &iam.ListAccessKeysInput{UserName: aws.String("bob")}))(t).AccessKeyMetadata[0].Status
		}
		rep := r.mustDo(respond.DisableKey, key, respond.Options{})
		if status() != iamtypes.StatusTypeInactive {
			t.Fatal(status())
		}
		again, err := r.do(respond.DisableKey, key, respond.Options{})
		if err != nil || !strings.Contains(again.Already, "Inactive already") {
			t.Fatal(again, err)
		}
		r.mustUndo(rep.Action.ID)
		if status() != iamtypes.StatusTypeActive {
			t.Fatal(status())
		}
		rep = r.mustDo(respond.DisableKey, key, respond.Options{})
		must(r.iam.DeleteAccessKey(t.Context(), &iam.DeleteAccessKeyInput{UserName: aws.String("bob"), AccessKeyId: &key}))(t)
		if _, err := r.undo(rep.Action.ID); err != nil {
			t.Fatal(err)
		}
	})
}

func TestKeysThatMustNotBeDisabledAreRefused(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		_, err := r.do(respond.DisableKey, "ASIAIOSFODNN7EXAMPLE", respond.Options{})
		wantKind(t, err, fault.Unsupported, "temporary", "isolate role")
		key, secret := r.user("edrc")
		r.opt.AccessKeyID = key
		r.opt.SecretAccessKey = literal(secret)
		r.reopen()
		_, err = r.do(respond.DisableKey, key, respond.Options{})
		wantKind(t, err, fault.Denied, "edrc itself")
		_, err = r.do(respond.DisableKey, "AKIAAAAAAAAAAAAAAAAA", respond.Options{})
		if err == nil {
			t.Error("an unknown key was found")
		}
		if w := r.wire.writes(); len(w) > 0 {
			t.Error(w)
		}
	})
}
