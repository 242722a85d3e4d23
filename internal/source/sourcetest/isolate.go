package sourcetest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

// checkIsolate: accepted is not done, done is seen by everybody, and it is undone.
// Whatever becomes of an answer, a host's state is what happened to it.
func checkIsolate(t *testing.T, h Harness) {
	capability[source.Isolator](t, h.New(t).Source(t, patience))
	for name, check := range map[string]func(*testing.T, *containing){
		"isolated, seen, released": checkIsolated, "what cannot be": checkNotIsolated, "cancel": checkIsolateCancel, "token": checkIsolateToken,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, newContaining(t, h))
		})
	}
	for _, kind := range []string{"429", "500", "503", "reset", "truncate", "html"} {
		for _, place := range []string{"before", "after"} {
			if kind == "429" && place == "after" {
				continue // a vendor that says so has not applied it
			}
			t.Run(kind+"@"+place, func(t *testing.T) {
				t.Parallel()
				checkIsolateFault(t, newContaining(t, h), kind, place)
			})
		}
	}
}

// containing is one vendor, a client of it, and a host that is online.
type containing struct {
	v    Vendor
	s    source.Source
	i    source.Isolator
	host alert.Host
}

func newContaining(t *testing.T, h Harness) *containing {
	t.Helper()
	v := h.New(t)
	s := v.Source(t, patience)
	c := &containing{v: v, s: s, i: capability[source.Isolator](t, s)}
	v.Add(t, 20, time.Hour, false)
	for _, a := range listAll(t, capability[source.Lister](t, s), alert.Query{}) {
		if a.Host.ID == "" {
			continue
		}
		for host, err := range capability[source.HostFinder](t, s).FindHosts(context.Background(), a.Host.ID) {
			if err != nil {
				t.Fatal(err)
			}
			if host.Reachable != nil && *host.Reachable && host.Isolation == string(source.IsolationNone) {
				c.host = host
				return c
			}
		}
	}
	t.Fatal("no host of an alert is online")
	return nil
}

// restart is another process: nothing of the client before is left.
func (c *containing) restart(t *testing.T) {
	t.Helper()
	c.s = c.v.Source(t, patience)
	c.i = capability[source.Isolator](t, c.s)
}

// becomes waits until the host is as wanted; before that it is as it was, or on its way.
func (c *containing) becomes(t *testing.T, op source.Operation, want source.IsolationState) {
	t.Helper()
	way := map[source.IsolationState]source.IsolationState{
		source.IsolationIsolated: source.IsolationIsolating, source.IsolationNone: source.IsolationReleasing,
	}[want]
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		is, err := c.i.Isolation(context.Background(), c.host, op)
		switch {
		case err != nil || !is.Reachable:
			t.Fatalf("on the way to %s: %+v, %v", want, is, err)
		case is.State == want:
			return
		case is.State == source.IsolationUnknown, time.Now().After(deadline):
			t.Fatalf("it is %s, and not %s or %s", is.State, way, want)
		}
	}
}

// is wants a state that does not change.
func (c *containing) is(t *testing.T, what string, want source.IsolationState) {
	t.Helper()
	is, err := c.i.Isolation(context.Background(), c.host, source.Operation{})
	if err != nil || is.State != want {
		t.Errorf("%s: the host is %+v, %v; want %s", what, is, err, want)
	}
}

func checkIsolated(t *testing.T, c *containing) {
	ctx := context.Background()
	for _, step := range []struct {
		do   func() (source.Operation, error)
		want source.IsolationState
	}{
		{func() (source.Operation, error) { return c.i.Isolate(ctx, c.host, source.Containment{}) }, source.IsolationIsolated},
		{func() (source.Operation, error) { return c.i.Release(ctx, c.host) }, source.IsolationNone},
	} {
		op, err := step.do()
		if err != nil {
			t.Fatalf("%s: %v", step.want, err)
		}
		c.becomes(t, op, step.want)
		c.restart(t)
		c.is(t, "another process", step.want)
		for host, err := range c.s.(source.HostFinder).FindHosts(ctx, c.host.ID) {
			if err != nil || host.Isolation != string(step.want) {
				t.Errorf("the host that is found says %q, %v; want %s", host.Isolation, err, step.want)
			}
		}
	}
}

// checkNotIsolated: what cannot be isolated is said, and nothing is done instead.
func checkNotIsolated(t *testing.T, c *containing) {
	ctx := context.Background()
	_, err := c.i.Isolate(ctx, c.host, source.Containment{Mode: "sideways"})
	if !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), "sideways") {
		t.Errorf("a mode that is none: %v", err)
	}
	for _, host := range []alert.Host{{}, {Name: c.host.Name}, {ID: "no such host"}, {ID: "../" + c.host.ID}, {ID: c.host.ID + "," + c.host.ID}} {
		_, isolate := c.i.Isolate(ctx, host, source.Containment{})
		_, release := c.i.Release(ctx, host)
		_, read := c.i.Isolation(ctx, host, source.Operation{})
		for name, err := range map[string]error{"isolate": isolate, "release": release, "read": read} {
			if k := fault.KindOf(err); k != fault.Invalid && k != fault.NotFound && k != fault.Usage {
				t.Errorf("%s %q: %v", name, host.ID, err)
			}
		}
	}
	c.is(t, "after what cannot be", source.IsolationNone)
}

func checkIsolateCancel(t *testing.T, c *containing) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.i.Isolate(ended, c.host, source.Containment{}); !fault.Is(err, fault.Interrupted) {
		t.Errorf("isolating after the end: %v", err)
	}
	c.is(t, "after the end", source.IsolationNone)
	c.v.Faults(t, "timeout=1")
	for name, do := range map[string]func(context.Context) error{
		"isolate": func(ctx context.Context) error {
			_, err := c.i.Isolate(ctx, c.host, source.Containment{})
			return err
		},
		"release": func(ctx context.Context) error { _, err := c.i.Release(ctx, c.host); return err },
		"read":    func(ctx context.Context) error { _, err := c.i.Isolation(ctx, c.host, source.Operation{}); return err },
	} {
		endsSoon(t, name, do)
	}
}

// endsSoon runs a call whose context ends on the way: it is interrupted, or in doubt when
// it may have changed something.
func endsSoon(t *testing.T, name string, do func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	time.AfterFunc(50*time.Millisecond, cancel)
	started := time.Now()
	err := do(ctx)
	if !fault.Is(err, fault.Interrupted) && !fault.Is(err, fault.InDoubt) || !errors.Is(err, context.Canceled) {
		t.Errorf("%s: %v, want an interruption", name, err)
	}
	if took := time.Since(started); took > 10*time.Second {
		t.Errorf("%s took %s", name, took)
	}
}

func checkIsolateToken(t *testing.T, c *containing) {
	c.v.Revoke(t)
	ctx := context.Background()
	_, isolate := c.i.Isolate(ctx, c.host, source.Containment{})
	_, release := c.i.Release(ctx, c.host)
	_, read := c.i.Isolation(ctx, c.host, source.Operation{})
	for name, err := range map[string]error{"isolate": isolate, "release": release, "read": read} {
		if !fault.Is(err, fault.Auth) {
			t.Errorf("%s: %v, want auth", name, err)
		}
	}
}

// checkIsolateFault: an answer that is lost is not taken for a refusal, nor a request that
// did not arrive for a success.
func checkIsolateFault(t *testing.T, c *containing, kind, place string) {
	c.v.Faults(t, kind+"@"+place+"=1")
	op, err := c.i.Isolate(context.Background(), c.host, source.Containment{})
	c.v.Faults(t, "")
	k := fault.KindOf(err)
	c.restart(t)
	if place == "before" {
		if err == nil {
			t.Errorf("nothing arrived, and it is accepted as %+v", op)
		}
		c.is(t, "nothing arrived", source.IsolationNone)
		return
	}
	if err != nil && k != fault.InDoubt && k != fault.Unavailable {
		t.Errorf("it was accepted, and the error is %v", err)
	}
	c.becomes(t, op, source.IsolationIsolated)
}
