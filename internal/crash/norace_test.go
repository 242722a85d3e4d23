//go:build !race

package crash

// slow is how much longer everything takes without the race detector.
const slow = 1
