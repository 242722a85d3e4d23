// Package sentinelone reads and annotates the alerts of one SentinelOne console.
//
// A console shows its detections on two surfaces, and [Options].Surface says
// which one a source reads:
//
//   - "threats": the REST API /web/api/v2.1/threats, the classic incident list.
//     threat*.go decode it and speak it.
//   - "unified": the GraphQL API of the Singularity Operations Center, which has
//     the same endpoint threats and those of other products. unified*.go, and
//     graphql.go for the transport.
//
// Both give one alert the same identity, the threat id, so that a source may
// change its surface and edrc's memory of it stays.
//
// [New] checks the configuration offline; [Client] is what the capability
// interfaces of package source are asked of. Start at client.go. Facts about the
// wire come from the vendor's Swagger 2.1 of March 2024 and an introspected
// GraphQL schema of 2026.
package sentinelone
