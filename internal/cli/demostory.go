package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/lab"
)

// The demo's world: small enough to be quick, large enough that products share files.
// With this seed a file of seven alerts is in six of them, and none waits for long.
func demoWorld() lab.Options {
	return lab.Options{Products: lab.Products(), Alerts: demoAlerts, Files: 24, Seed: 4, AnalysisTime: 300 * time.Millisecond, Latency: 2 * time.Millisecond}
}

const demoAlerts = 25

// play is the story. Whatever fails ends it.
func (d *demo) play(ctx context.Context) error {
	d.tell(fmt.Sprintf("Seven detection products with %d alerts each, and Intezer, simulated on this", demoAlerts),
		"machine. Everything below is the real edrc over real HTTP.")
	for _, scene := range []func(context.Context) error{d.list, d.judge, d.share, d.repeat, d.contain, d.deny} {
		if err := scene(ctx); err != nil {
			return err
		}
	}
	d.tell("Next:",
		"  edrc lab up --products all --write-config lab.yaml   such a world, to play with",
		"  edrc --config lab.yaml alerts list                   … in another terminal",
		"  edrc config example > edrc.yaml                      your own sources, then:",
		"  edrc sources check; edrc sync --dry-run              who we are, what it costs")
	return nil
}

func (d *demo) list(ctx context.Context) error {
	d.tell("One list, the worst first. Nothing is judged yet.")
	return d.run(ctx, "alerts", "list", "--since", "3d", "--limit", "6")
}

// judge is the first sync. The products tell the time in whole seconds, so an alert of
// this very second would be left for the next one.
func (d *demo) judge(ctx context.Context) error {
	d.tell("Sync does what an analyst would do: dedupe by file, fetch what Intezer lacks,",
		"ask once, write the verdict back to each product.")
	if err := sleep(ctx, time.Second); err != nil {
		return err
	}
	if err := d.run(ctx, "sync"); err != nil {
		return err
	}
	d.tell("The same list: now it is a work list.")
	return d.run(ctx, "alerts", "list", "--since", "3d", "--limit", "6", "--verdict", "malicious")
}

// share shows a file that several products saw, and what one of them tells.
func (d *demo) share(ctx context.Context) (err error) {
	if d.seen, err = d.sighted(ctx); err != nil {
		return err
	}
	s := d.seen
	d.tell("One file, seen by several products:")
	if err := d.run(ctx, "seen", string(s.file)); err != nil {
		return err
	}
	d.tell(fmt.Sprintf("%s of it, and the note is on %s in %s.", count(d.lab.State().Intezer.ScansByFile[string(s.file)], "scan"),
		count(len(s.alerts), "alert"), count(len(s.products()), "product")),
		"What a colleague now reads in one of the consoles:")
	i := max(0, slices.IndexFunc(s.alerts, func(a demoAlert) bool { return a.Kind == "carbonblack" }))
	return d.run(ctx, "note", "list", s.alerts[i].Ref.Short())
}

// repeat is the second sync.
func (d *demo) repeat(ctx context.Context) error {
	before := d.lab.State().Intezer.Scans
	d.tell("Sync again, as cron would: nothing is doubled, nothing is paid twice.")
	if err := d.run(ctx, "sync"); err != nil {
		return err
	}
	d.tell(fmt.Sprintf("The second sync spent %s.", count(d.lab.State().Intezer.Scans-before, "scan")))
	return nil
}

// contain cuts a host off that is connected now, and lets it back.
func (d *demo) contain(ctx context.Context) error {
	i := slices.IndexFunc(d.seen.alerts, func(a demoAlert) bool { return a.Host.Reachable != nil && *a.Host.Reachable })
	if i < 0 {
		return fault.New(fault.Other, "demo: no host is connected")
	}
	d.tell("One of the hosts is cut off: first what that would do, then in earnest.")
	return d.containment(ctx, []string{"isolate", "host", d.seen.alerts[i].Ref.Short()}, "--yes")
}

// deny does the same with the role of an AWS instance that has the file.
func (d *demo) deny(ctx context.Context) error {
	i := slices.IndexFunc(d.seen.alerts, func(a demoAlert) bool { return a.Kind == "guardduty" })
	if i < 0 {
		return fault.New(fault.Other, "demo: no finding of GuardDuty has the file")
	}
	d.tell("The file is on an EC2 instance, too: what it holds of AWS is its role.")
	return d.containment(ctx, []string{"isolate", "role", d.seen.alerts[i].Ref.Short()}, "--yes", "--yes-shared")
}

// containment previews an action, does it, looks how it stands, and undoes it.
func (d *demo) containment(ctx context.Context, action []string, yes ...string) error {
	if err := d.run(ctx, append(slices.Clone(action), "--dry-run")...); err != nil {
		return err
	}
	if err := d.previewed(ctx, slices.Concat(action, []string{"--reason", "IR-2231"}, yes)...); err != nil {
		return err
	}
	if err := d.run(ctx, "isolated"); err != nil {
		return err
	}
	var standing struct{ Items []struct{ Action string } }
	if err := d.ask(ctx, &standing, "isolated"); err != nil {
		return err
	}
	if len(standing.Items) != 1 {
		return fault.New(fault.Other, "demo: %d containments stand, not one", len(standing.Items))
	}
	return d.previewed(ctx, "undo", standing.Items[0].Action, "--yes")
}

// demoAlert is what the demo reads of an alert.
type demoAlert struct {
	Ref     alert.Ref
	Kind    string
	Host    alert.Host
	Noted   alert.Class
	Verdict *struct{ SHA256 alert.Hash }
}

// sighting is a malicious file, and the alerts about it that have our note.
type sighting struct {
	file   alert.Hash
	alerts []demoAlert
}

func (s *sighting) products() []string {
	by := map[string]bool{}
	for _, a := range s.alerts {
		by[a.Kind] = true
	}
	return slices.Sorted(maps.Keys(by))
}

// sighted picks the file to tell of: one that was scanned once, in as many products and as
// few alerts as there are.
func (d *demo) sighted(ctx context.Context) (*sighting, error) {
	var doc struct{ Items []demoAlert }
	if err := d.ask(ctx, &doc, "alerts", "list", "--since", "3d", "--verdict", "malicious", "--all"); err != nil {
		return nil, err
	}
	scans, by := d.lab.State().Intezer.ScansByFile, map[alert.Hash]*sighting{}
	for _, a := range doc.Items {
		if a.Noted != alert.Malicious || a.Verdict == nil || scans[string(a.Verdict.SHA256)] != 1 {
			continue
		}
		s := by[a.Verdict.SHA256]
		if s == nil {
			s = &sighting{file: a.Verdict.SHA256}
			by[s.file] = s
		}
		s.alerts = append(s.alerts, a)
	}
	all := slices.SortedFunc(maps.Values(by), func(a, b *sighting) int {
		return cmp.Or(cmp.Compare(len(b.products()), len(a.products())),
			cmp.Compare(len(a.alerts), len(b.alerts)), cmp.Compare(a.file, b.file))
	})
	if len(all) == 0 {
		return nil, fault.New(fault.Other, "the demo's sync posted no note")
	}
	return all[0], nil
}
