package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"edrc/internal/fault"
	"edrc/internal/report"
	"edrc/internal/safe"
	"edrc/internal/triage"
)

// seenJSON is one alert that something was seen in: schema edrc.seen/v1.
type seenJSON struct {
	alertJSON
	Match string `json:"match"` // file, host, family
}

func newSeen(a *app) *cobra.Command {
	limit, all := listDefault, false
	c := &cobra.Command{
		Use: "seen HASH|HOST|FAMILY", Short: "Where has this been before, in all products; asks nobody",
		Long: `Seen looks a file, a host or a malware family up in every alert that edrc
remembers, newest first. What has the form of a hash is one, and is found under any
hash of the same file; another word is looked for as a host and as a family.`,
		Example: "  edrc seen 3f0c9a…\n  edrc seen FIN-WS-014\n  edrc seen 'FIN-*' --all -o csv\n  edrc seen LockBit",
		Args:    exact(1, "a hash, a host or a family"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			word := strings.TrimSpace(args[0])
			if strings.Trim(word, "*") == "" {
				return fault.Usagef("%q names nothing", args[0]).WithHint("for example: %s", firstExample(cmd))
			}
			if !all && limit < 1 {
				return fault.Usagef("--limit: %d is not a number of alerts", limit).WithHint("use --all for no limit")
			}
			svc, out, err := a.ready(cmd, report.Names(seenColumns()), false)
			if err != nil {
				return err
			}
			if all {
				limit = 0
			}
			return runSeen(cmd.Context(), a, svc, out, word, limit)
		},
	}
	c.Flags().IntVar(&limit, "limit", listDefault, "show the `N` newest")
	c.Flags().BoolVar(&all, "all", false, "show all that were found")
	return c
}

func runSeen(ctx context.Context, a *app, svc *triage.Service, out report.Options, word string, limit int) error {
	s, err := svc.Seen(ctx, word, limit)
	if err != nil {
		return err
	}
	never := fmt.Sprintf("%s was never seen in what is remembered", word)
	if out.Structured() {
		items := make([]seenJSON, len(s.Rows))
		for i, r := range s.Rows {
			items[i] = seenJSON{newAlertJSON(r.Row), r.Match}
		}
		err = report.Print(ctx, a.IO, out, report.List[seenJSON]{Schema: "edrc.seen/v1", Items: items})
	} else {
		err = report.Print(ctx, a.IO, out, report.List[triage.Sighting]{Schema: "edrc.seen/v1", Columns: seenColumns(), Items: s.Rows})
	}
	switch {
	case err != nil:
		return err
	case s.Total == 0 && s.Verdict == nil:
		return fault.New(fault.NotFound, "%s", never).WithHint("only alerts that sync has read are remembered: edrc alerts list asks the products")
	case !out.Machine():
		seenFooter(a, s)
	}
	return nil
}

// seenFooter says when, how widely, and what the file is.
func seenFooter(a *app, s *triage.Sightings) {
	if s.Total > 0 {
		shown := count(s.Total, "alert")
		if s.Total > len(s.Rows) {
			shown = fmt.Sprintf("%d of %s (--all)", len(s.Rows), shown)
		}
		a.say("first seen %s, last seen %s ago, on %s in %s, %s", s.First.UTC().Format("2006-01-02 15:04 UTC"),
			report.Age(a.Now().Sub(s.Last)), count(s.Hosts, "host"), count(s.Sources, "source"), shown)
	}
	if v := s.Verdict; v != nil {
		text := className(v.Verdict.Class)
		if v.Verdict.Family != "" {
			text += " " + v.Verdict.Family
		}
		if s.Total == 0 {
			text += ", and no remembered alert names it"
		}
		a.say("%s, learned %s ago: edrc scan show %s", safe.Line(text), report.Age(a.Now().Sub(v.Learned)), v.Verdict.Best())
	}
}

func seenColumns() []report.Column[triage.Sighting] {
	type row = triage.Sighting
	cols := []report.Column[row]{
		{Name: "time", Value: func(v report.View, r row) string {
			if v.TTY {
				return r.Alert.Created.UTC().Format("2006-01-02 15:04")
			}
			return stamp(r.Alert.Created)
		}, Sort: func(x, y row) int { return y.Alert.Created.Compare(x.Alert.Created) }},
	}
	for _, c := range alertColumns() {
		switch c.Name {
		case "time", "age", "done", "also":
			continue
		case "severity", "what":
			c.Wide = true
		}
		cols = append(cols, adapt(c, func(r row) triage.Row { return r.Row }))
	}
	return append(cols, report.Column[row]{Name: "match", Wide: true, Value: func(_ report.View, r row) string { return r.Match }, Shrink: 8, Min: 6})
}
