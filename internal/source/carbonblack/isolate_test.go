package carbonblack

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/lab/world"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

func TestAHostIsIsolatedAndReleased(t *testing.T) {
	clock := time.Now()
	v := newVendor(t, world.Options{Now: func() time.Time { return clock }, FetchTime: time.Minute})
	c := v.client(t, time.Minute)
	h := sourcetest.Host(t, c, `LAB\DESK-001`)
	is := func(want source.IsolationState, op source.Operation) {
		t.Helper()
		got, err := c.Isolation(context.Background(), h, op)
		if err != nil || got.State != want || !got.Reachable {
			t.Errorf("%+v, %v, want %s", got, err, want)
		}
	}
	is(source.IsolationNone, source.Operation{})
	op, err := c.Isolate(context.Background(), h, source.Containment{})
	if err != nil {
		t.Fatal(err)
	}
	is(source.IsolationIsolating, op)
	is(source.IsolationNone, source.Operation{}) // the product does not tell more
	clock = clock.Add(2 * time.Minute)
	is(source.IsolationIsolated, op)
	if got := v.lab.State().Isolated; !slices.Equal(got, []string{h.Name}) {
		t.Errorf("the vendor has isolated %v", got)
	}
	if again, err := c.Isolate(context.Background(), h, source.Containment{Mode: "full"}); err != nil || again.ID == "" {
		t.Errorf("isolating again: %v, %v", again, err)
	}
	clock = clock.Add(2 * time.Minute)
	op, err = c.Release(context.Background(), h)
	if err != nil {
		t.Fatal(err)
	}
	is(source.IsolationReleasing, op)
	is(source.IsolationIsolated, source.Operation{})
	clock = clock.Add(2 * time.Minute)
	is(source.IsolationNone, op)
	if got := v.lab.State().Isolated; len(got) > 0 {
		t.Errorf("the vendor has isolated %v", got)
	}
}

func TestAnOfflineHostStaysOnItsWayUntilItIsBack(t *testing.T) {
	clock := time.Now()
	v := newVendor(t, world.Options{Now: func() time.Time { return clock }})
	c := v.client(t, time.Minute)
	h := sourcetest.Host(t, c, `LAB\DESK-002`)
	v.Control(t, "offline", map[string]any{"host": h.Name})
	op, err := c.Isolate(context.Background(), h, source.Containment{})
	if err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(72 * time.Hour)
	if got, err := c.Isolation(context.Background(), h, op); err != nil || got.State != source.IsolationIsolating || got.Reachable {
		t.Errorf("offline: %+v, %v", got, err)
	}
	v.Control(t, "offline", map[string]any{"host": h.Name, "online": true})
	if got, err := c.Isolation(context.Background(), h, op); err != nil || got.State != source.IsolationIsolated || !got.Reachable {
		t.Errorf("back: %+v, %v", got, err)
	}
}

func TestAnIsolationThatSomebodyUndidIsNotOnItsWay(t *testing.T) {
	op := operation{toggleOn, noon.Add(-time.Hour)}.name()
	for contact, want := range map[time.Duration]source.IsolationState{
		-2 * time.Hour: source.IsolationIsolating, -50 * time.Minute: source.IsolationIsolating, -10 * time.Minute: source.IsolationNone,
	} {
		c, _ := scripted(t, map[string]string{"GET " + orgOther + "devices/7": `200 {"id":7,"quarantined":false,"last_contact_time":"` + noon.Add(contact).Format(time.RFC3339) + `"}`})
		if got, err := c.Isolation(context.Background(), alert.Host{ID: "7"}, op); err != nil || got.State != want {
			t.Errorf("in contact %s ago: %+v, %v", -contact, got, err)
		}
	}
	for _, id := range []string{"", "@", "ON", "ON@", "ON@yesterday", "MAYBE@" + noon.Format(time.RFC3339), "6023"} {
		c, _ := scripted(t, map[string]string{"GET " + orgOther + "devices/7": `200 {"id":7,"quarantined":false}`})
		if got, err := c.Isolation(context.Background(), alert.Host{ID: "7"}, source.Operation{ID: id}); err != nil || got.State != source.IsolationNone {
			t.Errorf("operation %q: %+v, %v", id, got, err)
		}
	}
}

func TestWhatTheDeviceDoesNotSayIsUnknown(t *testing.T) {
	for reply, kind := range map[string]fault.Kind{
		`200 {"id":7}`: "", `200 {"id":7,"quarantined":null}`: "", `200 {"id":8,"quarantined":true}`: fault.Unavailable,
		`404 {}`: fault.NotFound, `403 {}`: fault.Denied, `500 {}`: fault.Unavailable,
	} {
		c, _ := scripted(t, map[string]string{"GET " + orgOther + "devices/7": reply})
		got, err := c.Isolation(context.Background(), alert.Host{ID: "7"}, source.Operation{})
		if got.State != source.IsolationUnknown || (err != nil) != (kind != "") || err != nil && !fault.Is(err, kind) {
			t.Errorf("%s: %+v, %v", reply, got, err)
		}
	}
}

func TestAnActionThatMayHaveBeenTakenIsInDoubtAndSentOnce(t *testing.T) {
	for reply, kind := range map[string]fault.Kind{
		`500 {}`: fault.InDoubt, `504 x`: fault.InDoubt, `403 {}`: fault.Denied, `400 {"error_code":"X","message":"no device"}`: fault.Invalid,
		`200 {"errorMessage":"no"}`: fault.Invalid, `401 {}`: fault.Auth, `204 `: "", `202 {}`: "", `200 {}`: "",
	} {
		c, s := scripted(t, map[string]string{"POST " + orgOther + "device_actions": reply})
		op, err := c.Isolate(context.Background(), alert.Host{ID: "7"}, source.Containment{})
		if (err != nil) != (kind != "") || err != nil && !fault.Is(err, kind) || (op.ID == "") != (err != nil) {
			t.Errorf("%s: %v, %v", reply, op, err)
		}
		if e, ok := errors.AsType[*fault.Error](err); ok && kind == fault.Denied && !strings.Contains(e.Hint, permQuarantine) {
			t.Errorf("the hint is %q", e.Hint)
		}
		if len(s.sent) != 1 {
			t.Errorf("%s: sent %d times", reply, len(s.sent))
		}
	}
}

func TestOnlyADeviceIDIsActedOn(t *testing.T) {
	c, s := scripted(t, nil)
	for _, id := range []string{"", "0", "-1", "07", "1e3", "7 ", "*", "name", "99999999999999999999"} {
		if _, err := c.Isolate(context.Background(), alert.Host{ID: id}, source.Containment{}); !fault.Is(err, fault.Invalid) {
			t.Errorf("isolate %q: %v", id, err)
		}
		if _, err := c.Release(context.Background(), alert.Host{ID: id}); !fault.Is(err, fault.Invalid) {
			t.Errorf("release %q: %v", id, err)
		}
	}
	if _, err := c.Isolate(context.Background(), alert.Host{ID: "7"}, source.Containment{Mode: "selective"}); !fault.Is(err, fault.Unsupported) {
		t.Errorf("a mode: %v", err)
	}
	if len(s.sent) > 0 {
		t.Errorf("sent %v", s.sent)
	}
}

func TestADeviceSaysWhetherItIsReachable(t *testing.T) {
	yes, no := true, false
	for name, tc := range map[string]struct {
		device string
		want   *bool
	}{
		"in contact":   {`"last_contact_time":"2026-11-22T11:50:00Z"`, &yes},
		"silent":       {`"last_contact_time":"2026-11-22T11:40:00Z"`, &no},
		"gone":         {`"last_contact_time":"2026-11-22T11:59:00Z","status":"DEREGISTERED"`, &no},
		"never heard":  {`"last_contact_time":null`, nil},
		"odd contents": {`"last_contact_time":{},"quarantined":"true","os":7`, nil},
	} {
		c, _ := scripted(t, map[string]string{"GET " + orgOther + "devices/7": `200 {"id":7,"name":"x",` + tc.device + `}`})
		for h, err := range c.FindHosts(context.Background(), "7") {
			if err != nil || (h.Reachable == nil) != (tc.want == nil) || tc.want != nil && *h.Reachable != *tc.want {
				t.Errorf("%s: %+v, %v", name, h, err)
			}
		}
	}
}

func TestAHostWhoseNameIsANumberIsFound(t *testing.T) {
	c, _ := scripted(t, map[string]string{"POST " + orgOther + "devices/_search": `200 {"results":[{"id":9,"name":"1234"}]}`})
	n := 0
	for h, err := range c.FindHosts(context.Background(), "1234") {
		if n++; err != nil || h.ID != strconv.Itoa(9) {
			t.Errorf("%+v, %v", h, err)
		}
	}
	if n != 1 {
		t.Errorf("%d hosts", n)
	}
}
