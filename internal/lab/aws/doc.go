// Package aws is a simulated AWS for the lab: GuardDuty in several accounts and regions,
// and the part of STS that leads into them. It speaks the wire formats of the two (REST
// with JSON, and form-encoded queries answered in XML) and is as strict as they are: it
// checks signatures and their scope, evaluates finding criteria, bounds requests at 50
// ids, gives opaque page tokens, and lets only the administrator archive.
//
// The first account owns the key of the configuration. Unless Options.Standalone is set
// it is the delegated administrator of the others: its detectors list their findings too.
//
// Start with vendor.go (what there is), guardduty.go (what can be asked), finding.go
// (what a finding looks like), criteria.go (what a filter means), control.go (what a
// test may change).
package aws
