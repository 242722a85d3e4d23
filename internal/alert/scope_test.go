package alert

import (
	"strings"
	"testing"
)

func TestAResourceIsInAScopeWhenEveryRuleFits(t *testing.T) {
	all := Scope{Accounts: []string{"111122223333", "444455556666"}, Regions: []string{"us-east-1"}, Tags: map[string]string{"env": "prod", "team": "pay"}}
	untagged := all
	untagged.Untagged = true
	tags := map[string]string{"env": "prod", "team": "pay", "Name": "x"}
	for name, tc := range map[string]struct {
		s    Scope
		r    Resource
		want string // part of why not; "" is inside
	}{
		"all fit":             {all, Resource{"111122223333", "us-east-1", tags}, ""},
		"account":             {all, Resource{"999999999999", "us-east-1", tags}, "account 999999999999"},
		"region":              {all, Resource{"111122223333", "eu-west-1", tags}, "region eu-west-1"},
		"global":              {all, Resource{"111122223333", "", tags}, ""},
		"one tag":             {all, Resource{"111122223333", "us-east-1", map[string]string{"env": "prod"}}, "no tag team"},
		"values do not mix":   {all, Resource{"111122223333", "us-east-1", map[string]string{"env": "pay", "team": "prod"}}, "env is pay, not prod"},
		"case counts":         {all, Resource{"111122223333", "us-east-1", map[string]string{"Env": "prod", "team": "pay"}}, "no tag env"},
		"no tags":             {all, Resource{"111122223333", "us-east-1", nil}, "no tags are known"},
		"untagged":            {untagged, Resource{"111122223333", "us-east-1", nil}, ""},
		"untagged elsewhere":  {untagged, Resource{"111122223333", "eu-west-1", nil}, "region"},
		"tagged otherwise":    {untagged, Resource{"111122223333", "us-east-1", map[string]string{"a": "b"}}, "no tag env"},
		"anything":            {Scope{}, Resource{"111122223333", "us-east-1", nil}, ""},
		"no account":          {Scope{}, Resource{}, "no account"},
		"no account, a label": {Scope{Untagged: true}, Resource{Region: "us-east-1"}, "no account"},
	} {
		if got := tc.s.Misses(tc.r); (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestAQueryWithScopesIsTheirUnionAndNothingElse(t *testing.T) {
	q := Query{Scopes: []Scope{{Accounts: []string{"111122223333"}}, {Regions: []string{"eu-west-1"}}}}
	for name, tc := range map[string]struct {
		in   []Resource
		want bool
	}{
		"first":        {[]Resource{{Account: "111122223333", Region: "us-east-1"}}, true},
		"second":       {[]Resource{{Account: "444455556666", Region: "eu-west-1"}}, true},
		"any resource": {[]Resource{{Account: "444455556666", Region: "us-east-1"}, {Account: "444455556666", Region: "eu-west-1"}}, true},
		"neither":      {[]Resource{{Account: "444455556666", Region: "us-east-1"}}, false},
		"no resource":  {nil, false},
	} {
		if got := q.Match(Alert{Resources: tc.in}); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if !(Query{}).Match(Alert{}) {
		t.Error("a query without scopes narrows")
	}
}

func TestResourcesAreNoPartOfTheFactsDigest(t *testing.T) {
	a := Alert{Host: Host{ID: "i-1"}}
	b := a
	b.Resources = []Resource{{Account: "111122223333", Tags: map[string]string{"env": "prod"}}}
	if a.Digest() != b.Digest() {
		t.Error("a tag would have a stored alert judged again")
	}
}
