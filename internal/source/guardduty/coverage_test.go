package guardduty

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/lab/aws"
	"edrc/internal/lab/world"
	"edrc/internal/source"
)

// organisation is ten accounts by seventeen regions, each on its own.
func organisation() aws.Options {
	o := aws.Options{Standalone: true}
	for i := range 10 {
		o.Accounts = append(o.Accounts, fmt.Sprintf("%012d", 100000000000+i))
	}
	for i := range 17 {
		o.Regions = append(o.Regions, fmt.Sprintf("us-test-%d", i+1))
	}
	return o
}

func TestOneDeniedAndOneThrottledPlaceCostTheirOwnFindingsAlone(t *testing.T) {
	own := organisation()
	v := newVendor(t, world.Options{Alerts: 2000}, own)
	denied, throttled, off := own.Accounts[3]+"/us-test-5", own.Accounts[7]+"/us-test-11", own.Accounts[0]+"/us-test-1"
	v.Control(t, "deny", map[string]any{"account": own.Accounts[3], "region": "us-test-5", "action": "ListFindings"})
	v.Control(t, "throttle", map[string]any{"account": own.Accounts[7], "region": "us-test-11"})
	v.Control(t, "off", map[string]any{"account": own.Accounts[0], "region": "us-test-1"})
	want := map[string]bool{}
	for _, account := range own.Accounts {
		for _, region := range own.Regions {
			if at := account + "/" + region; at != denied && at != throttled && at != off {
				for _, id := range v.lab.IDs(account, region) {
					want[id] = true
				}
			}
		}
	}
	c := v.client(t, 5*time.Second)
	n := 0
	var failed error
	for a, err := range c.List(t.Context(), alert.Query{}) {
		if err != nil {
			failed = err
			continue
		}
		if !want[a.ID] {
			t.Fatalf("%s is not expected", a.ID)
		}
		delete(want, a.ID)
		n++
	}
	if len(want) > 0 || n < 1900 {
		t.Errorf("%d findings, %d are missing", n, len(want))
	}
	if fault.ExitCode(failed) != fault.ExitPartial {
		t.Errorf("exit %d: %v", fault.ExitCode(failed), failed)
	}
	for _, part := range []string{denied, throttled, "guardduty:ListFindings", "2 accounts and regions"} {
		if failed == nil || !strings.Contains(failed.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, failed)
		}
	}
	table, err := coverage(t.Context(), c)
	if err != nil || len(table) != 170 {
		t.Fatalf("%d rows, %v", len(table), err)
	}
	for _, row := range table {
		want := map[string]string{denied: StateDenied, throttled: StateError, off: StateOff}[row.Account+"/"+row.Region]
		if want == "" {
			want = StateEnabled
		}
		if row.State != want || (row.State == StateDenied || row.State == StateError) && row.Detail == "" {
			t.Errorf("%+v, want %s", row, want)
		}
	}
	before := v.lab.Requests()["guardduty:ListFindings"]
	h, err := c.Check(t.Context())
	if n := v.lab.Requests()["guardduty:ListFindings"] - before; n > 169+15 { // one is throttled, and tried again
		t.Errorf("a check lists %d times in 169 places: the coverage was asked for twice", n)
	}
	if !slices.Equal(h.Coverage, table) {
		t.Error("the check has not the coverage")
	}
	if fault.ExitCode(err) != fault.ExitPartial || h.Missing["alerts in "+denied] != "guardduty:ListFindings" || len(h.Missing) != 1 {
		t.Errorf("check: %+v, %v", h, err)
	}
}

func TestAStreamThatFailsIsToldByItsPagesAndTheOthersGoOn(t *testing.T) {
	v := newVendor(t, world.Options{Alerts: 100}, aws.Options{Standalone: true})
	v.Control(t, "deny", map[string]any{"account": "222233334444", "action": "*"})
	c := v.client(t, 5*time.Second)
	streams, err := c.Streams(t.Context())
	if err != nil || len(streams) != 6 {
		t.Fatalf("%v, %v", streams, err)
	}
	bad := 0
	for _, st := range streams {
		if st.Now.IsZero() {
			t.Errorf("%s has no clock", st.Name)
		}
		_, err := c.Page(t.Context(), st, source.Window{By: source.Updated, From: st.Now.Add(-time.Hour), To: st.Now}, "")
		if st.Name == "222233334444/us-east-1" {
			if bad++; !fault.Is(err, fault.Denied) {
				t.Errorf("%s: %v", st.Name, err)
			}
		} else if err != nil {
			t.Errorf("%s: %v", st.Name, err)
		}
	}
	if bad != 1 {
		t.Error("the denied stream is not there")
	}
	if _, err := c.Page(t.Context(), source.Stream{Name: "999999999999/us-east-1"}, source.Window{}, ""); !fault.Is(err, fault.Invalid) {
		t.Errorf("a stream that is none: %v", err)
	}
}

func TestARoleThatCannotBeAssumedIsOneDeniedAccount(t *testing.T) {
	v := newVendor(t, world.Options{Alerts: 100}, aws.Options{Standalone: true})
	v.options.Accounts[2].ExternalID = "wrong"
	c := v.client(t, 5*time.Second)
	table, err := coverage(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range table {
		if want := row.Account == "333344445555"; want != (row.State == StateDenied) {
			t.Errorf("%+v", row)
		}
	}
	if n := v.lab.Requests()["sts:AssumeRole"]; n != 2 {
		t.Errorf("%d times a role was assumed", n)
	}
	if h, err := c.Check(t.Context()); err != nil || h.Missing["alerts in 333344445555/us-east-1"] != "sts:AssumeRole" {
		t.Errorf("check: %+v, %v", h, err)
	}
}

func TestGuardDutySwitchedOffEverywhereIsNoEmptyList(t *testing.T) {
	v := newVendor(t, world.Options{}, aws.Options{Accounts: []string{"111122223333"}, Regions: []string{"us-east-1"}})
	v.Control(t, "off", nil)
	c := v.client(t, 5*time.Second)
	for _, err := range c.List(t.Context(), alert.Query{}) {
		if !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "switched on in none") {
			t.Errorf("list: %v", err)
		}
	}
	_, err1 := c.Streams(t.Context())
	_, err2 := c.Check(t.Context())
	if !fault.Is(err1, fault.NotFound) || !fault.Is(err2, fault.NotFound) {
		t.Errorf("streams: %v; check: %v", err1, err2)
	}
	if table, err := coverage(t.Context(), c); err != nil || len(table) != 1 || table[0].State != StateOff {
		t.Errorf("coverage: %+v, %v", table, err)
	}
}

func TestTheAdministratorIsPreferredToItsMembers(t *testing.T) {
	v := newVendor(t, world.Options{Alerts: 300}, aws.Options{})
	v.withRoles()
	v.Control(t, "off", map[string]any{"account": "111122223333", "region": "eu-central-1"}) // a blind spot of the administrator
	c := v.client(t, 5*time.Second)
	seen := map[string]string{}
	for a, err := range c.List(t.Context(), alert.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := seen[a.ID]; twice {
			t.Errorf("%s is listed twice", a.ID)
		}
		seen[a.ID] = string(a.Locator)
		at := "222233334444"
		if strings.HasPrefix(a.ID, "us-east-1/") {
			at = "111122223333"
		}
		if at == "111122223333" != strings.Contains(string(a.Locator), `"account":"111122223333"`) {
			t.Errorf("%s was listed at %s", a.ID, a.Locator)
		}
	}
	if want := v.Alerts("us-east-1") + v.Alerts("eu-central-1") - len(v.lab.IDs("111122223333", "eu-central-1")); len(seen) != want {
		t.Errorf("%d findings, want %d", len(seen), want)
	}
	table, err := coverage(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(table, func(r source.Coverage) bool { return r.Account == "222233334444" && r.Region == "us-east-1" })
	if !strings.Contains(table[i].Detail, "through its administrator, account 111122223333") {
		t.Errorf("%+v", table[i])
	}
}

func TestAMemberIsToldThatOnlyItsAdministratorMayChangeFindings(t *testing.T) {
	v := newVendor(t, world.Options{}, aws.Options{})
	v.withRoles()
	v.options.Accounts = v.options.Accounts[1:2]
	ids := v.lab.Add(aws.Request{Count: 1, Account: "222233334444"})
	c := v.client(t, 5*time.Second)
	as, err := c.Get(t.Context(), alert.Handle{ID: ids[0]})
	if err != nil || len(as) != 1 {
		t.Fatalf("%v, %v", as, err)
	}
	_, err = c.Resolve(t.Context(), as[0].Handle, alert.Resolution{Status: alert.StatusResolved})
	e, _ := errors.AsType[*fault.Error](err)
	if e == nil || e.Kind != fault.Denied || !strings.Contains(e.Msg, "111122223333") || !strings.Contains(e.Hint, "accounts") {
		t.Errorf("%+v", err)
	}
	// The administrator archives what it lists of a member, in its own detector.
	v.withRoles()
	v.options.Accounts = v.options.Accounts[:1]
	admin := v.client(t, 5*time.Second)
	if as, err = admin.Get(t.Context(), alert.Handle{ID: ids[0]}); err != nil || len(as) != 1 {
		t.Fatalf("%v, %v", as, err)
	}
	applied, err := admin.Resolve(t.Context(), as[0].Handle, alert.Resolution{Status: alert.StatusResolved})
	if err != nil || applied.Fields["status"].Outcome != source.FieldDone {
		t.Errorf("%+v, %v", applied, err)
	}
}
