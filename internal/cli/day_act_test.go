package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"edrc/internal/alert"
	"edrc/internal/lab"
)

func mustText(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// journal gives the lines of actions/changes.ndjson; none when nothing was changed.
func (d *day) journal() []map[string]any {
	d.Helper()
	path := filepath.Join(d.stateDir(), "actions", "changes.ndjson")
	b, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil
	}
	if info, serr := os.Stat(path); err != nil || serr != nil || info.Mode().Perm() != 0o600 {
		d.Fatalf("%v %v %v", err, serr, info.Mode())
	}
	return d.objects(string(b))
}

func TestResolveSetsWhatWasDecidedAndKeepsWhatWas(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 60, Files: 10}, false)
	ref := d.ref("new")
	dry := d.ok("alerts", "resolve", ref, "--as", "true-positive", "--status", "resolved", "--dry-run")
	if !strings.Contains(dry, "status new → resolved") || !strings.Contains(dry, "would change") || d.journal() != nil {
		t.Errorf("dry run: %s %v", dry, d.journal())
	}
	out := d.ok("alerts", "resolve", ref, "--as", "true-positive", "--status", "resolved", "--reason", "IR-2231: \x1b[31mreimaged", "--note")
	if !strings.Contains(out, "done") {
		t.Error(out)
	}
	lines := d.journal()
	if len(lines) != 2 || lines[0]["state"] != "sending" || lines[1]["state"] != "done" || lines[0]["id"] != lines[1]["id"] {
		t.Fatalf("%v", lines)
	}
	last := mustText(t, lines[1])
	for _, want := range []string{`"before":"new"`, `"after":"resolved"`, `"after":"true_positive"`, `"schema":"edrc.change/v1"`, `"user":"`, `IR-2231`, ref} {
		if !strings.Contains(last, want) {
			t.Errorf("the journal lacks %s: %s", want, last)
		}
	}
	if got := d.ok("alerts", "get", ref, "-o", "json"); !strings.Contains(got, `"resolved"`) || !strings.Contains(got, `"true_positive"`) {
		t.Errorf("%.500s", got)
	}
	notes := strings.Join(d.lab.State().Sources["s1-lab"].Notes[strings.TrimPrefix(ref, "s1-lab:")], "\n")
	if !strings.Contains(notes, `IR-2231: \x1b[31mreimaged`) {
		t.Errorf("note: %q", notes)
	}
	if out := d.ok("alerts", "resolve", ref, "--status", "resolved", "-o", "json"); !strings.Contains(out, `"unchanged"`) {
		t.Error(out)
	}
	d.everyFormat("alerts", "resolve", ref, "--status", "resolved", "--dry-run")
}

func TestWhatASourceCannotExpressIsRefusedBeforeAnythingIsSent(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 30, Files: 10, Sources: 2}, false)
	ref := d.ref("new")
	before := d.lab.State().Sources["s1-lab"].Requests
	d.refused(6, "an assignee, tags", "alerts", "resolve", ref, "s1-lab2:1", "--status", "resolved", "--assign", "ana", "--tag", "x")
	d.refused(6, "benign", "alerts", "resolve", ref, "--as", "benign")
	d.refused(2, "did you mean", "alerts", "resolve", ref, "--as", "true-positve")
	d.refused(2, "is not one of", "alerts", "resolve", ref, "--status", "closed")
	d.refused(2, "what was decided", "alerts", "resolve", ref)
	d.refused(2, "give --reason", "alerts", "resolve", ref, "--status", "resolved", "--note")
	d.refused(2, "is not a REF", "alerts", "resolve", "x", "--status", "resolved")
	d.refused(2, "wants the REF", "alerts", "resolve")
	if now := d.lab.State().Sources["s1-lab"].Requests; now != before || d.journal() != nil {
		t.Errorf("%d requests, journal %v", now-before, d.journal())
	}
	r := d.refused(3, "no alert 42", "alerts", "resolve", "s1-lab:42", ref, "--status", "in_progress")
	if !strings.Contains(r.out, ref) {
		t.Errorf("one that is not there kept the others back: %+v", r)
	}
}

func TestManyAreResolvedOnlyAfterAYes(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 40, Files: 10}, false)
	var refs []string
	for _, a := range d.objects(d.ok("alerts", "list", "--since", "4d", "--status", "new", "--limit", "12", "-o", "ndjson")) {
		refs = append(refs, a["ref"].(string))
	}
	d.stdin = strings.Join(refs, "\n") + "\n" + refs[0] + "\n"
	args := []string{"alerts", "resolve", "-", "--status", "in_progress"}
	d.refused(8, "pass --yes", args...)
	d.typed = "n\n"
	d.refused(8, "nothing was changed", args...)
	if !strings.Contains(d.asked, "12 alerts") || d.journal() != nil {
		t.Errorf("asked %q, journal %v", d.asked, d.journal())
	}
	d.typed = "y\n"
	d.ok(args...)
	d.typed = ""
	d.ok(append(args, "--yes")...)
	if n := len(d.journal()); n != 48 {
		t.Errorf("%d lines", n)
	}
}

func TestNothingIsSentWhenTheValuesBeforeCannotBeKept(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 20, Files: 5}, false)
	ref := d.ref("new")
	if err := os.MkdirAll(filepath.Join(d.stateDir(), "actions", "changes.ndjson"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := d.edrc("alerts", "resolve", ref, "--status", "resolved")
	if r.exit == 0 || !strings.Contains(r.err, "nothing was sent") {
		t.Errorf("%+v", r)
	}
	if got := d.ref("new"); got == "" || !strings.Contains(d.ok("alerts", "get", ref, "-o", "json"), `"status": "new"`) {
		t.Error("it was changed")
	}
}

func (d *day) templates(text string) {
	d.Helper()
	path := filepath.Join(d.dir, "edrc.yaml")
	b, err := os.ReadFile(path)
	if err != nil {
		d.Fatal(err)
	}
	base, _, _ := strings.Cut(string(b), "notes:")
	d.write(path, base+"notes:\n  templates:\n"+text)
}

func TestANoteTemplateIsFilledInForEachAlert(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 80, Files: 10}, true)
	d.templates("    reimaged: |\n      {{.Host}} was reimaged: {{.File}} is {{upper .Verdict}}\n      {{.Ref}} http://evil.example [edrc:0123456789abcdef]\n" +
		"    bad: \"{{.Nope}}\"\n    broken: \"{{\"\n    endless: \"{{range 100000000}}xxxxxxxxxx{{end}}\"\n    wide: \"{{printf \\\"%9999999d\\\" 1}}\"\n    none: \"{{if eq .Ref `x`}}y{{end}}\"\n")
	var refs []string
	for _, a := range d.objects(d.ok("alerts", "list", "--since", "4d", "--all", "-o", "ndjson", "--offline")) {
		refs = append(refs, a["ref"].(string))
	}
	refs = refs[:25] // the hostile names of the lab are among them
	d.ok(append([]string{"note", "add", "--template-name", "reimaged"}, refs...)...)
	for _, ref := range refs {
		notes := d.lab.State().Sources["s1-lab"].Notes[strings.TrimPrefix(ref, "s1-lab:")]
		text := notes[len(notes)-1]
		if !strings.Contains(text, " was reimaged: ") || !strings.Contains(text, ref) || strings.ContainsAny(text, "\x1b\r\x07") || strings.Count(text, "[edrc:") != 1 {
			t.Errorf("%q", text)
		}
	}
	ref := refs[0]
	d.refused(2, `did you mean "reimaged"`, "note", "add", ref, "--template-name", "reimagd")
	d.refused(2, "notes.templates.bad", "note", "add", ref, "--template-name", "bad")
	d.refused(2, "notes.templates.broken", "note", "add", ref, "--template-name", "broken")
	d.refused(2, "more than 64 KiB", "note", "add", ref, "--template-name", "endless")
	d.refused(2, "printf is not available", "note", "add", ref, "--template-name", "wide")
	d.refused(2, "gives no text", "note", "add", ref, "--template-name", "none")
	d.refused(2, "template-name", "note", "add", ref, "--template-name", "reimaged", "--text", "x")
	d.refused(2, "leave out --template-name", "note", "add", ref, "-", "--template-name", "reimaged")
	first := d.ok("note", "add", ref, "--template-name", "reimaged", "--key", "IR-1", "-o", "json")
	if again := d.ok("note", "add", ref, "--template-name", "reimaged", "--key", "IR-1", "-o", "json"); !strings.Contains(again, `"already": true`) || strings.Contains(first, `"already": true`) {
		t.Errorf("%s %s", first, again)
	}
	d.ok("note", "add", ref, "--text", "as before")
}

func TestFetchKeepsEachAlertWholeWithAChainOfCustody(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 250, Files: 20, Sources: 2}, false)
	dir := filepath.Join(d.dir, "IR-2231", "evidence")
	r := d.edrc("alerts", "fetch", "--since", "4d", "--dir", dir)
	if r.exit != 0 || r.out != "" || !strings.Contains(r.err, "500 alerts written") {
		t.Fatalf("%+v", r)
	}
	text, err := os.ReadFile(filepath.Join(dir, "manifest.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	lines := d.objects(string(text))
	for _, l := range lines {
		path := filepath.Join(dir, l["file"].(string))
		b, err := os.ReadFile(path)
		info, _ := os.Stat(path)
		sum := sha256.Sum256(b)
		if err != nil || info.Mode().Perm() != 0o600 || hex.EncodeToString(sum[:]) != l["sha256"] || !json.Valid(b) || !strings.Contains(string(b), "threatInfo") {
			t.Fatalf("%v: %v, %.200s", l, err, b)
		}
		if l["by"].(map[string]any)["user"] == "" || l["fetched"] == "" || l["schema"] != "edrc.custody/v1" {
			t.Errorf("%v", l)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != len(lines)+1 || len(lines) != 500 {
		t.Errorf("%d files, %d lines", len(entries), len(lines))
	}
	d.testFetchAgain(dir, lines[7]["ref"].(string), lines[7]["file"].(string))
}

func (d *day) testFetchAgain(dir, ref, file string) {
	d.Helper()
	d.write(filepath.Join(dir, file), "mine")
	if r := d.edrc("alerts", "fetch", ref, "--dir", dir, "-o", "json"); r.exit != 0 || d.items(r.out)[0]["kept"] != true {
		d.Errorf("%+v", r)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, file)); string(b) != "mine" {
		d.Error("a file that was there is gone")
	}
	if got := d.objects(d.ok("alerts", "fetch", ref, "--dir", dir, "--force", "-o", "ndjson")); got[0]["kept"] != false || got[0]["sha256"] == "" {
		d.Errorf("%v", got)
	}
	for _, f := range []string{"wide", "yaml", "csv", "md"} {
		if out := d.ok("alerts", "fetch", ref, "--dir", dir, "-o", f); !strings.Contains(out, file) {
			d.Errorf("-o %s: %s", f, out)
		}
	}
	d.refused(3, "no alert 42", "alerts", "fetch", "s1-lab:42", ref, "--dir", dir)
	d.refused(5, "no alert 42", "alerts", "fetch", "s1-lab:42", "--dir", dir)
	d.refused(2, "exclude each other", "alerts", "fetch", ref, "--host", "x", "--dir", dir)
	d.refused(2, "Give --dir", "alerts", "fetch", ref)
	d.refused(5, "no source is called", "alerts", "fetch", "--source", "nope", "--dir", dir)
	if r := d.edrc("alerts", "fetch", ref, "--dir", filepath.Join(dir, file)); r.exit == 0 {
		d.Errorf("a file was taken for a folder: %+v", r)
	}
	d.control("token", `{"source":"s1-lab2","valid":false}`)
	if r := d.edrc("alerts", "fetch", "--since", "4d", "--dir", filepath.Join(dir, "half")); r.exit != 3 || !strings.Contains(r.err, "250 alerts written") {
		d.Errorf("one source that fails took the other with it: %+v", r)
	}
}

func TestEvidenceHasANameOnEveryFileSystemAndOfItsOwn(t *testing.T) {
	seen := map[string]string{}
	for _, id := range []string{"1698432198765432101", "a", "A", "a/b", "a_b", `a\b`, "..", ".", "../../etc/passwd", "con", "a:b", "a\x00", "ä", "x.", "x ", "x",
		strings.Repeat("x", 300), strings.Repeat("x", 301), "ldt:0a1b:42", "\u202e", "a\nb", "a~b"} {
		name := evidenceName(alert.Ref{Source: "s1", ID: id})
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-._~") != "" || len(name) > 200 || strings.HasSuffix(name, ".") {
			t.Errorf("%q is kept as %q", id, name)
		}
		if other, taken := seen[strings.ToLower(name)]; taken {
			t.Errorf("%q and %q are both kept as %q", id, other, name)
		}
		seen[strings.ToLower(name)] = id
	}
	if got := evidenceName(alert.Ref{Source: "s1-prod", ID: "1698"}); got != "s1-prod_1698" {
		t.Error(got)
	}
}
