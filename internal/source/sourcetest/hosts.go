package sourcetest

import (
	"testing"

	"edrc/internal/alert"
	"edrc/internal/source"
)

// Host gives the first host that is found by a name.
func Host(t *testing.T, f source.HostFinder, name string) alert.Host {
	t.Helper()
	for h, err := range f.FindHosts(t.Context(), name) {
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	t.Fatalf("no host %q", name)
	return alert.Host{}
}

// WantIsolation fails when a host is not in this state, or not reachable or unreachable as
// wanted. It gives what was read.
func WantIsolation(t *testing.T, i source.Isolator, h alert.Host, op source.Operation, want source.IsolationState, reachable bool) source.Isolation {
	t.Helper()
	got, err := i.Isolation(t.Context(), h, op)
	if err != nil || got.State != want || got.Reachable != reachable {
		t.Errorf("%+v, %v; want %s", got, err, want)
	}
	return got
}
