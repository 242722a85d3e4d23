package carbonblack

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/lab/world"
	"edrc/internal/source"
)

var closing = alert.Resolution{Status: alert.StatusResolved, Verdict: "true_positive", Reason: "seen before"}

func TestAJobIsFollowedToItsEndAndTheAlertIsTheProof(t *testing.T) {
	for mode, tc := range map[string]struct {
		outcome string
		kind    fault.Kind // "": no error
	}{
		"":      {source.FieldDone, ""},
		"stuck": {source.FieldPending, ""},
		"lie":   {source.FieldPending, ""}, // over, and the alert does not show it (yet)
		"fail":  {source.FieldUnchanged, fault.Unavailable},
	} {
		t.Run("jobs "+mode, func(t *testing.T) {
			v := newVendor(t, world.Options{})
			ids := v.lab.Add(3, time.Hour, false)
			v.Control(t, "jobs", map[string]any{"mode": mode})
			a, err := v.client(t, time.Minute).Resolve(context.Background(), alert.Handle{ID: ids[1]}, closing)
			if (err != nil) != (tc.kind != "") || err != nil && !fault.Is(err, tc.kind) {
				t.Errorf("%v, want kind %q", err, tc.kind)
			}
			for _, name := range []string{source.FieldStatus, source.FieldVerdict} {
				if f := a.Fields[name]; f.Outcome != tc.outcome || f.Before == "" {
					t.Errorf("%s: %+v, want %s", name, f, tc.outcome)
				}
			}
			if n := v.lab.MassChanges(); n > 0 || len(v.lab.State().Notes) > 0 {
				t.Errorf("%d changes of everything, notes %v", n, v.lab.State().Notes)
			}
		})
	}
}

func TestOnlyTheNamedAlertIsChanged(t *testing.T) {
	v := newVendor(t, world.Options{})
	ids := v.lab.Add(30, time.Hour, false)
	c := v.client(t, time.Minute)
	if _, err := c.Resolve(context.Background(), alert.Handle{ID: ids[7]}, closing); err != nil {
		t.Fatal(err)
	}
	for a, err := range c.List(context.Background(), alert.Query{}) {
		if err != nil || a.Status.Closed() != (a.ID == ids[7]) {
			t.Errorf("alert %s is %s, %v", a.ID, a.Status, err)
		}
	}
}

func TestAChangeWithoutANamedAlertIsNeverSent(t *testing.T) {
	c, s := scripted(t, nil)
	for _, id := range []string{"", "*", "a b", "../x", strings.Repeat("x", 200)} {
		if _, err := c.workflowCall("resolve", id, change{status: "CLOSED"}); !fault.Is(err, fault.Invalid) {
			t.Errorf("id %q: %v", id, err)
		}
		if _, err := c.Resolve(context.Background(), alert.Handle{ID: id}, closing); !fault.Is(err, fault.NotFound) {
			t.Errorf("id %q: %v", id, err)
		}
	}
	if _, err := c.workflowCall("resolve", one, change{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("nothing to change: %v", err)
	}
	if len(s.sent) > 0 {
		t.Errorf("sent %v", s.sent)
	}
}

func TestAChangeWhoseAnswerIsLostIsReadAndNotRepeated(t *testing.T) {
	for name, tc := range map[string]struct {
		later   string
		outcome string
		kind    fault.Kind
	}{
		"it was applied": {closed("TRUE_POSITIVE"), source.FieldDone, ""},
		"it was not":     {anAlert, source.FieldUnknown, fault.InDoubt},
		"only half":      {closed("NONE"), source.FieldUnknown, fault.InDoubt},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := scripted(t, map[string]string{"GET " + orgAlerts + "alerts/" + one: "200 " + anAlert + "\n200 " + tc.later, "POST " + orgAlerts + "alerts/workflow": `500 {}`})
			a, err := c.Resolve(context.Background(), handle(), closing)
			if a.Fields[source.FieldVerdict].Outcome != tc.outcome || (err != nil) != (tc.kind != "") || err != nil && !fault.Is(err, tc.kind) {
				t.Errorf("%+v, %v", a, err)
			}
			if n := posts(s); n != 1 {
				t.Errorf("sent %d times", n)
			}
		})
	}
}

func posts(s *script) int {
	n := 0
	for _, line := range s.sent {
		if strings.HasPrefix(line, "POST ") {
			n++
		}
	}
	return n
}

func TestARefusedChangeLeavesEverythingAndSaysWhatIsMissing(t *testing.T) {
	c, _ := scripted(t, map[string]string{"GET " + orgAlerts + "alerts/" + one: "200 " + anAlert, "POST " + orgAlerts + "alerts/workflow": `403 {"error_code":"FORBIDDEN"}`})
	a, err := c.Resolve(context.Background(), handle(), closing)
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || e.Kind != fault.Denied || !strings.Contains(e.Hint, permClose) || a.Fields[source.FieldStatus].Outcome != source.FieldUnchanged {
		t.Errorf("%+v, %+v", a, e)
	}
}

func TestWithoutTheRightToSeeJobsTheAlertTells(t *testing.T) {
	for later, want := range map[string]string{closed("TRUE_POSITIVE"): source.FieldDone, anAlert: source.FieldPending} {
		c, _ := scripted(t, map[string]string{"GET " + orgAlerts + "alerts/" + one: "200 " + anAlert + "\n200 " + later,
			"POST " + orgAlerts + "alerts/workflow": `202 {"request_id":7}`, "GET " + orgJobs + "7": `403 {}`})
		a, err := c.Resolve(context.Background(), handle(), closing)
		e, _ := errors.AsType[*fault.Error](err)
		if a.Fields[source.FieldStatus].Outcome != want || (err == nil) != (want == source.FieldDone) || e != nil && !strings.Contains(e.Hint, permJobs) {
			t.Errorf("%+v, %v", a, err)
		}
	}
}

func TestAJobThatIsNeverKnownIsInDoubtAndNotDone(t *testing.T) {
	c, s := scripted(t, map[string]string{"GET " + orgAlerts + "alerts/" + one: "200 " + anAlert, "POST " + orgAlerts + "alerts/workflow": `200 {"request_id":"7"}`})
	a, err := c.Resolve(context.Background(), handle(), closing)
	if a.Fields[source.FieldStatus].Outcome != source.FieldUnknown || !fault.Is(err, fault.NotFound) {
		t.Errorf("%+v, %v", a, err)
	}
	polls := slices.DeleteFunc(s.sent, func(line string) bool { return line != "GET "+orgJobs+"7" })
	if len(polls) != jobGrace+1 {
		t.Errorf("polled %d times", len(polls))
	}
}

func TestAnInterruptedChangeIsPending(t *testing.T) {
	v := newVendor(t, world.Options{})
	id := v.lab.Add(1, time.Hour, false)[0]
	v.Control(t, "jobs", map[string]any{"mode": "stuck"})
	c := v.client(t, time.Minute)
	ctx, cancel := context.WithCancel(context.Background())
	naps := 0
	c.sleep = func(ctx context.Context, _ time.Duration) error {
		if naps++; naps == 3 {
			cancel()
		}
		return ctx.Err()
	}
	a, err := c.Resolve(ctx, alert.Handle{ID: id}, closing)
	if !fault.Is(err, fault.Interrupted) || !errors.Is(err, context.Canceled) || a.Fields[source.FieldStatus].Outcome != source.FieldPending {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestWhatTheProductCannotExpressIsNamed(t *testing.T) {
	c, s := scripted(t, nil)
	for word, r := range map[string]alert.Resolution{
		"benign": {Verdict: "benign"}, "sleeping": {Status: "sleeping"}, "assign": {Assign: "alex"}, "tags": {Tags: []string{"x"}},
	} {
		if err := c.Supports(r); !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", word, err)
		}
	}
	for _, m := range Statuses() {
		if err := c.Supports(alert.Resolution{Status: alert.Status(m.Ours)}); err != nil {
			t.Errorf("%s: %v", m.Ours, err)
		}
	}
	for _, m := range Verdicts() {
		if err := c.Supports(alert.Resolution{Verdict: m.Ours}); err != nil {
			t.Errorf("%s: %v", m.Ours, err)
		}
	}
	if len(s.sent) > 0 {
		t.Errorf("sent %v", s.sent)
	}
}
