package alert

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Resource is what an alert is about, where it runs in a cloud account. A product
// without accounts has none.
type Resource struct {
	Account string `json:"account"`
	Region  string `json:"region,omitempty"` // "" of what is global in its account, such as a role
	// Tags as the product tells them; empty also when it does not tell any.
	Tags map[string]string `json:"tags,omitempty"`
}

// Equal reports whether two resources are the same.
func (r Resource) Equal(o Resource) bool {
	return r.Account == o.Account && r.Region == o.Region && maps.Equal(r.Tags, o.Tags)
}

// Scope is a part of a cloud: a resource is in it when its account, its region and all
// of the tags fit.
type Scope struct {
	Accounts, Regions []string          // nil: any
	Tags              map[string]string // as they are written: AWS compares case, too
	Untagged          bool              // what has no tags at all fits as well
}

// Misses says which rule of the scope a resource fails, "" for none: then it is in it.
// What has no region is in every region of its account.
func (s Scope) Misses(r Resource) string {
	switch {
	case r.Account == "":
		return "it is in no account"
	case s.Accounts != nil && !slices.Contains(s.Accounts, r.Account):
		return "account " + r.Account + " is not among " + few(s.Accounts)
	case s.Regions != nil && r.Region != "" && !slices.Contains(s.Regions, r.Region):
		return "region " + r.Region + " is not among " + few(s.Regions)
	case len(r.Tags) == 0 && s.Untagged:
		return ""
	}
	for _, key := range slices.Sorted(maps.Keys(s.Tags)) {
		switch value, ok := r.Tags[key]; {
		case !ok && len(r.Tags) == 0:
			return fmt.Sprintf("no tags are known, and %s=%s is asked for", key, s.Tags[key])
		case !ok:
			return fmt.Sprintf("it has no tag %s", key)
		case value != s.Tags[key]:
			return fmt.Sprintf("its tag %s is %s, not %s", key, value, s.Tags[key])
		}
	}
	return ""
}

// few names some of a list.
func few(list []string) string {
	const most = 5
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

// Within reports whether any resource of the alert is in any of the scopes.
func (a Alert) Within(scopes []Scope) bool {
	return slices.ContainsFunc(a.Resources, func(r Resource) bool {
		return slices.ContainsFunc(scopes, func(s Scope) bool { return s.Misses(r) == "" })
	})
}
