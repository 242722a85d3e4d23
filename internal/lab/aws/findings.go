package aws

import (
	"slices"

	"edrc/internal/lab/world"
)

var _ world.Teller = (*Vendor)(nil)

// mostTold bounds what others are told.
const mostTold = 100

// Findings implements world.Teller: the last findings about an instance that are not
// archived.
func (v *Vendor) Findings() []world.Finding {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []world.Finding
	for i := len(v.order) - 1; i >= 0 && len(out) < mostTold; i-- {
		f := v.order[i]
		if f.archived || f.host == nil || !slices.Contains([]kind{KindVolume, KindRuntime, KindDNS, KindModule}, f.kind) {
			continue
		}
		out = append(out, world.Finding{Product: "aws", ID: f.id, Title: f.typ, Severity: f.word(), Created: f.created, File: -1,
			Host: f.host.name, Account: f.account, Region: f.region, Instance: f.host.id})
	}
	return out
}

// word is the band of GuardDuty's number.
func (f *finding) word() string {
	switch {
	case f.severity >= 9:
		return "critical"
	case f.severity >= 7:
		return "high"
	case f.severity >= 4:
		return "medium"
	}
	return "low"
}
