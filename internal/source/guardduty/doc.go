// Package guardduty reads and annotates the findings of Amazon GuardDuty, in any number
// of accounts and regions at once.
//
// Each account and region is a place of its own with a detector of its own (site.go).
// The detector of an administrator lists the findings of its members, so that a member
// whose administrator is configured is not asked. A place that is switched off, denied
// or throttled costs its own findings and nothing else; [Client.Check] shows which.
//
// An alert is a finding; its id is region/findingId. A finding that goes on happening is
// updated under its id, so an update is the same alert. An incident is an attack
// sequence (sequence.go). A note is the comment of a finding's feedback: there is one,
// a new one replaces it, and the API never gives it back. So edrc keeps copies of its
// own, see [Env], and writes the earlier ones again with each new one (notes.go).
//
// Findings are decoded here and not by the SDK (finding.go): exports come in three more
// spellings, and one odd field must not cost a page. Facts about the wire come from the
// service model of botocore 1.43 and the API's reference.
//
// Start at client.go.
package guardduty
