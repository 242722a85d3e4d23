package policy

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"edrc/internal/alert"
	"edrc/internal/fault"
)

func parse(t *testing.T, text string) Environment {
	t.Helper()
	var e Environment
	if err := yaml.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	if err := e.Valid(); err != nil {
		t.Fatal(err)
	}
	return e
}

const prod = `
groups:
  - {accounts: ["111122223333", 012345678901], tags: {env: prod}}
  - {accounts: [all], regions: [eu-central-1]}
`

func TestAnEnvironmentIsTheUnionOfItsGroups(t *testing.T) {
	e := parse(t, prod)
	tagged := map[string]string{"env": "prod"}
	for name, tc := range map[string]struct {
		in    []alert.Resource
		group int
		why   []string
	}{
		"by tag":          {[]alert.Resource{{Account: "111122223333", Region: "us-east-1", Tags: tagged}}, 0, nil},
		"a leading zero":  {[]alert.Resource{{Account: "012345678901", Region: "us-east-1", Tags: tagged}}, 0, nil},
		"by region":       {[]alert.Resource{{Account: "999999999999", Region: "eu-central-1"}}, 1, nil},
		"neither":         {[]alert.Resource{{Account: "111122223333", Region: "us-east-1"}}, -1, []string{"group 1: no tags are known", "group 2: region us-east-1"}},
		"one of several":  {[]alert.Resource{{Account: "111122223333", Region: "us-east-1"}, {Account: "999999999999", Region: "eu-central-1"}}, 1, nil},
		"none of several": {[]alert.Resource{{Account: "111122223333", Region: "us-east-1"}, {Account: "999999999999", Region: "us-east-1"}}, -1, []string{"111122223333/us-east-1", "999999999999/us-east-1"}},
		"no accounts":     {nil, -1, []string{"its product has no accounts"}},
	} {
		d := e.Decide(tc.in)
		why := strings.Join(d.Why, "; ")
		if d.In != (tc.group >= 0) || d.Group != tc.group || d.In != (why == "") {
			t.Errorf("%s: %+v", name, d)
		}
		for _, part := range tc.why {
			if !strings.Contains(why, part) {
				t.Errorf("%s: %q does not say %q", name, why, part)
			}
		}
		if in := (alert.Alert{Resources: tc.in}).Within(e.Scopes()); in != d.In {
			t.Errorf("%s: the query says %v, the decision %v", name, in, d.In)
		}
	}
}

func TestWhatHasNoTagsIsInsideOnlyWhereThatIsSaid(t *testing.T) {
	key := []alert.Resource{{Account: "111122223333", Region: "us-east-1"}}
	if e := parse(t, prod); e.Decide(key).In {
		t.Error("without include_untagged")
	}
	if e := parse(t, prod+"include_untagged: true\n"); !e.Decide(key).In {
		t.Error("with include_untagged")
	}
}

func TestWhatIsLeftOutDoesNotBecomeEverything(t *testing.T) {
	for text, want := range map[string]string{
		"{}":                         "no groups",
		"groups: []":                 "no groups",
		"groups: [{}]":               "groups[0] has no accounts",
		"groups: [{accounts: []}]":   "groups[0] has no accounts",
		"groups: [{regions: [all]}]": "groups[0] has no accounts",
		"groups: [{accounts: [all], regions: []}]":                                 "groups[0].regions is empty",
		"groups: [{accounts: [all], tags: {\"\": x}}]":                             "has no key",
		"groups: [{accounts: [all]}, {accounts: [\"111122223333\"], regions: []}]": "groups[1].regions",
	} {
		var e Environment
		if err := yaml.Unmarshal([]byte(text), &e); err != nil {
			t.Fatal(err)
		}
		if err := e.Valid(); !fault.Is(err, fault.Usage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	for _, text := range []string{"groups: [{accounts: [prod]}]", "groups: [{accounts: [\"1234\"]}]", "groups: [{accounts: [all], regions: [virginia]}]"} {
		var e Environment
		if err := yaml.Unmarshal([]byte(text), &e); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}

func TestAnotherDefinitionHasAnotherDigest(t *testing.T) {
	seen := map[string]string{}
	for _, text := range []string{prod, prod + "include_untagged: true\n", strings.Replace(prod, "env: prod", "env: dev", 1),
		strings.Replace(prod, "eu-central-1", "eu-west-1", 1), strings.Replace(prod, "111122223333", "111122223334", 1)} {
		d := parse(t, text).Digest()
		if other, twice := seen[d]; twice || len(d) != 8 {
			t.Errorf("%q and %q have digest %q", text, other, d)
		}
		seen[d] = text
	}
	if again := parse(t, prod+"\n").Digest(); seen[again] != prod {
		t.Error("one definition has two digests")
	}
}
