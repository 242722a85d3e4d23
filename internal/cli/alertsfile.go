package cli

import (
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/report"
	"edrc/internal/source/guardduty"
	"edrc/internal/triage"
)

// fileSource is what alerts that were read from a file name as their source.
const fileSource = "file"

// runAlertsFromFile lists findings that somebody exported. It asks nobody, and needs no
// configuration: such a file comes from wherever the findings were.
func runAlertsFromFile(cmd *cobra.Command, a *app, f alertFilters, path string) error {
	out, err := a.options(report.Names(alertColumns()))
	if err != nil {
		return err
	}
	if f.offline || len(f.sources) > 0 || len(f.verdicts) > 0 {
		return fault.Usagef("--from-file asks neither a product nor the store: leave out --offline, --source and --verdict")
	}
	if !cmd.Flags().Changed("since") {
		f.since = "" // an export is as old as it is
	}
	o, err := f.options(a.Now())
	if err != nil {
		return err
	}
	if f.environment != "" {
		if _, err := a.config(cmd.Flags()); err != nil {
			return err
		}
		if err := a.within(&o.Query, f.environment); err != nil {
			return err
		}
	}
	in := a.IO.In
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return fileError("read", path, err)
		}
		defer file.Close()
		in = file
	}
	o.ByTime = slices.Contains([]string{"time", "age"}, strings.ToLower(strings.TrimPrefix(out.Sort, "-")))
	rows, total, errs := readFindings(in, o)
	l := report.List[triage.Row]{Schema: "edrc.alerts/v1", Columns: alertColumns(), Items: rows, Errors: errs, Empty: "no finding in the file matches"}
	if err := report.PrintAs(cmd.Context(), a.IO, out, l, newAlertJSON); err != nil {
		return err
	}
	if !out.Machine() && len(rows) > 0 {
		if total > len(rows) {
			a.say("%d of %s in the file (--all)", len(rows), count(total, "finding"))
		} else {
			a.say("%s in the file", count(total, "finding"))
		}
	}
	return failed(errs, total > 0)
}

// readFindings gives the worst findings that match, how many match, and what could not
// be read.
func readFindings(in io.Reader, o triage.ListOptions) (rows []triage.Row, total int, errs []error) {
	var found []triage.Row
	for al, err := range guardduty.Decode(in, fileSource) {
		switch {
		case err != nil:
			errs = append(errs, fault.At(err, fileSource, "read findings"))
		case o.Query.Match(al):
			found = append(found, triage.Row{Alert: al, Scan: noFileIn(al)})
		}
	}
	rows, total = triage.Worst(found, o)
	return rows, total, errs
}

func noFileIn(al alert.Alert) string {
	if len(al.Files) == 0 {
		return triage.SkipNoFile
	}
	return ""
}
