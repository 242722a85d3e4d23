// Package defender reads, annotates and acts on the alerts of one Microsoft Defender
// tenant.
//
// Two APIs of Microsoft serve it, each with its own token of one Entra application:
//
//   - Microsoft Graph security (/v1.0/security): alerts, incidents, comments and
//     status. Whatever Graph can do is done there, because the older APIs retire
//     (Message Center notice MC1220762).
//   - The Defender for Endpoint API (/api): machines, isolation and live response,
//     which Graph does not have. An answer that says the API is gone becomes an
//     error that says so.
//
// [New] checks the configuration offline; [Client] is what the capability interfaces
// of package source are asked of. Start at client.go; walk.go says how lists are
// read without loss, token.go where tokens come from. Names and types of Graph follow
// the metadata of its v1.0 endpoint of August 2026, those of the endpoint API its
// published reference.
package defender
