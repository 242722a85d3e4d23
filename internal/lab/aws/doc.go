// Package aws is a simulated AWS for the lab: GuardDuty in several accounts and regions,
// and what a response to its findings calls: EC2, IAM, STS, Auto Scaling and Elastic Load
// Balancing. It speaks their wire formats (REST with JSON, and form-encoded queries
// answered in XML) and is as strict as they are: it checks signatures and their scope,
// evaluates finding criteria, bounds requests at 50 ids, gives opaque page tokens, lets
// only the administrator archive, asks the policies of whoever calls before it does
// anything, and honours DryRun.
//
// One address serves all of it: the scope of a signature says which service and region
// are meant, and its key which account.
//
// The first account owns the key of the configuration. Unless Options.Standalone is set
// it is the delegated administrator of the others: its detectors list their findings too.
// Every account and region has the same few hosts, which the findings are about.
//
// What it leaves out: instances change their state at once, Auto Scaling replaces none,
// and of policies it reads those that are inline, with conditions on strings.
//
// Start with vendor.go (what there is), guardduty.go (what can be asked), finding.go
// (what a finding looks like), criteria.go (what a filter means), scene.go (the hosts),
// query.go, ec2.go and iam.go (what a response can call), authorize.go (who may),
// control.go (what a test may change).
package aws
