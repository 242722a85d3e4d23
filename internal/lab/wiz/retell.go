package wiz

import (
	"slices"
	"strings"
)

// tellers are whose findings a detection tells again, by the origin that was drawn for it.
func tellers(origin string) []string {
	switch origin {
	case "AWS_GUARD_DUTY":
		return []string{"aws"}
	case "AWS_CLOUDTRAIL":
		return []string{"falcon", "s1"}
	}
	return nil
}

// retell makes d tell what another vendor of the lab has found, when one is left: the
// newest from before it.
func (v *Vendor) retell(d *detection) {
	products, at := tellers(d.origin), -1
	for i, f := range v.findings {
		if slices.Contains(products, f.Product) && f.Created.Before(d.created) && (at < 0 || f.Created.After(v.findings[at].Created)) {
			at = i
		}
	}
	if at < 0 {
		return
	}
	f := v.findings[at]
	v.findings = slices.Delete(v.findings, at, at+1)
	d.origin = map[string]string{"aws": "AWS_GUARD_DUTY", "falcon": "WIN_CROWD_STRIKE", "s1": "WIN_SENTINEL_ONE"}[f.Product]
	d.native, d.title, d.file = f.ID, f.Title, f.File
	if d.severity = strings.ToUpper(f.Severity); f.Severity == "info" {
		d.severity = "INFORMATIONAL"
	}
	m := *d.machine
	m.id, m.name = stable(f.Product+f.Host), f.Host
	if f.User != "" {
		m.user = f.User
	}
	if f.Instance != "" {
		m.instance, m.account, m.region = f.Instance, f.Account, f.Region
	}
	d.machine = &m
}

// record is the origin's own record of a finding that is told again.
func (d *detection) record() object {
	switch d.origin {
	case "WIN_CROWD_STRIKE":
		return object{"composite_id": d.native, "display_name": d.title}
	case "WIN_SENTINEL_ONE":
		return object{"threatInfo": object{"threatId": d.native, "threatName": d.title}}
	}
	return object{}
}

// rule is the name of the rule that made a detection.
func (v *Vendor) rule(d *detection) string {
	pick := func(names ...string) string { return names[int(d.id[0])%len(names)] }
	_, file := v.about(d)
	switch {
	case d.title != "":
		return d.title
	case d.origin == "AWS_GUARD_DUTY":
		return "SSH brute force against an EC2 instance"
	case d.origin == "AWS_CLOUDTRAIL":
		return pick("IAM access key created by an unusual principal", "CloudTrail logging was stopped", "Instance credentials used from outside AWS")
	case d.known:
		return pick("Malicious file executed", "Known malware executed by a shell")
	case file:
		return pick("Unknown binary executed from a home directory", "Suspicious process spawned by a shell", "New executable dropped and run")
	}
	return pick("Reverse shell", "Crypto miner process")
}
