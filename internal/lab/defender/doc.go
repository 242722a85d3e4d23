// Package defender is a simulated Microsoft Defender tenant: the token endpoint of
// Entra, the security part of Microsoft Graph, the Defender for Endpoint API, and the
// storage that live response results are downloaded from, all under one address.
//
// It has the limits of the real ones: at most 2,000 alerts and 50 incidents a page,
// rows counted from the newest so that a new one shifts all pages, a token for each
// resource, permissions by role, one session and one isolation at a time on a machine.
package defender
