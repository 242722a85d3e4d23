package guardduty

import (
	"context"
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/source"
)

// coverage asks every account and region, in the order of the configuration, whether
// GuardDuty is on and may be read, and gives what went wrong where.
func (c *Client) coverage(ctx context.Context) ([]source.Coverage, []siteError, error) {
	found, err := c.survey(ctx)
	if err != nil {
		return nil, nil, err
	}
	sites := make([]*site, len(found))
	for i, s := range found { // others read the survey: what is learned here stays here
		mine := *s
		sites[i] = &mine
	}
	each(sites, func(s *site) { s.try(ctx) })
	if ctx.Err() != nil {
		return nil, nil, c.conn.Explain(ctx.Err(), "", "")
	}
	var failures []siteError
	var table []source.Coverage
	for _, s := range sites {
		row := source.Coverage{Account: s.account, Region: s.region, State: s.state}
		switch {
		case s.err != nil:
			row.Detail = message(s.err)
			failures = append(failures, siteError{s, s.err})
		case s.covered:
			row.Detail = "read through its administrator, account " + s.admin
		case s.admin != "":
			row.Detail = "a member of account " + s.admin + ", which is not read here: it cannot archive"
		case s.suspended:
			row.Detail = "the detector is suspended: nothing new is found"
		}
		table = append(table, row)
	}
	return table, failures, nil
}

// try reads a site the least that proves that it can be read.
func (s *site) try(ctx context.Context) {
	if s.state != StateEnabled || s.covered {
		return
	}
	if _, err := s.list(ctx, newest(nil), "", 1); err != nil {
		s.fail(err)
		return
	}
	if status, err := s.status(ctx); err == nil { // it is a detail: without the permission it is not told
		s.suspended = status == "DISABLED"
	}
}

// Check implements source.Source. Missing names each account and region that is denied,
// with the action that is missing there. Another failure is the error; it is partial when
// some of them can be read.
func (c *Client) Check(ctx context.Context) (source.Health, error) {
	const op = "check"
	who, err := c.conn.Caller(ctx, "")
	if err != nil {
		return source.Health{}, fault.At(err, c.name, op)
	}
	tenant, err := c.conn.Tenant(ctx)
	if err != nil {
		return source.Health{}, fault.At(err, c.name, op)
	}
	h := source.Health{Identity: who.ARN, Tenant: tenant, Expires: who.Expires, Missing: map[string]string{}}
	table, failures, err := c.coverage(ctx)
	if err != nil {
		return h, fault.At(err, c.name, op)
	}
	h.Skew, h.Coverage = c.skew(), table
	on := 0
	for _, row := range table {
		if row.State == StateEnabled {
			on++
		}
	}
	if on == 0 && len(failures) == 0 {
		return h, fault.At(c.nowhere(), c.name, op)
	}
	if on == 0 {
		return h, fault.At(c.sum(ctx, failures, false), c.name, op)
	}
	var others []siteError
	for _, f := range failures {
		if f.at.state == StateDenied {
			h.Missing["alerts in "+f.at.String()] = missingAction(f.err)
			continue
		}
		others = append(others, f)
	}
	return h, fault.At(c.sum(ctx, others, true), c.name, op)
}

// skew is how far AWS's clock is ahead of ours, as the last survey read it.
func (c *Client) skew() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.sites {
		if !s.now.IsZero() {
			return s.now.Sub(c.surveyed).Round(time.Second) // the header has whole seconds
		}
	}
	return 0
}

// missingAction is the IAM action that an error says is needed, or what it says.
func missingAction(err error) string {
	text := err.Error()
	if end := strings.LastIndex(text, " is needed)"); end >= 0 {
		if start := strings.LastIndexByte(text[:end], '('); start >= 0 {
			return text[start+1 : end]
		}
	}
	return text
}
