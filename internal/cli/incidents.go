package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"edrc/internal/alert"
	"edrc/internal/report"
	"edrc/internal/source/guardduty"
	"edrc/internal/triage"
)

func newIncidents(a *app) *cobra.Command {
	c := group("incidents", "List and read incidents; where a product has none, an alert is its own", newIncidentsList(a), newIncidentsGet(a))
	c.Aliases = []string{"incident"}
	return c
}

// incidentJSON is one incident: schema edrc.incidents/v1.
type incidentJSON struct {
	Ref      alert.Ref      `json:"ref"`
	Source   string         `json:"source"`
	ID       string         `json:"id"`
	Own      bool           `json:"own"` // the product's own grouping; false: an alert that is its own incident
	Title    string         `json:"title"`
	Severity alert.Severity `json:"severity"`
	Status   alert.Status   `json:"status"`
	Created  time.Time      `json:"created"`
	Updated  time.Time      `json:"updated"`
	Alerts   []alert.Ref    `json:"alerts"`
	Host     string         `json:"host,omitempty"`
	Verdict  *alert.Verdict `json:"verdict"`
	URL      string         `json:"url,omitempty"`
	// Targets are the resources of an attack sequence of GuardDuty.
	Targets []guardduty.Target `json:"targets,omitempty"`
	Raw     json.RawMessage    `json:"raw,omitempty"`
	row     *triage.Row
}

func newIncidentJSON(r triage.IncidentRow) incidentJSON {
	in := r.Incident
	out := incidentJSON{Ref: in.Ref, Source: in.Ref.Source, ID: in.ID, Own: r.Alert == nil, Title: in.Title, Severity: in.Severity,
		Status: in.Status, Created: in.Created, Updated: in.Updated, URL: in.URL, Raw: in.Raw, Alerts: []alert.Ref{}, row: r.Alert}
	if r.Alert == nil {
		out.Targets = guardduty.Targets(in.Raw)
	}
	for _, h := range in.Alerts {
		out.Alerts = append(out.Alerts, alert.Ref{Source: in.Ref.Source, ID: h.ID})
	}
	if r.Alert != nil {
		out.Host, out.Verdict = r.Alert.Alert.Host.Name, r.Alert.Verdict
	}
	return out
}

func newIncidentsList(a *app) *cobra.Command {
	var f alertFilters
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List incidents, worst first",
		Example: "  edrc incidents list --since 24h\n  edrc incidents list --severity high+ -o json",
		Args:    exact(0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := f.options(a.Now())
			if err != nil {
				return err
			}
			svc, out, err := a.ready(cmd, report.Names(incidentColumns()), false)
			if err != nil {
				return err
			}
			return runIncidentsList(cmd.Context(), a, svc, out, o, f.since)
		},
	}
	filterFlags(c, &f)
	c.Flags().IntVar(&f.limit, "limit", listDefault, "show the `N` worst")
	c.Flags().BoolVar(&f.all, "all", false, "show all that match")
	return c
}

func runIncidentsList(ctx context.Context, a *app, svc *triage.Service, out report.Options, o triage.ListOptions, since string) error {
	list, err := svc.Incidents(ctx, o)
	if err != nil {
		return err
	}
	errs := sourceErrors(list.Errors)
	items := make([]incidentJSON, len(list.Rows))
	for i, r := range list.Rows {
		items[i] = newIncidentJSON(r)
	}
	l := report.List[incidentJSON]{Schema: "edrc.incidents/v1", Columns: incidentColumns(), Items: items, Errors: errs,
		Empty: "no incidents match; the window is --since " + since}
	if err := report.Print(ctx, a.IO, out, l); err != nil {
		return err
	}
	if !out.Machine() {
		if list.Total > len(items) {
			a.say("%d of %s (--all)", len(items), count(list.Total, "incident"))
		}
		for _, src := range list.Without {
			a.say("%s: %s has no incidents of its own: each of its alerts is one", src.Name(), src.Kind())
		}
	}
	return failed(errs, len(list.Errors) < list.Sources || len(items) > 0)
}

func newIncidentsGet(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "get REF", Short: "Show one incident and its alerts",
		Example: "  edrc incidents get s1-prod:1698432198765432101", Args: exact(1, "the REF of an incident"), ValidArgsFunction: a.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error {
			svc, out, err := a.ready(cmd, nil, false)
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			ref, err := svc.Expand(ctx, args[0])
			if err != nil {
				return err
			}
			in, own, err := svc.Incident(ctx, ref)
			if err != nil {
				return err
			}
			if own {
				return showIncident(ctx, a, out, *in)
			}
			if !out.Machine() {
				a.say("%s has no incidents of its own: this is the alert", ref.Source)
			}
			ref.Incident = false
			d, err := svc.Get(ctx, ref, false)
			switch {
			case err != nil:
				return err
			case out.Structured():
				return report.Object(ctx, a.IO, out, "edrc.alert/v1", newDetailJSON(d))
			}
			return alertCard(a, d)
		},
	}
}

func showIncident(ctx context.Context, a *app, out report.Options, in alert.Incident) error {
	j := newIncidentJSON(triage.IncidentRow{Incident: in})
	if out.Structured() {
		return report.Object(ctx, a.IO, out, "edrc.incident/v1", j)
	}
	var refs []string
	for _, r := range j.Alerts {
		refs = append(refs, r.String())
	}
	right := fmt.Sprintf("%s · %s · %s ago (%s)", in.Severity, in.Status, report.Age(a.Now().Sub(in.Created)), in.Created.UTC().Format("2006-01-02 15:04 UTC"))
	return report.Card(a.IO, in.Title, right, []report.Row{
		{Label: "ref", Lines: []string{in.Ref.String()}},
		{Label: "alerts", Lines: capped(refs, "alerts")},
		{Label: "targets", Lines: capped(targetLines(j.Targets), "targets")},
		{Label: "console", Lines: lines(in.URL)},
	})
}

// targetLines names each resource that an incident is about, with where it is.
func targetLines(ts []guardduty.Target) []string {
	var out []string
	for _, t := range ts {
		line := strings.ToLower(strings.ReplaceAll(t.Type, "_", " ")) + " " + t.ID
		if t.Name != "" && t.Name != t.ID {
			line += " (" + t.Name + ")"
		}
		if t.Account != "" {
			line += " · " + strings.Trim(t.Account+"/"+t.Region, "/")
		}
		out = append(out, line)
	}
	return out
}

func incidentColumns() []report.Column[incidentJSON] {
	type row = incidentJSON
	cols := []report.Column[row]{
		{Name: "ref", Value: func(v report.View, r row) string {
			if v.TTY {
				return r.Ref.Short()
			}
			return r.Ref.String()
		}},
		{Name: "alerts", Value: func(_ report.View, r row) string { return fmt.Sprint(len(r.Alerts)) }, Right: true, Shrink: 5, Min: 6,
			Sort: func(x, y row) int { return len(x.Alerts) - len(y.Alerts) }},
	}
	for _, c := range alertColumns() {
		if slices.Contains([]string{"ref", "also", "done", "sha256"}, c.Name) {
			continue
		}
		cols = append(cols, adapt(c, incidentAsRow))
	}
	return cols
}

// incidentAsRow shows an incident through the columns of an alert.
func incidentAsRow(r incidentJSON) triage.Row {
	if r.row != nil {
		return *r.row
	}
	return triage.Row{Alert: alert.Alert{Ref: r.Ref, Title: r.Title, Severity: r.Severity, Status: r.Status, Created: r.Created, URL: r.URL}}
}
