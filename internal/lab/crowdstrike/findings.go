package crowdstrike

import (
	"strings"

	"edrc/internal/lab/world"
)

var _ world.Teller = (*Vendor)(nil)

// mostTold bounds what others are told.
const mostTold = 100

// Findings implements world.Teller: the newest open alerts on servers.
func (v *Vendor) Findings() []world.Finding {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []world.Finding
	for i := len(v.alerts) - 1; i >= 0 && len(out) < mostTold; i-- {
		if a := v.alerts[i]; a.status == "new" && strings.HasPrefix(a.host.name, "srv-") {
			_, title := a.named()
			out = append(out, world.Finding{Product: "falcon", ID: a.id, Title: title, Created: a.created, File: a.file, Host: a.host.name, User: a.host.user,
				Severity: strings.Replace(strings.ToLower(severityName(a.severity)), "informational", "info", 1)})
		}
	}
	return out
}

// named is the name of an alert, and the one that is shown.
func (a *falconAlert) named() (name, shown string) {
	switch {
	case a.model && a.severity >= 80:
		return "SensorModelHigh", "File judged malicious by the sensor's model"
	case a.model:
		return "SensorModelMedium", "File judged suspicious by the sensor's model"
	case a.severity >= 80:
		return "KnownMalwareExecuted", "Known malware executed by a user"
	case a.severity >= 60:
		return "ScriptFromDownloads", "Interpreter started from a downloads folder"
	}
	return "UncommonFileExecuted", "Uncommon file executed by a user"
}
