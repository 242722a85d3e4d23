package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"edrc/internal/alert"
	"edrc/internal/policy"
	"edrc/internal/report"
	"edrc/internal/term"
)

// environmentRow is one environment: schema edrc.environments/v1.
type environmentRow struct {
	Name     string     `json:"name"`
	Groups   []groupRow `json:"groups"`
	Untagged bool       `json:"include_untagged"`
}

// groupRow is one group of an environment: schema edrc.environment/v1. Accounts and
// regions are ["all"] for all of them.
type groupRow struct {
	Group    int               `json:"group"` // from 1
	Accounts []string          `json:"accounts"`
	Regions  []string          `json:"regions"`
	Tags     map[string]string `json:"tags,omitempty"`
	Untagged bool              `json:"include_untagged"`
}

// testRow is whether an alert is in an environment: schema edrc.environment-tests/v1.
type testRow struct {
	Environment string   `json:"environment"`
	In          bool     `json:"in"`
	Group       int      `json:"group,omitempty"` // that it is in, from 1
	Why         []string `json:"why,omitempty"`   // it is not in it
}

func newEnvironments(a *app) *cobra.Command {
	return group("environments", "Parts of AWS by name, for --environment",
		newEnvironmentsList(a), newEnvironmentsShow(a), newEnvironmentsTest(a))
}

func newEnvironmentRow(e environment) environmentRow {
	row := environmentRow{Name: e.name, Untagged: e.IncludeUntagged}
	for i, s := range e.Scopes() {
		row.Groups = append(row.Groups, groupRow{i + 1, orAll(s.Accounts), orAll(s.Regions), s.Tags, s.Untagged})
	}
	return row
}

func orAll(list []string) []string {
	if list == nil {
		return []string{policy.All}
	}
	return list
}

// beginEnvironments checks the output flags and reads the configuration, and nothing else.
func (a *app) beginEnvironments(cmd *cobra.Command, columns []string) (report.Options, error) {
	if _, err := a.options(columns); err != nil {
		return a.output, err
	}
	if _, err := a.config(cmd.Flags()); err != nil {
		return a.output, err
	}
	return a.options(columns)
}

func newEnvironmentsList(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the environments", Example: "  edrc environments list",
		Args: exact(0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := a.beginEnvironments(cmd, report.Names(environmentColumns()))
			if err != nil {
				return err
			}
			var rows []environmentRow
			for _, e := range environments(a.cfg) {
				rows = append(rows, newEnvironmentRow(e))
			}
			return report.Print(cmd.Context(), a.IO, out, report.List[environmentRow]{Schema: "edrc.environments/v1", Columns: environmentColumns(),
				Items: rows, Empty: "no environment is configured in " + a.cfg.Path})
		},
	}
}

func newEnvironmentsShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show the groups of an environment", Example: "  edrc environments show payments",
		Args: exact(1, "the name of an environment"), ValidArgsFunction: a.completeEnvironments,
		RunE: func(cmd *cobra.Command, args []string) error {
			out, err := a.beginEnvironments(cmd, report.Names(groupColumns()))
			if err != nil {
				return err
			}
			e, err := findEnvironment(a.cfg, args[0])
			if err != nil {
				return err
			}
			return report.Print(cmd.Context(), a.IO, out, report.List[groupRow]{Schema: "edrc.environment/v1", Columns: groupColumns(), Items: newEnvironmentRow(e).Groups})
		},
	}
}

func newEnvironmentsTest(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "test REF", Short: "Say in which environments an alert is, and why not in the others",
		Long: `Test reads the alert and says of each environment which group it is in, or which rule
of each group it fails. An alert about several things is in an environment when one
of them is.`,
		Example: "  edrc environments test aws:us-east-1/10b2f3c4", Args: exact(1, "the REF of an alert"), ValidArgsFunction: a.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error {
			svc, out, err := a.begin(cmd, report.Names(testColumns()), serviceOptions{})
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			ref, err := svc.Expand(ctx, args[0])
			if err != nil {
				return err
			}
			if ref, err = svc.AsAlert(ref); err != nil {
				return err
			}
			d, err := svc.Get(ctx, ref, false)
			if err != nil {
				return err
			}
			var rows []testRow
			for _, e := range environments(a.cfg) {
				decided := e.Decide(d.Alert.Resources)
				rows = append(rows, testRow{e.name, decided.In, decided.Group + 1, decided.Why})
			}
			l := report.List[testRow]{Schema: "edrc.environment-tests/v1", Columns: testColumns(), Items: rows, Empty: "no environment is configured in " + a.cfg.Path}
			if err := report.Print(ctx, a.IO, out, l); err != nil {
				return err
			}
			if !out.Machine() && len(rows) > 0 {
				a.say("%s is about %s", ref, resourcesText(d.Alert.Resources))
			}
			return nil
		},
	}
}

// resourcesText says where the things are that an alert is about.
func resourcesText(rs []alert.Resource) string {
	var out []string
	for _, r := range rs {
		text := policy.Place(r)
		if len(r.Tags) > 0 {
			text += " (" + tagsText(r.Tags) + ")"
		}
		out = append(out, text)
	}
	if len(out) == 0 {
		return "nothing in an AWS account"
	}
	return strings.Join(out, ", ")
}

func tagsText(tags map[string]string) string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, key+"="+tags[key])
	}
	return strings.Join(out, " ")
}

// groupText is a group in one cell: "111122223333 in us-east-1 with env=prod".
func groupText(g groupRow) string {
	text := strings.Join(g.Accounts, " ")
	if !slices.Equal(g.Regions, []string{policy.All}) {
		text += " in " + strings.Join(g.Regions, " ")
	}
	if len(g.Tags) > 0 {
		text += " with " + tagsText(g.Tags)
	}
	return text
}

func yesNo(b bool) string { return map[bool]string{true: "yes", false: "no"}[b] }

func environmentColumns() []report.Column[environmentRow] {
	type row = environmentRow
	return []report.Column[row]{
		{Name: "name", Value: func(_ report.View, r row) string { return r.Name }},
		{Name: "groups", Value: func(_ report.View, r row) string {
			var out []string
			for _, g := range r.Groups {
				out = append(out, groupText(g))
			}
			return strings.Join(out, "; ")
		}, Shrink: 1, Min: 16, Flex: true},
		{Name: "untagged", Value: func(_ report.View, r row) string { return yesNo(r.Untagged) }},
	}
}

func groupColumns() []report.Column[groupRow] {
	type row = groupRow
	return []report.Column[row]{
		{Name: "group", Value: func(_ report.View, r row) string { return strconv.Itoa(r.Group) }, Right: true},
		{Name: "accounts", Value: func(_ report.View, r row) string { return strings.Join(r.Accounts, " ") }, Shrink: 1, Min: 12, Flex: true},
		{Name: "regions", Value: func(_ report.View, r row) string { return strings.Join(r.Regions, " ") }, Shrink: 2, Min: 10, Flex: true},
		{Name: "tags", Value: func(_ report.View, r row) string { return tagsText(r.Tags) }, Shrink: 3, Min: 8, Flex: true},
		{Name: "untagged", Value: func(_ report.View, r row) string { return yesNo(r.Untagged) }},
	}
}

func testColumns() []report.Column[testRow] {
	type row = testRow
	return []report.Column[row]{
		{Name: "environment", Value: func(_ report.View, r row) string { return r.Environment }},
		{Name: "in", Value: func(_ report.View, r row) string { return yesNo(r.In) }, Style: func(s term.Style, r row, text string) string {
			if r.In {
				return s.Green(text)
			}
			return s.Faint(text)
		}},
		{Name: "group", Value: func(_ report.View, r row) string {
			if !r.In {
				return ""
			}
			return fmt.Sprint(r.Group)
		}, Right: true},
		{Name: "why", Value: func(_ report.View, r row) string { return strings.Join(r.Why, "; ") }, Shrink: 1, Min: 16, Flex: true},
	}
}
