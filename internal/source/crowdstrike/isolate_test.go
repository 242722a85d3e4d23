package crowdstrike

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
	"edrc/internal/source/sourcetest"
)

func TestAHostIsIsolatedSeenAndReleased(t *testing.T) {
	for _, fault := range []string{"", "reset@after=0.5", "500@after=0.5", "503=0.3"} {
		v := newVendor(t, world.Options{})
		c := v.client(t, time.Minute)
		h := sourcetest.Host(t, c, "win-anna")
		ctx := context.Background()
		sourcetest.WantIsolation(t, c, h, source.Operation{}, source.IsolationNone, true)
		v.FetchTime(t, time.Hour)
		v.Faults(t, fault)
		for range 2 { // a second time is no error
			if op, err := c.Isolate(ctx, h, source.Containment{}); err != nil || op.ID != "" {
				t.Fatalf("%s: %v, %v", fault, op, err)
			}
		}
		sourcetest.WantIsolation(t, c, h, source.Operation{}, source.IsolationIsolating, true)
		v.FetchTime(t, 0)
		sourcetest.WantIsolation(t, c, h, source.Operation{}, source.IsolationIsolated, true)
		if got := v.falcon.State().Isolated; !slices.Equal(got, []string{h.Name}) {
			t.Errorf("%s: isolated are %v", fault, got)
		}
		v.FetchTime(t, time.Hour)
		for range 2 {
			if _, err := c.Release(ctx, h); err != nil {
				t.Fatalf("%s: %v", fault, err)
			}
		}
		sourcetest.WantIsolation(t, c, h, source.Operation{}, source.IsolationReleasing, true)
		v.FetchTime(t, 0)
		sourcetest.WantIsolation(t, c, h, source.Operation{}, source.IsolationNone, true)
		if got := v.falcon.State().Isolated; len(got) > 0 {
			t.Errorf("%s: isolated are %v", fault, got)
		}
	}
}

func TestAnOfflineHostStaysPending(t *testing.T) {
	v := newVendor(t, world.Options{})
	c := v.client(t, time.Minute)
	h := sourcetest.Host(t, c, "win-anna")
	v.Control(t, "offline", map[string]any{"host": h.ID, "online": false})
	if _, err := c.Isolate(context.Background(), h, source.Containment{Mode: "full"}); err != nil {
		t.Fatal(err)
	}
	sourcetest.WantIsolation(t, c, h, source.Operation{}, source.IsolationIsolating, false)
	v.Control(t, "offline", map[string]any{"host": h.ID, "online": true})
	sourcetest.WantIsolation(t, c, h, source.Operation{}, source.IsolationIsolated, true)
}

func TestAnIsolationThatCannotBeSaysWhy(t *testing.T) {
	v := newVendor(t, world.Options{})
	c := v.client(t, time.Minute)
	ctx := context.Background()
	h := sourcetest.Host(t, c, "win-anna")
	if _, err := c.Isolate(ctx, h, source.Containment{Mode: "selective"}); !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), "selective") {
		t.Errorf("a mode: %v", err)
	}
	for id, kind := range map[string]fault.Kind{"": fault.Invalid, "WIN-ANNA": fault.Invalid, strings.Repeat("0", 32): fault.NotFound} {
		no := alert.Host{ID: id}
		if _, err := c.Isolate(ctx, no, source.Containment{}); !fault.Is(err, kind) {
			t.Errorf("isolate %q: %v", id, err)
		}
		if _, err := c.Release(ctx, no); !fault.Is(err, kind) {
			t.Errorf("release %q: %v", id, err)
		}
		if _, err := c.Isolation(ctx, no, source.Operation{}); !fault.Is(err, kind) {
			t.Errorf("state of %q: %v", id, err)
		}
	}
	for _, lacks := range []string{scopeHostsWrite, "licence:containment"} {
		v.Control(t, "scope", map[string]any{"scope": lacks, "missing": true})
		_, err := c.Isolate(ctx, h, source.Containment{})
		e, ok := errors.AsType[*fault.Error](err)
		if !ok || e.Kind != fault.Denied || !strings.Contains(e.Hint, scopeHostsWrite) || !strings.Contains(e.Hint, licenceContain) {
			t.Errorf("without %s: %+v", lacks, e)
		}
		v.Control(t, "scope", map[string]any{"scope": lacks, "missing": false})
	}
	if got := v.falcon.State().Isolated; len(got) > 0 {
		t.Errorf("isolated are %v", got)
	}
}

func TestWhatTheReplyToAContainmentProves(t *testing.T) {
	h := alert.Host{ID: aid}
	for reply, want := range map[string]fault.Kind{
		`202 {"meta":{},"resources":[{"id":"` + aid + `","path":"/x"}],"errors":[]}`:                          "ok",
		`202 {"meta":{},"resources":[{"id":"` + strings.ToUpper(aid) + `"}],"errors":null}`:                   "ok",
		`202 {"meta":{},"resources":[],"errors":[]}`:                                                          fault.InDoubt,
		`202 {"meta":{},"resources":[{"id":"another"}]}`:                                                      fault.InDoubt,
		`202 {"meta":{},"resources":[{"id":"` + aid + `"}],"errors":[{"code":403,"message":"not licensed"}]}`: fault.Denied,
		`202 {"meta":{},"resources":[],"errors":[{"code":404,"message":"Device not found"}]}`:                 fault.NotFound,
		`404 {"errors":[{"code":404,"message":"Device not found"}]}`:                                          fault.NotFound,
		`409 {"errors":[{"code":409,"message":"already"}]}`:                                                   fault.Conflict,
	} {
		c, _ := scripted(t, map[string]string{actionsPath: reply, devicesPath: `200 {"meta":{},"resources":[{"device_id":"` + aid + `","status":"odd"}]}`})
		_, err := c.Isolate(context.Background(), h, source.Containment{})
		if want == "ok" && err != nil || want != "ok" && !fault.Is(err, want) {
			t.Errorf("%s: %v, want %q", reply, err, want)
		}
	}
}

func TestAStateThatNobodyKnowsIsUnknown(t *testing.T) {
	for status, want := range map[string]source.IsolationState{
		"normal": "none", "containment_pending": "isolating", "contained": "isolated", "lift_containment_pending": "releasing",
		"": source.IsolationUnknown, "postponed": source.IsolationUnknown,
	} {
		c, _ := scripted(t, map[string]string{
			devicesPath:                             `200 {"resources":[{"device_id":"` + aid + `","status":"` + status + `"}]}`,
			"GET /devices/entities/online-state/v1": `200 {"resources":[{"id":"` + aid + `","state":"unknown"}]}`,
		})
		sourcetest.WantIsolation(t, c, alert.Host{ID: aid}, source.Operation{}, want, false)
	}
}
