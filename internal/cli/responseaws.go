package cli

import (
	"context"
	"fmt"
	"strings"

	"edrc/internal/awsconn"
	"edrc/internal/config"
	"edrc/internal/fault"
	"edrc/internal/respond"
	"edrc/internal/respond/aws"
	"edrc/internal/source/guardduty"
)

// cloud is one configured AWS.
type cloud struct {
	name string
	*aws.Driver
}

// clouds is the driver of every AWS that is configured: one for each guardduty
// source, or that of the AWS environment where there is none.
type clouds []cloud

var (
	_ respond.Driver    = clouds(nil)
	_ respond.Rehearser = clouds(nil)
)

// theClouds makes the connections; nobody is talked to.
func (a *app) theClouds(cfg *config.Config) (clouds, error) {
	var out clouds
	add := func(name string, o awsconn.Options) error {
		h, err := a.httpConfig(cfg, name)
		if err != nil {
			return err
		}
		conn, err := awsconn.New(o, awsconn.Env{Name: name, HTTP: h})
		if err != nil {
			return err
		}
		a.closers = append(a.closers, conn.Close)
		out = append(out, cloud{name, &aws.Driver{Conn: conn, Now: a.Now, Sleep: sleep}})
		return nil
	}
	for _, s := range cfg.Sources {
		o, ok := s.Options.(*guardduty.Options)
		if !ok {
			continue
		}
		if err := add(s.Name, o.Options); err != nil {
			return nil, err
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	return out, add("aws", awsconn.Options{})
}

// Plan implements respond.Driver. A target that names neither source nor account is
// looked for everywhere; it must be in one place.
func (c clouds) Plan(ctx context.Context, r respond.Request) (respond.Plan, error) {
	picked, err := c.pick(ctx, r.Target)
	if err != nil {
		return respond.Plan{}, err
	}
	r.Target.Source = "" // the driver's targets have none
	var found *respond.Plan
	var failed error
	for _, d := range picked {
		p, err := d.Plan(ctx, r)
		switch {
		case err != nil && (failed == nil || fault.Is(failed, fault.NotFound)):
			failed = err
		case err != nil:
		case found == nil:
			found = &p
		case found.Target.Key() != p.Target.Key():
			return respond.Plan{}, fault.Usagef("%s is in account %s and in account %s", r.Target.ID, found.Target.Account, p.Target.Account).
				WithHint("say which one is meant: give its ARN, or --source")
		}
	}
	if found == nil {
		return respond.Plan{}, failed
	}
	if found.Target.Kind == respond.Role && failed != nil && !fault.Is(failed, fault.NotFound) { // a name, and not an id that is nobody else's
		return respond.Plan{}, &fault.Error{Kind: fault.Usage, Err: failed, Hint: "say which one is meant: give its ARN, or --source",
			Msg: fmt.Sprintf("%s is in account %s, and whether it is elsewhere, too, is not known: %v", r.Target.ID, found.Target.Account, failed)}
	}
	return *found, nil
}

func (c clouds) pick(ctx context.Context, t respond.Target) (clouds, error) {
	if t.Source != "" {
		var names []string
		for _, d := range c {
			if d.name == t.Source {
				return clouds{d}, nil
			}
			names = append(names, d.name)
		}
		return nil, fault.New(fault.NotFound, "no AWS is configured as %q", t.Source).WithHint("configured: %s", strings.Join(names, ", "))
	}
	if t.Account == "" {
		return c, nil
	}
	d, err := c.in(ctx, t.Account)
	return clouds{d}, err
}

// in gives the one that reaches an account.
func (c clouds) in(ctx context.Context, account string) (cloud, error) {
	if len(c) == 1 {
		return c[0], nil
	}
	var failed error
	for _, d := range c {
		_, err := d.Conn.Caller(ctx, account)
		if err == nil {
			return d, nil
		}
		if failed == nil {
			failed = err
		}
	}
	return cloud{}, failed
}

// Do implements respond.Driver.
func (c clouds) Do(ctx context.Context, s respond.Step, dir respond.Direction) (respond.Outcome, error) {
	d, err := c.in(ctx, s.Account)
	if err != nil {
		return respond.Outcome{}, err
	}
	return d.Do(ctx, s, dir)
}

// Read implements respond.Driver.
func (c clouds) Read(ctx context.Context, s respond.Step) (respond.Reading, error) {
	d, err := c.in(ctx, s.Account)
	if err != nil {
		return respond.Reading{State: respond.Unknown}, err
	}
	return d.Read(ctx, s)
}

// Rehearse implements respond.Rehearser.
func (c clouds) Rehearse(ctx context.Context, s respond.Step) error {
	d, err := c.in(ctx, s.Account)
	if err != nil {
		return err
	}
	return d.Rehearse(ctx, s)
}
