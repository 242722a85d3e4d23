package awsconn

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"edrc/internal/fault"
)

// All stands for every account of the organisation, and every region that is enabled.
const All = "all"

// Place is an account and a region to work in.
type Place struct {
	Account, Region string
	// Err says why not all of them could be found out. Region is All then, and so is
	// Account when the accounts are meant; what the configuration names stands beside it.
	Err error
}

// discovery is what was found out for the word all. A failure is not asked for again at
// once: every place would.
type discovery struct {
	turn  gate
	known bool
	found []string
	err   error
	until time.Time // of err
}

// once gives what was found before, or finds it out.
func (d *discovery) once(ctx context.Context, now func() time.Time, find func() ([]string, error)) ([]string, error) {
	if err := d.turn.enter(ctx); err != nil {
		return nil, err
	}
	defer d.turn.leave()
	if d.known || d.err != nil && now().Before(d.until) {
		return d.found, d.err
	}
	d.found, d.err = find()
	d.known = d.err == nil
	if d.until = now().Add(failureLife); fault.Is(d.err, fault.Interrupted) {
		d.until = time.Time{}
	}
	return d.found, d.err
}

// Accounts gives the configured accounts, else the credential's own. For all it asks the
// organisation; where that fails and accounts are named as well, those are given.
func (c *Conn) Accounts(ctx context.Context) ([]string, error) {
	ids, err := c.accountsAll(ctx)
	if len(ids) > 0 {
		return ids, nil
	}
	return nil, err
}

// accountsAll is Accounts, and what went wrong although there are some.
func (c *Conn) accountsAll(ctx context.Context) ([]string, error) {
	ids := c.opt.Accounts.named()
	if !c.opt.Accounts.all() {
		if len(ids) > 0 {
			return ids, nil
		}
		who, err := c.Caller(ctx, "")
		if err != nil {
			return nil, err
		}
		return []string{who.Account}, nil
	}
	found, err := c.members(ctx)
	for _, id := range found {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, err
}

// Regions gives the configured regions, else the one of the AWS environment. For all it
// gives those that are enabled in the credential's own account.
func (c *Conn) Regions(ctx context.Context) ([]string, error) {
	regions, err := c.regionsOf(ctx, "")
	if len(regions) > 0 {
		return regions, nil
	}
	return nil, err
}

// regionsOf gives the regions of an account, and what went wrong although there are some.
func (c *Conn) regionsOf(ctx context.Context, account string) ([]string, error) {
	regions := c.opt.Regions.named()
	if !c.opt.Regions.all() {
		if len(regions) > 0 {
			return regions, nil
		}
		base, err := c.config(ctx)
		if err != nil {
			return nil, err
		}
		return []string{base.Region}, nil
	}
	found, err := c.enabled(ctx, account)
	for _, r := range found {
		if !slices.Contains(regions, r) {
			regions = append(regions, r)
		}
	}
	return regions, err
}

// placeWorkers is how many accounts are asked for their regions at once.
const placeWorkers = 8

// Places gives every account and region to work in, in the order of the configuration,
// and what was found out after it in order of its name. It fails only when it learns of
// none.
func (c *Conn) Places(ctx context.Context) ([]Place, error) {
	accounts, err := c.accountsAll(ctx)
	if len(accounts) == 0 {
		return nil, err
	}
	var out []Place
	if err != nil {
		out = append(out, Place{All, All, err})
	}
	lists := make([][]Place, len(accounts))
	slots := make(chan struct{}, placeWorkers)
	var wg sync.WaitGroup
	for i, account := range accounts {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			regions, err := c.regionsOf(ctx, account)
			for _, r := range regions {
				lists[i] = append(lists[i], Place{Account: account, Region: r})
			}
			if err != nil {
				lists[i] = append(lists[i], Place{account, All, err})
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, c.Explain(err, "", "")
	}
	return append(out, slices.Concat(lists...)...), nil
}

// members gives the active accounts of the organisation (AWS Organizations,
// ListAccounts), sorted. Only its management account and a delegated administrator may
// ask.
func (c *Conn) members(ctx context.Context) ([]string, error) {
	return c.organisation.once(ctx, c.now, func() ([]string, error) {
		base, err := c.config(ctx)
		if err != nil {
			return nil, err
		}
		cfg, err := c.For(ctx, "", base.Region)
		if err != nil {
			return nil, err
		}
		all, err := c.listAccounts(ctx, cfg)
		if err != nil {
			return nil, err
		}
		var out []string
		for _, a := range all {
			id := aws.ToString(a.Id)
			if !accountID().MatchString(id) {
				return nil, c.odd("an account without an id")
			}
			if active(a) {
				out = append(out, id)
			}
		}
		slices.Sort(out)
		return slices.Compact(out), nil
	})
}

// listAccounts reads every page: one has at most 20 accounts, and one without any may
// have a successor.
func (c *Conn) listAccounts(ctx context.Context, cfg aws.Config) ([]types.Account, error) {
	client := organizations.NewFromConfig(cfg)
	var out []types.Account
	for token := ""; ; {
		in := &organizations.ListAccountsInput{}
		if token != "" {
			in.NextToken = &token
		}
		page, err := client.ListAccounts(ctx, in)
		if err != nil {
			return nil, c.undiscovered(err, "accounts", "", "the organisation's management account and delegated administrators may ask for its accounts, with organizations:ListAccounts")
		}
		out = append(out, page.Accounts...)
		next := aws.ToString(page.NextToken)
		switch {
		case next == "" && len(out) == 0:
			return nil, c.odd("no accounts")
		case next == "":
			return out, nil
		case next == token:
			return nil, c.odd("the same page token again") // it would go round for ever
		}
		token = next
	}
}

// active reports whether an account can be worked in: by State, which is newer, else by
// Status. One with neither is tried.
func active(a types.Account) bool {
	if a.State != "" {
		return a.State == types.AccountStateActive
	}
	return a.Status == "" || a.Status == types.AccountStatusActive
}

// enabled gives the regions that are enabled in an account (EC2, DescribeRegions), the
// one that we start from first.
func (c *Conn) enabled(ctx context.Context, account string) ([]string, error) {
	c.mu.Lock()
	d := c.regions[account]
	if d == nil {
		d = &discovery{turn: newGate()}
		c.regions[account] = d
	}
	c.mu.Unlock()
	return d.once(ctx, c.now, func() ([]string, error) {
		base, err := c.config(ctx)
		if err != nil {
			return nil, err
		}
		cfg, err := c.For(ctx, account, base.Region)
		if err != nil {
			return nil, err
		}
		out, err := ec2.NewFromConfig(cfg).DescribeRegions(ctx, &ec2.DescribeRegionsInput{})
		if err != nil {
			return nil, c.undiscovered(err, "regions", account, "allow ec2:DescribeRegions there")
		}
		var names []string
		for _, r := range out.Regions {
			name := aws.ToString(r.RegionName)
			switch {
			case !regionName().MatchString(name):
				return nil, c.odd("a region that is none")
			case Partition(name) != Partition(base.Region): // our credential is not valid there
			case aws.ToString(r.OptInStatus) != "not-opted-in" && !slices.Contains(names, name):
				names = append(names, name)
			}
		}
		if len(names) == 0 {
			return nil, c.odd("no regions")
		}
		slices.SortFunc(names, func(a, b string) int { return compare(a, b, base.Region) })
		return names, nil
	})
}

// compare orders by name, but for one that is first.
func compare(a, b, first string) int {
	switch {
	case a == b:
		return 0
	case a == first || b != first && a < b:
		return -1
	}
	return 1
}

// undiscovered says what to do where the word all cannot be followed.
func (c *Conn) undiscovered(err error, what, account, hint string) error {
	e, ok := c.Explain(err, account, "").(*fault.Error)
	if !ok || e.Kind == fault.Interrupted {
		return e
	}
	e.Msg = what + ": all: " + e.Msg
	if e.Kind == fault.Denied {
		e.Hint = hint + "; or name " + what + " in source " + c.name + ", also beside all: [all, …]"
	}
	return e
}

func (c *Conn) odd(what string) error {
	e := c.fault(fault.Unavailable, "the answer has "+what)
	e.Hint = "a proxy may have answered, or the endpoint does not have this API"
	return e
}
