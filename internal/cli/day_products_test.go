package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/cli"
	"edrc/internal/lab"
	"edrc/internal/term"
)

// productWorld is a lab with some products.
func productWorld(t *testing.T, products ...string) *world {
	t.Helper()
	return newWorld(t, lab.Options{Products: products, Alerts: 8, Files: 20})
}

// first gives the first ref that a listing of a kind has.
func (w *world) first(what, source string) string {
	w.t.Helper()
	var doc struct{ Items []struct{ Ref string } }
	r := w.must(what, "list", "--since", "60d", "--source", source, "--all", "-o", "json")
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil || len(doc.Items) == 0 {
		w.t.Fatalf("%s of %s: %v\n%s", what, source, err, r.out)
	}
	return doc.Items[0].Ref
}

func TestAnAlertAndAnIncidentAreOpenedInTheBrowserOfATerminalAlone(t *testing.T) {
	w := productWorld(t, "mde", "s1")
	w.env["DISPLAY"] = ":0"
	var started [][]string
	open := func(tty bool, args ...string) result {
		io, out, _ := term.Test("")
		errout := &lockedBuffer{}
		io.Now, io.Err, io.OutTTY, io.Width = time.Now, errout, tty, 100
		env := w.environment(io)
		env.Run = func(name string, args ...string) error {
			started = append(started, append([]string{name}, args...))
			return nil
		}
		return result{cli.Run(context.Background(), append([]string{"alerts", "open"}, args...), env), out.String(), errout.String()}
	}
	for _, ref := range []string{w.first("alerts", "mde-lab"), w.first("incidents", "mde-lab"), w.first("alerts", "s1-lab")} {
		started = nil
		r := open(true, ref)
		if r.code != 0 || len(started) != 1 || r.out != "" {
			t.Fatalf("%s: %+v, started %v", ref, r, started)
		}
		page := started[0][len(started[0])-1]
		if !strings.HasPrefix(page, "http") || !strings.Contains(r.errout, page) {
			t.Errorf("%s: opened %q, said %q", ref, page, r.errout)
		}
		for _, shown := range []result{open(false, ref), open(true, ref, "--print")} {
			if shown.code != 0 || strings.TrimSpace(shown.out) != page || len(started) != 1 {
				t.Errorf("%s: printed %+v, started %v", ref, shown, started)
			}
		}
	}
	if r := open(true, "mde-lab:nothing"); r.code != 5 || len(started) != 1 {
		t.Errorf("%+v", r)
	}
}

func TestABrowserThatCannotBeStartedLeavesTheAddress(t *testing.T) {
	w := productWorld(t, "mde")
	w.env["DISPLAY"] = ":0"
	io, _, _ := term.Test("")
	errout := &lockedBuffer{}
	io.Err, io.OutTTY, io.Width = errout, true, 100
	env := w.environment(io)
	env.Run = func(string, ...string) error { return errors.New("no browser here") }
	code := cli.Run(context.Background(), []string{"alerts", "open", w.first("alerts", "mde-lab")}, env)
	if code != 1 || !strings.Contains(errout.String(), "no browser here") || !strings.Contains(errout.String(), "https://security.microsoft.com/") {
		t.Errorf("%d %s", code, errout.String())
	}
}

func TestAnAttackSequenceNamesItsTargets(t *testing.T) {
	w := newWorld(t, lab.Options{Products: []string{"aws"}, Alerts: 60}) // among so many is a sequence
	ref := w.first("incidents", "aws-lab")
	r := w.must("incidents", "get", ref)
	if !strings.Contains(r.out, "targets") || !strings.Contains(r.out, "ec2 instance i-") || !strings.Contains(r.out, "222233334444/") {
		t.Error(r.out)
	}
	var doc struct {
		Item struct {
			Targets []struct{ Type, ID, Account, Region string }
		}
	}
	if err := json.Unmarshal([]byte(w.must("incidents", "get", ref, "-o", "json").out), &doc); err != nil || len(doc.Item.Targets) == 0 {
		t.Fatalf("%v, %+v", err, doc)
	}
	for _, target := range doc.Item.Targets {
		if target.Type == "" || target.ID == "" || target.Account == "" || target.Region == "" {
			t.Errorf("%+v", target)
		}
	}
}

func TestGuardDutysCommentsAreKeptAndWrittenAgain(t *testing.T) {
	w := productWorld(t, "aws")
	ref := w.first("alerts", "aws-lab")
	w.must("note", "add", ref, "--text", "the first look")
	w.must("note", "add", ref, "--text", "the second look")
	r := w.must("note", "list", ref)
	if a, b := strings.Index(r.out, "the first look"), strings.Index(r.out, "the second look"); a < 0 || b < a || !strings.Contains(r.errout, "our own copies") {
		t.Errorf("%s%s", r.out, r.errout)
	}
	id := strings.TrimPrefix(ref, "aws-lab:")
	comments := w.lab.State().Sources["aws-lab"].Notes[id]
	if len(comments) != 1 || !strings.Contains(comments[0], "the first look") || !strings.Contains(comments[0], "the second look") {
		t.Errorf("GuardDuty has %q", comments)
	}
}

func TestAProductThatGivesNoFilesSaysWhatToDoInstead(t *testing.T) {
	w := productWorld(t, "wiz")
	var doc struct {
		Items []struct {
			Ref   string
			Files []struct{ SHA256 string }
		}
	}
	if err := json.Unmarshal([]byte(w.must("alerts", "list", "--since", "60d", "--all", "-o", "json").out), &doc); err != nil {
		t.Fatal(err)
	}
	for _, a := range doc.Items {
		if len(a.Files) == 0 {
			continue
		}
		if r := w.run("alerts", "fetch", "--files", a.Ref, "--dir", t.TempDir()); r.code != 3 || !strings.Contains(r.errout, "another source on the same host") {
			t.Errorf("%+v", r)
		}
		return
	}
	t.Error("no detection has a file")
}

func TestAVerdictReachesEveryProduct(t *testing.T) {
	w := productWorld(t, "all")
	w.must("sync", "--since", "60d")
	state := w.lab.State()
	for _, name := range w.lab.SourceNames() {
		s := state.Sources[name]
		noted := 0
		for _, notes := range s.Notes {
			if slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, "[edrc:") }) {
				noted++
			}
		}
		if s.Alerts == 0 || noted == 0 {
			t.Errorf("%s: %d alerts, our note on %d", name, s.Alerts, noted)
		}
	}
	for sha, n := range state.Intezer.ScansByFile {
		if n > 2 { // the lab's engine fails one file once
			t.Errorf("%s was paid for %d times", sha, n)
		}
	}
}
