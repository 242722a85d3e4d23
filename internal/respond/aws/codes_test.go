package aws

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

// TestEveryCodeOfTheOtherCallsIsToldWithWhatToDo adds the calls that only options make,
// and those of the key, to the table of codes.
func TestEveryCodeOfTheOtherCallsIsToldWithWhatToDo(t *testing.T) {
	for _, tc := range []struct {
		play, action, code string
		status             int
		kind               fault.Kind
		words              string
	}{
		{"key", "UpdateAccessKey", "NoSuchEntity", 404, fault.NotFound, "does not exist"},
		{"key", "UpdateAccessKey", "Throttling", 400, fault.RateLimited, "throttles"},
		{"key", "UpdateAccessKey", "ThrottlingException", 400, fault.RateLimited, "throttles"},
		{"key", "UpdateAccessKey", "TooManyRequestsException", 429, fault.RateLimited, "throttles"},
		{"key", "UpdateAccessKey", "ServiceFailure", 500, fault.Partial, "ServiceFailure"},
		{"stop", "ModifyInstanceAttribute", "IncorrectInstanceState", 400, fault.Partial, "state"},
		{"stop", "StopInstances", "OperationNotPermitted", 400, fault.Partial, "--unprotect"},
		{"stop", "StopInstances", "UnsupportedOperation", 400, fault.Partial, "one-time spot"},
		{"stop", "CreateSnapshots", "SnapshotLimitExceeded", 400, fault.Quota, "SnapshotLimitExceeded"},
		{"standby", "EnterStandby", "ValidationError", 400, fault.Invalid, "ValidationError"},
		{"network", "CreateNetworkAclEntry", "NetworkAclEntryLimitExceeded", 400, fault.Partial, "quota"},
		{"network", "CreateNetworkAclEntry", "NetworkAclEntryAlreadyExists", 400, fault.Partial, "NetworkAclEntryAlreadyExists"},
		{"network", "ModifyInstanceMetadataOptions", "IncorrectInstanceState", 400, fault.Partial, "state"},
		{"two-step", "AuthorizeSecurityGroupIngress", "RulesPerSecurityGroupLimitExceeded", 400, fault.Partial, "quota"},
		{"two-step", "CreateSecurityGroup", "VpcIdNotSpecified", 400, fault.Invalid, "VpcIdNotSpecified"},
	} {
		t.Run(tc.action+" "+tc.code, func(t *testing.T) {
			rigs(t, func(t *testing.T, r *rig) {
				p := plays[tc.play]
				s := p.set(r)
				before := s.stands()
				s.wire.answer = refuse(tc.action, tc.status, tc.code)
				rep, err := s.do(p.verb, s.target, p.o)
				wantKind(t, err, tc.kind, tc.words, tc.code)
				s.wire.answer = nil
				if rep.Action == nil {
					t.Fatal("no action tells it")
				}
				s.mustUndo(rep.Action.ID)
				if now := s.stands(); now != before {
					t.Errorf("after the undo: %s\nbefore: %s", now, before)
				}
			})
		})
	}
}

func TestTheEncodedPartOfARefusalIsLeftOut(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		id := r.run("", 1)[0]
		r.wire.answer = func(c call) (int, string) {
			if c.action != "StopInstances" || c.form.Get("DryRun") == "true" {
				return 0, ""
			}
			status, body := ec2Error(403, "UnauthorizedOperation")
			return status, strings.Replace(body, "said AWS", "You are not authorized to perform this operation. Encoded authorization failure message: "+strings.Repeat("xYz", 400), 1)
		}
		_, err := r.do(respond.StopInstance, id, respond.Options{})
		wantKind(t, err, fault.Denied, "You are not authorized", "(ec2:StopInstances on instance "+id+" is needed)", "allow ec2:StopInstances on instance "+id)
		if strings.Contains(err.Error(), "xYz") {
			t.Error(err)
		}
	})
}

// TestWhatMustNotBeDoneTwiceIsSentOnce: an answer that was lost is looked for, and only a
// request that AWS has not taken is sent again.
func TestWhatMustNotBeDoneTwiceIsSentOnce(t *testing.T) {
	for action, name := range map[string]string{"CreateNetworkAclEntry": "network", "EnterStandby": "standby", "ExitStandby": "standby", "CreateSnapshots": "network"} {
		for how, taken := range map[string]bool{"lost": true, "throttled": false} {
			t.Run(action+" "+how, func(t *testing.T) {
				rigs(t, func(t *testing.T, r *rig) {
					s := plays[name].set(r)
					before, sent, form := s.stands(), 0, ""
					first := func(c call) bool {
						if c.action != action || !c.changes() || form != "" && form != c.form.Encode() {
							return false
						}
						form = c.form.Encode()
						sent++
						return sent == 1
					}
					if taken {
						s.wire.lose = first
					} else {
						s.wire.answer = func(c call) (int, string) {
							if !first(c) {
								return 0, ""
							}
							if c.form.Get("Version") == "2016-11-15" {
								return ec2Error(503, "RequestLimitExceeded")
							}
							return iamError(400, "Throttling")
						}
					}
					rep := s.mustDo(plays[name].verb, s.target, plays[name].o)
					s.mustUndo(rep.Action.ID)
					want := map[bool]int{true: 1, false: 2}[taken]
					if now := s.stands(); sent != want || now != before {
						t.Errorf("sent %d times, not %d; after the undo: %s\nbefore: %s", sent, want, now, before)
					}
				})
			})
		}
	}
}

// TestSomebodyFasterMakesTheGroup: between the look and CreateSecurityGroup.
func TestSomebodyFasterMakesTheGroup(t *testing.T) {
	for name, tags := range map[string]map[string]string{"edrc on another machine": {purposeTag: forIsolation}, "somebody else": nil} {
		t.Run(name, func(t *testing.T) {
			sites(t, func(t *testing.T, s *site) {
				s.wire.answer = func(c call) (int, string) {
					if c.action != "CreateSecurityGroup" || !c.changes() || c.form.Get("VpcId") != s.vpcs[0] {
						return 0, ""
					}
					in := &ec2.CreateSecurityGroupInput{GroupName: aws.String(isolationGroup), Description: aws.String("d"), VpcId: &s.vpcs[0]}
					if tags != nil {
						in.TagSpecifications = []types.TagSpecification{{ResourceType: types.ResourceTypeSecurityGroup, Tags: ec2Tags(tags)}}
					}
					must(s.ec2.CreateSecurityGroup(context.Background(), in))(t)
					return ec2Error(400, "InvalidGroup.Duplicate")
				}
				rep, err := s.do(respond.IsolateInstance, s.instance, respond.Options{})
				if tags == nil {
					wantKind(t, err, fault.KindOf(err), "somebody else made it")
					return
				}
				if err != nil || s.cutOff() != "" {
					t.Fatalf("%v; %s", err, s.cutOff())
				}
				s.wire.answer = nil
				s.mustUndo(rep.Action.ID)
				if !s.asBefore() {
					t.Errorf("%v; %v", s.now(), s.ours())
				}
			})
		})
	}
}

// TestWhatWasJustMadeMayNotBeSeenForAWhile: EC2 is eventually consistent.
func TestWhatWasJustMadeMayNotBeSeenForAWhile(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		n := map[string]int{}
		s.wire.answer = func(c call) (int, string) {
			if c.action != "ModifyNetworkInterfaceAttribute" && c.action != "RevokeSecurityGroupEgress" || !c.changes() {
				return 0, ""
			}
			if n[c.action]++; n[c.action] > 2 {
				return 0, ""
			}
			return ec2Error(400, "InvalidGroup.NotFound")
		}
		s.mustDo(respond.IsolateInstance, s.instance, respond.Options{})
		if why := s.cutOff(); why != "" || s.slept == 0 {
			t.Errorf("%s; slept %s", why, s.slept)
		}
	})
}

// TestAnEgressRuleThatIsGoneAlreadyIsFine: somebody revoked it between look and call.
func TestAnEgressRuleThatIsGoneAlreadyIsFine(t *testing.T) {
	sites(t, func(t *testing.T, s *site) {
		s.wire.answer = func(c call) (int, string) {
			if c.action != "RevokeSecurityGroupEgress" {
				return 0, ""
			}
			in := &ec2.RevokeSecurityGroupEgressInput{GroupId: aws.String(c.form.Get("GroupId"))}
			for i := 1; c.form.Has(fmt.Sprintf("SecurityGroupRuleId.%d", i)); i++ {
				in.SecurityGroupRuleIds = append(in.SecurityGroupRuleIds, c.form.Get(fmt.Sprintf("SecurityGroupRuleId.%d", i)))
			}
			must(s.ec2.RevokeSecurityGroupEgress(context.Background(), in))(t)
			return ec2Error(400, "InvalidPermission.NotFound")
		}
		s.mustDo(respond.IsolateInstance, s.instance, respond.Options{})
		if why := s.cutOff(); why != "" {
			t.Error(why)
		}
	})
}

func TestAnInstanceThatAWSHasNoRoomForIsStartedByTheNextUndo(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		id := r.run("", 1)[0]
		rep := r.mustDo(respond.StopInstance, id, respond.Options{})
		r.wire.answer = refuse("StartInstances", 500, "InsufficientInstanceCapacity")
		_, err := r.undo(rep.Action.ID)
		wantKind(t, err, fault.KindOf(err), "InsufficientInstanceCapacity")
		if r.state(id) != types.InstanceStateNameStopped {
			t.Fatal(r.state(id))
		}
		r.wire.answer = nil
		r.mustUndo(rep.Action.ID)
		if r.state(id) != types.InstanceStateNameRunning {
			t.Error(r.state(id))
		}
	})
}
