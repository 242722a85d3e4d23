// Command gen writes what is derived from the command tree: docs/cli (Markdown, a
// page a command), docs/man (man pages), and completions for four shells. `make
// gen` runs it, and the tests fail when what stands in the repository is stale.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"edrc/internal/cli"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	if err := generate(root); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// generate writes all of it below root. What it wrote before and no longer does
// goes away.
func generate(root string) error {
	tree := cli.Tree()
	tree.DisableAutoGenTag = true
	for _, dir := range []string{"docs/cli", "docs/man", "completions"} {
		if err := os.RemoveAll(filepath.Join(root, dir)); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	if err := doc.GenMarkdownTree(tree, filepath.Join(root, "docs/cli")); err != nil {
		return err
	}
	// A fixed date keeps the pages the same from one day to the next.
	header := &doc.GenManHeader{Title: "EDRC", Section: "1", Source: "edrc", Date: new(time.Time)}
	*header.Date = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	if err := doc.GenManTree(tree, header, filepath.Join(root, "docs/man")); err != nil {
		return err
	}
	return completions(tree, filepath.Join(root, "completions"))
}

func completions(tree *cobra.Command, dir string) error {
	for name, write := range map[string]func(string) error{
		"edrc.bash": func(p string) error { return tree.GenBashCompletionFileV2(p, true) },
		"edrc.zsh":  tree.GenZshCompletionFile,
		"edrc.fish": func(p string) error { return tree.GenFishCompletionFile(p, true) },
		"edrc.ps1":  tree.GenPowerShellCompletionFileWithDesc,
	} {
		if err := write(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}
