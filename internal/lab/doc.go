// Package lab is the vendors, simulated: SentinelOne consoles and the Intezer engine, each a real HTTP server on loopback
// that speaks the vendor's wire format and is as strict as the vendor is. Every other product is a package below this one
// (vendors.go lists them, package world is what they have in common), and is served beside them when it is asked for.
//
// [Start] brings it up, [Lab.Config] is an edrc configuration that points at it, and [Lab.State] is what happened to it:
// the scans that were paid for, the notes on each alert, the hosts that are cut off. A control server beside the vendors
// (see control.go) changes the world while something else is looking at it.
//
// The same [Options.Seed] gives the same files, hosts and alerts. Nothing here is shared with the clients that it judges:
// the package imports the standard library and its own vendors alone, and has its own types for every reply.
//
// Where to start reading: corpus.go has the files that everything is about, console.go a SentinelOne console as data,
// s1_*.go its REST and GraphQL faces, engine.go the Intezer engine and intezer_*.go its face, faults.go what can go wrong.
package lab
