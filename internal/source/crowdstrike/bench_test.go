package crowdstrike

import (
	"encoding/json"
	"testing"
)

// BenchmarkAlert is what one alert of a page costs to decode.
func BenchmarkAlert(b *testing.B) {
	c, raw := testClient(b), json.RawMessage(sampleAlert)
	for b.Loop() {
		if _, bad := c.decode(raw); bad != nil {
			b.Fatal(bad)
		}
	}
}
