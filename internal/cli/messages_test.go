package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// prose are words that follow "edrc" where no command is meant.
func prose() []string {
	return strings.Fields(`a and archive asks can checks configuration contained did do does finishes for from has have in is it itself kept knows made may out
		needs or over process reads runs service since spool store that the then this to token took turns with without wrote`)
}

var (
	commandForm = regexp.MustCompile(`\bedrc((?: [a-z][a-z-]*)+)`)
	flagForm    = regexp.MustCompile(`(?:^|\s)--([a-z][a-z-]*)`)
)

// wrongCommand says what a text names that is no command or flag of root; "" when all is well.
func wrongCommand(root *cobra.Command, text string) string {
	for _, m := range commandForm.FindAllStringSubmatchIndex(text, -1) {
		c := root
		for _, word := range strings.Fields(text[m[2]:m[3]]) {
			i := slices.IndexFunc(c.Commands(), func(sub *cobra.Command) bool { return sub.Name() == word || sub.HasAlias(word) })
			if i >= 0 {
				c = c.Commands()[i]
				continue
			}
			if c.HasSubCommands() && !slices.Contains(prose(), word) {
				return c.CommandPath() + " " + word
			}
			break
		}
		if c == root {
			continue
		}
		after, _, _ := strings.Cut(text[m[1]:], "edrc ")
		if i := strings.IndexAny(after, ";:`\n"); i >= 0 {
			after = after[:i]
		}
		for _, f := range flagForm.FindAllStringSubmatch(after, -1) {
			if c.Flags().Lookup(f[1]) == nil && c.InheritedFlags().Lookup(f[1]) == nil {
				return c.CommandPath() + " --" + f[1]
			}
		}
	}
	return ""
}

// TestEveryCommandThatAMessageNamesExists reads the texts of all packages: a hint that
// names what does not exist sends an analyst in the middle of an incident nowhere.
func TestEveryCommandThatAMessageNamesExists(t *testing.T) {
	root := newRoot(&app{})
	root.InitDefaultHelpCmd()
	named := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && slices.Contains([]string{"bench", "gen", "lab"}, d.Name()) {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Errorf("%s: %v", set.Position(lit.Pos()), err)
			}
			if wrong := wrongCommand(root, text); wrong != "" {
				t.Errorf("%s names `%s`, which does not exist (a word of prose belongs into the list above): %q", set.Position(lit.Pos()), wrong, text)
			}
			named += len(commandForm.FindAllString(text, -1))
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if named < 100 {
		t.Errorf("only %d commands are named: the texts were not read", named)
	}
}

func TestACommandThatDoesNotExistIsFoundInAMessage(t *testing.T) {
	root := newRoot(&app{})
	for text, wrong := range map[string]string{
		"an id works, too: edrc hosts find":        "edrc hosts",
		"see edrc actions shew A-1":                "edrc actions shew",
		"`edrc undo %s --fource`":                  "edrc undo --fource",
		"edrc plan isolate hots x":                 "edrc plan isolate hots",
		"edrc isolate instance %s --reason x":      "",
		"another edrc is at work; edrc sync -v":    "",
		"first edrc quota, then edrc sync --since": "",
		"edrc scan alert X --note, --yes is none":  "edrc scan alert --yes",
	} {
		if got := wrongCommand(root, text); got != wrong {
			t.Errorf("%q: %q, want %q", text, got, wrong)
		}
	}
}
