package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"edrc/internal/alert"
	"edrc/internal/config"
	"edrc/internal/fault"
	"edrc/internal/policy"
	"edrc/internal/report"
	"edrc/internal/respond"
	"edrc/internal/triage"
)

// environment is one that is configured.
type environment struct {
	name string
	*policy.Environment
}

// environments are all that are configured, in the order of the file.
func environments(cfg *config.Config) []environment {
	var out []environment
	for _, e := range cfg.Environments {
		out = append(out, environment{e.Name, e.Rules.(*policy.Environment)})
	}
	return out
}

// findEnvironment gives the one of a name.
func findEnvironment(cfg *config.Config, name string) (environment, error) {
	var names []string
	for _, e := range environments(cfg) {
		if e.name == name {
			return e, nil
		}
		names = append(names, e.name)
	}
	if len(names) == 0 {
		return environment{}, fault.Usagef("no environment %q: none is configured", name).WithHint("add it under environments in %s", cfg.Path)
	}
	err := fault.Usagef("no environment %q", name)
	if near := report.Nearest(name, names); near != "" {
		err = fault.Usagef("no environment %q; did you mean %q?", name, near)
	}
	return environment{}, err.WithHint("configured: %s", strings.Join(names, ", "))
}

// environmentFlag narrows what a command reads.
func environmentFlag(c *cobra.Command, into *string) {
	c.Flags().StringVar(into, "environment", "", "only alerts in this environment, a part of AWS: its `NAME`; alerts of products without AWS accounts are in none")
}

// within narrows a query to an environment; "" is none. The configuration is read.
func (a *app) within(q *alert.Query, name string) error {
	if name == "" {
		return nil
	}
	e, err := findEnvironment(a.cfg, name)
	if err == nil {
		q.Scopes = e.Scopes()
	}
	return err
}

// part is what a sync is narrowed to. Its key says what the environment says today, so
// that one which was changed is read anew.
func (e environment) part() triage.Environment {
	return triage.Environment{Key: e.name + "@" + e.Digest(), Scopes: e.Scopes()}
}

// confined is a driver that refuses what is outside an environment: by account and region
// before it reads anything, and by the real tags once it has.
type confined struct {
	respond.Driver
	environment
}

// confine makes the engine's drivers refuse what is outside the environment of a name.
func (r *responder) confine(name string) error {
	e, err := findEnvironment(r.a.cfg, name)
	if err != nil {
		return err
	}
	r.inside = e.admits
	for v, d := range r.engine.Drivers {
		r.engine.Drivers[v] = confined{d, e}
	}
	return nil
}

// Plan implements respond.Driver.
func (c confined) Plan(ctx context.Context, req respond.Request) (respond.Plan, error) {
	if t := req.Target; t.Account != "" {
		if d := c.DecidePlace(t.Account, regionOf(t)); !d.In {
			return respond.Plan{}, c.refuses(t, d)
		}
	}
	p, err := c.Driver.Plan(ctx, req)
	if err != nil {
		return p, err
	}
	return p, c.admits(p)
}

// Rehearse implements respond.Rehearser, for a driver that does.
func (c confined) Rehearse(ctx context.Context, s respond.Step) error {
	if d, ok := c.Driver.(respond.Rehearser); ok {
		return d.Rehearse(ctx, s)
	}
	return nil
}

// regionOf is the region of a target; roles and keys have none.
func regionOf(t respond.Target) string {
	if t.Kind == respond.Instance {
		return t.Region
	}
	return ""
}

// admits refuses a plan whose target is outside, by the tags that planning read.
func (e environment) admits(p respond.Plan) error {
	t := p.Target
	at := alert.Resource{Account: t.Account, Region: regionOf(t)}
	for _, touched := range p.Touched {
		if touched.Kind == t.Kind && touched.ID == t.ID {
			at.Tags = touched.Tags
		}
	}
	if d := e.Decide([]alert.Resource{at}); !d.In {
		return e.refuses(t, d)
	}
	return nil
}

func (e environment) refuses(t respond.Target, d policy.Decision) error {
	return fault.New(fault.Denied, "%s %s is outside environment %s: %s", t.Kind, t.Label(), e.name, strings.Join(d.Why, "; ")).
		WithHint("see what is in it: edrc environments show %s", e.name)
}
