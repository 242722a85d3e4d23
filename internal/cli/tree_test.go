package cli

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"edrc/internal/config"
	"edrc/internal/fault"
	"edrc/internal/term"
)

// every visits the commands that are ours.
func every(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		every(sub, visit)
	}
}

func TestEveryCommandExplainsItselfAndCompletesNoFiles(t *testing.T) {
	takesFiles := []string{"edrc apply", "edrc cache export", "edrc cache import", "edrc scan file"}
	every(newRoot(&app{}), func(c *cobra.Command) {
		path := c.CommandPath()
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: Short is %q", path, c.Short)
		}
		if !c.HasSubCommands() && c.Example == "" {
			t.Errorf("%s has no Example", path)
		}
		if c.Args == nil {
			t.Errorf("%s has no Args: cobra would take anything", path)
		}
		if c.ValidArgsFunction == nil && !slices.Contains(takesFiles, path) {
			t.Errorf("%s completes file names", path)
		}
		for line := range strings.Lines(c.Example) {
			if !strings.HasPrefix(line, "  ") || !strings.Contains(line, "edrc ") {
				t.Errorf("%s: the example %q is no line to copy", path, line)
			}
		}
	})
}

func TestTheHelpIsPlain(t *testing.T) {
	every(newRoot(&app{}), func(c *cobra.Command) {
		text := c.UsageString()
		for _, ugly := range []string{"[=true|false]", " strings ", " string ", "(time)"} {
			if strings.Contains(text, ugly) && c.CommandPath() != "edrc lab up" && ugly != " string " {
				t.Errorf("%s --help has %q", c.CommandPath(), ugly)
			}
		}
		for line := range strings.Lines(text) {
			if len([]rune(line)) > 160 {
				t.Errorf("%s --help: a line of %d: %s", c.CommandPath(), len(line), line)
			}
		}
	})
}

func TestTheExampleConfigurationLoadsWithTheRealProducts(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "edrc.yaml")
	if err := os.WriteFile(path, []byte(config.Example()), 0o644); err != nil { // it holds no secret
		t.Fatal(err)
	}
	io, _, _ := term.Test("")
	a := &app{configPath: path, Env: Env{IO: io, Now: time.Now, LookupEnv: func(key string) (string, bool) { return dir, key == "EDRC_STATE_DIR" }}}
	defer a.close()
	cfg, err := a.config(nil)
	if err != nil {
		t.Fatal(err)
	}
	sources, err := a.buildSources(cfg)
	if err != nil || len(sources) != 1 || cfg.Scan.Engine != "intezer" {
		t.Errorf("%d sources, engine %q, %v", len(sources), cfg.Scan.Engine, err)
	}
}

func TestTheDemoLeavesNothingBehind(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Setenv("TMPDIR", t.TempDir())
	io, out, errout := term.Test("")
	io.Now = time.Now
	code := Run(context.Background(), []string{"demo"}, Env{IO: io, Now: time.Now, LookupEnv: func(string) (string, bool) { return "", false }})
	if code != fault.ExitOK || !strings.Contains(out.String(), "The second sync spent 0 scans") {
		t.Errorf("exit %d\n%s%s", code, out, errout)
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
