// Package crash holds the tests of edrc's promises at the level of whole processes:
// no alert is missed, no note is doubled, no file is paid for twice, no sample is ever
// on the disk in clear, and no containment is forgotten or done twice, wherever a
// process is killed or stopped and whatever the vendors do.
//
// The test binary runs itself as edrc (main_test.go). The child counts its
// boundaries: before and after each commit to the store and each line of an action's
// journal, before and after each request that changes something at a vendor or moves a file. At the boundary that
// it is told it kills or stops itself. The vendors are a lab inside the test's
// process, so what happened to them is known whatever becomes of the children
// (world_test.go); what should have happened is worked out from the lab's own data
// (truth_test.go).
//
// Each test is named after the promise that it can break. EDRC_LONG=1 tries every
// boundary where the plain run takes a sample. They need Linux: signals that stop,
// and /proc.
package crash
