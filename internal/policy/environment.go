// Package policy holds what a configuration rules about alerts and about what they
// concern. It is pure: it decides, and nothing here reads or does.
//
// Today that is environments: parts of AWS with a name, see [Environment].
package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/safe"
)

// All stands for every account or region.
const All = "all"

// Environment is a part of AWS: the union of its groups.
type Environment struct {
	Groups []Group `yaml:"groups"`
	// IncludeUntagged counts what has no tags, or cannot have any, to the groups that ask
	// for tags.
	IncludeUntagged bool `yaml:"include_untagged"`
}

// Group is accounts, narrowed by regions and tags: all that is written must fit.
type Group struct {
	Accounts Accounts          `yaml:"accounts"` // must be written, if only as all
	Regions  Regions           `yaml:"regions"`  // left out: all
	Tags     map[string]string `yaml:"tags"`
}

// Accounts are account ids, or all.
type Accounts []Account

// Regions are names of regions, or all.
type Regions []Region

// Account is an account id or all.
type Account string

// Region is the name of a region or all.
type Region string

// OneWord is the word that may stand in place of a list.
func (Accounts) OneWord() string { return All }

// OneWord is the word that may stand in place of a list.
func (Regions) OneWord() string { return All }

var (
	accountID  = safe.Pattern(`^[0-9]{12}$`)
	regionName = safe.Pattern(`^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`)
	name       = safe.Pattern(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
)

// UnmarshalText reads an account id or all.
func (a *Account) UnmarshalText(b []byte) error {
	if string(b) != All && !accountID().Match(b) {
		return errors.New(`want an account id of 12 digits, or all`)
	}
	*a = Account(b)
	return nil
}

// UnmarshalText reads the name of a region or all.
func (r *Region) UnmarshalText(b []byte) error {
	if string(b) != All && !regionName().Match(b) {
		return errors.New("want a region such as us-east-1, or all")
	}
	*r = Region(b)
	return nil
}

// ValidName reports whether an environment may be called s.
func ValidName(s string) bool { return name().MatchString(s) }

// Valid says what an environment lacks. What is left out by mistake must not become
// everything.
func (e Environment) Valid() error {
	if len(e.Groups) == 0 {
		return fault.Usagef("it has no groups").WithHint("for example groups: [{accounts: all, regions: [us-east-1]}]")
	}
	for i, g := range e.Groups {
		switch {
		case len(g.Accounts) == 0:
			return fault.Usagef("groups[%d] has no accounts", i).WithHint("name them, or write accounts: all")
		case g.Regions != nil && len(g.Regions) == 0:
			return fault.Usagef("groups[%d].regions is empty", i).WithHint("leave it out for all regions")
		}
		for key := range g.Tags {
			if key == "" {
				return fault.Usagef("groups[%d].tags: a tag has no key", i)
			}
		}
	}
	return nil
}

// Scopes are the groups, as a query takes them. There is at least one.
func (e Environment) Scopes() []alert.Scope {
	var out []alert.Scope
	for _, g := range e.Groups {
		out = append(out, alert.Scope{Accounts: names(g.Accounts), Regions: names(g.Regions), Tags: g.Tags, Untagged: e.IncludeUntagged})
	}
	return out
}

// names gives a list, nil for all of them.
func names[T ~string](list []T) []string {
	var out []string
	for _, s := range list {
		if s == All {
			return nil
		}
		out = append(out, string(s))
	}
	return out
}

// Digest identifies what the environment says, in 8 hex digits: whoever remembers how far
// it was read must begin anew when it says something else.
func (e Environment) Digest() string {
	b, err := json.Marshal(e)
	if err != nil { // strings and one bool
		b = []byte(fmt.Sprint(e))
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:4])
}

// Decision is whether something is in an environment, and why.
type Decision struct {
	In    bool
	Group int      // index of the group that it is in, -1 for none
	Why   []string // which rule of each group it fails; empty when it is in
}

// Decide tests resources: one of them in a group is enough. None is in no environment.
func (e Environment) Decide(rs []alert.Resource) Decision {
	d := Decision{Group: -1}
	if len(rs) == 0 {
		d.Why = []string{"its product has no accounts"}
		return d
	}
	for i, s := range e.Scopes() {
		for _, r := range rs {
			why := s.Misses(r)
			if why == "" {
				return Decision{In: true, Group: i}
			}
			why = fmt.Sprintf("group %d: %s", i+1, why)
			if len(rs) > 1 {
				why += " (" + Place(r) + ")"
			}
			if !slices.Contains(d.Why, why) {
				d.Why = append(d.Why, why)
			}
		}
	}
	return d
}

// DecidePlace tests an account and a region, whatever the tags: what is refused here is in
// no case inside. region "" is what has none.
func (e Environment) DecidePlace(account, region string) Decision {
	e.Groups = slices.Clone(e.Groups)
	for i := range e.Groups {
		e.Groups[i].Tags = nil
	}
	return e.Decide([]alert.Resource{{Account: account, Region: region}})
}

// Place is where a resource is, ACCOUNT/REGION.
func Place(r alert.Resource) string {
	if r.Region == "" {
		return r.Account
	}
	return r.Account + "/" + r.Region
}
