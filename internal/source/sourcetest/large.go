package sourcetest

import "testing"

// Large leaves a test of more alerts than a vendor's limits out of short runs: its work is
// decoding, which the race detector makes ten times as slow and learns nothing from.
func Large(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("more alerts than the vendor's limits: left to the run without the race detector")
	}
}
