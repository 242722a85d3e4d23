package fault

import "slices"

// severityOrder ranks exit codes when several sources failed and none succeeded:
// the earlier one is what the user should be told first.
var severityOrder = [...]int{ExitInterrupted, ExitUsage, ExitDeclined, ExitAuth, ExitNotFound, ExitUnsupported, ExitLimit}

// ExitCodeOf gives the exit code of a command that worked on several things:
// interruption, usage and declined win; then [ExitPartial] when anything
// succeeded; else the most telling of the failures.
func ExitCodeOf(errs []error, anySucceeded bool) int {
	if len(errs) == 0 {
		return ExitOK
	}
	codes := make([]int, len(errs))
	for i, err := range errs {
		codes[i] = ExitCode(err)
	}
	for i, code := range severityOrder {
		if i == 3 && anySucceeded {
			break
		}
		if slices.Contains(codes, code) {
			return code
		}
	}
	if anySucceeded || slices.Contains(codes, ExitPartial) {
		return ExitPartial
	}
	return ExitFailure
}
