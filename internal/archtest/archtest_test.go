// Package archtest fails when an arrow between packages points up. The table is
// the one of docs/architecture.md: a package may import what its line names, the
// standard library, and the libraries of its own need.
package archtest

import (
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "edrc/"

// allowed says what each package may import of ours, below internal/.
var allowed = map[string]string{
	"alert":  "",
	"fault":  "",
	"safe":   "",
	"ledger": "alert",
	"httpx":  "fault safe",
	"sample": "alert fault",
	"source": "alert fault sample",

	"source/lenient":     "",
	"source/sourcetest":  "source httpx sample alert fault lab/world",
	"source/sentinelone": "source source/lenient httpx sample alert fault safe",
	"source/crowdstrike": "source source/lenient httpx sample alert fault safe",
	"source/defender":    "source source/lenient httpx sample alert fault safe",
	"source/carbonblack": "source source/lenient httpx sample alert fault safe",
	"source/cortex":      "source source/lenient httpx sample alert fault safe",
	"source/wiz":         "source source/lenient httpx sample alert fault safe",
	"source/guardduty":   "source source/lenient httpx awsconn alert fault safe",
	"source/all": "source httpx alert fault source/sentinelone source/crowdstrike source/defender " +
		"source/carbonblack source/cortex source/wiz source/guardduty",
	"awsconn":          "httpx fault safe",
	"awsconn/mototest": "",

	"scan":                "source sample alert fault ledger",
	"scan/intezer":        "scan httpx alert fault",
	"store":               "ledger alert fault",
	"store/storetest":     "ledger alert",
	"triage":              "scan source ledger alert fault safe",
	"policy":              "alert fault safe",
	"term":                "safe",
	"report":              "term safe fault",
	"config":              "fault",
	"respond":             "source ledger alert fault safe",
	"respond/aws":         "respond awsconn ledger alert fault safe",
	"lab":                 "lab/world lab/crowdstrike lab/defender lab/carbonblack lab/cortex lab/wiz lab/aws",
	"lab/world":           "",
	"lab/world/worldtest": "",
	"lab/crowdstrike":     "lab/world",
	"lab/defender":        "lab/world",
	"lab/carbonblack":     "lab/world",
	"lab/cortex":          "lab/world",
	"lab/wiz":             "lab/world",
	"lab/aws":             "lab/world",
	"archtest":            "",
	"cli":                 "*",
	"crash":               "*",
	"bench":               "*",
	"bench/profile":       "*",
	"gen":                 "cli",
}

// libraries says who alone may import a library: each has one home.
var libraries = map[string][]string{
	"github.com/spf13/viper":              {"config"},
	"github.com/zalando/go-keyring":       {"config"},
	"github.com/olekukonko/tablewriter":   {"report"},
	"github.com/itchyny/gojq":             {"report"},
	"github.com/fatih/color":              {"term"},
	"go.etcd.io/bbolt":                    {"store"},
	"go.yaml.in/yaml/v3":                  {"config", "report", "source/sourcetest"},
	"github.com/bodgit/sevenzip":          {"sample"},
	"golang.org/x/time/rate":              {"httpx"},
	"github.com/spf13/cobra":              {"cli", "gen"},
	"github.com/aws/aws-sdk-go-v2":        {"awsconn", "source/guardduty", "respond/aws"},
	"github.com/aws/smithy-go":            {"awsconn", "source/guardduty", "respond/aws"},
	"github.com/Azure/azure-sdk-for-go":   {"source/defender"},
	"github.com/getkin/kin-openapi":       {"source/sourcetest"},
	"github.com/rogpeppe/go-internal":     {},
	"github.com/spf13/afero":              {},
	"github.com/mitchellh/mapstructure":   {},
	"github.com/go-viper/mapstructure/v2": {},
}

// tools are commands of their own, for developers.
var tools = map[string]struct{}{"bench": {}, "bench/profile": {}, "gen": {}}

// importsOf gives the non-test imports of each package directory below internal.
func importsOf(t *testing.T) map[string]map[string]string {
	t.Helper()
	root := filepath.Join("..")
	out := map[string]map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && d.Name() != "..") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(rel)
		if out[pkg] == nil {
			out[pkg] = map[string]string{}
		}
		for _, imp := range f.Imports {
			out[pkg][strings.Trim(imp.Path.Value, `"`)] = path
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 10 {
		t.Fatalf("only %d packages found: the walk is broken", len(out))
	}
	return out
}

func TestNoArrowPointsUp(t *testing.T) {
	for pkg, imports := range importsOf(t) {
		may, known := allowed[pkg]
		if !known {
			t.Errorf("package %s has no line in the table: say what it may import, here and in docs/architecture.md", pkg)
			continue
		}
		for imp, file := range imports {
			ours, ok := strings.CutPrefix(imp, module+"internal/")
			if !ok || may == "*" || slices.Contains(strings.Fields(may), ours) {
				continue
			}
			t.Errorf("%s imports %s; %s may import only: %s", file, ours, pkg, may)
		}
	}
}

func TestEachLibraryHasItsHome(t *testing.T) {
	for pkg, imports := range importsOf(t) {
		for imp, file := range imports {
			for lib, homes := range libraries {
				if (imp == lib || strings.HasPrefix(imp, lib+"/")) && !slices.Contains(homes, pkg) {
					t.Errorf("%s imports %s, whose only home is %v", file, imp, homes)
				}
			}
		}
	}
}

func TestEveryPackageHasAComment(t *testing.T) {
	for pkg := range importsOf(t) {
		p, err := build.ImportDir(filepath.Join("..", pkg), 0)
		if err != nil {
			t.Errorf("%s: %v", pkg, err)
			continue
		}
		if p.Doc == "" {
			t.Errorf("package %s has no comment that a newcomer can start from", pkg)
		}
	}
}

// TestNothingExitsOrKeepsState holds the habits that a grep can hold: one exit,
// no init functions, no package-level logger.
func TestNothingExitsOrKeepsState(t *testing.T) {
	for pkg, imports := range importsOf(t) {
		seen := map[string]bool{}
		for _, file := range imports {
			if _, tool := tools[pkg]; tool || seen[file] {
				continue
			}
			seen[file] = true
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, bad := range []string{"os.Exit(", "log.Fatal", "\nfunc init()", "http.DefaultClient"} {
				if strings.Contains(string(text), bad) {
					t.Errorf("%s contains %q", file, strings.TrimSpace(bad))
				}
			}
		}
	}
}
