package cli

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"edrc/internal/fault"
	"edrc/internal/triage"
)

func newScanFile(a *app) *cobra.Command {
	var f scanFlags
	var name string
	noUpload := false
	c := &cobra.Command{
		Use: "file PATH…|-", Short: "Scan files of this machine: by hash first, uploaded only if needed; - is stdin",
		Long: `File hashes each file and asks what is remembered and what the engine knows. Only a
file that the engine does not hold is uploaded, encrypted on its way to the engine,
into your organisation's private space, and only when scan.upload in the
configuration allows its type and size (sources.file is the rule for this command).
Documents stay here unless they are allowed there.`,
		Example: "  edrc scan file suspicious.exe\n  edrc scan file /mnt/case/*.dll --no-upload -o ndjson\n  ssh host cat /tmp/x | edrc scan file - --name x",
		Args:    atLeast(1, "the PATH of a file, or - for stdin"),
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := localFiles(a.IO.In, args, name)
			if err != nil {
				return err
			}
			in := scanInput{total: len(files), carriesOn: "the same command carries on"}
			if noUpload {
				in.carriesOn = "to upload, leave out --no-upload"
			}
			in.scan = func(ctx context.Context, svc *triage.Service, o triage.ScanOptions) ([]triage.Judged, error) {
				return svc.ScanFiles(ctx, files, !noUpload && !f.dryRun, o)
			}
			return runScan(cmd, a, f, in)
		},
	}
	f.register(c, false)
	c.Flags().BoolVar(&noUpload, "no-upload", false, "by hash only: no file leaves this machine")
	c.Flags().StringVar(&name, "name", "", "the file's `name`, for stdin")
	return c
}

// localFiles checks the arguments before anything is read or asked.
func localFiles(in io.Reader, args []string, name string) ([]triage.LocalFile, error) {
	if slices.Contains(args, "-") {
		if len(args) > 1 {
			return nil, fault.Usagef("- stands alone: it is stdin")
		}
		if name == "" {
			name = "stdin"
		}
		first := bufio.NewReader(in)
		if _, err := first.Peek(1); err == io.EOF {
			return nil, fault.Usagef("stdin is empty: there is nothing to judge")
		}
		return []triage.LocalFile{{Name: name, Once: true, Open: func() (io.ReadCloser, error) { return io.NopCloser(first), nil }}}, nil
	}
	if name != "" {
		return nil, fault.Usagef("--name is for stdin: a PATH has a name")
	}
	var out []triage.LocalFile
	for _, path := range args {
		st, err := os.Stat(path)
		switch {
		case err != nil:
			return nil, fileError("read", path, err)
		case st.IsDir():
			return nil, fault.Usagef("%s is a folder", path).WithHint("name its files: edrc scan file %s/*", path)
		case !st.Mode().IsRegular():
			return nil, fault.Usagef("%s is no regular file", path).WithHint("read it through a pipe: edrc scan file - < %s", path)
		case st.Size() == 0:
			return nil, fault.Usagef("%s is empty: there is nothing to judge", path)
		}
		out = append(out, triage.LocalFile{Name: filepath.Base(path), Open: func() (io.ReadCloser, error) { return openFile(path) }})
	}
	return out, nil
}

func openFile(path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError("read", path, err)
	}
	return f, nil
}
