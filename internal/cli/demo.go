package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"edrc/internal/fault"
	"edrc/internal/lab"
	"edrc/internal/safe"
)

func newDemo(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "Watch the main job end to end on simulated vendors; no account, nothing left behind",
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
	app    *app
	lab    *lab.Lab
	config string
	state  string
}

func runDemo(ctx context.Context, a *app) error {
	if _, err := a.options(nil); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "edrc-demo-")
	if err != nil {
		return fault.New(fault.Unavailable, "demo: %w", err)
	}
	defer os.RemoveAll(dir)
	l, err := lab.Start(ctx, lab.Options{AnalysisTime: 300 * time.Millisecond, Latency: 5 * time.Millisecond, StorePath: filepath.Join(dir, "demo.db")})
	if err != nil {
		return err
	}
	defer l.Close()
	d := &demo{app: a, lab: l, config: filepath.Join(dir, "demo.yaml"), state: filepath.Join(dir, "state")}
	if err := writeFile(d.config, l.Config()); err != nil {
		return err
	}
	return d.play(ctx)
}

func (d *demo) play(ctx context.Context) error {
	d.tell("A SentinelOne console with 400 alerts about 60 files, and Intezer, run simulated on this machine.",
		"Everything below is the real edrc over real HTTP.")
	d.tell("The worst alerts first. Nothing is judged yet.")
	if err := d.run(ctx, "alerts", "list", "--since", "3d", "--limit", "6"); err != nil {
		return err
	}
	d.tell("Sync does what an analyst would do for each: dedupe by file, ask once, write the verdict back.")
	if err := d.run(ctx, "sync"); err != nil {
		return err
	}
	d.tell("Files that Intezer did not hold were fetched from their endpoints, checked against the alert's hash, and uploaded once;",
		"wrong bytes and documents were not, and an endpoint that is offline is asked again. The same list: now it is a work list.")
	if err := d.run(ctx, "alerts", "list", "--since", "3d", "--limit", "6", "--verdict", "malicious"); err != nil {
		return err
	}
	ref, note := d.noted()
	if ref == "" {
		return fault.New(fault.Other, "the demo's sync posted no note")
	}
	d.tell("What a colleague now reads on one of them, in the console:")
	if _, err := fmt.Fprintf(d.app.IO.Out, "%s\n", indent(safe.Text(note))); err != nil {
		return err
	}
	d.tell("One of them by hand. It is remembered, so it costs nothing:")
	if err := d.run(ctx, "scan", "incident", ref); err != nil {
		return err
	}
	before := d.lab.State().Intezer.Scans
	d.tell("And sync again, as cron would: nothing is doubled, nothing is paid twice.")
	if err := d.run(ctx, "sync"); err != nil {
		return err
	}
	spent := d.lab.State().Intezer.Scans - before
	d.tell(fmt.Sprintf("The second sync spent %s. Next:", count(spent, "scan")),
		"  edrc lab up --write-config lab.yaml     the same world, to play with: edrc --config lab.yaml …",
		"  edrc config example > edrc.yaml         describe your own sources, then: edrc sources check",
		"  edrc sync --dry-run                     see what it would cost")
	return nil
}

// run shows a command as it would be typed, and runs it.
func (d *demo) run(ctx context.Context, args ...string) error {
	s := d.app.IO.OutStyle()
	line := "$ edrc"
	for _, arg := range args {
		line += " " + arg
	}
	if _, err := fmt.Fprintln(d.app.IO.Out, s.Bold(safe.Line(line))); err != nil {
		return err
	}
	env := d.app.Env
	env.LookupEnv = d.lookupEnv
	full := append([]string{"--config", d.config, "--color", d.app.color}, args...)
	if code := Run(ctx, full, env); code != fault.ExitOK {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return exitError(code)
	}
	return nil
}

// lookupEnv keeps the user's own settings out of the demo, and its traces inside
// its folder.
func (d *demo) lookupEnv(key string) (string, bool) {
	if key == "EDRC_STATE_DIR" {
		return d.state, true
	}
	if len(key) > 5 && key[:5] == "EDRC_" {
		return "", false
	}
	return d.app.LookupEnv(key)
}

func (d *demo) tell(lines ...string) {
	s := d.app.IO.OutStyle()
	_, _ = fmt.Fprintln(d.app.IO.Out)
	for _, l := range lines {
		_, _ = fmt.Fprintln(d.app.IO.Out, s.Cyan(l))
	}
}

// noted gives an alert with a note to show: the longest that tells of malware
// and fits a screen. Some of the lab's file names do not.
func (d *demo) noted() (ref, note string) {
	for name, s := range d.lab.State().Sources {
		for id, notes := range s.Notes {
			for _, n := range notes {
				if !strings.HasPrefix(n, "Intezer verdict: malicious") || len(slices.MaxFunc(strings.Split(n, "\n"), byLength)) > 140 {
					continue
				}
				if r := name + ":" + id; len(n) > len(note) || len(n) == len(note) && r < ref {
					ref, note = r, n
				}
			}
		}
	}
	return ref, note
}

func byLength(a, b string) int { return len(a) - len(b) }

func indent(s string) string { return "  | " + strings.ReplaceAll(s, "\n", "\n  | ") }
