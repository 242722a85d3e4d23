package cli_test

import (
	"context"
	"errors"
	"flag"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"edrc/internal/cli"
	"edrc/internal/lab"
)

// The scripts in testdata/script are what a user may rely on: what is printed
// where, exit codes, files. They run the real program in a process of its own,
// with no terminal, against a lab in this process.
func TestMain(m *testing.M) {
	if strings.Contains(filepath.Base(os.Args[0]), ".test") { // not edrc, which this binary is too
		flag.Parse()
	}
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("8") // they wait for pauses and analyses, not for processors
	}
	testscript.Main(m, map[string]func(){
		"edrc":      func() { os.Exit(cli.Main(os.Args[1:])) },
		"holdstore": holdStore,
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("EDRC_STATE_DIR", filepath.Join(e.WorkDir, "state"))
			return os.Mkdir(filepath.Join(e.WorkDir, "home"), 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"lab": labCmd, "control": controlCmd, "truth": truthCmd, "code": codeCmd, "capture": captureCmd, "lines": linesCmd,
		},
	})
}

// labCmd is `lab [alerts=N] [files=N] [faults=…] [analysis=D] [skew=D] [quota=N]
// [consoles=N] [products=all]`: it starts a lab and makes $WORK/lab.yaml the configuration.
func labCmd(ts *testscript.TestScript, _ bool, args []string) {
	o := lab.Options{Alerts: 40, Files: 20, StorePath: ts.MkAbs("store.db")}
	for _, arg := range args {
		key, value, _ := strings.Cut(arg, "=")
		n, _ := strconv.Atoi(value)
		d, _ := time.ParseDuration(value)
		switch key {
		case "alerts":
			o.Alerts = n
		case "files":
			o.Files = n
		case "consoles":
			o.Sources = n
		case "products":
			o.Products = strings.Split(value, ",")
		case "quota":
			o.Quota = n
		case "analysis":
			o.AnalysisTime = d
		case "skew":
			o.Skew = d
		case "latency":
			o.Latency = d
		case "faults":
			faults, err := lab.ParseFaults(value)
			ts.Check(err)
			o.Faults = faults
		default:
			ts.Fatalf("lab: %q is unknown", key)
		}
	}
	l, err := lab.Start(context.Background(), o)
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	ts.Check(os.WriteFile(ts.MkAbs("lab.yaml"), l.Config(), 0o600))
	ts.Setenv("EDRC_CONFIG", ts.MkAbs("lab.yaml"))
	ts.Setenv("LAB", l.ControlURL())
	running.add(ts.Getenv("WORK"), l)
	ts.Setenv("NOTES_BEFORE", strconv.Itoa(countNotes(l)["notes"])) // by other tools
}

// controlCmd is `control COMMAND [JSON]`: it posts to /_lab/COMMAND.
func controlCmd(ts *testscript.TestScript, _ bool, args []string) {
	body := "{}"
	if len(args) > 1 {
		body = args[1]
	}
	resp, err := http.Post(ts.Getenv("LAB")+"/_lab/"+args[0], "application/json", strings.NewReader(body))
	ts.Check(err)
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		ts.Fatalf("control %s: %s: %s", args[0], resp.Status, b)
	}
}

// truthCmd is `truth scans=N notes=N doubles=N`: what the vendors themselves know.
func truthCmd(ts *testscript.TestScript, _ bool, args []string) {
	l := running.get(ts.Getenv("WORK"))
	got := countNotes(l)
	got["scans"] = l.State().Intezer.Scans
	before, err := strconv.Atoi(ts.Getenv("NOTES_BEFORE"))
	ts.Check(err)
	got["notes"] -= before
	for _, arg := range args {
		key, value, _ := strings.Cut(arg, "=")
		if want, err := strconv.Atoi(value); err != nil || got[key] != want {
			ts.Fatalf("truth: %s is %d, want %s (of %v)", key, got[key], value, slices.Sorted(maps.Keys(got)))
		}
	}
}

func countNotes(l *lab.Lab) map[string]int {
	got := map[string]int{}
	for _, s := range l.State().Sources {
		for _, notes := range s.Notes {
			got["notes"] += len(notes)
			slices.Sort(notes)
			got["doubles"] += len(notes) - len(slices.Compact(notes))
		}
	}
	return got
}

// codeCmd is `code N PROGRAM ARGS…`: the program ends with this exit code.
func codeCmd(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	if ee, ok := errors.AsType[*exec.ExitError](err); ok {
		got = ee.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// captureCmd is `capture NAME PROGRAM ARGS…`: the output becomes a variable.
func captureCmd(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec(args[1], args[2:]...))
	text := strings.TrimSpace(ts.ReadFile("stdout"))
	if text == "" || strings.Contains(text, "\n") {
		ts.Fatalf("capture: want one line, got %q", text)
	}
	ts.Setenv(args[0], text)
}

// linesCmd is `lines FILE N`: stdout or stderr has exactly N lines.
func linesCmd(ts *testscript.TestScript, _ bool, args []string) {
	if got := strings.Count(ts.ReadFile(args[0]), "\n"); strconv.Itoa(got) != args[1] {
		ts.Fatalf("%s has %d lines, want %s", args[0], got, args[1])
	}
}
