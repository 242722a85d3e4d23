package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/report"
	"edrc/internal/safe"
	"edrc/internal/triage"
)

func newScanShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show HASH", Short: "All that is remembered of a verdict: family, code reuse, TTPs, indicators; asks nobody",
		Example: "  edrc scan show 3f0c9a…\n  edrc scan show 3f0c9a… -o json --jq '.item.verdict.iocs[].value'",
		Args:    exact(1, "a hash"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := alert.ParseHash(args[0])
			if err != nil {
				return fault.Usagef("%v", err)
			}
			svc, out, err := a.ready(cmd, nil, false)
			if err != nil {
				return err
			}
			if svc.Scanner == nil {
				return fault.Usagef("no scan engine is configured").WithHint("add `scan: {engine: intezer, api_key: …}` to %s", a.cfg.Path)
			}
			v, err := svc.Verdict(cmd.Context(), h)
			if err != nil {
				return err
			}
			if v == nil {
				return fault.New(fault.NotFound, "no verdict on %s is remembered", h).WithHint("ask for one: edrc scan hash %s", h)
			}
			if out.Structured() {
				return report.Object(cmd.Context(), a.IO, out, "edrc.verdict/v1", newRememberedJSON(svc, v))
			}
			return verdictCard(a, svc, v)
		},
	}
}

// maxShown bounds the indicators that a card lists; json has all.
const maxShown = 20

func verdictCard(a *app, svc *triage.Service, rec *ledger.VerdictRecord) error {
	v := rec.Verdict
	title := v.Name
	if title == "" {
		title = string(v.Best())
	}
	facts := v.FileType
	if v.Size > 0 {
		facts += " " + triage.Bytes(v.Size)
	}
	rows := []report.Row{
		{Label: "verdict", Lines: []string{verdictLine(triage.FileView{Verdict: &alert.Verdict{Class: v.Class, SubVerdict: v.SubVerdict, Family: v.Family}}, a)},
			Style: func(s style, line string) string { return styleClass(s, v.Class, line) }},
		{Label: "reuse", Lines: lines(reuseLine(v))},
		{Label: "reason", Lines: lines(v.Reason)},
		{Label: "file", Lines: lines(facts)},
		{Label: "hashes", Lines: hashLines(v.Hashes)},
		{Label: "ttps", Lines: techniqueLines(v.Attack)},
		{Label: "iocs", Lines: iocLines(v.IOCs)},
		{Label: "analysed", Lines: []string{analysedLine(a, svc, rec)}},
		{Label: "analysis", Lines: lines(v.AnalysisID)},
		{Label: "report", Lines: lines(v.URL)},
		{Label: "next", Lines: []string{"edrc seen " + string(v.Best())}},
	}
	return report.Card(a.IO, title, className(v.Class), rows)
}

func reuseLine(v alert.Verdict) string {
	switch {
	case v.Genes > 0 && v.Family != "":
		return fmt.Sprintf("%d genes shared with %s", v.Genes, v.Family)
	case v.Genes > 0:
		return fmt.Sprintf("%d shared genes", v.Genes)
	}
	return ""
}

func techniqueLines(ts []alert.Technique) []string {
	var out []string
	for _, t := range ts {
		line := t.ID
		if t.Name != "" && t.Name != t.ID {
			line += "  " + t.Name
		}
		if t.Tactic != "" {
			line += " · " + t.Tactic
		}
		out = append(out, line)
	}
	return capped(out, "techniques")
}

// iocLines writes indicators so that nothing in them can be clicked.
func iocLines(list []alert.IOC) []string {
	var out []string
	for _, i := range list {
		value := safe.Defang(i.Value)
		if i.Type == "file" {
			value = i.Value
		}
		out = append(out, fmt.Sprintf("%-6s  %s", i.Type, value))
	}
	return capped(out, "indicators")
}

func capped(all []string, what string) []string {
	if len(all) <= maxShown {
		return all
	}
	return append(all[:maxShown:maxShown], fmt.Sprintf("and %d more %s: -o json", len(all)-maxShown, what))
}

// analysedLine says how old it is, who asked, and whether it still counts.
func analysedLine(a *app, svc *triage.Service, v *ledger.VerdictRecord) string {
	text := fmt.Sprintf("%s ago", report.Age(v.Age(a.Now())))
	if !v.Verdict.Analysed.IsZero() {
		text += " (" + v.Verdict.Analysed.UTC().Format("2006-01-02 15:04 UTC") + ")"
	}
	text += fmt.Sprintf(", learned %s ago", report.Age(a.Now().Sub(v.Learned)))
	if v.By != "" {
		text += " by " + v.By
	}
	if !svc.Believed(v) {
		text += "; too old to be believed: asked again when an alert names it"
	}
	if v.Verdict.Weak {
		text += "; by a weak hash: it closes nothing"
	}
	return text
}
