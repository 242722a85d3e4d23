package cortex

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
	for _, faults := range []string{"", "reset@after=1", "500@after=1", "truncate@after=1", "429=0.4"} {
		v := newVendor(t, world.Options{})
		c := v.client(t, time.Minute)
		h := sourcetest.Host(t, c, "win-anna")
		ctx := context.Background()
		sourcetest.WantIsolation(t, c, h, source.Operation{}, source.IsolationNone, true)
		v.FetchTime(t, time.Hour)
		v.Faults(t, faults)
		op, err := c.Isolate(ctx, h, source.Containment{Mode: "full"})
		if err != nil || (op.ID == "") != strings.Contains(faults, "after") {
			t.Fatalf("%s: %v, %v", faults, op, err)
		}
		if again, err := c.Isolate(ctx, h, source.Containment{}); err != nil || again.ID != "" {
			t.Errorf("%s: a second time is %v, %v", faults, again, err)
		}
		v.Faults(t, "")
		sourcetest.WantIsolation(t, c, h, op, source.IsolationIsolating, true)
		v.FetchTime(t, 0)
		if is := sourcetest.WantIsolation(t, c, h, op, source.IsolationIsolated, true); is.Since.IsZero() {
			t.Error("it does not tell since when")
		}
		if got := v.lab.State().Isolated; !slices.Equal(got, []string{h.Name}) {
			t.Errorf("%s: isolated are %v", faults, got)
		}
		v.FetchTime(t, time.Hour)
		v.Faults(t, faults)
		op, err = c.Release(ctx, h)
		if err != nil {
			t.Fatalf("%s: %v", faults, err)
		}
		v.Faults(t, "")
		sourcetest.WantIsolation(t, c, h, op, source.IsolationReleasing, true)
		v.FetchTime(t, 0)
		sourcetest.WantIsolation(t, c, h, op, source.IsolationNone, true)
		if got := v.lab.State().Isolated; len(got) > 0 {
			t.Errorf("%s: isolated are %v", faults, got)
		}
	}
}

func TestAnIsolationWhoseAnswerWasLostIsSentOnce(t *testing.T) {
	v := newVendor(t, world.Options{})
	c := v.client(t, time.Minute)
	h := sourcetest.Host(t, c, "win-anna")
	v.Faults(t, "reset@before=1")
	if op, err := c.Isolate(context.Background(), h, source.Containment{}); !fault.Is(err, fault.InDoubt) {
		t.Errorf("%v, %v", op, err)
	}
	v.Faults(t, "")
	n := 0
	for _, asked := range v.Asked() {
		if strings.HasSuffix(asked, "/endpoints/isolate") {
			n++
		}
	}
	if n != 1 || len(v.lab.State().Isolated) > 0 {
		t.Errorf("sent %d times", n)
	}
}

func TestAnOfflineHostStaysPending(t *testing.T) {
	v := newVendor(t, world.Options{})
	c := v.client(t, time.Minute)
	h := sourcetest.Host(t, c, "win-anna")
	v.Control(t, "offline", map[string]any{"host": h.ID, "online": false})
	op, err := c.Isolate(context.Background(), h, source.Containment{})
	if err != nil {
		t.Fatal(err)
	}
	sourcetest.WantIsolation(t, c, h, op, source.IsolationIsolating, false)
	v.Control(t, "offline", map[string]any{"host": h.ID, "online": true})
	sourcetest.WantIsolation(t, c, h, op, source.IsolationIsolated, true)
}

func TestAnActionThatCameToNothingIsSaid(t *testing.T) {
	for _, word := range []string{"FAILED", "EXPIRED", "CANCELED", "ABORTED", "TIMEOUT"} {
		c, _ := scripted(t, map[string][]string{endpointCall: {endpointIs("AGENT_UNISOLATED")},
			statusCall: {`200 {"reply":{"data":{"` + aid + `":"` + word + `"},"errorReasons":{"` + aid + `":{"errorText":"no driver"}}}}`}})
		got, err := c.Isolation(context.Background(), alert.Host{ID: aid}, source.Operation{ID: "isolate/123"})
		if err == nil || !strings.Contains(err.Error(), word) || !strings.Contains(err.Error(), "no driver") || got.State != source.IsolationNone {
			t.Errorf("%s: %+v, %v", word, got, err)
		}
	}
	for is, tc := range map[string]struct {
		op   string
		want source.IsolationState
	}{
		"AGENT_UNISOLATED":                     {"isolate/123", source.IsolationIsolating}, // accepted, and not there yet
		"AGENT_ISOLATED":                       {"release/123", source.IsolationReleasing},
		"AGENT_PENDING_ISOLATION":              {"release/123", source.IsolationIsolating},
		"AGENT_PENDING_ISOLATION_CANCELLATION": {"isolate/123", source.IsolationReleasing},
		"":                                     {"isolate/123", source.IsolationUnknown},
		"AGENT_DREAMING":                       {"", source.IsolationUnknown},
	} {
		for _, data := range []string{`{}`, `[]`, `null`, `{"` + aid + `":"PENDING"}`, `{"` + aid + `":"IN_PROGRESS"}`} {
			c, _ := scripted(t, map[string][]string{endpointCall: {endpointIs(is)}, statusCall: {`200 {"reply":{"data":` + data + `}}`}})
			sourcetest.WantIsolation(t, c, alert.Host{ID: aid}, source.Operation{ID: tc.op}, tc.want, true)
		}
	}
}

func TestAnIsolationThatCannotBeSaysWhy(t *testing.T) {
	v := newVendor(t, world.Options{})
	c := v.client(t, time.Minute)
	ctx := context.Background()
	h := sourcetest.Host(t, c, "win-anna")
	if _, err := c.Isolate(ctx, h, source.Containment{Mode: "selective"}); !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), "selective") {
		t.Errorf("a mode: %v", err)
	}
	for id, kind := range map[string]fault.Kind{"": fault.Invalid, "WIN ANNA": fault.Invalid, "../x": fault.Invalid, strings.Repeat("0", 32): fault.NotFound} {
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
	for lacks, names := range map[string]string{permIsolate: permIsolate, "licence": licenceEndpoint} {
		v.Control(t, "permission", map[string]any{"permission": lacks, "missing": true})
		_, err := c.Isolate(ctx, h, source.Containment{})
		e, ok := errors.AsType[*fault.Error](err)
		if !ok || e.Kind != fault.Denied || !strings.Contains(e.Hint, names) {
			t.Errorf("without %s: %+v", lacks, e)
		}
		v.Control(t, "permission", map[string]any{"permission": lacks, "missing": false})
	}
	if got := v.lab.State().Isolated; len(got) > 0 {
		t.Errorf("isolated are %v", got)
	}
}

func TestWhatTheReplyToAnIsolationProves(t *testing.T) {
	for reply, want := range map[string]fault.Kind{
		`200 {"reply":{"action_id":"123","status":1,"endpoints_count":1}}`: "isolate/123",
		`200 {"reply":{"action_id":123}}`:                                  "isolate/123",
		`200 {"reply":true}`:                                               "",
		`200 {"reply":{"action_id":"1","endpoints_count":0}}`:              fault.NotFound,
		`200 {"reply":{"action_id":"../1"}}`:                               fault.InDoubt,
		`200 {"reply":{}}`:                                                 fault.InDoubt,
		`200 {}`:                                                           fault.InDoubt,
		`500 {"reply":{"err_code":500,"err_msg":"no endpoint"}}`:           fault.InDoubt,
		`400 {"reply":{"err_code":400,"err_msg":"x"}}`:                     fault.Invalid,
	} {
		c, _ := scripted(t, map[string][]string{endpointCall: {endpointIs("AGENT_UNISOLATED")}, isolateCall: {reply}})
		op, err := c.Isolate(context.Background(), alert.Host{ID: aid}, source.Containment{})
		if err == nil && op.ID != string(want) || err != nil && !fault.Is(err, want) {
			t.Errorf("%s: %v, %v, want %q", reply, op, err, want)
		}
	}
}
