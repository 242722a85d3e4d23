package sentinelone

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/lab"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

// machine gives one host of the lab that is online.
func machine(t *testing.T, c *Client) alert.Host {
	t.Helper()
	for h, err := range c.FindHosts(context.Background(), "WS-*") {
		if err != nil {
			t.Fatal(err)
		}
		if h.Reachable != nil && *h.Reachable {
			return h
		}
	}
	t.Fatal("no host is online")
	return alert.Host{}
}

func TestAHostIsIsolatedSeenAndReleased(t *testing.T) {
	for _, faults := range []string{"", "reset@after=0.5", "500@after=0.5", "429=0.3"} {
		v := newVendor(t, surfaceThreats, lab.Options{Alerts: 20})
		c := v.client(t, time.Minute)
		h := machine(t, c)
		ctx := context.Background()
		sourcetest.WantIsolation(t, c, h, source.Operation{}, source.IsolationNone, true)
		v.Faults(t, faults)
		for range 2 { // a second time is no error
			if op, err := c.Isolate(ctx, h, source.Containment{}); err != nil || op.ID != "" {
				t.Fatalf("%s: %v, %v", faults, op, err)
			}
		}
		v.Faults(t, "")
		sourcetest.WantIsolation(t, c, h, source.Operation{}, source.IsolationIsolating, true)
		sourcetest.WantIsolation(t, c, h, source.Operation{}, source.IsolationIsolated, true)
		if got := v.lab.State().Sources["s1-lab"].Isolated; !slices.Equal(got, []string{h.Name}) {
			t.Errorf("%s: isolated are %v", faults, got)
		}
		v.Faults(t, faults)
		for range 2 {
			if _, err := c.Release(ctx, h); err != nil {
				t.Fatalf("%s: %v", faults, err)
			}
		}
		v.Faults(t, "")
		sourcetest.WantIsolation(t, c, h, source.Operation{}, source.IsolationReleasing, true)
		sourcetest.WantIsolation(t, c, h, source.Operation{}, source.IsolationNone, true)
		if got := v.lab.State().Sources["s1-lab"].Isolated; len(got) > 0 {
			t.Errorf("%s: isolated are %v", faults, got)
		}
	}
}

func TestAnOfflineHostStaysOnItsWay(t *testing.T) {
	v := newVendor(t, surfaceUnified, lab.Options{Alerts: 20})
	c := v.client(t, time.Minute)
	h := machine(t, c)
	v.control(t, "agent", map[string]any{"id": h.ID, "online": false}, nil)
	if _, err := c.Isolate(context.Background(), h, source.Containment{}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		sourcetest.WantIsolation(t, c, h, source.Operation{}, source.IsolationIsolating, false)
	}
	v.control(t, "agent", map[string]any{"id": h.ID, "online": true}, nil)
	sourcetest.WantIsolation(t, c, h, source.Operation{}, source.IsolationIsolating, true)
	sourcetest.WantIsolation(t, c, h, source.Operation{}, source.IsolationIsolated, true)
}

func TestAnIsolationThatCannotBeSaysWhy(t *testing.T) {
	v := newVendor(t, surfaceThreats, lab.Options{Alerts: 20})
	c := v.client(t, time.Minute)
	ctx := context.Background()
	h := machine(t, c)
	if _, err := c.Isolate(ctx, h, source.Containment{Mode: "selective"}); !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), "selective") {
		t.Errorf("a mode: %v", err)
	}
	before := v.lab.State().Sources["s1-lab"].Requests
	for _, id := range []string{"", "FIN-WS-014", "123"} {
		no := alert.Host{ID: id}
		_, isolate := c.Isolate(ctx, no, source.Containment{})
		_, release := c.Release(ctx, no)
		_, read := c.Isolation(ctx, no, source.Operation{})
		for _, err := range []error{isolate, release, read} {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%q: %v", id, err)
			}
		}
	}
	if after := v.lab.State().Sources["s1-lab"].Requests; after != before {
		t.Errorf("%d requests were sent for what is no agent", after-before)
	}
	unknown := alert.Host{ID: "1000000000000000001"}
	if _, err := c.Isolation(ctx, unknown, source.Operation{}); !fault.Is(err, fault.NotFound) {
		t.Errorf("state of an unknown agent: %v", err)
	}
	if _, err := c.Isolate(ctx, unknown, source.Containment{}); err == nil {
		t.Error("an unknown agent was isolated")
	}
	if got := v.lab.State().Sources["s1-lab"].Isolated; len(got) > 0 {
		t.Errorf("isolated are %v", got)
	}
}

const someAgent = "1000000000000000001"

func TestWhatTheReplyToADisconnectProves(t *testing.T) {
	const action, agents = "POST /agents/actions/disconnect", "GET /agents"
	state := func(word string) string {
		return `200 {"data":[{"id":"` + someAgent + `","networkStatus":"` + word + `","isActive":true}],"pagination":{"nextCursor":null}}`
	}
	for _, tc := range []struct {
		reply, now string
		want       fault.Kind
	}{
		{`200 {"data":{"affected":1}}`, state("connected"), "ok"},
		{`200 {"data":{"affected":"1"},"errors":[]}`, state("connected"), "ok"},
		{`200 {"data":{"affected":0}}`, state("disconnected"), "ok"},
		{`200 {"data":{"affected":0}}`, state("disconnecting"), "ok"},
		{`200 {"data":{"affected":0}}`, state("connected"), fault.Conflict},
		{`409 {"errors":[{"code":4090010,"title":"conflict"}]}`, state("disconnected"), "ok"},
		{`409 {"errors":[{"code":4090010,"title":"conflict"}]}`, state("connecting"), fault.Conflict},
		{`200 {"data":{"affected":1},"errors":[{"code":1,"title":"no licence"}]}`, state("connected"), fault.Unavailable},
		{`403 {"errors":[{"code":4030010,"title":"Insufficient permissions"}]}`, state("connected"), fault.Denied},
	} {
		c, s := scripted(t, surfaceThreats, map[string]string{action: tc.reply, agents: tc.now})
		_, err := c.Isolate(context.Background(), alert.Host{ID: someAgent}, source.Containment{})
		if tc.want == "ok" && err != nil || tc.want != "ok" && !fault.Is(err, tc.want) {
			t.Errorf("%s, %s: %v, want %q", tc.reply, tc.now, err, tc.want)
		}
		if e, ok := errors.AsType[*fault.Error](err); tc.want == fault.Denied && (!ok || !strings.Contains(e.Hint, permDisconnect)) {
			t.Errorf("the hint does not name the permission: %+v", e)
		}
		if want := action + ` {"data":{},"filter":{"ids":["` + someAgent + `"]}}`; s.sent[0] != want {
			t.Errorf("sent %s, want %s", s.sent[0], want)
		}
	}
}

func TestAStateThatNobodyKnowsIsUnknown(t *testing.T) {
	for word, want := range map[string]source.IsolationState{
		"connected": source.IsolationNone, "disconnecting": source.IsolationIsolating, "disconnected": source.IsolationIsolated,
		"connecting": source.IsolationReleasing, "": source.IsolationUnknown, "isolated-ish": source.IsolationUnknown,
	} {
		c, _ := scripted(t, surfaceThreats, map[string]string{"GET /agents": `200 {"data":[{"id":"` + someAgent + `","networkStatus":"` + word +
			`","isActive":true,"networkQuarantineEnabled":true}],"pagination":{"nextCursor":null}}`})
		sourcetest.WantIsolation(t, c, alert.Host{ID: someAgent}, source.Operation{}, want, true)
	}
}
