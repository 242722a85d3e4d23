// Package cortex reads and annotates the alerts of one Palo Alto Networks Cortex XDR
// tenant, of both generations of its public API.
//
// Cortex XDR 3.x speaks of alerts (get_alerts_multi_events v2) and incidents; 5.x of
// issues and cases. Which of the two a tenant speaks is configured, or found out by
// asking for a case. Comments and endpoints are the same in both. A note lands on the
// incident of its alert, which is the case of the same number.
//
// [New] checks the configuration offline; [Client] is what the capability interfaces of
// package source are asked of. Start at client.go: api.go speaks to the tenant and sign.go
// proves who asks, walk.go reads a span of time without losing a row, alert.go and issue.go
// decode, and each capability has a file of its own. Facts about the wire come from the
// vendor's REST reference (3.x and the platform APIs of 5.x) and its own integrations.
package cortex
