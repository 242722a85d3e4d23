package guardduty

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/guardduty/types"

	"edrc/internal/alert"
	"edrc/internal/awsconn"
	"edrc/internal/fault"
	"edrc/internal/lab/aws"
	"edrc/internal/lab/world"
	"edrc/internal/source"
)

func TestAFindingIsAboutWhatHasTagsOrAboutItsAccountAndRegion(t *testing.T) {
	const head = `{"id":"f1","type":"T:X/Y","accountId":"111122223333","region":"us-east-1","createdAt":"2026-01-01T00:00:00Z",`
	at := func(account, region string, tags ...string) alert.Resource {
		r := alert.Resource{Account: account, Region: region}
		for i := 0; i+1 < len(tags); i += 2 {
			if r.Tags == nil {
				r.Tags = map[string]string{}
			}
			r.Tags[tags[i]] = tags[i+1]
		}
		return r
	}
	const own, region = "111122223333", "us-east-1"
	for text, want := range map[string][]alert.Resource{
		`"resource":{"accessKeyDetails":{"userName":"u"}}}`:                                   {at(own, region)},
		`"resource":{"instanceDetails":{"tags":[{"key":"env","value":"prod"},{"key":"b"}]}}}`: {at(own, region, "env", "prod", "b", "")},
		`"Resource":{"InstanceDetails":{"Tags":[{"Key":"env","Value":"prod"}]}}}`:             {at(own, region, "env", "prod")},
		`"resource":{"instanceDetails":{"tags":[]},"eksClusterDetails":{"name":"c"}}}`:        {at(own, region)},
		`"resource":{"instanceDetails":{},"eksClusterDetails":{"tags":[{"key":"a","value":"1"}]},"ecsClusterDetails":{"tags":[{"key":"b","value":"2"}],"taskDetails":{"tags":[{"key":"c","value":"3"}]}}}}`: {at(own, region, "a", "1"), at(own, region, "b", "2"), at(own, region, "c", "3")},
		`"resource":{"lambdaDetails":{"tags":[{"key":"a","value":"1"}]}}}`:                                                                           {at(own, region, "a", "1")},
		`"resource":{"rdsDbInstanceDetails":{"tags":[{"key":"a","value":"1"}]},"rdsLimitlessDbDetails":{"tags":[{"key":"a","value":"1"}]}}}`:         {at(own, region, "a", "1")},
		`"resource":{"s3BucketDetails":[{"name":"x","tags":[{"key":"a","value":"1"}]},{"name":"y"},{"name":"z","tags":[{"key":"a","value":"2"}]}]}}`: {at(own, region, "a", "1"), at(own, region, "a", "2")},
		`"service":{"detection":{"sequence":{"resources":[{"uid":"i-1","resourceType":"EC2_INSTANCE","accountId":"222233334444","region":"eu-central-1"},{"uid":"i-2","tags":[{"key":"a","value":"1"}]}]}}}}`: {
			at("222233334444", "eu-central-1"), at(own, region, "a", "1")},
		`"resource":{"instanceDetails":{"tags":"none"}}}`: {at(own, region)},
	} {
		f, err := decodeFinding(json.RawMessage(head + text))
		if err != nil {
			t.Fatal(err)
		}
		got := f.alert("aws", nil, locator{}, nil).Resources
		if !slices.EqualFunc(got, want, alert.Resource.Equal) {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}

// listed lists with scopes, re-checked as a caller does.
func listed(t *testing.T, c *Client, q alert.Query) (map[string]bool, error) {
	t.Helper()
	got := map[string]bool{}
	var failed error
	for a, err := range c.List(t.Context(), q) {
		switch {
		case err != nil:
			failed = err
		case q.Match(a):
			got[a.ID] = true
		}
	}
	return got, failed
}

// asked gives the accounts and regions whose findings were listed.
func asked(t *testing.T, c *Client, q alert.Query) []string {
	t.Helper()
	sites, err := c.sitesFor(t.Context(), q.Scopes)
	if err != nil {
		t.Fatal(err)
	}
	todo, _ := open(sites)
	var out []string
	for _, s := range todo {
		out = append(out, s.String())
	}
	slices.Sort(out)
	return out
}

func TestOnlyTheAccountsAndRegionsOfTheScopesAreAsked(t *testing.T) {
	own := organisation()
	v := newVendor(t, world.Options{Alerts: 1700}, own)
	v.Control(t, "deny", map[string]any{"account": own.Accounts[9], "action": "*"})
	c := v.client(t, 5*time.Second)
	q := alert.Query{Scopes: []alert.Scope{
		{Accounts: own.Accounts[2:4], Regions: own.Regions[:2]},
		{Accounts: own.Accounts[5:6], Regions: own.Regions[4:5]},
	}}
	want := map[string]bool{}
	for _, at := range [][2]int{{2, 0}, {2, 1}, {3, 0}, {3, 1}, {5, 4}} {
		for _, id := range v.lab.IDs(own.Accounts[at[0]], own.Regions[at[1]]) {
			want[id] = true
		}
	}
	got, err := listed(t, c, q)
	if err != nil {
		t.Errorf("what is denied elsewhere counts: %v", err)
	}
	if len(want) == 0 || !maps.Equal(got, want) {
		t.Errorf("%d findings, want %d", len(got), len(want))
	}
	if n := v.lab.Requests()["guardduty:ListDetectors"]; n != 5 {
		t.Errorf("%d places were asked whether they are on, and 5 are in the scopes: %v", n, v.lab.Requests())
	}
	streams, err := c.StreamsWithin(t.Context(), q.Scopes)
	if err != nil || len(streams) != 5 {
		t.Errorf("%v, %v", streams, err)
	}
	st := streams[0]
	if _, err := c.Page(t.Context(), st, source.Window{By: source.Updated, From: st.Now.Add(-time.Hour), To: st.Now}, ""); err != nil {
		t.Errorf("page: %v", err)
	}
	if n := v.lab.Requests()["guardduty:ListDetectors"]; n != 10 {
		t.Errorf("reading a page looked at all places: %d", n)
	}
	if all, _ := listed(t, c, alert.Query{}); len(all) < 1400 {
		t.Errorf("after a narrowed listing a whole one has %d findings", len(all))
	}
	q.Scopes = []alert.Scope{{Accounts: []string{"111111111111"}, Regions: []string{"eu-north-1"}}}
	if _, err := listed(t, c, q); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "in the environment") {
		t.Errorf("nothing configured is in it: %v", err)
	}
	if _, err := c.StreamsWithin(t.Context(), q.Scopes); !fault.Is(err, fault.NotFound) {
		t.Errorf("streams: %v", err)
	}
}

func TestAnAccountInsideIsReadThroughItsAdministratorOutside(t *testing.T) {
	for name, configured := range map[string]func(*vendor){
		"administrator alone": func(v *vendor) { v.options.Accounts = []awsconn.Account{{ID: "111122223333"}} },
		"members as well":     func(v *vendor) { v.withRoles() },
		"member refused": func(v *vendor) {
			v.withRoles()
			v.options.Accounts[1].ExternalID = "wrong"
		},
	} {
		v := newVendor(t, world.Options{Alerts: 300}, aws.Options{})
		configured(v)
		c := v.client(t, 5*time.Second)
		q := alert.Query{Scopes: []alert.Scope{{Accounts: []string{"222233334444"}}}}
		got, err := listed(t, c, q)
		want := len(v.lab.IDs("222233334444", "us-east-1")) + len(v.lab.IDs("222233334444", "eu-central-1"))
		if len(got) != want || want == 0 {
			t.Errorf("%s: %d findings, want %d (%v)", name, len(got), want, err)
		}
		if refused := name == "member refused"; refused != (err != nil) {
			t.Errorf("%s: %v", name, err)
		}
		if at := asked(t, c, q); !slices.Equal(at, []string{"111122223333/eu-central-1", "111122223333/us-east-1"}) {
			t.Errorf("%s: asked %q", name, at)
		}
	}
}

func TestTagsArePairedHereAndWhatIsNoInstanceIsNotLost(t *testing.T) {
	v := newVendor(t, world.Options{Alerts: 400}, aws.Options{Standalone: true, Regions: []string{"us-east-1"}})
	v.options.Accounts = v.options.Accounts[:1]
	c := v.client(t, 5*time.Second)
	all, err := listed(t, c, alert.Query{})
	if err != nil {
		t.Fatal(err)
	}
	prod := map[string]bool{}
	untagged := map[string]bool{}
	for a, err := range c.List(t.Context(), alert.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range a.Resources {
			prod[a.ID] = prod[a.ID] || r.Tags["env"] == "prod"
			untagged[a.ID] = untagged[a.ID] || len(r.Tags) == 0
		}
	}
	maps.DeleteFunc(prod, func(_ string, in bool) bool { return !in })
	maps.DeleteFunc(untagged, func(_ string, in bool) bool { return !in })
	if len(prod) == 0 || len(untagged) == 0 || len(prod)+len(untagged) != len(all) {
		t.Fatalf("%d findings, %d tagged, %d not: the lab shows too little", len(all), len(prod), len(untagged))
	}
	scope := func(untagged bool, tags map[string]string) alert.Query {
		return alert.Query{Scopes: []alert.Scope{{Tags: tags, Untagged: untagged}}}
	}
	for name, tc := range map[string]struct {
		q    alert.Query
		want map[string]bool
	}{
		"tag":             {scope(false, map[string]string{"env": "prod"}), prod},
		"tag or untagged": {scope(true, map[string]string{"env": "prod"}), all},
		"values mixed up": {scope(false, map[string]string{"prod": "env"}), map[string]bool{}},
		"other value":     {scope(true, map[string]string{"env": "dev"}), untagged},
	} {
		got, err := listed(t, c, tc.q)
		if err != nil || !maps.Equal(got, tc.want) {
			t.Errorf("%s: %d findings, want %d, %v", name, len(got), len(tc.want), err)
		}
	}
}

func TestAListIsNarrowedByWhatAllScopesOfAPlaceHave(t *testing.T) {
	s := &site{account: "111122223333", region: "us-east-1"}
	one := func(tags map[string]string, accounts ...string) alert.Scope {
		return alert.Scope{Accounts: accounts, Tags: tags}
	}
	prod, dev := map[string]string{"env": "prod"}, map[string]string{"env": "dev", "team": "x"}
	elsewhere := alert.Scope{Regions: []string{"eu-west-1"}}
	many := make([]string, 51)
	for i := range many {
		many[i] = fmt.Sprintf("%012d", i)
	}
	for name, tc := range map[string]struct {
		scopes []alert.Scope
		want   string // "accounts | keys | values", of the first list
		lists  int
	}{
		"none":             {nil, " |  | ", 1},
		"accounts":         {[]alert.Scope{one(nil, "222233334444"), one(nil, "111122223333", "222233334444"), elsewhere}, "111122223333 222233334444 |  | ", 1},
		"too many":         {[]alert.Scope{one(nil, many...)}, " |  | ", 1},
		"any account":      {[]alert.Scope{one(prod, "222233334444"), one(dev)}, " | env team | dev prod x", 2},
		"one without tags": {[]alert.Scope{one(prod, "222233334444"), one(nil, "111122223333")}, "111122223333 222233334444 |  | ", 1},
		"untagged":         {[]alert.Scope{{Tags: prod, Untagged: true}}, " |  | ", 1},
	} {
		ls := s.narrowed([]listing{newest(map[string]types.Condition{})}, alert.Query{Scopes: tc.scopes})
		c := ls[0].criterion
		got := strings.Join(c["accountId"].Equals, " ") + " | " + strings.Join(c["resource.instanceDetails.tags.key"].Equals, " ") + " | " + strings.Join(c["resource.instanceDetails.tags.value"].Equals, " ")
		if got != tc.want || len(ls) != tc.lists {
			t.Errorf("%s: %q, %d lists", name, got, len(ls))
		}
	}
}
