//go:build !unix

package cli

// ignoreFileSizeSignal is for unix: other systems have no such signal.
func ignoreFileSizeSignal() {}
