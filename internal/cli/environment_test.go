package cli

import (
	"context"
	"strings"
	"testing"

	"edrc/internal/fault"
	"edrc/internal/policy"
	"edrc/internal/respond"
)

// planner plans what it is told, and counts.
type planner struct {
	respond.Driver
	plan  respond.Plan
	plans *int
}

func (p planner) Plan(context.Context, respond.Request) (respond.Plan, error) {
	*p.plans++
	return p.plan, nil
}

func prodOnly(untagged bool) environment {
	return environment{"prod", &policy.Environment{IncludeUntagged: untagged, Groups: []policy.Group{
		{Accounts: policy.Accounts{"111122223333"}, Regions: policy.Regions{"us-east-1"}, Tags: map[string]string{"env": "prod"}}}}}
}

func TestATargetOutsideTheEnvironmentIsRefusedWithTheRuleThatItFails(t *testing.T) {
	instance := func(account, region string) respond.Target {
		return respond.Target{Kind: respond.Instance, ID: "i-0a12f3e4b5c6d7e8f", Account: account, Region: region}
	}
	role := respond.Target{Kind: respond.Role, ID: "web", Account: "111122223333", Region: "eu-west-1"} // where it was asked for
	tagged := func(t respond.Target, env string) []respond.Touched {
		return []respond.Touched{{Kind: respond.Instance, ID: "i-other", Tags: map[string]string{"env": "prod"}}, {Kind: t.Kind, ID: t.ID, Tags: map[string]string{"env": env}}}
	}
	for name, tc := range map[string]struct {
		asked    respond.Target
		plan     respond.Plan
		untagged bool
		want     string // part of the refusal, "" is none
		planned  int
	}{
		"inside":                {instance("111122223333", "us-east-1"), respond.Plan{Target: instance("111122223333", "us-east-1"), Touched: tagged(instance("", ""), "prod")}, false, "", 1},
		"account, before":       {instance("999999999999", "us-east-1"), respond.Plan{}, false, "account 999999999999", 0},
		"region, before":        {instance("111122223333", "eu-west-1"), respond.Plan{}, false, "region eu-west-1", 0},
		"found elsewhere":       {instance("", ""), respond.Plan{Target: instance("111122223333", "eu-west-1"), Touched: tagged(instance("", ""), "prod")}, false, "region eu-west-1", 1},
		"its tags now":          {instance("111122223333", "us-east-1"), respond.Plan{Target: instance("111122223333", "us-east-1"), Touched: tagged(instance("", ""), "dev")}, false, "tag env is dev, not prod", 1},
		"tags of another thing": {instance("111122223333", "us-east-1"), respond.Plan{Target: instance("111122223333", "us-east-1"), Touched: tagged(instance("", ""), "dev")[:1]}, false, "no tags are known", 1},
		"a role has no region":  {respond.Target{Kind: respond.Role, ID: "web"}, respond.Plan{Target: role, Touched: tagged(role, "prod")}, false, "", 1},
		"a key has no tags":     {respond.Target{Kind: respond.Key, ID: "AKIA"}, respond.Plan{Target: respond.Target{Kind: respond.Key, ID: "AKIA", Account: "111122223333"}}, false, "no tags are known", 1},
		"include_untagged":      {respond.Target{Kind: respond.Key, ID: "AKIA"}, respond.Plan{Target: respond.Target{Kind: respond.Key, ID: "AKIA", Account: "111122223333"}}, true, "", 1},
		"a host":                {respond.Target{Kind: respond.HostKind, ID: "H"}, respond.Plan{Target: respond.Target{Kind: respond.HostKind, ID: "H"}}, true, "no account", 1},
	} {
		plans := 0
		d := confined{planner{plan: tc.plan, plans: &plans}, prodOnly(tc.untagged)}
		p, err := d.Plan(t.Context(), respond.Request{Target: tc.asked})
		if plans != tc.planned {
			t.Errorf("%s: planned %d times", name, plans)
		}
		if tc.want == "" {
			if err != nil || p.Target != tc.plan.Target {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), "outside environment prod") || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}
