package sentinelone

import (
	"context"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/lab"
)

// BenchmarkDecodeThreat maps one threat of the lab, as large as the vendor's.
func BenchmarkDecodeThreat(b *testing.B) {
	v := newVendor(b, surfaceThreats, lab.Options{Alerts: 100})
	c := v.client(b, time.Minute)
	var raws []alert.Alert
	for a, err := range c.List(context.Background(), alert.Query{}) {
		if err != nil {
			b.Fatal(err)
		}
		raws = append(raws, a)
	}
	s := &threats{c.rest}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, bad := s.decode(raws[i%len(raws)].Raw); bad != nil {
			b.Fatal(bad)
		}
		i++
	}
}
