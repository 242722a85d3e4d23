package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"edrc/internal/fault"
	"edrc/internal/report"
	"edrc/internal/respond/aws"
	"edrc/internal/term"
)

// permissionRow is one IAM action that containing needs: schema edrc.permissions/v1.
type permissionRow struct {
	Source  string   `json:"source"`
	Account string   `json:"account"`
	Action  string   `json:"action"`
	Allowed bool     `json:"allowed"`
	Why     string   `json:"why,omitempty"`
	For     []string `json:"needed_for"`
}

// withActions adds to `sources check` whether the AWS credentials allow what
// containing needs.
func withActions(a *app, sources *cobra.Command) *cobra.Command {
	i := slices.IndexFunc(sources.Commands(), func(c *cobra.Command) bool { return c.Name() == "check" })
	if i < 0 {
		return sources
	}
	check := sources.Commands()[i]
	actions := false
	check.Flags().BoolVar(&actions, "actions", false, "ask IAM which of the actions that containing needs the AWS credentials have; the last word has the call itself")
	check.Example += "\n  edrc sources check --actions"
	plain := check.RunE
	check.RunE = func(cmd *cobra.Command, args []string) error {
		if !actions {
			return plain(cmd, args)
		}
		return runCheckActions(cmd, a, args)
	}
	return sources
}

func runCheckActions(cmd *cobra.Command, a *app, names []string) error {
	r, err := a.responder(cmd, report.Names(permissionColumns()), responseFlags{})
	if err != nil {
		return err
	}
	if _, err := r.svc.Pick(names); err != nil {
		return err
	}
	ctx := cmd.Context()
	var rows []permissionRow
	var errs []error
	for _, c := range r.clouds {
		if len(names) > 0 && !slices.Contains(names, c.name) {
			continue
		}
		accounts, err := c.Conn.Accounts(ctx)
		if err != nil {
			errs = append(errs, err)
		}
		for _, account := range accounts {
			found, err := c.Allowed(ctx, account, aws.Verbs()...)
			if err != nil {
				errs = append(errs, fault.At(err, c.name, "account "+account))
			}
			for _, p := range found {
				rows = append(rows, permissionRow{c.name, p.Account, p.Action, p.Allowed, p.Why, neededFor(p.Action)})
			}
		}
	}
	if len(rows) == 0 && len(errs) == 0 {
		return fault.New(fault.Unsupported, "%s: only AWS can be asked what its credentials allow", strings.Join(names, ", ")).WithHint("leave out --actions")
	}
	slices.SortStableFunc(rows, func(x, y permissionRow) int { // what is missing first
		switch {
		case x.Allowed == y.Allowed:
			return 0
		case y.Allowed:
			return -1
		}
		return 1
	})
	l := report.List[permissionRow]{Schema: "edrc.permissions/v1", Columns: permissionColumns(), Items: rows, Errors: errs}
	if err := report.Print(ctx, a.IO, r.out, l); err != nil {
		return err
	}
	if !r.out.Machine() && len(rows) > 0 {
		missing := slices.IndexFunc(rows, func(p permissionRow) bool { return p.Allowed })
		if missing < 0 {
			missing = len(rows)
		}
		a.say("%d of %d are missing. An action that is allowed for some resources only counts as missing", missing, len(rows))
	}
	return failed(errs, len(rows) > 0)
}

func neededFor(action string) []string {
	var out []string
	for _, v := range aws.Verbs() {
		read, write := aws.Actions(v)
		if slices.Contains(read, action) || slices.Contains(write, action) {
			out = append(out, string(v))
		}
	}
	return out
}

func permissionColumns() []report.Column[permissionRow] {
	return []report.Column[permissionRow]{
		{Name: "source", Value: func(_ report.View, p permissionRow) string { return p.Source }, Shrink: 3, Min: 6},
		{Name: "account", Value: func(_ report.View, p permissionRow) string { return p.Account }},
		{Name: "action", Value: func(_ report.View, p permissionRow) string { return p.Action }},
		{Name: "allowed", Value: func(_ report.View, p permissionRow) string {
			return map[bool]string{true: "yes", false: "no"}[p.Allowed]
		},
			Style: func(s term.Style, p permissionRow, text string) string {
				if p.Allowed {
					return s.Green(text)
				}
				return s.Red(text)
			}},
		{Name: "needed_for", Value: func(_ report.View, p permissionRow) string { return strings.Join(p.For, ", ") }, Shrink: 1, Min: 12, Flex: true},
		{Name: "why", Value: func(_ report.View, p permissionRow) string { return p.Why }, Shrink: 2, Min: 8},
	}
}
