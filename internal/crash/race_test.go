//go:build race

package crash

// slow is how much longer everything takes with the race detector.
const slow = 3
