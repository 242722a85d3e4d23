// Command edrc turns EDR alerts into decisions; see package cli for its commands.
package main

import (
	"os"
	"runtime/debug"

	"edrc/internal/cli"
)

// memoryLimit makes the collector work harder rather than let the heap of a large
// sync grow to twice what is alive. It is soft: nothing fails beyond it.
const memoryLimit = 32 << 20

func main() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	os.Exit(cli.Main(os.Args[1:]))
}
