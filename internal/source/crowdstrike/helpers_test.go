package crowdstrike

import (
	"testing"
	"time"

	"edrc/internal/sample"
)

func stampOf(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func newSpool(t *testing.T) *sample.Spool {
	t.Helper()
	spool, err := sample.OpenSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = spool.Close() })
	return spool
}
