package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"edrc/internal/config"
)

func newConfig(a *app) *cobra.Command {
	example := &cobra.Command{
		Use: "example", Short: "Print a configuration to start from", Example: "  edrc config example > edrc.yaml && chmod 600 edrc.yaml",
		Args: exact(0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(a.IO.Out, config.Example())
			return err
		},
	}
	path := &cobra.Command{
		Use: "path", Short: "Print where the configuration is read from", Example: "  edrc config path",
		Args: exact(0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, exists := config.Find(config.Options{Path: a.configPath, Env: a.LookupEnv})
			if p == "" {
				return noConfig("", false)
			}
			if !exists {
				a.warn("it does not exist yet: `edrc config example` prints one to start from")
			}
			_, err := fmt.Fprintln(a.IO.Out, p)
			return err
		},
	}
	check := &cobra.Command{
		Use: "check", Short: "Read the configuration and say what is wrong with it; asks nobody", Example: "  edrc config check",
		Args: exact(0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config(cmd.Flags())
			if err != nil {
				return err
			}
			if _, err := a.buildSources(cfg); err != nil {
				return err
			}
			a.say("%s: %s, no mistake found. Ask them: edrc sources check", cfg.Path, count(len(cfg.Sources), "source"))
			return nil
		},
	}
	return group("config", "The configuration file", example, path, check)
}
