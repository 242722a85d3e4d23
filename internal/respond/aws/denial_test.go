package aws

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

// stage is one target, and how to tell in a line how it stands.
type stage struct {
	*rig
	target string
	stands func() string
}

// play is an action that is tried with each of its calls denied.
type play struct {
	verb respond.Verb
	o    respond.Options
	set  func(r *rig) stage // on an empty AWS
}

// plays are every verb, with the options that add calls of their own.
var plays = map[string]play{
	"stop":     {respond.StopInstance, respond.Options{Snapshot: true, Unprotect: true}, protectedInstance},
	"standby":  {respond.StopInstance, respond.Options{Standby: true}, scaledInstance},
	"role":     {respond.IsolateRole, respond.Options{}, plainRole},
	"keep ssm": {respond.IsolateRole, respond.Options{KeepSSM: true}, plainRole},
	"key":      {respond.DisableKey, respond.Options{}, plainKey},
	"network":  {respond.IsolateInstance, respond.Options{Cut: respond.CutNACL, DisableIMDS: true, Snapshot: true}, wholeSite},
	"two-step": {respond.IsolateInstance, respond.Options{Cut: respond.CutTwoStep}, wholeSite},
}

func protectedInstance(r *rig) stage {
	t := r.t
	id := r.run("", 1)[0]
	must(r.ec2.ModifyInstanceAttribute(t.Context(), &ec2.ModifyInstanceAttributeInput{InstanceId: &id, DisableApiStop: &types.AttributeBooleanValue{Value: aws.Bool(true)}}))(t)
	return stage{r, id, func() string {
		out := must(r.ec2.DescribeInstanceAttribute(context.Background(), &ec2.DescribeInstanceAttributeInput{InstanceId: &id, Attribute: types.InstanceAttributeNameDisableApiStop}))(t)
		return fmt.Sprint(r.state(id), " protected ", aws.ToBool(out.DisableApiStop.Value))
	}}
}

func scaledInstance(r *rig) stage {
	t := r.t
	c, id := r.scaled(1, 2)
	return stage{r, id, func() string {
		i := must(c.DescribeAutoScalingInstances(context.Background(), &autoscaling.DescribeAutoScalingInstancesInput{InstanceIds: []string{id}}))(t)
		g := must(c.DescribeAutoScalingGroups(context.Background(), &autoscaling.DescribeAutoScalingGroupsInput{}))(t)
		return fmt.Sprint(r.state(id), " ", aws.ToString(i.AutoScalingInstances[0].LifecycleState), " of ", aws.ToInt32(g.AutoScalingGroups[0].DesiredCapacity))
	}}
}

func plainRole(r *rig) stage {
	return stage{r, r.plain("web"), func() string { return fmt.Sprint(sorted(r.policies("web"))) }}
}

func plainKey(r *rig) stage {
	t := r.t
	key, _ := r.user("bob")
	return stage{r, key, func() string {
		return string(must(r.iam.ListAccessKeys(context.Background(), &iam.ListAccessKeysInput{UserName: aws.String("bob")}))(t).AccessKeyMetadata[0].Status)
	}}
}

func wholeSite(r *rig) stage {
	s := r.site()
	return stage{s.rig, s.instance, func() string { return fmt.Sprint(s.now(), len(s.ours()), s.aclEntries(), s.endpoint()) }}
}

// namesActionAndResource is what a refusal must tell: "(iam:PutRolePolicy on role web is needed)".
func namesActionAndResource(action string) *regexp.Regexp {
	return regexp.MustCompile(`\([a-z0-9]+:` + action + ` on (role|instance|user|key|security group|network interface|network ACL|Auto Scaling group|the volumes of|eni-)[^()]* is needed\)`)
}

// deny refuses the first call of an action that changes something.
func deny(action string) func(call) (int, string) {
	done := false
	return func(c call) (int, string) {
		if done || c.action != action || !c.changes() {
			return 0, ""
		}
		done = true
		return refusal(c)
	}
}

// refusal is what a service answers to a call that is not allowed.
func refusal(c call) (int, string) {
	if c.form.Get("Version") == "2016-11-15" {
		return ec2Error(403, "UnauthorizedOperation")
	}
	return iamError(403, "AccessDenied")
}

// TestADenialOfAnyCallOfAnyVerbIsToldAndNothingIsForgotten denies each changing call of
// each verb, on the way there and on the way back: the message names action and
// resource, the journal knows the rest, and the undo gives back what was there.
func TestADenialOfAnyCallOfAnyVerbIsToldAndNothingIsForgotten(t *testing.T) {
	for name, p := range plays {
		t.Run(name, func(t *testing.T) {
			on := rigs
			if p.verb == respond.IsolateInstance { // moto is slow: it has TestADenialAtAnyStepIsToldAndNothingIsForgotten
				on = func(t *testing.T, test func(*testing.T, *rig)) { t.Parallel(); test(t, labRig(t)) }
			}
			on(t, func(t *testing.T, r *rig) {
				s := p.set(r)
				s.wire.writes()
				rep := s.mustDo(p.verb, s.target, p.o)
				there := firstOfEach(s.wire.writes())
				s.mustUndo(rep.Action.ID)
				back := firstOfEach(s.wire.writes())
				if len(there) == 0 || len(back) == 0 {
					t.Fatalf("there %v, back %v", there, back)
				}
				for i, action := range there {
					if !r.takes(i) {
						continue
					}
					t.Run(action, func(t *testing.T) { deniedThere(t, p.set(r.again(t)), p, action, i == 0) })
				}
				for i, action := range back {
					if !r.takes(i) {
						continue
					}
					t.Run("undo "+action, func(t *testing.T) { deniedBack(t, p.set(r.again(t)), p, action) })
				}
			})
		})
	}
}

// firstOfEach keeps the order, each name once.
func firstOfEach(names []string) (out []string) {
	seen := map[string]bool{}
	for _, n := range names {
		if !seen[n] {
			out = append(out, n)
		}
		seen[n] = true
	}
	return out
}

func deniedThere(t *testing.T, s stage, p play, action string, first bool) {
	t.Helper()
	before := s.stands()
	s.wire.answer = deny(action)
	rep, err := s.do(p.verb, s.target, p.o)
	want, text := respond.StatusPartial, fmt.Sprint(err)
	switch {
	case action == "CreateTags": // a copy of what the journal has: a warning
		want, text = respond.StatusDone, strings.Join(rep.Warnings, " ")
		if err != nil {
			t.Fatal(err)
		}
	case first:
		want = respond.StatusFailed
		wantKind(t, err, fault.Denied, "0 of ")
	default:
		wantKind(t, err, fault.Partial, "steps are done", "edrc undo "+rep.Action.ID, "edrc actions resume "+rep.Action.ID)
	}
	if !namesActionAndResource(action).MatchString(text) {
		t.Errorf("which action on which resource is not told: %s", text)
	}
	s.wire.answer = nil
	s.reopen()
	a, err := s.engine().Action(rep.Action.ID)
	if err != nil || a.Status != want {
		t.Fatalf("the journal has %+v, %v; want %s", a, err, want)
	}
	s.mustUndo(a.ID)
	if now := s.stands(); now != before {
		t.Fatalf("after the undo: %s\nbefore: %s", now, before)
	}
}

func deniedBack(t *testing.T, s stage, p play, action string) {
	t.Helper()
	before := s.stands()
	rep := s.mustDo(p.verb, s.target, p.o)
	s.wire.answer = deny(action)
	undone, err := s.undo(rep.Action.ID)
	text := fmt.Sprint(err)
	if err == nil { // only the copy on the interface may stay behind, and that is said
		if text = strings.Join(undone.Warnings, " "); action != "DeleteTags" {
			t.Fatalf("%s was denied and nobody heard: %s", action, text)
		}
	} else if fault.Is(err, fault.Partial) {
		wantKind(t, err, fault.Partial, "edrc undo "+rep.Action.ID)
	} else {
		wantKind(t, err, fault.Denied, "0 of ")
	}
	if !namesActionAndResource(action).MatchString(text) {
		t.Errorf("which action on which resource is not told: %s", text)
	}
	s.wire.answer = nil
	s.reopen()
	if err != nil {
		s.mustUndo(rep.Action.ID)
	}
	if now := s.stands(); now != before {
		t.Fatalf("after the undo: %s\nbefore: %s", now, before)
	}
	if a, err := s.engine().Action(rep.Action.ID); err != nil || a.Status != respond.StatusUndone {
		t.Fatalf("%+v %v", a, err)
	}
}

// TestADenialOfReadingBackIsNoDone: what was done and cannot be read is not called done.
func TestADenialOfReadingBackIsNoDone(t *testing.T) {
	for name, tc := range map[string]struct{ after, read string }{
		"role": {"PutRolePolicy", "GetRolePolicy"}, "key": {"UpdateAccessKey", "ListAccessKeys"}, "stop": {"StopInstances", "DescribeInstances"},
	} {
		t.Run(name, func(t *testing.T) {
			rigs(t, func(t *testing.T, r *rig) { blindAfter(t, plays[name].set(r), plays[name], tc.after, tc.read) })
		})
	}
}

// blindAfter has every reading call of a name refused once something was changed.
func blindAfter(t *testing.T, s stage, p play, after, read string) {
	t.Helper()
	before, changed := s.stands(), false
	s.wire.answer = func(c call) (int, string) {
		changed = changed || c.action == after && c.changes()
		if !changed || c.action != read {
			return 0, ""
		}
		return refusal(c)
	}
	rep, err := s.do(p.verb, s.target, p.o)
	wantKind(t, err, fault.Partial, read, "edrc undo")
	s.wire.answer = nil
	s.mustUndo(rep.Action.ID)
	if now := s.stands(); now != before {
		t.Fatalf("after the undo: %s\nbefore: %s", now, before)
	}
}
