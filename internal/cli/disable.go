package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"edrc/internal/respond"
)

func newDisable(a *app) *cobra.Command {
	return group("disable", "Disable an AWS access key", newDeed(a, disableKey(), false))
}

func disableKey() deed {
	return deed{verb: respond.DisableKey, takes: "TARGET…", wants: "a long-term access key (AKIA…) or the REF of an alert",
		short: "Make a long-term AWS access key inactive",
		long: `Disable key makes the key inactive. The user's other keys and password keep working,
and so do sessions that were made with the key.`,
		examples: []string{"AKIAIOSFODNN7EXAMPLE --reason \"IR-2231 key in a public repository\"", "aws:us-east-1/10b2… --reason IR-2231 --dry-run"},
		flags: func(fl *pflag.FlagSet, f *responseFlags) {
			fl.StringVar(&f.source, "source", "", "the source whose AWS accounts are meant: its `NAME`")
		}}
}
