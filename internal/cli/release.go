package cli

import (
	"context"

	"github.com/spf13/cobra"

	"edrc/internal/respond"
)

func newRelease(a *app) *cobra.Command {
	return group("release", "Let a host back on the network", newReleaseHost(a))
}

func newReleaseHost(a *app) *cobra.Command {
	var f responseFlags
	c := &cobra.Command{
		Use: "host REF|HOST…", Short: "Let a host back on the network that edrc isolated",
		Long: `Release host undoes the isolation that edrc made, wherever the command ran with this
state directory. What others isolated is never released.`,
		Example: "  edrc release host FIN-WS-014\n  edrc release host s1-prod:1698432198765432101 --reason \"IR-2231 reimaged\"",
		Args:    atLeast(1, "a host's name or id, or the REF of an alert"), ValidArgsFunction: a.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := a.responder(cmd, outcomeNames(), f)
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			return r.each(ctx, args, func(word string) (outcome, error) { return r.release(ctx, word) })
		},
	}
	fl := c.Flags()
	undoFlags(fl, &f)
	f.confirming(fl)
	f.noting(fl)
	fl.StringVar(&f.source, "source", "", "the source whose host is meant: its `NAME`")
	fl.BoolVar(&f.dryRun, "dry-run", false, "show the plan and stop")
	return c
}

func (r *responder) release(ctx context.Context, word string) (outcome, error) {
	w := respond.Request{Target: respond.Target{Kind: respond.HostKind, ID: word, Source: r.f.source}}
	if isRef(word) {
		found, err := r.ofAlert(ctx, respond.IsolateHost, word)
		if err != nil {
			return outcome{}, err
		}
		w = found[0]
		if !r.holds(w.Target.ID) && w.Target.Name != "" { // an alert may name its host by another id
			w.Target.ID = w.Target.Name
		}
	}
	u := r.f.undoing("")
	u.Alert = w.Alert
	return r.carried(ctx, respond.Undo, w.Target, func() (respond.Report, error) {
		return r.engine.ReleaseHost(ctx, w.Target, u, r.approval(false))
	})
}

// holds reports whether an action isolated the host of this id.
func (r *responder) holds(id string) bool {
	all, _ := r.engine.Actions()
	for _, a := range all {
		if a.Verb == respond.IsolateHost && a.Target.ID == id {
			return true
		}
	}
	return false
}
