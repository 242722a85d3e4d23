package lab

import (
	"strconv"
	"time"

	"edrc/internal/lab/world"
)

// mostTold bounds what other vendors are told.
const mostTold = 100

// findings are the last threats that are visible and unresolved, as a vendor of cloud
// security knows them: not those of laptops.
func (s *console) findings() []world.Finding {
	s.mu.Lock()
	defer s.mu.Unlock()
	severity := map[string]string{"malicious": "high", "suspicious": "medium", "n/a": "low"}
	var out []world.Finding
	for i := len(s.threats) - 1; i >= 0 && len(out) < mostTold; i-- {
		t := &s.threats[i]
		f, h := s.fileOf(t), s.hosts[t.host]
		if t.status != statusUnresolved || t.visible > s.started || h.machine == "laptop" {
			continue
		}
		out = append(out, world.Finding{Product: productS1, ID: strconv.FormatInt(t.id, 10), Title: f.name + " detected as " + classification(f),
			Severity: severity[t.confidence()], Created: time.UnixMicro(t.created), File: int(t.file), Host: h.name, User: h.user})
	}
	return out
}
