package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"edrc/internal/respond"
)

func newStop(a *app) *cobra.Command {
	return group("stop", "Stop an EC2 instance", newDeed(a, stopInstance(), false))
}

func stopInstance() deed {
	return deed{verb: respond.StopInstance, takes: "TARGET…", wants: anyTarget,
		short: "Stop an EC2 instance: its memory, and all evidence in it, is lost",
		long: `Stop instance is the last resort: memory and instance-store volumes are lost, and
credentials that were stolen keep working. Isolate its role and its network first.`,
		examples: []string{"i-0a12f3e4b5c6d7e8f --reason IR-2231 --snapshot", "aws:us-east-1/10b2… --reason IR-2231 --hibernate"},
		flags: func(fl *pflag.FlagSet, f *responseFlags) {
			fl.BoolVar(&f.options.Hibernate, "hibernate", false, "keep the memory on the encrypted root volume, where the instance was launched for it")
			fl.BoolVar(&f.options.Force, "force", false, "stop it hard, without a shutdown")
			fl.BoolVar(&f.options.Unprotect, "unprotect", false, "lift stop protection first; undo restores it")
			instanceFlags(fl, f)
		}}
}
