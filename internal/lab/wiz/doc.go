// Package wiz is Wiz, simulated: the token endpoint, and the part of the GraphQL API that
// is about detections, threats and their notes. The schema is not public; what stands
// here is what the clients of the vendor and its partners are seen to use, and a query
// for anything else is refused as the real one would refuse it.
package wiz
