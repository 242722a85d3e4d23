package aws

import (
	"context"
	"fmt"
	"strings"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

// scope is where a target may be.
type scope struct{ account, region string }

// scopes gives where a target is looked for: where it says, else everywhere that is
// configured. global is for what has no region.
func (d *Driver) scopes(ctx context.Context, t respond.Target, global bool) ([]scope, error) {
	accounts, regions := []string{t.Account}, []string{t.Region}
	var err error
	if t.Account == "" {
		if accounts, err = d.Conn.Accounts(ctx); err != nil {
			return nil, err
		}
	}
	if t.Region == "" || global {
		if regions, err = d.Conn.Regions(ctx); err != nil {
			return nil, err
		}
	}
	if global {
		regions = regions[:1]
	}
	var out []scope
	for _, a := range accounts {
		for _, r := range regions {
			out = append(out, scope{a, r})
		}
	}
	return out, nil
}

// search asks one scope after the other. look says whether the target is there.
func (d *Driver) search(ctx context.Context, t respond.Target, global bool, look func(*session) (bool, error)) ([]*session, error) {
	scopes, err := d.scopes(ctx, t, global)
	if err != nil {
		return nil, err
	}
	var found []*session
	var places []string
	var failed error
	for _, sc := range scopes {
		s, err := d.at(ctx, sc.account, sc.region)
		if err == nil {
			s = s.of(string(t.Kind) + " " + t.ID)
			var there bool
			if there, err = look(s); err == nil && there {
				found = append(found, s)
			}
		}
		if err != nil && failed == nil {
			failed = err
		}
		places = append(places, strings.Trim(sc.account+"/"+sc.region, "/"))
	}
	byName := t.Kind == respond.Role || t.Kind == respond.Profile // the other ids are nobody else's
	switch {
	case len(found) == 1 && failed != nil && byName:
		return nil, &fault.Error{Kind: fault.Usage, Err: failed, Hint: sayWhich(t, found[0]),
			Msg: fmt.Sprintf("%s %s is in account %s, and whether it is in another, too, is not known: %v", t.Kind, t.ID, found[0].account, failed)}
	case len(found) == 1 || len(found) > 1 && !global:
		return found, nil
	case len(found) > 1:
		var accounts []string
		for _, s := range found {
			accounts = append(accounts, s.account)
		}
		return nil, fault.Usagef("%s %s is in %d accounts: %s", t.Kind, t.ID, len(found), strings.Join(accounts, ", ")).WithHint("%s", sayWhich(t, found[0]))
	case failed != nil:
		return nil, fault.At(failed, "", fmt.Sprintf("look for %s", t.ID))
	}
	return nil, fault.New(fault.NotFound, "there is no %s %s in %s", t.Kind, t.ID, strings.Join(places, ", ")).
		WithHint("%s", lookAgain(t))
}

// sayWhich says how one of several is named.
func sayWhich(t respond.Target, s *session) string {
	partition, kind := "aws", "role"
	if p := strings.SplitN(s.who.ARN, ":", 3); len(p) == 3 && p[1] != "" {
		partition = p[1]
	}
	if t.Kind == respond.Profile {
		kind = "instance-profile"
	}
	return fmt.Sprintf("say which one: give its ARN, as in arn:%s:iam::%s:%s/%s", partition, s.account, kind, t.ID)
}

func lookAgain(t respond.Target) string {
	if t.Kind == respond.Instance {
		return "check the id, and the accounts and regions of the configuration; a terminated instance is forgotten after an hour"
	}
	return "check how it is written, and the accounts of the configuration"
}
