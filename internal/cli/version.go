package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"edrc/internal/report"
)

// versionJSON is what was built: schema edrc.version/v1.
type versionJSON struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Built    string `json:"built,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// buildVersion reads what the Go toolchain wrote into the binary.
func buildVersion() versionJSON {
	v := versionJSON{Version: "dev", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.Built = s.Value
		}
	}
	return v
}

// String is what is printed for a person.
func (v versionJSON) String() string {
	return fmt.Sprintf("edrc %s (%s, %s)", v.Version, v.Go, v.Platform)
}

func newVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Which edrc this is", Example: "  edrc version -o json",
		Args: exact(0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := a.options(nil)
			if err != nil {
				return err
			}
			v := buildVersion()
			if out.Structured() {
				return report.Object(cmd.Context(), a.IO, out, "edrc.version/v1", v)
			}
			_, err = fmt.Fprintln(a.IO.Out, v)
			return err
		},
	}
}
