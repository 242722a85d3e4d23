package cli

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"edrc/internal/fault"
	"edrc/internal/report"
	"edrc/internal/triage"
)

// exportJSON is an export to a file: schema edrc.cache.export/v1.
type exportJSON struct {
	File     string `json:"file"`
	Verdicts int    `json:"verdicts"`
}

func newCacheExport(a *app) *cobra.Command {
	var f verdictFlags
	force := false
	c := &cobra.Command{
		Use: "export [FILE|-]", Short: "Write the remembered verdicts for a colleague; - is stdout",
		Long: `Export writes what is remembered of files as lines of JSON, for edrc cache import
on another machine. It names files, and what an engine said of them; no alert, no
host and no secret is in it.`,
		Example: "  edrc cache export verdicts.ndjson --verdict malicious --since 30d\n  edrc cache export - | ssh colleague edrc cache import -",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, err := f.filter(a.Now())
			if err != nil {
				return err
			}
			svc, out, err := a.ready(cmd, nil, false)
			if err != nil {
				return err
			}
			file := "-"
			if len(args) > 0 {
				file = args[0]
			}
			return runExport(cmd.Context(), a, svc, out, filter, file, force)
		},
	}
	f.register(c)
	c.Flags().BoolVar(&force, "force", false, "replace FILE when it is there already")
	return c
}

func runExport(ctx context.Context, a *app, svc *triage.Service, out report.Options, f triage.VerdictFilter, file string, force bool) error {
	n := 0
	write := func(w io.Writer) (err error) {
		n, err = svc.ExportVerdicts(ctx, w, f, "edrc/"+buildVersion().Version)
		return err
	}
	if file == "-" {
		if err := write(a.IO.Out); err != nil {
			return err
		}
		if !out.Machine() {
			a.say("%s exported", count(n, "verdict"))
		}
		return nil
	}
	if err := fresh(file, force, write); err != nil {
		if _, statErr := os.Lstat(file); statErr == nil && !force {
			return fault.Usagef("%s is there already", file).WithHint("replace it with --force")
		}
		return fileError("write", file, err)
	}
	if out.Structured() {
		return report.Object(ctx, a.IO, out, "edrc.cache.export/v1", exportJSON{file, n})
	}
	a.say("%s exported to %s. Take them in elsewhere: edrc cache import %s", count(n, "verdict"), file, file)
	return nil
}

// rejectedJSON is a line that was not taken.
type rejectedJSON struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

// importJSON is an import: schema edrc.cache.import/v1.
type importJSON struct {
	*triage.Imported
	Rejections []rejectedJSON `json:"rejections"` // the first of them
}

// maxRejections bounds what is told of a file that is wrong from end to end.
const maxRejections = 50

func newCacheImport(a *app) *cobra.Command {
	dryRun := false
	c := &cobra.Command{
		Use: "import FILE|-", Short: "Take in verdicts that a colleague exported; - is stdin",
		Long: `Import reads what edrc cache export wrote. Of two analyses of one file the newer
wins. Nothing is trusted that is not exactly what an export holds: any other line is
rejected with its number, and the rest is taken. Alerts that wait for a verdict on
such a file get it with the next sync.

A verdict is somebody's word: import only from whom you would believe it.

Exit: 0 all taken, 3 some lines were rejected, 2 the file is no export.`,
		Example: "  edrc cache import verdicts.ndjson --dry-run\n  edrc cache import verdicts.ndjson",
		Args:    exact(1, "a FILE, or - for stdin"),
		RunE: func(cmd *cobra.Command, args []string) error {
			svc, out, err := a.ready(cmd, nil, false)
			if err != nil {
				return err
			}
			in := a.IO.In
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return fileError("read", args[0], err)
				}
				defer f.Close()
				in = f
			}
			return runImport(cmd.Context(), a, svc, out, in, dryRun)
		},
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be taken in; write nothing")
	return c
}

func runImport(ctx context.Context, a *app, svc *triage.Service, out report.Options, in io.Reader, dryRun bool) error {
	j := importJSON{Rejections: []rejectedJSON{}}
	sum, err := svc.ImportVerdicts(ctx, in, triage.ImportOptions{DryRun: dryRun, Reject: func(line int, reason string) {
		if len(j.Rejections) < maxRejections {
			j.Rejections = append(j.Rejections, rejectedJSON{line, reason})
		}
	}})
	if sum == nil {
		return err
	}
	j.Imported = sum
	if out.Structured() {
		if perr := report.Object(ctx, a.IO, out, "edrc.cache.import/v1", j); perr != nil {
			return perr
		}
	} else if perr := importText(a, j); perr != nil {
		return perr
	}
	switch {
	case err != nil:
		return err
	case sum.Rejected > 0:
		return exitError(fault.ExitPartial)
	}
	return nil
}

func importText(a *app, j importJSON) error {
	for _, r := range j.Rejections {
		a.say("line %d rejected: %s", r.Line, r.Reason)
	}
	if more := j.Rejected - len(j.Rejections); more > 0 {
		a.say("and %d more lines rejected", more)
	}
	did := "taken in"
	if j.DryRun {
		did = "dry run: would be taken in"
	}
	_, err := fmt.Fprintf(a.IO.Out, "%s: %s. %s: %d new, %d newer than what was here. %d kept as they were, %d rejected.\n",
		"read", count(j.Lines, "verdict"), did, j.New, j.Newer, j.Kept, j.Rejected)
	return err
}
