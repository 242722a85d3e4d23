package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"edrc/internal/config"
	"edrc/internal/fault"
	"edrc/internal/report"
)

const longHelp = `edrc turns an alert into a decision: it lists the alerts of your EDRs as one
list, has each suspicious file judged once, and writes the verdict back.

  edrc demo           try it without any account
  edrc alerts list    the work list, worst first
  edrc sync           what an analyst would do for every new alert, for cron`

// newRoot builds the command tree. It does no I/O.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use: "edrc", Short: "Security alerts, judged once and answered", Long: longHelp, Version: buildVersion().String(),
		SilenceErrors: true, SilenceUsage: true,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	root.SetFlagErrorFunc(usage)
	root.AddGroup(&cobra.Group{ID: "work", Title: "Alerts and files:"}, &cobra.Group{ID: "act", Title: "Contain:"},
		&cobra.Group{ID: "run", Title: "Unattended:"},
		&cobra.Group{ID: "look", Title: "What edrc knows:"}, &cobra.Group{ID: "try", Title: "Try it:"})
	a.globalFlags(root.PersistentFlags())
	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("work", newAlerts(a), newIncidents(a), newScan(a), newNote(a))
	add("act", newPlan(a), newIsolate(a), newRelease(a), newStop(a), newDisable(a), newApply(a), newUndo(a), newIsolated(a), newActions(a), newAudit(a))
	add("run", newSync(a), newReconcile(a), newQuarantine(a))
	add("look", newConfig(a), newAuth(a), withActions(a, newSources(a)), newEnvironments(a), newSeen(a), newCache(a), newQuota(a), newVersion(a))
	add("try", newDemo(a), newLab(a))
	root.SetHelpCommand(newHelp())
	root.SetVersionTemplate("{{.Version}}\n")
	completeFlags(a, root)
	plainHelp(root)
	return root
}

// globalFlags are understood by every command.
func (a *app) globalFlags(f *pflag.FlagSet) {
	f.StringVar(&a.configPath, "config", "", "configuration `file` (default: edrc/edrc.yaml in the user's configuration directory)")
	f.StringVarP(&a.format, "output", "o", "", "output `format`: table, wide, json, ndjson, yaml, csv, md")
	f.StringSliceVar(&a.output.Columns, "columns", nil, "columns to show, by `name`, in this order")
	f.StringVar(&a.output.Sort, "sort", "", "sort by a `column`; -column for descending")
	f.StringVar(&a.output.JQ, "jq", "", "filter the json output with a jq `expression`")
	f.StringVar(&a.output.Template, "template", "", "format the json output with a Go `template`")
	f.BoolVar(&a.output.NoHeader, "no-header", false, "no header line")
	f.StringVar(&a.color, "color", "auto", "colour: auto, always, never")
	f.BoolVar(&a.trace, "trace", false, "print each request to stderr, secrets masked")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "say more on stderr")
	// The configuration has a word in these too.
	_ = f.SetAnnotation("output", config.FlagKey, []string{"output.format"})
	_ = f.SetAnnotation("color", config.FlagKey, []string{"output.color"})
}

// plainSwitch hides that a flag is boolean from pflag's help, which would write
// "--all[=true|false]"; on the command line it is the same flag.
type plainSwitch struct{ pflag.Value }

func plainHelp(c *cobra.Command) {
	c.InitDefaultHelpFlag()
	c.InitDefaultVersionFlag()
	plain := func(f *pflag.Flag) {
		if _, is := f.Value.(plainSwitch); f.Value.Type() == "bool" && !is {
			f.Value = plainSwitch{f.Value}
		}
	}
	c.Flags().VisitAll(plain)
	c.PersistentFlags().VisitAll(plain)
	for _, sub := range c.Commands() {
		plainHelp(sub)
	}
}

// group is a command that only holds others: an unknown word is an error with a
// suggestion, not a page of help and exit 0.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		}}
	c.AddCommand(subs...)
	return c
}

// newHelp is help for a command; for an unknown one it is an error, too.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND…]", Short: "Help for a command", Example: "  edrc help alerts list", GroupID: "try",
		Args: cobra.ArbitraryArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, rest, err := cmd.Root().Find(args)
			if err != nil {
				return usage(cmd, err)
			}
			if len(rest) > 0 {
				return unknownCommand(c, rest[0])
			}
			return c.Help()
		},
	}
}

func unknownCommand(cmd *cobra.Command, word string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	err := fault.Usagef("%q is not a command of %s", word, cmd.CommandPath())
	if near := report.Nearest(word, names); near != "" {
		return err.WithHint("did you mean `%s %s`?", cmd.CommandPath(), near)
	}
	return err.WithHint("see: %s --help", cmd.CommandPath())
}

// exact and atLeast check the number of arguments and say what is wanted.
func exact(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		if n == 0 {
			return fault.Usagef("%s takes no argument, got %q", cmd.CommandPath(), args[0]).WithHint("see: %s --help", cmd.CommandPath())
		}
		return fault.Usagef("%s wants %s, got %d arguments", cmd.CommandPath(), what, len(args)).WithHint("for example: %s", firstExample(cmd))
	}
}

func atLeast(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= n {
			return nil
		}
		return fault.Usagef("%s wants %s", cmd.CommandPath(), what).WithHint("for example: %s", firstExample(cmd))
	}
}

func firstExample(cmd *cobra.Command) string {
	if cmd.Example == "" {
		return fmt.Sprintf("%s --help", cmd.CommandPath())
	}
	for i, r := range cmd.Example {
		if r == '\n' {
			return strings.TrimSpace(cmd.Example[:i])
		}
	}
	return strings.TrimSpace(cmd.Example)
}

// Tree gives the whole command tree for generating documentation; no command of
// it can be run.
func Tree() *cobra.Command { return newRoot(&app{}) }
