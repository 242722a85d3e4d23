package lab

import (
	"io"
	"net/http"
	"runtime"
	"testing"
	"time"
)

// A page of a large console must not be what an edrc benchmark measures.
func BenchmarkPageOf1000In100000(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	l, err := Start(b.Context(), Options{Alerts: 100_000, Files: 5000})
	if err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	for name, query := range map[string]string{
		"created": "limit=1000&sortBy=createdAt&createdAt__gte=2020-01-01T00:00:00Z&skipCount=true",
		"counted": "limit=1000&sortBy=updatedAt&incidentStatusesNin=resolved",
	} {
		b.Run(name, func(b *testing.B) {
			client := &http.Client{Timeout: time.Minute}
			defer client.CloseIdleConnections()
			for b.Loop() {
				req, _ := http.NewRequest("GET", l.consoleURLs[0]+restRoot+"/threats?"+query, nil)
				req.Header.Set("Authorization", "ApiToken "+l.consoles[0].token)
				resp, err := client.Do(req)
				if err != nil {
					b.Fatal(err)
				}
				n, _ := io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				b.SetBytes(n)
			}
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB-lab")
		})
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}
