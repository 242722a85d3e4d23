package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/report"
	"edrc/internal/safe"
	"edrc/internal/scan"
	"edrc/internal/triage"
)

func newScanShow(a *app) *cobra.Command {
	offline := false
	parts := partsDefault
	c := &cobra.Command{
		Use: "show HASH", Short: "All that is known of a verdict: family, code reuse, TTPs, indicators, sub-analyses",
		Long: `Show prints a remembered verdict and asks the engine for the sub-analyses behind it,
with the code that each shares with families. That costs no scan.`,
		Example: "  edrc scan show 3f0c9a…\n  edrc scan show 3f0c9a… -o json --jq '.item.verdict.iocs[].value'",
		Args:    exact(1, "a hash"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := alert.ParseHash(args[0])
			if err != nil {
				return fault.Usagef("%v", err)
			}
			svc, out, err := a.begin(cmd, nil, serviceOptions{judges: true})
			if err != nil {
				return err
			}
			v, err := svc.Verdict(cmd.Context(), h)
			if err != nil {
				return err
			}
			if v == nil {
				return fault.New(fault.NotFound, "no verdict on %s is remembered", h).WithHint("ask for one: edrc scan hash %s", h)
			}
			var detail *scan.Report
			if !offline {
				if detail, err = svc.Scanner.Report(cmd.Context(), v, parts); err != nil {
					a.warn(fmt.Sprintf("what is remembered is shown: %v", err))
				}
			}
			if out.Structured() {
				return report.Object(cmd.Context(), a.IO, out, "edrc.verdict/v1", shownJSON{newRememberedJSON(svc, v), detail})
			}
			return verdictCard(a, svc, v, detail)
		},
	}
	c.Flags().BoolVar(&offline, "offline", false, "ask nobody: what is remembered")
	c.Flags().IntVar(&parts, "parts", partsDefault, "ask for at most this `number` of sub-analyses")
	return c
}

// partsDefault is how many sub-analyses are asked for: two requests each.
const partsDefault = 20

// shownJSON is a verdict with what the engine tells on demand: schema edrc.verdict/v1.
type shownJSON struct {
	rememberedJSON
	Detail *scan.Report `json:"detail,omitempty"`
}

// maxShown bounds the indicators that a card lists; json has all.
const maxShown = 20

func verdictCard(a *app, svc *triage.Service, rec *ledger.VerdictRecord, detail *scan.Report) error {
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
		{Label: "reuse", Lines: reuseLines(v, detail)},
		{Label: "reason", Lines: lines(v.Reason)},
		{Label: "file", Lines: lines(facts)},
		{Label: "hashes", Lines: hashLines(v.Hashes)},
		{Label: "ttps", Lines: techniqueLines(v.Attack)},
		{Label: "iocs", Lines: iocLines(v.IOCs)},
		{Label: "parts", Lines: partLines(detail)},
		{Label: "analysed", Lines: []string{analysedLine(a, svc, rec)}},
		{Label: "analysis", Lines: lines(v.AnalysisID)},
		{Label: "report", Lines: lines(v.URL)},
		{Label: "next", Lines: []string{"edrc seen " + string(v.Best())}},
	}
	return report.Card(a.IO, title, className(v.Class), rows)
}

// reuseLines says what code a file shares with which families, most first.
func reuseLines(v alert.Verdict, detail *scan.Report) []string {
	if detail != nil && len(detail.Reuse) > 0 {
		var out []string
		for _, r := range detail.Reuse {
			out = append(out, reuseText(r, detail.Genes))
		}
		return capped(out, "families")
	}
	switch {
	case v.Genes > 0 && v.Family != "":
		return lines(fmt.Sprintf("%d genes shared with %s", v.Genes, v.Family))
	case v.Genes > 0:
		return lines(fmt.Sprintf("%d shared genes", v.Genes))
	}
	return nil
}

func reuseText(r scan.Reuse, of int) string {
	text := fmt.Sprintf("%d", r.Genes)
	if of > 0 {
		text += fmt.Sprintf(" of %d", of)
	}
	text += " genes shared with " + r.Family
	if r.Type != "" {
		text += " (" + strings.ReplaceAll(r.Type, "_", " ") + ")"
	}
	return text
}

// partLines lists the sub-analyses: where each part came from, what it is, and the
// family that it shares most with.
func partLines(detail *scan.Report) []string {
	if detail == nil {
		return nil
	}
	var out []string
	for _, p := range detail.Parts {
		if p.Source == "root" {
			continue
		}
		text := strings.ReplaceAll(p.Source, "_", " ")
		if p.From != "" {
			text += ", " + strings.ReplaceAll(p.From, "_", " ")
		}
		if p.Path != "" {
			text += " " + p.Path
		}
		text += "  " + p.SHA256
		if p.FileType != "" {
			text += "  " + p.FileType
		}
		if len(p.Reuse) > 0 {
			text += "  " + reuseText(p.Reuse[0], 0)
		}
		out = append(out, text)
	}
	if out = capped(out, "sub-analyses"); detail.More > 0 {
		out = append(out, fmt.Sprintf("and %d more sub-analyses: --parts N", detail.More))
	}
	return out
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
