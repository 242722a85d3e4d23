package awsconn

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"edrc/internal/fault"
	"edrc/internal/httpx"
)

// organisation serves what finding accounts and regions takes. Its pages are those of
// AWS Organizations, one after the other.
type organisation struct {
	pages   []string            // bodies; the token of page i is its number
	regions map[string][]string // by account: NAME or NAME=OPT-IN-STATUS
	refuse  map[string]bool     // by action

	mu    sync.Mutex
	calls map[string]int
	roles []string
}

func (o *organisation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	action := r.Form.Get("Action")
	if _, op, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
		action = op
	}
	account := home // an access key says whose it is
	if _, key, ok := strings.Cut(r.Header.Get("Authorization"), "Credential=ASIA"); ok {
		account, _, _ = strings.Cut(key, "/")
	}
	o.mu.Lock()
	if o.calls == nil {
		o.calls = map[string]int{}
	}
	o.calls[action]++
	o.mu.Unlock()
	if o.refuse[action] {
		w.WriteHeader(http.StatusForbidden)
		if action == "ListAccounts" {
			_, _ = w.Write([]byte(`{"__type":"AccessDeniedException","Message":"You don't have permissions to access this resource."}`))
			return
		}
		_, _ = w.Write([]byte(`<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error></Errors></Response>`))
		return
	}
	switch action {
	case "GetCallerIdentity":
		_, _ = fmt.Fprintf(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::%[1]s:user/x</Arn><UserId>AIDA</UserId><Account>%[1]s</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`, account)
	case "AssumeRole":
		arn := r.Form.Get("RoleArn")
		o.mu.Lock()
		o.roles = append(o.roles, arn+" "+r.Form.Get("ExternalId"))
		o.mu.Unlock()
		_, _ = fmt.Fprintf(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA%s</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2199-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`, strings.Split(arn, ":")[4])
	case "ListAccounts":
		var in struct{ NextToken string }
		_ = json.NewDecoder(r.Body).Decode(&in)
		i := 0
		_, _ = fmt.Sscan(in.NextToken, &i)
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = w.Write([]byte(o.pages[i]))
	case "DescribeRegions":
		_, _ = w.Write([]byte("<DescribeRegionsResponse><regionInfo>"))
		for _, item := range o.regions[account] {
			name, status, _ := strings.Cut(item, "=")
			_, _ = fmt.Fprintf(w, "<item><regionName>%s</regionName><optInStatus>%s</optInStatus></item>", name, status)
		}
		_, _ = w.Write([]byte("</regionInfo></DescribeRegionsResponse>"))
	default:
		w.WriteHeader(http.StatusBadRequest)
	}
}

func (o *organisation) connect(t *testing.T, change func(*Options)) *Conn {
	t.Helper()
	s := httptest.NewServer(o)
	t.Cleanup(s.Close)
	opt := Options{EndpointURL: s.URL, AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: httpx.Literal("s"), Regions: Regions{"us-east-1"},
		Accounts: Accounts{{ID: All}}, RoleName: "sec/edrc-read", ExternalID: "acme-1"}
	if change != nil {
		change(&opt)
	}
	return connect(t, opt, httpx.Config{Attempts: 2})
}

func TestAccountsAllAreTheActiveOnesOfEveryPage(t *testing.T) {
	o := &organisation{pages: []string{
		`{"Accounts":[{"Id":"333344445555","State":"ACTIVE","Status":"SUSPENDED"},{"Id":"111122223333","Status":"ACTIVE"}],"NextToken":"1"}`,
		`{"Accounts":[],"NextToken":"2"}`,
		`{"NextToken":"3"}`,
		`{"Accounts":[{"Id":"444455556666","State":"CLOSED","Status":"ACTIVE"},{"Id":"555566667777","Status":"PENDING_CLOSURE"},{"Id":"222233334444","State":"ACTIVE"},{"Id":"666677778888"}]}`,
	}}
	c := o.connect(t, nil)
	want := []string{"111122223333", "222233334444", "333344445555", "666677778888"}
	for range 3 {
		if got, err := c.Accounts(t.Context()); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%v, %v", got, err)
		}
	}
	if n := o.calls["ListAccounts"]; n != 4 {
		t.Errorf("%d pages were asked for, and there are 4: found out once is enough", n)
	}
}

func TestEachAccountIsEnteredByTheRoleNameButOurOwn(t *testing.T) {
	o := &organisation{pages: []string{`{"Accounts":[{"Id":"111122223333","State":"ACTIVE"},{"Id":"222233334444","State":"ACTIVE"},{"Id":"999999999999","State":"SUSPENDED"}]}`}}
	c := o.connect(t, func(opt *Options) {
		opt.Accounts = append(opt.Accounts, Account{ID: "777788889999", RoleARN: "arn:aws:iam::777788889999:role/own", ExternalID: "other"}, Account{ID: "888899990000"})
	})
	for _, id := range []string{"111122223333", "222233334444", "777788889999", "888899990000"} {
		if who, err := c.Caller(t.Context(), id); err != nil || who.Account != id {
			t.Errorf("%s: %+v, %v", id, who, err)
		}
	}
	want := []string{"arn:aws:iam::222233334444:role/sec/edrc-read acme-1", "arn:aws:iam::777788889999:role/own other", "arn:aws:iam::888899990000:role/sec/edrc-read acme-1"}
	if !slices.Equal(o.roles, want) {
		t.Errorf("assumed %q, want %q", o.roles, want)
	}
	for _, id := range []string{"999999999999", "123456789012"} {
		if _, err := c.Caller(t.Context(), id); !fault.Is(err, fault.Usage) || !strings.Contains(err.Error(), "no active account") {
			t.Errorf("%s: %v", id, err)
		}
	}
	if len(o.roles) != len(want) {
		t.Errorf("a role was tried in an account that is not ours: %q", o.roles)
	}
}

func TestRegionsAllAreTheEnabledOnesOfEachAccount(t *testing.T) {
	o := &organisation{pages: []string{`{"Accounts":[{"Id":"111122223333"},{"Id":"222233334444"}]}`}, regions: map[string][]string{
		"111122223333": {"ap-south-1=opt-in-not-required", "eu-south-1=not-opted-in", "us-east-1", "eu-west-1"},
		"222233334444": {"us-east-1", "eu-south-1=opted-in"},
	}}
	c := o.connect(t, func(opt *Options) { opt.Regions = Regions{All, "us-east-1"} })
	places, err := c.Places(t.Context())
	var got []string
	for _, p := range places {
		got = append(got, p.Account[:1]+"/"+p.Region)
		if p.Err != nil {
			t.Errorf("%+v", p)
		}
	}
	want := []string{"1/us-east-1", "1/ap-south-1", "1/eu-west-1", "2/us-east-1", "2/eu-south-1"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	if regions, err := c.Regions(t.Context()); err != nil || !slices.Equal(regions, []string{"us-east-1", "ap-south-1", "eu-west-1"}) {
		t.Errorf("our own: %q, %v", regions, err)
	}
	if n := o.calls["DescribeRegions"]; n != 3 { // each account, and the credential's own once more as such
		t.Errorf("%d times asked", n)
	}
	if tenant, err := c.Tenant(t.Context()); err != nil || !strings.HasPrefix(tenant, "aws@127.0.0.1:") {
		t.Errorf("tenant %q, %v", tenant, err)
	}
}

func TestWhatIsNamedBesideAllStandsInWhereItCannotBeFoundOut(t *testing.T) {
	o := &organisation{refuse: map[string]bool{"ListAccounts": true, "DescribeRegions": true}}
	c := o.connect(t, func(opt *Options) {
		opt.Accounts, opt.Regions = append(opt.Accounts, Account{ID: home}), Regions{"us-east-1", All}
	})
	accounts, err1 := c.Accounts(t.Context())
	regions, err2 := c.Regions(t.Context())
	if err1 != nil || err2 != nil || !slices.Equal(accounts, []string{home}) || !slices.Equal(regions, []string{"us-east-1"}) {
		t.Errorf("%v %v, %v %v", accounts, err1, regions, err2)
	}
	places, err := c.Places(t.Context())
	if err != nil || len(places) != 3 {
		t.Fatalf("%+v, %v", places, err)
	}
	for i, want := range []struct{ at, part string }{{"all/all", "organizations:ListAccounts"}, {home + "/us-east-1", ""}, {home + "/all", "ec2:DescribeRegions"}} {
		p := places[i]
		if p.Account+"/"+p.Region != want.at || (p.Err == nil) != (want.part == "") || p.Err != nil && (!fault.Is(p.Err, fault.Denied) || !strings.Contains(p.Err.Error(), want.part)) {
			t.Errorf("%d: %+v, want %+v", i, p, want)
		}
	}
	if n := o.calls["ListAccounts"]; n != 1 {
		t.Errorf("a refusal was asked for %d times", n)
	}
}

func TestWithoutANameBesideItAllThatFailsIsAnErrorThatSaysWhatToDo(t *testing.T) {
	o := &organisation{refuse: map[string]bool{"ListAccounts": true}}
	c := o.connect(t, nil)
	_, err := c.Places(t.Context())
	e, _ := errors.AsType[*fault.Error](err)
	if e == nil || e.Kind != fault.Denied || !strings.HasPrefix(e.Msg, "accounts: all: ") || !strings.Contains(e.Hint, "management account") || !strings.Contains(e.Hint, "[all, …]") {
		t.Errorf("%+v", err)
	}
}

func TestAnAnswerThatIsNoneIsNoEmptyOrganisation(t *testing.T) {
	for name, pages := range map[string][]string{
		"nothing":        {`{}`},
		"no account":     {`{"Accounts":[]}`},
		"no id":          {`{"Accounts":[{"State":"ACTIVE"}]}`},
		"hostile id":     {`{"Accounts":[{"Id":"../../x","State":"ACTIVE"}]}`},
		"the same token": {`{"Accounts":[{"Id":"111122223333"}],"NextToken":"1"}`, `{"NextToken":"1"}`},
	} {
		c := (&organisation{pages: pages}).connect(t, nil)
		if got, err := c.Accounts(t.Context()); !fault.Is(err, fault.Unavailable) || got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for name, regions := range map[string][]string{"none": nil, "hostile": {"us-east-1", "evil.example/"}, "another partition": {"cn-north-1"}} {
		o := &organisation{regions: map[string][]string{home: regions}}
		c := o.connect(t, func(opt *Options) {
			t.Setenv("AWS_REGION", "us-east-1")
			opt.Accounts, opt.RoleName, opt.ExternalID, opt.Regions = nil, "", "", Regions{All}
		})
		if got, err := c.Regions(t.Context()); !fault.Is(err, fault.Unavailable) || got != nil {
			t.Errorf("regions, %s: %v, %v", name, got, err)
		}
	}
}
