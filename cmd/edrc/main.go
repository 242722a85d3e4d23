// Command edrc turns EDR alerts into decisions; see package cli for its commands.
package main

import (
	"os"

	"edrc/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
