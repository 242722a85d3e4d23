// Package wiz reads the detections and threats of one Wiz tenant, and writes on them.
//
// An alert is a detection of Wiz Defend, of either type: one that belongs to a threat
// (GENERATED_THREAT) and one that only matched a rule (MATCH_ONLY). A threat is an issue
// of type THREAT_DETECTION: it is the incident, it holds the notes, the status and the
// reason for closing, and several detections may share one. A detection without a threat
// can be read, and neither annotated nor closed. Wiz hands over no files and isolates no
// hosts; see [Client.Instead] for what to do in their place. What another product saw
// first, and Wiz repeats, is named as the alert's Repeats.
//
// [New] checks the configuration offline; [Client] is what the capability interfaces of
// package source are asked of. Start at client.go: token.go gets access tokens, api.go
// and graph.go speak GraphQL, queries.go holds what is asked, detection.go decodes, and
// each capability has a file of its own. The schema is not public: facts about the wire
// come from the clients that the vendor and its partners publish.
package wiz
