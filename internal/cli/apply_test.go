package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"edrc/internal/fault"
	"edrc/internal/report"
	"edrc/internal/respond"
	"edrc/internal/term"
)

// named plans one step on a target of any name.
type namedDriver struct{ name string }

func (d namedDriver) Plan(_ context.Context, r respond.Request) (respond.Plan, error) {
	data, err := json.Marshal(map[string]string{"name": d.name})
	return respond.Plan{Target: respond.Target{Kind: respond.HostKind, ID: "1", Name: d.name}, Severe: true,
		Steps: []respond.Step{{Kind: "test/v1", Title: "isolate " + d.name, Data: data}}}, err
}

func (namedDriver) Do(context.Context, respond.Step, respond.Direction) (respond.Outcome, error) {
	return respond.Outcome{State: respond.Done}, nil
}

func (namedDriver) Read(context.Context, respond.Step) (respond.Reading, error) {
	return respond.Reading{State: respond.Prior}, nil
}

func TestASavedPlanIsReadAsItWasWhateverItsTargetIsCalled(t *testing.T) {
	for _, name := range []string{"FIN-WS-014", "a\u202egpj.exe", "x\x1b[31m\u0085", `back\slash "quote" \u202e`, "<b>&amp;", "\u2028\u2029", "名前🦊", "\U000e0041tag", "\ufffd\ufeff"} {
		e := &respond.Engine{StateDir: t.TempDir(), Now: time.Now, Drivers: map[respond.Verb]respond.Driver{respond.IsolateHost: namedDriver{name}}}
		p, err := e.Plan(t.Context(), respond.Request{Verb: respond.IsolateHost, Target: respond.Target{Kind: respond.HostKind, ID: "1"}, Reason: name})
		if err != nil {
			t.Fatal(err)
		}
		for _, format := range []string{report.JSON, report.NDJSON} {
			io, out, _ := term.Test("")
			r := &responder{a: &app{Env: Env{IO: io}}, out: report.Options{Format: format}}
			if err := r.printPlans(t.Context(), []respond.Plan{p, p}, nil); err != nil {
				t.Fatal(err)
			}
			got, err := readPlans(bytes.NewReader(out.Bytes()), "-")
			if err != nil || len(got) != 2 || got[0].Digest != p.Digest || got[1].Target.Name != name {
				t.Errorf("%q as %s: %v, %d plans", name, format, err, len(got))
			}
		}
	}
}

func TestWhatIsNoPlanIsRefused(t *testing.T) {
	for _, text := range []string{"", "{", "[]", "null", `{"schema":"edrc.plans/v1","items":[]}`, `{"schema":"edrc.plans/v1","items":[{}]}`, "{}", "plan: x", strings.Repeat("x", maxPlans+2)} {
		if got, err := readPlans(strings.NewReader(text), "-"); !fault.Is(err, fault.Usage) {
			t.Errorf("%.40q: %v, %v", text, got, err)
		}
	}
}

func FuzzAPlanThatWasChangedIsNeverTaken(f *testing.F) {
	e := &respond.Engine{StateDir: f.TempDir(), Now: time.Now, Drivers: map[respond.Verb]respond.Driver{respond.IsolateHost: namedDriver{"WS-ANNA"}}}
	p, err := e.Plan(f.Context(), respond.Request{Verb: respond.IsolateHost, Target: respond.Target{Kind: respond.HostKind, ID: "1"}})
	if err != nil {
		f.Fatal(err)
	}
	b, err := json.Marshal(p)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"schema":"edrc.plans/v1","items":[` + string(b) + `]}`))
	f.Add([]byte(`\u00`))
	f.Add([]byte(`"\ud800\u202e"`))
	f.Fuzz(func(t *testing.T, b []byte) {
		plans, err := readPlans(bytes.NewReader(b), "-")
		if err != nil {
			return
		}
		for _, p := range plans {
			again, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := respond.ReadPlan(again); err != nil {
				t.Errorf("taken, and refused when it is read again: %v\n%s", err, again)
			}
		}
	})
}
