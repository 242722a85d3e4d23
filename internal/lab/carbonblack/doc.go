// Package carbonblack is VMware Carbon Black Cloud, simulated: the Alerts API v7 with
// its notes, workflow jobs and grouping, the Devices API with quarantine, the Unified
// Binary Store, and the storage that its links lead to. What it answers, and where it
// refuses, follows the vendor's own clients and pages of 2026.
//
// It has the traps of the real one: a search reaches 10,000 alerts far and counts from
// 1, sees two weeks unless it is told otherwise, leaves the order of equal times open,
// and a change of the workflow with empty criteria changes everything.
package carbonblack
