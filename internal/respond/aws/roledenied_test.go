package aws

import (
	"strings"
	"testing"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

// simulated answers SimulatePrincipalPolicy, which moto has not, with one decision after
// the other and then with the last one again.
func simulated(decisions ...string) func(call) (int, string) {
	n := 0
	return func(c call) (int, string) {
		if c.action != "SimulatePrincipalPolicy" {
			return 0, ""
		}
		d := decisions[min(n, len(decisions)-1)]
		n++
		return 200, "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><EvaluationResults><member><EvalActionName>" +
			c.form.Get("ActionNames.member.1") + "</EvalActionName><EvalDecision>" + d + "</EvalDecision></member></EvaluationResults>" +
			"</SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
	}
}

// asked gives the simulated calls.
func (r *rig) asked() (out []call) {
	for _, c := range r.wire.seen {
		if c.action == "SimulatePrincipalPolicy" {
			out = append(out, c)
		}
	}
	return out
}

func TestASessionOfTheRoleIsSeenToBeDenied(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		r.role("web", "/svc/", ec2Trust)
		r.wire.answer = simulated("allowed", "implicitDeny", "explicitDeny") // the policy takes its time
		rep := r.mustDo(respond.IsolateRole, "web", respond.Options{})
		asked := r.asked()
		if len(asked) != 3 || r.slept == 0 || len(rep.Warnings) > 0 {
			t.Fatalf("asked %d times, slept %s, %v", len(asked), r.slept, rep.Warnings)
		}
		if c := asked[0].form; c.Get("PolicySourceArn") != "arn:aws:iam::"+r.account+":role/svc/web" || c.Get("ActionNames.member.1") != "ec2:DescribeInstances" ||
			c.Has("ActionNames.member.2") {
			t.Errorf("%v", c)
		}
		if o := rep.Action.Steps[1].Outcome; o.State != respond.Done {
			t.Errorf("%+v", o)
		}
		r.wire.seen = nil
		all, errs := r.engine().Isolated(t.Context())
		if len(errs) > 0 || len(all) != 1 || all[0].State != respond.StillIsolated || len(r.asked()) > 0 {
			t.Errorf("%+v %v; asked %v", all, errs, r.asked())
		}
		r.mustUndo(rep.Action.ID)
		if got := r.policies("web"); len(got) != 1 {
			t.Fatal(got)
		}
	})
}

// TestWhatIAMWasNotAskedIsNotClaimed: the role is isolated all the same.
func TestWhatIAMWasNotAskedIsNotClaimed(t *testing.T) {
	rigs(t, func(t *testing.T, on *rig) {
		for name, tc := range map[string]struct {
			answer func(call) (int, string)
			words  string
		}{
			"without the permission": {refuse("SimulatePrincipalPolicy", 403, "AccessDenied"), "iam:SimulatePrincipalPolicy on role arn:aws:iam::"},
			"not implemented":        {refuse("SimulatePrincipalPolicy", 500, "InternalFailure"), "InternalFailure"},
			"an empty answer": {func(c call) (int, string) {
				if c.action != "SimulatePrincipalPolicy" {
					return 0, ""
				}
				return 200, "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult/></SimulatePrincipalPolicyResponse>"
			}, "0 results"},
		} {
			t.Run(name, func(t *testing.T) {
				r := on.again(t)
				r.role("web", "/", ec2Trust)
				r.wire.answer = tc.answer
				rep := r.mustDo(respond.IsolateRole, "web", respond.Options{})
				if o := rep.Action.Steps[1].Outcome; o.State != respond.Left || !strings.Contains(o.Note, "not asked") || !strings.Contains(o.Note, tc.words) {
					t.Errorf("%+v", o)
				}
				if len(r.policies("web")) != 2 {
					t.Error(r.policies("web"))
				}
				r.mustUndo(rep.Action.ID)
			})
		}
	})
}

func TestARoleThatIsStillAllowedIsNotCalledIsolated(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		r.role("web", "/", ec2Trust)
		r.wire.answer = simulated("allowed")
		rep, err := r.do(respond.IsolateRole, "web", respond.Options{})
		wantKind(t, err, fault.Partial, "1 of 2 steps are done", "ec2:DescribeInstances", "still says allowed", "some minutes", "edrc actions resume "+rep.Action.ID)
		if a, err := r.engine().Action(rep.Action.ID); err != nil || a.Status != respond.StatusPartial {
			t.Fatalf("%+v %v", a, err)
		}
		r.wire.answer = simulated("explicitDeny")
		done, err := r.engine().Resume(t.Context(), rep.Action.ID, yes)
		if err != nil || done.Action.Status != respond.StatusDone {
			t.Fatalf("%+v %v", done, err)
		}
		r.mustUndo(rep.Action.ID)
	})
}

func TestThePlanSaysWhatThePolicyDoes(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		r.role("web", "/", ec2Trust)
		for words, o := range map[string]respond.Options{
			": deny every action on every resource":                      {},
			": deny every action but the SSM agent's, on every resource": {KeepSSM: true},
		} {
			p, err := r.plan(respond.IsolateRole, "web", o)
			if err != nil || p.Steps[0].Title != "add the inline policy edrc-isolate-"+p.Request.Action+words {
				t.Errorf("%+v %v", p.Steps, err)
			}
			if !strings.Contains(p.Steps[1].Title, "simulated") || !p.Steps[1].Keep {
				t.Errorf("%+v", p.Steps[1])
			}
		}
	})
}

// TestTheSimulatedCallIsAskedWhereAWSCanBeAsked: moto cannot, and the lab evaluates the
// policies of the role.
func TestTheSimulatedCallIsAskedWhereAWSCanBeAsked(t *testing.T) {
	rigs(t, func(t *testing.T, r *rig) {
		r.role("web", "/svc/", ec2Trust)
		rep := r.mustDo(respond.IsolateRole, "web", respond.Options{})
		want := respond.Done
		if r.moto != nil {
			want = respond.Left
		}
		if o := rep.Action.Steps[1].Outcome; o.State != want || len(r.asked()) == 0 {
			t.Fatalf("%+v, want %s; asked %v", o, want, r.asked())
		}
	})
}
