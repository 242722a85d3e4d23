// Package carbonblack reads and annotates the alerts of one organisation of VMware
// (now Broadcom) Carbon Black Cloud.
//
// Alerts, their notes and their workflow come from the Alerts API v7, incidents from its
// grouping by threat, files from the Unified Binary Store (UBS), hosts and quarantine
// from the Devices API. What the vendor has retired (alerts v6, integrationServices) is
// not used.
//
// [New] checks the configuration offline; [Client] is what the capability interfaces of
// package source are asked of. Start at client.go: api.go speaks to the cloud, alert.go
// decodes, search.go walks through more alerts than the cloud gives at once, and each
// capability has a file of its own. Facts about the wire come from the vendor's own
// clients (carbon-black-cloud-sdk-python 1.5.10, cbc-syslog) and developer pages.
package carbonblack
