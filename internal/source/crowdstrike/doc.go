// Package crowdstrike reads and annotates the alerts of one CrowdStrike Falcon tenant.
//
// Alerts come from the Alerts API (combined v1, entities v2, PATCH v3), incidents from
// Case Management, hosts and containment from the Hosts API, files from the quarantine's
// samples and, where that is allowed, from the endpoint by Real Time Response.
//
// [New] checks the configuration offline; [Client] is what the capability interfaces of
// package source are asked of. Start at client.go: api.go speaks to the cloud and
// token.go knows which cloud that is, alert.go decodes, and each capability has a file
// of its own. Facts about the wire come from the vendor's own clients (falconpy 1.6,
// gofalcon 0.21, falcon-mcp of 2026).
package crowdstrike
