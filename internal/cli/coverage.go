package cli

import (
	"context"
	"fmt"

	"edrc/internal/report"
	"edrc/internal/source"
	"edrc/internal/term"
)

// coverageRow is one account and region of a source.
type coverageRow struct {
	name string
	source.Coverage
}

// printCoverage shows how far the sources are seen that are made of many places, below
// the table of the checks.
func printCoverage(ctx context.Context, a *app, out report.Options, checks []checkRow) error {
	var rows []coverageRow
	for _, c := range checks {
		for _, place := range c.Coverage {
			rows = append(rows, coverageRow{c.Name, place})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(a.IO.Out); err != nil {
		return err
	}
	out.Sort = ""
	return report.Print(ctx, a.IO, out, report.List[coverageRow]{Columns: coverageColumns(), Items: rows})
}

func coverageColumns() []report.Column[coverageRow] {
	return []report.Column[coverageRow]{
		{Name: "source", Value: func(_ report.View, r coverageRow) string { return r.name }},
		{Name: "account", Value: func(_ report.View, r coverageRow) string { return r.Account }},
		{Name: "region", Value: func(_ report.View, r coverageRow) string { return r.Region }},
		{Name: "state", Value: func(_ report.View, r coverageRow) string { return r.State },
			Style: func(s term.Style, r coverageRow, text string) string {
				if r.State == "enabled" {
					return s.Green(text)
				}
				return s.Yellow(text)
			}},
		{Name: "detail", Value: func(_ report.View, r coverageRow) string { return r.Detail }, Shrink: 1, Min: 12, Flex: true},
	}
}
