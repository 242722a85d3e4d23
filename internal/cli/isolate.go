package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

// deed is one way to contain something, as a command.
type deed struct {
	verb     respond.Verb
	aliases  []string
	takes    string // in Use
	wants    string
	short    string
	long     string
	examples []string // without "edrc " and the verb
	flags    func(*pflag.FlagSet, *responseFlags)
}

func newIsolate(a *app) *cobra.Command {
	return group("isolate", "Cut a host, an instance or a role off", isolates(a, false)...)
}

func isolates(a *app, plan bool) []*cobra.Command {
	return []*cobra.Command{newDeed(a, isolateHost(), plan), newDeed(a, isolateRole(), plan), newDeed(a, isolateInstance(), plan)}
}

const anyTarget = "an id, an ARN or the REF of an alert"

func isolateHost() deed {
	return deed{verb: respond.IsolateHost, takes: "REF|HOST…", wants: "a host's name or id, or the REF of an alert",
		short: "Cut a host off the network, but for its detection product",
		long: `Isolate host asks the product that watches the host to cut it off from everything
but itself. A host that is offline is isolated when it next connects: exit code 3.`,
		examples: []string{"s1-prod:1698432198765432101 --reason \"IR-2231 ransomware\"", "FIN-WS-014 --reason IR-2231 --dry-run"},
		flags: func(fl *pflag.FlagSet, f *responseFlags) {
			fl.StringVar(&f.options.Mode, "mode", "", "the product's own `word` for a way to isolate, where it has several")
			fl.StringVar(&f.source, "source", "", "the source whose host is meant: its `NAME`")
		}}
}

func isolateRole() deed {
	return deed{verb: respond.IsolateRole, takes: "TARGET…", wants: "a role's name or ARN, an instance id, the ARN of an instance profile or the REF of an alert",
		short: "Deny an AWS role everything, sessions that were issued already included",
		long: `Isolate role puts an inline policy on the role that denies everything. Sessions that
were issued before, also those copied to another machine, stop within minutes. With
the id of an instance, or the ARN of an instance profile, its role is meant.`,
		examples: []string{"aws:us-east-1/10b2… --reason \"IR-2231 stolen credentials\"", "web-prod --reason IR-2231 --dry-run"},
		flags: func(fl *pflag.FlagSet, f *responseFlags) {
			fl.BoolVar(&f.options.KeepSSM, "keep-ssm", false, "leave the SSM agent its channel, for evidence")
			fl.StringVar(&f.kase, "case", "", "isolate it for this case: its `NAME`; cases are independent of each other")
			fl.StringVar(&f.source, "source", "", "the source whose AWS accounts are meant: its `NAME`")
			if !f.plan {
				f.sharing(fl)
			}
		}}
}

func isolateInstance() deed {
	return deed{verb: respond.IsolateInstance, aliases: []string{"instance"}, takes: "TARGET…", wants: anyTarget,
		short: "Put an EC2 instance's network interfaces into an empty security group",
		long: `Isolate security-group (or isolate instance) puts every network interface of the
instance into an empty security group of its VPC. Connections that are open already
live on: --cut-connections says what to do about them, and the plan what that costs.`,
		examples: []string{"i-0a12f3e4b5c6d7e8f --reason IR-2231 --snapshot", "aws:us-east-1/10b2… --reason IR-2231 --cut-connections two-step"},
		flags: func(fl *pflag.FlagSet, f *responseFlags) {
			fl.StringVar(&f.cut, "cut-connections", string(respond.CutNone), "open connections: none, two-step (opens it wide for 3 minutes), nacl (cuts the whole subnet): `HOW`")
			fl.BoolVar(&f.options.DisableIMDS, "disable-imds", false, "switch the instance metadata service off, too")
			fl.BoolVar(&f.options.Force, "force", false, "also when a service manages some of the interfaces: those stay open")
			instanceFlags(fl, f)
		}}
}

// instanceFlags are what both actions on an instance take.
func instanceFlags(fl *pflag.FlagSet, f *responseFlags) {
	fl.BoolVar(&f.options.Snapshot, "snapshot", false, "take snapshots of every volume first")
	fl.BoolVar(&f.options.Standby, "standby", false, "take it out of service in its Auto Scaling group first, so that it is not replaced")
	fl.StringVar(&f.source, "source", "", "the source whose AWS accounts are meant: its `NAME`")
}

// newDeed makes the command that does it, or the one that only plans it.
func newDeed(a *app, d deed, plan bool) *cobra.Command {
	f := responseFlags{plan: plan}
	path := "edrc "
	examples := d.examples
	if plan {
		path, examples = "edrc plan ", []string{d.examples[0] + " -o json > p.json"}
	}
	words := strings.Fields(string(d.verb))
	c := &cobra.Command{
		Use: words[1] + " " + d.takes, Aliases: d.aliases, Short: d.short, Long: d.long,
		Args: atLeast(1, d.wants), ValidArgsFunction: a.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error { return runDeed(cmd, a, d, f, args) },
	}
	for i, e := range examples {
		examples[i] = "  " + path + string(d.verb) + " " + e
	}
	c.Example = strings.Join(examples, "\n")
	fl := c.Flags()
	d.flags(fl, &f)
	if fl.Lookup("cut-connections") != nil {
		_ = c.RegisterFlagCompletionFunc("cut-connections", cobra.FixedCompletions(cuts(), cobra.ShellCompDirectiveNoFileComp))
	}
	if d.verb != respond.IsolateHost {
		f.confining(fl)
	}
	fl.StringVar(&f.reason, "reason", "", "why, in a `sentence`: for the journal, the audit and the alert")
	if plan {
		return c
	}
	f.confirming(fl)
	fl.BoolVar(&f.dryRun, "dry-run", false, "show the plan and stop")
	f.noting(fl)
	return c
}

func cuts() []string {
	return []string{string(respond.CutNone), string(respond.CutTwoStep), string(respond.CutNACL)}
}

// check reads the flags whose values are words.
func (f *responseFlags) check(v respond.Verb) error {
	f.reason = strings.TrimSpace(f.reason)
	if f.cut != "" {
		for _, word := range cuts() {
			if strings.EqualFold(f.cut, word) {
				f.options.Cut = respond.Cut(word)
			}
		}
		if f.options.Cut == "" {
			return notOneOf("--cut-connections", f.cut, cuts())
		}
	}
	if f.kase != "" && strings.Trim(f.kase, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+=,.@-") != "" {
		return fault.Usagef("--case: letters, digits and _+=,.@- only")
	}
	if f.reason == "" && !f.plan && !f.dryRun {
		return needsReason(v)
	}
	return nil
}

func runDeed(cmd *cobra.Command, a *app, d deed, f responseFlags, words []string) error {
	if err := f.check(d.verb); err != nil {
		return err
	}
	columns := outcomeNames()
	if f.plan || f.dryRun {
		columns = nil
	}
	r, err := a.responder(cmd, columns, f)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	list, err := r.targets(ctx, d.verb, words)
	if err != nil {
		return err
	}
	if f.plan || f.dryRun {
		return r.preview(ctx, list)
	}
	return r.act(ctx, list)
}
