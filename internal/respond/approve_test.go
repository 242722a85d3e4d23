package respond

import (
	"context"
	"testing"

	"edrc/internal/fault"
)

func TestNothingIsDoneWithoutConfirmation(t *testing.T) {
	asked := Question{}
	answer := func(yes bool, err error) Approval {
		return Approval{Ask: func(_ context.Context, q Question) (bool, error) { asked = q; return yes, err }}
	}
	for name, tc := range map[string]struct {
		ok     Approval
		shared string
		kind   fault.Kind
		words  string
	}{
		"no terminal":                 {Approval{}, "", fault.Declined, "--yes"},
		"no terminal, told by asking": {answer(false, ErrNoTerminal), "", fault.Declined, "--yes"},
		"declined":                    {answer(false, nil), "", fault.Declined, "not confirmed"},
		"shared, --yes alone":         {Approval{Yes: true}, "two instances use it", fault.Declined, "--yes-shared"},
		"--yes-shared is no --yes":    {Approval{Shared: true}, "two instances use it", fault.Declined, "--yes --yes-shared"},
	} {
		w, dir := newWorld(), t.TempDir()
		w.shared = tc.shared
		e := newEngine(dir, w)
		p, err := e.Plan(t.Context(), request("i-1"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = e.Apply(t.Context(), p, tc.ok)
		t.Run(name, func(t *testing.T) { wantKind(t, err, tc.kind, tc.words) })
		if fault.ExitCode(err) != 8 || len(w.writes) > 0 {
			t.Errorf("%s: exit %d, %v", name, fault.ExitCode(err), w)
		}
	}
	for name, ok := range map[string]Approval{"typed": answer(true, nil), "flags": {Yes: true, Shared: true}} {
		w, dir := newWorld(), t.TempDir()
		w.shared = "two instances use it"
		e := newEngine(dir, w)
		p, err := e.Plan(t.Context(), request("i-1"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Apply(t.Context(), p, ok); err != nil || !allShut(w.values) {
			t.Errorf("%s: %v %v", name, err, w)
		}
	}
	if asked.Type != "i-1" {
		t.Errorf("the name to type is %q", asked.Type)
	}
}

func TestADeclinedActionStandsInTheAudit(t *testing.T) {
	e := newEngine(t.TempDir(), newWorld())
	p, _ := e.Plan(t.Context(), request("i-1"))
	_, _ = e.Apply(t.Context(), p, Approval{Ask: func(context.Context, Question) (bool, error) { return false, nil }})
	var events []AuditEvent
	for l, err := range e.Audit().Entries() {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, l.Event)
	}
	if len(events) != 1 || events[0] != AuditDeclined {
		t.Fatal(events)
	}
}

func TestSevereActionsNeedAReason(t *testing.T) {
	w := newWorld()
	e := newEngine(t.TempDir(), w)
	r := request("i-1")
	r.Reason = "  "
	p, err := e.Plan(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.Apply(t.Context(), p, yes)
	wantKind(t, err, fault.Usage, "--reason")
	if len(w.writes) > 0 {
		t.Fatal(w)
	}
}

func TestBeltsHold(t *testing.T) {
	for name, tc := range map[string]struct {
		belts  Belts
		blast  []Touched
		sample bool
		words  string // "": goes through
	}{
		"nothing configured":              {},
		"instance by id":                  {belts: Belts{Instances: []string{"i-1"}}, words: "protected_instances"},
		"instance by pattern":             {belts: Belts{Instances: []string{"I-*"}}, words: "protected_instances"},
		"instance by name":                {belts: Belts{Instances: []string{"dc/*"}}, blast: []Touched{{Kind: Instance, ID: "i-9", Name: "DC/east/1"}}, words: "i-9"},
		"another instance":                {belts: Belts{Instances: []string{"i-2"}}},
		"role among those hit":            {belts: Belts{Roles: []string{"Admin*"}}, blast: []Touched{{Kind: Role, ID: "admin-prod"}}, words: "protected_roles"},
		"role pattern is not of hosts":    {belts: Belts{Hosts: []string{"*"}}},
		"account":                         {belts: Belts{Accounts: []string{"111122223333"}}, words: "protected_accounts"},
		"tag":                             {blast: []Touched{{Kind: Instance, ID: "i-1", Tags: map[string]string{"EDRC:Protected": ""}}}, words: "edrc:protected"},
		"tag of one that is hit":          {blast: []Touched{{Kind: Instance, ID: "i-7", Tags: map[string]string{"edrc:protected": "yes"}}}, words: "i-7"},
		"tag false":                       {blast: []Touched{{Kind: Instance, ID: "i-1", Tags: map[string]string{"edrc:protected": "false"}}}},
		"another tag, the default is off": {belts: Belts{Tag: "crown"}, blast: []Touched{{Kind: Instance, ID: "i-1", Tags: map[string]string{"crown": "1"}}}, words: "crown"},
		"sample":                          {sample: true, words: "sample"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.blast = tc.blast
			e := newEngine(t.TempDir(), w)
			r := request("i-1")
			r.Target.Sample = tc.sample
			// A plan that was made before the belt was put on is refused, too.
			p, err := e.Plan(t.Context(), request("i-1"))
			if len(tc.belts.tag()) > 0 && tc.words == "" && err != nil {
				t.Fatal(err)
			}
			e.Belts = tc.belts
			fresh, ferr := e.Plan(t.Context(), r)
			if tc.words == "" {
				if _, err := e.Apply(t.Context(), fresh, yes); ferr != nil || err != nil {
					t.Fatal(ferr, err)
				}
				return
			}
			wantKind(t, ferr, fault.Denied, tc.words)
			if err == nil && !tc.sample {
				_, err = e.Apply(t.Context(), p, yes)
				wantKind(t, err, fault.Denied, tc.words)
			}
			if len(w.writes) > 0 {
				t.Fatal(w)
			}
			if n, err := e.Audit().Verify(t.Context()); n == 0 || err != nil {
				t.Errorf("the refusal is not in the audit: %d %v", n, err)
			}
		})
	}
	wantKind(t, Belts{Hosts: []string{"["}}.Valid(), fault.Usage)
	wantKind(t, Belts{MaxTargets: -1}.Valid(), fault.Usage)
	if err := (Belts{Roles: []string{"a*"}}).Valid(); err != nil {
		t.Error(err)
	}
}

func TestABeltSaysWhatIsProtectedAndWhereThatIsSaid(t *testing.T) {
	b := Belts{Hosts: []string{"dc-*"}, Accounts: []string{"1111*"}, File: "/etc/edrc.yaml"}
	for want, p := range map[string]Plan{
		"host DC-01 (42) is protected: it matches dc-* in respond.protected_hosts of /etc/edrc.yaml": {Target: Target{Kind: HostKind, ID: "42", Name: "DC-01"}},
		"role web is protected: account 111122223333 matches 1111* in respond.protected_accounts":    {Target: Target{Kind: Role, ID: "web", Account: "111122223333"}},
		"instance db\\x1b[2J (i-9) is protected: it has the tag edrc:protected, respond.protected_tag": {Target: Target{Kind: Role, ID: "web"},
			Touched: []Touched{{Kind: Instance, ID: "i-9", Name: "db\x1b[2J", Tags: map[string]string{"edrc:protected": "1"}}}},
	} {
		wantKind(t, b.check(p), fault.Denied, want)
	}
}

func TestOneRunHasAtMostSoManyTargets(t *testing.T) {
	e := newEngine(t.TempDir(), newWorld())
	e.Belts.MaxTargets = 2
	_, _, err := e.Plans(t.Context(), []Request{request("i-1"), request("i-2"), request("i-3")})
	wantKind(t, err, fault.Denied, "the limit is 2")
	plans, errs, err := e.Plans(t.Context(), []Request{request("i-1"), request("i-2")})
	if err != nil || len(plans) != 2 || errs[0] != nil || errs[1] != nil {
		t.Fatal(plans, errs, err)
	}
	third, _ := e.Plan(t.Context(), request("i-3"))
	for i, p := range append(plans, third) {
		_, err := e.Apply(t.Context(), p, Approval{})
		if i < 2 {
			wantKind(t, err, fault.Declined)
		} else {
			wantKind(t, err, fault.Denied, "3 targets in one run")
		}
	}
}
