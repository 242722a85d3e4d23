package cli

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"edrc/internal/config"
	"edrc/internal/fault"
	"edrc/internal/term"
)

func newAuth(a *app) *cobra.Command {
	login := &cobra.Command{
		Use: "login NAME", Short: "Store a secret in the operating system's keyring",
		Long: `Login asks for a secret and stores it in the keyring under NAME, where a
{keyring: NAME} of the configuration finds it. It is never shown and never an
argument, which other users could read.`,
		Example: "  edrc auth login s1-prod", Args: exact(1, "the name that {keyring: NAME} has in the configuration"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := a.interruptible(cmd.Context())
			defer stop()
			secret, err := a.IO.Password(ctx, "Secret for "+args[0]+":")
			if errors.Is(err, term.ErrNoTerminal) {
				return fault.New(fault.Declined, "there is no terminal to ask for the secret on").
					WithHint("without one use {env: VARIABLE} or {file: PATH} in the configuration")
			}
			if err != nil {
				return err
			}
			if secret = strings.TrimSpace(secret); secret == "" {
				return fault.New(fault.Declined, "nothing was typed; nothing is stored")
			}
			if err := config.StoreSecret(args[0], secret); err != nil {
				return err
			}
			a.say("stored as {keyring: %s}. Try it: edrc sources check", args[0])
			return nil
		},
	}
	return group("auth", "Secrets in the keyring", login)
}
