package guardduty

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/guardduty/types"

	"edrc/internal/alert"
	"edrc/internal/awsconn"
	"edrc/internal/fault"
	"edrc/internal/source"
)

// What a finding is about, and which places are asked for the findings of some scopes.

// resources are what a finding is about: each thing with tags, and of each account and
// region where nothing has any, one without.
func (f *finding) resources() []alert.Resource {
	r := f.Resource
	own := alert.Resource{Account: string(f.AccountID), Region: string(f.Region)}
	var all []alert.Resource
	add := func(at alert.Resource, tags list[tag]) {
		for _, t := range tags {
			if at.Tags == nil {
				at.Tags = map[string]string{}
			}
			at.Tags[string(t.Key)] = string(t.Value)
		}
		if !slices.ContainsFunc(all, at.Equal) {
			all = append(all, at)
		}
	}
	add(own, nil)
	for _, tags := range []list[tag]{r.Instance.Tags, r.EKSCluster.Tags, r.ECSCluster.Tags, r.ECSCluster.Task.Tags, r.Lambda.Tags, r.RDSInstance.Tags, r.RDSLimitless.Tags} {
		add(own, tags)
	}
	for _, b := range r.S3Buckets {
		add(own, b.Tags)
	}
	for _, s := range f.Service.Detection.Sequence.Resources {
		at := own
		if s.Account != "" {
			at.Account = string(s.Account)
		}
		if s.Region != "" {
			at.Region = string(s.Region)
		}
		add(at, s.Tags)
	}
	return slices.DeleteFunc(slices.Clone(all), func(r alert.Resource) bool {
		return len(r.Tags) == 0 && slices.ContainsFunc(all, func(o alert.Resource) bool {
			return o.Account == r.Account && o.Region == r.Region && len(o.Tags) > 0
		})
	})
}

// holds reports whether a place is inside a scope by its account and region. One that
// could not be found out may be.
func holds(sc alert.Scope, s *site) bool {
	return (sc.Accounts == nil || s.account == awsconn.All || slices.Contains(sc.Accounts, s.account)) && reaches(sc, s)
}

func reaches(sc alert.Scope, s *site) bool {
	return sc.Regions == nil || s.region == awsconn.All || slices.Contains(sc.Regions, s.region)
}

// inside gives the places of the scopes; no scope is everywhere.
func inside(sites []*site, scopes []alert.Scope) (in, out []*site) {
	for _, s := range sites {
		if len(scopes) == 0 || slices.ContainsFunc(scopes, func(sc alert.Scope) bool { return holds(sc, s) }) {
			in = append(in, s)
		} else {
			out = append(out, s)
		}
	}
	return in, out
}

// administering gives the places outside the scopes that may list findings of accounts
// inside: those whose members they are, or may be as far as is known. in has been looked
// at.
func administering(out, in []*site, scopes []alert.Scope) []*site {
	var may []*site
	for _, s := range out {
		if slices.ContainsFunc(scopes, func(sc alert.Scope) bool {
			return reaches(sc, s) && slices.ContainsFunc(sc.Accounts, func(account string) bool { return mayList(s, account, in) })
		}) {
			may = append(may, s)
		}
	}
	return may
}

// mayList reports whether s may be the only one to list an account's findings: the
// account is not read itself, or says that s administers it.
func mayList(s *site, account string, in []*site) bool {
	read := false
	for _, own := range in {
		if own.account != account || own.region != s.region && s.region != awsconn.All {
			continue
		}
		if own.err != nil || own.admin == s.account {
			return true
		}
		read = true
	}
	return !read
}

// outsider reports a place outside the scopes that turned out to list its own findings
// alone.
func outsider(s *site, scopes []alert.Scope) bool {
	in, _ := inside([]*site{s}, scopes)
	return len(in) == 0 && s.admin != ""
}

// narrowed adds to lists what the API can narrow by: accounts, and tags of instances.
// Keys and values of tags do not pair there, and what is no instance has its tags
// elsewhere, so that what comes is a superset.
func (s *site) narrowed(ls []listing, q alert.Query) []listing {
	var accounts, keys, values []string
	anyAccount, anyTag := len(q.Scopes) == 0, len(q.Scopes) == 0 || q.Hash != "" // a hash narrows enough
	for _, sc := range q.Scopes {
		if !reaches(sc, s) {
			continue
		}
		anyAccount = anyAccount || sc.Accounts == nil
		accounts = union(accounts, sc.Accounts)
		anyTag = anyTag || len(sc.Tags) == 0 || sc.Untagged
		for key, value := range sc.Tags {
			keys, values = union(keys, []string{key}), union(values, []string{value})
		}
	}
	byTag := !anyTag && len(keys) > 0 && len(keys) <= maxIDs && len(values) <= maxIDs
	var out []listing
	for _, l := range ls {
		if !anyAccount && len(accounts) > 0 && len(accounts) <= maxIDs {
			l.criterion = with(l.criterion, "accountId", accounts...)
		}
		if !byTag {
			out = append(out, l)
			continue
		}
		const kind, tags = "resource.resourceType", "resource.instanceDetails.tags."
		instances, others := l, l
		instances.criterion = with(with(with(l.criterion, kind, "Instance"), tags+"key", keys...), tags+"value", values...)
		others.criterion = with(l.criterion, kind)
		others.criterion[kind] = types.Condition{NotEquals: []string{"Instance"}}
		out = append(out, instances, others)
	}
	return out
}

func union(list, more []string) []string {
	for _, s := range more {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	slices.Sort(list)
	return list
}

// outside is the error for scopes that no configured place is in.
func (c *Client) outside() error {
	return &fault.Error{Kind: fault.NotFound, Source: c.name, Msg: "none of the configured accounts and regions is in the environment", Err: source.ErrOutside,
		Hint: "compare `accounts` and `regions` with the environment: edrc sources check " + c.name}
}
