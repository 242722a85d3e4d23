// Package cli is edrc's command line: one file a command, each of which turns
// flags into one use case of package triage and hands the result to package
// report. Nothing is opened before a command needs it, so that help, version and
// completion read no configuration and touch no store.
package cli

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"edrc/internal/fault"
	"edrc/internal/report"
	"edrc/internal/respond"
	"edrc/internal/scan"
	"edrc/internal/term"
)

// Env is the world that a command runs in; tests replace parts of it.
type Env struct {
	IO        *term.IO
	LookupEnv func(string) (string, bool)
	Now       func() time.Time
	// Transport, Store and Journal wrap what leaves the process, nil for none: the
	// crash tests stop a process at each boundary with them.
	Transport func(http.RoundTripper) http.RoundTripper
	Store     func(scan.Store) scan.Store
	Journal   func(respond.Journal) respond.Journal
	// Run starts a program of this machine for a person, such as a browser; nil: that.
	Run func(name string, args ...string) error
	// Interrupt is closed at the first Ctrl-C: a sync ends at its next boundary.
	Interrupt <-chan struct{}
}

// Main runs edrc with the process's own streams, environment and signals, and
// gives the exit code. The first Ctrl-C (or SIGTERM) asks to stop, the second
// stops at once.
func Main(args []string) int {
	ignoreFileSizeSignal()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	interrupt, done := make(chan struct{}), make(chan struct{})
	defer close(done)
	env := Env{IO: term.System(), LookupEnv: os.LookupEnv, Now: time.Now, Interrupt: interrupt}
	go func() {
		select {
		case <-signals:
			close(interrupt)
		case <-done:
			return
		}
		select {
		case <-signals:
			cancel()
		case <-done:
		}
	}()
	return Run(ctx, args, env)
}

// exitError carries an exit code that is a result rather than a failure: nothing
// is printed for it.
type exitError int

func (e exitError) Error() string { return "" }

// Run runs one command line and gives the exit code.
func Run(ctx context.Context, args []string, env Env) int {
	a := &app{Env: env}
	defer a.close()
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(env.IO.In)
	root.SetOut(env.IO.Out)
	root.SetErr(env.IO.Err)
	err := root.ExecuteContext(ctx)
	return a.exit(err)
}

// exit renders what went wrong, in one place, and gives the exit code.
func (a *app) exit(err error) int {
	if code, ok := errors.AsType[exitError](err); ok {
		return int(code)
	}
	if err == nil || term.IsClosedPipe(err) {
		return fault.ExitOK
	}
	if fault.Is(err, fault.Interrupted) {
		return fault.ExitInterrupted
	}
	if a.output.Format == "" { // it failed before the output flags were looked at
		a.output.Format = a.format
	}
	report.Error(a.IO, a.output.ErrorFormat(), err)
	return fault.ExitCode(err)
}

// usage makes cobra's own complaints usage errors of ours.
func usage(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	return fault.Usagef("%v", err).WithHint("see: %s --help", cmd.CommandPath())
}
