package aws

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

// errDeclined is the answer of somebody who only wanted to see what would be asked.
var errDeclined = errors.New("declined")

// serviceOf gives the IAM prefix of a request by the version of its protocol.
var serviceOf = map[string]string{"2016-11-15": "ec2", "2010-05-08": "iam", "2011-01-01": "autoscaling", "2015-12-01": "elasticloadbalancing", "2011-06-15": "sts"}

// onlyRead fails for requests that are not on the verb's list of reading actions, unless
// they are EC2's DryRun of one on its other list.
func (r *rig) onlyRead(v respond.Verb, what string) {
	r.t.Helper()
	read, write := Actions(v)
	n := 0
	for _, c := range r.wire.seen {
		action := serviceOf[c.form.Get("Version")] + ":" + c.action
		dry := c.form.Get("DryRun") == "true" && strings.HasPrefix(action, "ec2:") && slices.Contains(write, action)
		if !slices.Contains(read, action) && !dry && !strings.HasPrefix(action, "sts:") {
			r.t.Errorf("%s sent %s", what, action)
		}
		n++
	}
	if w := r.wire.writes(); len(w) > 0 || n == 0 {
		r.t.Errorf("%s: %d requests, and of them changed something: %v", what, n, w)
	}
}

// everyOption are the verbs, each with every option that it knows.
var everyOption = map[respond.Verb][]respond.Options{
	respond.StopInstance: {{}, {Force: true}, {Unprotect: true}, {Snapshot: true}, {Standby: true}, {Hibernate: true},
		{Force: true, Unprotect: true, Snapshot: true, Standby: true}},
	respond.IsolateRole: {{}, {KeepSSM: true}, {Force: true}},
	respond.IsolateInstance: {{}, {Force: true}, {Cut: respond.CutNone}, {Cut: respond.CutTwoStep}, {Cut: respond.CutNACL}, {Snapshot: true}, {DisableIMDS: true},
		{Standby: true}, {Cut: respond.CutTwoStep, Snapshot: true, DisableIMDS: true, Standby: true, Force: true}},
	respond.DisableKey: {{}, {Force: true}},
}

// TestPlansAndRehearsalsOfEveryVerbAndOptionOnlyRead: planning, the rehearsal with
// DryRun, a question that is declined, and planning the undo.
func TestPlansAndRehearsalsOfEveryVerbAndOptionOnlyRead(t *testing.T) {
	for v, options := range everyOption {
		t.Run(string(v), func(t *testing.T) {
			rigs(t, func(t *testing.T, r *rig) {
				target := r.targetFor(v)
				for _, o := range options {
					r.onlyLooks(v, target, o)
				}
				r.wire.edit = nil
				rep := r.mustDo(v, target, options[0])
				if len(r.wire.writes()) == 0 {
					t.Error("doing it changed nothing: the test sees nothing")
				}
				p, err := r.engine().PlanUndo(t.Context(), respond.UndoRequest{ID: rep.Action.ID})
				if err != nil || len(p.Steps) == 0 {
					t.Fatalf("%+v %v", p, err)
				}
				r.onlyRead(v, "planning the undo of "+string(v))
			})
		})
	}
}

// onlyLooks plans, rehearses, and declines.
func (r *rig) onlyLooks(v respond.Verb, target string, o respond.Options) {
	r.t.Helper()
	what := fmt.Sprintf("%s %+v", v, o)
	r.wire.edit = nil
	if o.Hibernate {
		r.patch("<instanceId>", "<hibernationOptions><configured>true</configured></hibernationOptions><instanceId>")
	}
	p, err := r.plan(v, target, o)
	if err != nil || len(p.Steps) == 0 {
		r.t.Fatalf("%s: %+v %v", what, p.Steps, err)
	}
	r.onlyRead(v, "planning "+what)
	for _, s := range p.Steps {
		if err := r.driver.Rehearse(r.t.Context(), s); err != nil {
			r.t.Errorf("%s: %s: %v", what, s.Title, err)
		}
	}
	if v == respond.StopInstance || v == respond.IsolateInstance { // IAM has no DryRun
		r.onlyRead(v, "rehearsing "+what)
	}
	_, err = r.engine().Apply(r.t.Context(), p, respond.Approval{Ask: func(context.Context, respond.Question) (bool, error) { return false, errDeclined }})
	if w := r.wire.writes(); !errors.Is(err, errDeclined) || len(w) > 0 {
		r.t.Errorf("%s, declined: %v %v", what, w, err)
	}
}

// targetFor gives something that every option of a verb fits.
func (r *rig) targetFor(v respond.Verb) string {
	r.t.Helper()
	switch v {
	case respond.IsolateRole:
		return r.plain("web")
	case respond.DisableKey:
		key, _ := r.user("bob")
		return key
	}
	_, id := r.scaled(1, 2)
	return id
}

// TestARehearsalThatIsRefusedStopsEveryVerbThatCanBeRehearsed: EC2 is asked beforehand.
func TestARehearsalThatIsRefusedStopsEveryVerbThatCanBeRehearsed(t *testing.T) {
	for action, p := range map[string]play{
		"StopInstances": plays["stop"], "ModifyInstanceAttribute": plays["stop"], "CreateSnapshots": plays["stop"],
		"CreateSecurityGroup": plays["network"], "CreateNetworkAclEntry": plays["network"], "ModifyInstanceMetadataOptions": plays["network"],
	} {
		t.Run(action, func(t *testing.T) {
			rigs(t, func(t *testing.T, r *rig) {
				s := p.set(r)
				before := s.stands()
				s.wire.writes()
				s.wire.answer = func(c call) (int, string) {
					if c.action == action && c.form.Get("DryRun") == "true" {
						return refusal(c)
					}
					return 0, ""
				}
				_, err := s.do(p.verb, s.target, p.o)
				wantKind(t, err, fault.Denied, "ec2:"+action+" on ", "nothing was changed")
				if w := s.wire.writes(); len(w) > 0 || s.stands() != before {
					t.Errorf("%v", w)
				}
			})
		})
	}
}
