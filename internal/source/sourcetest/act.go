package sourcetest

import (
	"context"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

// checkResolve: a resolution is applied and read back with the values before; what
// a product cannot express is named before anything is sent.
func checkResolve(t *testing.T, h Harness) {
	v := h.New(t)
	s := v.Source(t, patience)
	r := capability[source.Resolver](t, s)
	g := capability[source.Getter](t, s)
	hs := handles(t, s, v.Add(t, 2, time.Hour, false))
	close := alert.Resolution{Status: alert.StatusResolved, Verdict: "false_positive"}
	if err := r.Supports(close); err != nil {
		t.Skip(err)
	}
	a, err := r.Resolve(context.Background(), hs[0], close)
	if err != nil {
		t.Fatal(err)
	}
	if f := a.Fields["status"]; f.Outcome != "done" || f.Before != string(alert.StatusNew) {
		t.Errorf("status: %+v", f)
	}
	if f := a.Fields["verdict"]; f.Outcome != "done" || f.Before == "" {
		t.Errorf("verdict: %+v", f)
	}
	if got, err := g.Get(context.Background(), hs[0]); err != nil || !got[0].Status.Closed() || got[0].Analyst == "" {
		t.Errorf("read back: %+v, %v", got, err)
	}
	if again, err := r.Resolve(context.Background(), hs[0], close); err != nil || again.Fields["status"].Outcome != "unchanged" {
		t.Errorf("a second time: %+v, %v", again, err)
	}
	undo := alert.Resolution{Status: alert.Status(a.Fields["status"].Before), Verdict: a.Fields["verdict"].Before}
	if back, err := r.Resolve(context.Background(), hs[0], undo); err != nil || back.Fields["verdict"].Outcome != "done" {
		t.Errorf("undo with the values before: %+v, %v", back, err)
	}
	checkUnsupported(t, r, hs[1])
	v.Purge(t, hs[1].ID)
	if _, err := r.Resolve(context.Background(), hs[1], close); !fault.Is(err, fault.NotFound) {
		t.Errorf("an alert that is gone: %v", err)
	}
}

// checkResolveFaults: whatever becomes of the answer, "done" is what is so, and a change
// that may have been made is not called refused.
func checkResolveFaults(t *testing.T, h Harness) {
	for _, kind := range []string{"500", "503", "reset", "truncate", "html"} {
		for _, place := range []string{"before", "after"} {
			t.Run(kind+"@"+place, func(t *testing.T) {
				t.Parallel()
				v := h.New(t)
				s := v.Source(t, patience)
				r, g := capability[source.Resolver](t, s), capability[source.Getter](t, s)
				close := alert.Resolution{Status: alert.StatusResolved, Verdict: "false_positive"}
				if err := r.Supports(close); err != nil {
					t.Skip(err)
				}
				hs := handles(t, s, v.Add(t, 1, time.Hour, false))
				v.Faults(t, kind+"@"+place+"=1")
				a, err := r.Resolve(context.Background(), hs[0], close)
				v.Faults(t, "")
				now, readErr := g.Get(context.Background(), hs[0])
				if readErr != nil || len(now) != 1 {
					t.Fatalf("read back: %v, %v", now, readErr)
				}
				closed, f := now[0].Status.Closed(), a.Fields["status"]
				switch k := fault.KindOf(err); {
				case closed && place == "before":
					t.Error("nothing arrived, and it is closed")
				case !closed && place == "after" && k != fault.InDoubt: // a job may still be at it
					t.Errorf("it arrived, the status is %s, and the error is %v", now[0].Status, err)
				case f.Outcome == "done" && !closed, err == nil && f.Outcome != "done":
					t.Errorf("the status is %s, and it says %+v, %v", now[0].Status, a, err)
				case closed && err != nil && k != fault.InDoubt && k != fault.Unavailable:
					t.Errorf("it was changed, and the error is %v", err)
				}
			})
		}
	}
}

func checkUnsupported(t *testing.T, r source.Resolver, h alert.Handle) {
	t.Helper()
	for word, res := range map[string]alert.Resolution{
		"nonsense": {Verdict: "nonsense"}, "sleeping": {Status: "sleeping"},
		"assign": {Assign: "somebody"}, "tags": {Tags: []string{"a"}},
	} {
		err := r.Supports(res)
		if err == nil {
			if word == "nonsense" || word == "sleeping" {
				t.Errorf("%s is supported", word)
			}
			continue
		}
		if !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: the error does not name it: %v", word, err)
		}
		if a, err := r.Resolve(context.Background(), h, res); err == nil || len(a.Fields) > 0 {
			t.Errorf("%s: resolved as %v, %v", word, a, err)
		}
	}
}

// checkHosts: a host is found by name in any case, by prefix and by id.
func checkHosts(t *testing.T, h Harness) {
	v := h.New(t)
	s := v.Source(t, patience)
	f := capability[source.HostFinder](t, s)
	v.Add(t, 5, time.Hour, false)
	want := listAll(t, capability[source.Lister](t, s), alert.Query{})[0].Host
	for name, by := range map[string]string{
		"id": want.ID, "name": want.Name, "lower case": strings.ToLower(want.Name), "prefix": want.Name[:4] + "*",
	} {
		found := false
		for host, err := range f.FindHosts(context.Background(), by) {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if host.ID == "" || host.Isolation == "" || host.Reachable == nil {
				t.Errorf("%s: %+v is not complete", name, host)
			}
			found = found || host.Name == want.Name
		}
		if !found {
			t.Errorf("no host by %s %q", name, by)
		}
	}
	for host, err := range f.FindHosts(context.Background(), "no-such-host-anywhere") {
		t.Errorf("a host that is none: %v, %v", host, err)
	}
}

// checkHealth: who, where, and no permission missing; a capability that is not there
// is named.
func checkHealth(t *testing.T, h Harness) {
	v := h.New(t)
	s := v.Source(t, patience)
	health, err := s.Check(context.Background())
	if err != nil || health.Tenant == "" || len(health.Missing) > 0 || health.Skew.Abs() > 5*time.Second {
		t.Errorf("health %+v, %v", health, err)
	}
	id := capability[source.Identifier](t, s)
	one, err1 := id.Tenant(context.Background())
	two, err2 := id.Tenant(context.Background())
	if one == "" || one != two || err1 != nil || err2 != nil {
		t.Errorf("tenant %q, %q: %v, %v", one, two, err1, err2)
	}
	for _, c := range source.Capabilities(s) {
		err := source.Unsupported(s, c.Name)
		if !c.Has && (!fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), c.Name)) {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
}
