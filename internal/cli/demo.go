package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"edrc/internal/fault"
	"edrc/internal/lab"
	"edrc/internal/safe"
	"edrc/internal/term"
)

func newDemo(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "Watch the main job end to end on simulated vendors; no account, nothing left behind",
		Long: `Demo runs seven detection products and Intezer on this machine and plays a day with
them: list, sync, the note in the console, the same file in several products, then
containment that is previewed, done, read back and undone.`,
		Example: "  edrc demo", Args: exact(0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := a.interruptible(cmd.Context())
			defer stop()
			return runDemo(ctx, a)
		},
	}
}

// demo runs real commands against a lab, each in a fresh app, as a user would.
type demo struct {
	env    Env // of the commands
	lab    *lab.Lab
	config string
	color  string
	seen   *sighting // what the second half is about
}

// demoWidth is that of the lines where no terminal says another one.
const demoWidth = 80

func runDemo(ctx context.Context, a *app) error {
	if _, err := a.options(nil); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "edrc-demo-")
	if err != nil {
		return fault.New(fault.Unavailable, "demo: %w", err)
	}
	defer os.RemoveAll(dir)
	world := demoWorld()
	world.StorePath = filepath.Join(dir, "demo.db")
	l, err := lab.Start(ctx, world)
	if err != nil {
		return err
	}
	defer l.Close()
	d := &demo{env: a.Env, lab: l, config: filepath.Join(dir, "demo.yaml"), color: "never"}
	if a.IO.OutStyle().On() {
		d.color = "always"
	}
	d.env.LookupEnv = private(a.LookupEnv, filepath.Join(dir, "state"))
	d.env.IO = forEyes(a.IO)
	if err := writeFile(d.config, l.Config()); err != nil {
		return err
	}
	return d.play(ctx)
}

// private keeps the user's own settings out of the demo, and its traces inside its
// folder.
func private(lookup func(string) (string, bool), state string) func(string) (string, bool) {
	return func(key string) (string, bool) {
		switch {
		case key == "EDRC_STATE_DIR":
			return state, true
		case strings.HasPrefix(key, "EDRC_"):
			return "", false
		}
		return lookup(key)
	}
}

// forEyes is the terminal as the demo's commands get it: a person reads them, also
// where stdout is a file, and neither a pager nor a question interrupts the story.
func forEyes(t *term.IO) *term.IO {
	c := *t
	if !c.OutTTY {
		c.OutTTY, c.Width = true, demoWidth
	}
	c.OpenTTY = func() (io.ReadWriteCloser, error) { return nil, term.ErrNoTerminal }
	c.Getenv = func(key string) string {
		if key == "EDRC_PAGER" {
			return "cat"
		}
		return t.Getenv(key)
	}
	return &c
}

// run shows a command as it would be typed, and runs it.
func (d *demo) run(ctx context.Context, args ...string) error {
	return d.runWith(ctx, d.env.IO.Err, args)
}

// previewed runs a command whose plan was shown just before: that is what it says on
// stderr, which is told only if it fails.
func (d *demo) previewed(ctx context.Context, args ...string) error {
	var said bytes.Buffer
	err := d.runWith(ctx, &said, args)
	if err != nil {
		_, _ = d.env.IO.Err.Write(said.Bytes())
	}
	return err
}

func (d *demo) runWith(ctx context.Context, stderr io.Writer, args []string) error {
	line := "$ edrc"
	for _, arg := range args {
		if strings.Contains(arg, " ") {
			arg = `"` + arg + `"`
		}
		line += " " + arg
	}
	if _, err := fmt.Fprintln(d.env.IO.Out, term.NewStyle(d.color == "always").Bold(safe.Line(line))); err != nil {
		return err
	}
	t := *d.env.IO
	if stderr != t.Err {
		t.Err, t.ErrTTY = stderr, false
	}
	return d.command(ctx, &t, args)
}

// ask runs a command for the demo itself, and reads its json.
func (d *demo) ask(ctx context.Context, into any, args ...string) error {
	var out bytes.Buffer
	t := *d.env.IO
	t.Out, t.OutTTY, t.Width = &out, false, 0
	if err := d.command(ctx, &t, append(args, "-o", "json")); err != nil {
		return err
	}
	if err := json.Unmarshal(out.Bytes(), into); err != nil {
		return fault.New(fault.Other, "demo: %v: %w", args, err)
	}
	return nil
}

func (d *demo) command(ctx context.Context, t *term.IO, args []string) error {
	env := d.env
	env.IO = t
	if code := Run(ctx, append([]string{"--config", d.config, "--color", d.color}, args...), env); code != fault.ExitOK {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return exitError(code)
	}
	return nil
}

// tell says something between the commands.
func (d *demo) tell(lines ...string) {
	s := term.NewStyle(d.color == "always")
	_, _ = fmt.Fprintln(d.env.IO.Out)
	for _, l := range lines {
		_, _ = fmt.Fprintln(d.env.IO.Out, s.Cyan(safe.Line(l)))
	}
}
