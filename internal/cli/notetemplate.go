package cli

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/report"
	"edrc/internal/triage"
)

// noteText gives the text of a note on one alert.
type noteText func(context.Context, alert.Ref) (string, error)

func sameText(body string) noteText {
	return func(context.Context, alert.Ref) (string, error) { return body, nil }
}

// withTemplates teaches `note add` to fill a template of the configuration in.
func withTemplates(a *app, c *cobra.Command) *cobra.Command {
	var name string
	c.Use = "add REF… --text TEXT|--file FILE|--template-name NAME|-"
	c.Example += "\n  edrc note add s1-prod:1698432198765432101 --template-name reimaged"
	c.Flags().StringVar(&name, "template-name", "", "fill in the template `NAME` of notes.templates in the configuration")
	_ = c.RegisterFlagCompletionFunc("template-name", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		cfg, err := a.config(cmd.Flags())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return slices.Sorted(maps.Keys(cfg.Notes.Templates)), cobra.ShellCompDirectiveNoFileComp
	})
	plain := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if !cmd.Flags().Changed("template-name") {
			return plain(cmd, args)
		}
		return runNoteTemplate(cmd, a, args, name)
	}
	return c
}

func runNoteTemplate(cmd *cobra.Command, a *app, args []string, name string) error {
	if cmd.Flags().Changed("text") || cmd.Flags().Changed("file") {
		return fault.Usagef("--template-name is the text: leave out --text and --file")
	}
	if slices.Contains(args, "-") {
		return fault.Usagef("- reads the text from stdin: leave out --template-name")
	}
	svc, out, err := a.ready(cmd, nil, true)
	if err != nil {
		return err
	}
	text, ok := a.cfg.Notes.Templates[name]
	if !ok {
		return noTemplate(name, slices.Sorted(maps.Keys(a.cfg.Notes.Templates)), a.cfg.Path)
	}
	t, err := triage.ParseNoteTemplate(name, text)
	if err != nil {
		return err
	}
	key, _ := cmd.Flags().GetString("key")
	return addNotes(cmd, a, svc, out, args, func(ctx context.Context, ref alert.Ref) (string, error) { return svc.FillNote(ctx, ref, t) }, key)
}

func noTemplate(name string, known []string, path string) error {
	if len(known) == 0 {
		return fault.Usagef("--template-name: no template is configured").
			WithHint("add to %s: notes: {templates: {reimaged: \"{{.Host}} was reimaged\"}}", path)
	}
	err := fault.Usagef("--template-name: no template is called %q", name)
	if near := report.Nearest(name, known); near != "" {
		err = fault.Usagef("--template-name: no template is called %q; did you mean %q?", name, near)
	}
	return err.WithHint("configured: %s", strings.Join(known, ", "))
}
