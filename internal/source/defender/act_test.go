package defender

import (
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
	v := newVendor(t, world.Options{FetchTime: time.Hour})
	c := v.client(t, time.Minute)
	h := sourcetest.Host(t, c, "desk-000")
	want := func(op source.Operation, state source.IsolationState) {
		t.Helper()
		got, err := c.Isolation(t.Context(), h, op)
		if err != nil || got.State != state || !got.Reachable {
			t.Fatalf("%+v, %v; want %s", got, err, state)
		}
		if state != source.IsolationNone && (got.By == "" || got.Since.IsZero()) {
			t.Errorf("%+v does not say since when and by whom", got)
		}
		if found := sourcetest.Host(t, c, "desk-000"); found.Isolation != string(state) {
			t.Errorf("the host says %q", found.Isolation)
		}
	}
	want(source.Operation{}, source.IsolationNone)
	op, err := c.Isolate(t.Context(), h, source.Containment{Mode: "selective"})
	if err != nil || op.ID == "" {
		t.Fatalf("%+v, %v", op, err)
	}
	want(op, source.IsolationIsolating) // accepted is not done
	for name, act := range map[string]func() (source.Operation, error){
		"isolate": func() (source.Operation, error) { return c.Isolate(t.Context(), h, source.Containment{}) },
		"release": func() (source.Operation, error) { return c.Release(t.Context(), h) },
	} {
		if op, err := act(); !fault.Is(err, fault.Conflict) || op.ID != "" {
			t.Errorf("%s while one is under way: %+v, %v", name, op, err)
		}
	}
	v.FetchTime(t, 0)
	want(op, source.IsolationIsolated)
	if got := v.lab.State().Isolated; len(got) != 1 || got[0] != h.Name {
		t.Errorf("the vendor says %q", got)
	}
	v.FetchTime(t, time.Hour)
	if op, err = c.Release(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	want(op, source.IsolationReleasing)
	v.FetchTime(t, 0)
	want(op, source.IsolationNone)
}

func TestAnIsolationThatFailsLeavesTheStateAsItWas(t *testing.T) {
	for _, verb := range []string{"cancel", "fail"} {
		v := newVendor(t, world.Options{FetchTime: time.Hour})
		c := v.client(t, time.Minute)
		h := sourcetest.Host(t, c, "desk-000")
		op, err := c.Isolate(t.Context(), h, source.Containment{})
		if err != nil {
			t.Fatal(err)
		}
		v.Control(t, verb, map[string]any{"host": h.Name})
		if got, err := c.Isolation(t.Context(), h, op); err != nil || got.State != source.IsolationNone {
			t.Errorf("%s: %+v, %v", verb, got, err)
		}
	}
}

func TestAHostThatIsOfflineIsIsolatedWhenItIsBack(t *testing.T) {
	v := newVendor(t, world.Options{})
	c := v.client(t, time.Minute)
	h := sourcetest.Host(t, c, "desk-001")
	v.Control(t, "offline", map[string]any{"host": h.Name, "offline": true})
	op, err := c.Isolate(t.Context(), h, source.Containment{Mode: "full"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Isolation(t.Context(), h, op); err != nil || got.State != source.IsolationIsolating || got.Reachable {
		t.Errorf("offline: %+v, %v", got, err)
	}
	v.Control(t, "offline", map[string]any{"host": h.Name, "offline": false})
	if got, err := c.Isolation(t.Context(), h, op); err != nil || got.State != source.IsolationIsolated || !got.Reachable {
		t.Errorf("back: %+v, %v", got, err)
	}
}

func TestAnIsolationIsSentOnceWhateverBecomesOfTheAnswer(t *testing.T) {
	for _, kind := range []string{"reset@after=1", "500@after=1", "html@after=1", "truncate@after=1", "reset@before=1", "503@before=1"} {
		v := newVendor(t, world.Options{})
		c := v.client(t, time.Minute)
		h := sourcetest.Host(t, c, "desk-000")
		v.Faults(t, kind)
		op, err := c.Isolate(t.Context(), h, source.Containment{})
		if !fault.Is(err, fault.InDoubt) || op.ID != "" {
			t.Errorf("%s: %+v, %v", kind, op, err)
		}
		v.Faults(t, "")
		if n := v.lab.Calls()["POST machines/{id}/isolate"]; n > 1 {
			t.Errorf("%s: it arrived %d times", kind, n)
		}
		got, err := c.Isolation(t.Context(), h, op)
		want := source.IsolationNone
		if strings.Contains(kind, "after") {
			want = source.IsolationIsolated
		}
		if err != nil || got.State != want {
			t.Errorf("%s: %+v, %v; want %s", kind, got, err, want)
		}
	}
}

func TestWhatCannotBeIsolatedIsSaid(t *testing.T) {
	c, s := scripted(t, nil)
	if _, err := c.Isolate(t.Context(), alert.Host{ID: hostID}, source.Containment{Mode: "UnManagedDevice"}); !fault.Is(err, fault.Unsupported) {
		t.Errorf("mode: %v", err)
	}
	for _, id := range []string{"", "..", "a/b", "a b", strings.Repeat("a", 300)} {
		_, err1 := c.Isolate(t.Context(), alert.Host{ID: id, Name: "x"}, source.Containment{})
		_, err2 := c.Release(t.Context(), alert.Host{ID: id})
		_, err3 := c.Isolation(t.Context(), alert.Host{ID: id}, source.Operation{})
		for _, err := range []error{err1, err2, err3} {
			if !fault.Is(err, fault.NotFound) {
				t.Errorf("host %q: %v", id, err)
			}
		}
	}
	if len(s.sent) > 0 {
		t.Errorf("sent %v", s.sent)
	}
}

func TestTheNewestActionThatCountsTellsTheIsolation(t *testing.T) {
	action := func(kind, status string, minute string) string {
		return `{"id":"a` + minute + `","type":"` + kind + `","status":"` + status + `","requestor":"ann","machineId":"` + hostID + `","creationDateTimeUtc":"2026-11-22T10:` + minute + `:00Z"}`
	}
	for name, tc := range map[string]struct {
		actions []string
		want    source.IsolationState
	}{
		"none":                   {nil, source.IsolationNone},
		"isolated long ago":      {[]string{action("Isolate", "Succeeded", "01")}, source.IsolationIsolated},
		"and released":           {[]string{action("Isolate", "Succeeded", "01"), action("Unisolate", "Succeeded", "02")}, source.IsolationNone},
		"in any order":           {[]string{action("Unisolate", "Succeeded", "02"), action("Isolate", "Succeeded", "01")}, source.IsolationNone},
		"a release that failed":  {[]string{action("Isolate", "Succeeded", "01"), action("Unisolate", "TimeOut", "02")}, source.IsolationIsolated},
		"a release under way":    {[]string{action("Isolate", "Succeeded", "01"), action("Unisolate", "InProgress", "02")}, source.IsolationReleasing},
		"words of another case":  {[]string{action("isolate", "pending", "01")}, source.IsolationIsolating},
		"other actions":          {[]string{action("Isolate", "Succeeded", "01"), action("LiveResponse", "Pending", "02")}, source.IsolationIsolated},
		"of another machine":     {[]string{strings.ReplaceAll(action("Isolate", "Succeeded", "01"), hostID, "other")}, source.IsolationNone},
		"an older one forgotten": {[]string{action("Isolate", "Pending", "01"), action("Unisolate", "Succeeded", "02")}, source.IsolationNone},
	} {
		c, _ := scripted(t, map[string]string{
			"GET /machines/" + hostID: `200 {"id":"` + hostID + `","healthStatus":"Active"}`, "GET /machineactions": `200 {"value":[` + strings.Join(tc.actions, ",") + `]}`,
		})
		if got, err := c.Isolation(t.Context(), alert.Host{ID: hostID}, source.Operation{}); err != nil || got.State != tc.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	// The list does not have what was just accepted.
	c, _ := scripted(t, map[string]string{
		"GET /machines/" + hostID: `200 {"id":"` + hostID + `"}`, "GET /machineactions": `200 {"value":[]}`, "GET /machineactions/a01": "200 " + action("Isolate", "Pending", "01"),
	})
	if got, err := c.Isolation(t.Context(), alert.Host{ID: hostID}, source.Operation{ID: "a01"}); err != nil || got.State != source.IsolationIsolating {
		t.Errorf("lag: %+v, %v", got, err)
	}
}

func TestHostsAreFoundByWholeNamesAndPrefixes(t *testing.T) {
	v := newVendor(t, world.Options{})
	c := v.client(t, time.Minute)
	for by, want := range map[string]int{
		"desk-000": 1, "DESK-000.LAB.EXAMPLE": 1, "desk-00": 0, "desk-00*": 6, "srv*": 5, strings.Repeat("0", 40): 0, "o'brien": 0,
	} {
		n := 0
		for _, err := range c.FindHosts(t.Context(), by) {
			if err != nil {
				t.Fatalf("%s: %v", by, err)
			}
			n++
		}
		if n != want {
			t.Errorf("%s: %d hosts, want %d", by, n, want)
		}
	}
	v.lab.AddMachines(10_400) // more than the vendor's largest page
	if h := sourcetest.Host(t, c, "farm"); h.Name != "farm.lab.example" {
		t.Errorf("%+v", h)
	}
	for _, err := range c.FindHosts(t.Context(), "a*") {
		if !fault.Is(err, fault.Usage) {
			t.Errorf("one letter: %v", err)
		}
	}
}
