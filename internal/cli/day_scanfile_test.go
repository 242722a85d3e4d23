package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"edrc/internal/lab"
)

// file makes a file of this machine.
func (d *day) file(name, content string) string {
	d.Helper()
	path := filepath.Join(d.dir, "files", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		d.Fatal(err)
	}
	d.write(path, content)
	return path
}

// cost is what the vendor knows of: analyses and uploads.
func (d *day) cost() string {
	st := d.lab.State().Intezer
	return fmt.Sprintf("%d scans, %d uploads", st.Scans, st.Uploads)
}

func (d *day) spent(want string) {
	d.Helper()
	if got := d.cost(); got != want {
		d.Errorf("%s, want %s", got, want)
	}
}

func TestAFileIsUploadedOnceWhateverItsPathAndWhoeverAsks(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: -1}, false)
	a, b := d.file("a.exe", "MZ one program"), d.file("b.exe", "MZ one program")
	r := d.edrc("scan", "file", a, b)
	if r.exit != 0 || !strings.Contains(r.out, "a.exe  unknown") || !strings.Contains(r.out, "b.exe  unknown") || !strings.HasPrefix(r.err, "1 scan spent") {
		t.Errorf("%+v", r)
	}
	d.spent("1 scans, 1 uploads")
	if out := d.ok("scan", "file", b); !strings.Contains(out, "remembered") {
		t.Error(out)
	}
	d.stdin = "MZ one program"
	got := d.items(d.ok("scan", "file", "-", "--name", "dir/zz\x1b[31m.exe", "-o", "json"))
	if got[0]["name"] != "zz\x1b[31m.exe" || got[0]["cost"] != 0.0 {
		t.Errorf("%v", got)
	}
	d.state = "colleague"
	if out := d.ok("scan", "file", a); !strings.Contains(out, "looked-up") && !strings.Contains(out, "looked up") {
		t.Error(out)
	}
	d.spent("1 scans, 1 uploads")
	d.state = "mine"
	d.stdin = "MZ from a pipe"
	if out := d.ok("scan", "file", "-"); !strings.Contains(out, "stdin  unknown") {
		t.Error(out)
	}
	d.spent("2 scans, 2 uploads")
	d.refused(10, "", "scan", "file", a, "--fail-on", "unknown")
	if r := d.edrc("scan", "file", a, "--fail-on", "malicious,suspicious"); r.exit != 0 {
		t.Errorf("%+v", r)
	}
	if left, _ := filepath.Glob(filepath.Join(d.stateDir(), "spool", "*")); len(left) > 0 {
		t.Errorf("the spool still has %v", left)
	}
}

func TestADocumentStaysHereUnlessItIsAllowed(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: -1}, false)
	pdf := d.file("offer.pdf", "%PDF-1.4 an offer")
	r := d.edrc("scan", "file", pdf)
	if r.exit != 0 || !strings.Contains(r.out, "none: not uploaded: type document is not in scan.upload.types") {
		t.Errorf("%+v", r)
	}
	if r := d.edrc("scan", "file", pdf, "--fail-on", "malicious", "-o", "json"); r.exit != 3 || !strings.Contains(r.out, `"pending": "not uploaded: type document`) {
		t.Errorf("%+v", r)
	}
	if got, _ := filepath.Glob(filepath.Join(d.stateDir(), "spool", "*")); len(got) > 0 {
		t.Errorf("it waits on the spool: %v", got)
	}
	d.spent("0 scans, 0 uploads")
	d.setting("scan: {", "scan: {upload: {sources: {file: {types: [document]}}}, ")
	if r := d.edrc("scan", "file", pdf); r.exit != 0 || !strings.HasPrefix(r.err, "1 scan spent") {
		t.Errorf("%+v", r)
	}
	// A name does not make a program of it, nor the other way round.
	if r := d.edrc("scan", "file", d.file("notes.pdf", "MZ a program by its bytes")); !strings.Contains(r.out, "not uploaded: type executable is not in scan.upload.sources.file.types") {
		t.Errorf("%+v", r)
	}
	d.spent("1 scans, 1 uploads")
}

func TestByHashOnlyAndADryRunSendNothing(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: -1}, false)
	path := d.file("x.exe", "MZ nobody knows it")
	if r := d.edrc("scan", "file", path, "--dry-run"); r.exit != 0 || !strings.Contains(r.err, "dry run: 1 scan would be spent") {
		t.Errorf("%+v", r)
	}
	if _, err := os.Stat(filepath.Join(d.stateDir(), "edrc.db")); !os.IsNotExist(err) {
		t.Errorf("a dry run wrote the store: %v", err)
	}
	r := d.edrc("scan", "file", path, "--no-upload")
	if r.exit != 0 || !strings.Contains(r.out, "none: file needed") || !strings.Contains(r.err, "leave out --no-upload") {
		t.Errorf("%+v", r)
	}
	d.refused(3, "", "scan", "file", path, "--no-upload", "--fail-on", "malicious")
	d.spent("0 scans, 0 uploads")
	d.ok("scan", "file", path)
	d.spent("1 scans, 1 uploads")
}

func TestWhatIsNoFileIsRefusedBeforeAnythingIsAsked(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: -1}, false)
	good := d.file("x.exe", "MZ")
	empty := d.file("empty", "")
	d.refused(2, "is a folder", "scan", "file", good, d.dir)
	d.refused(2, "is empty: there is nothing to judge", "scan", "file", empty)
	d.refused(2, "no such file", "scan", "file", filepath.Join(d.dir, "nope"))
	if r := d.edrc("scan", "file", filepath.Join(good, "below")); r.exit == 0 || !strings.Contains(r.err, "not a directory") {
		t.Errorf("%+v", r)
	}
	d.refused(2, "stdin is empty", "scan", "file", "-")
	d.refused(2, "stands alone", "scan", "file", "-", good)
	d.refused(2, "--name is for stdin", "scan", "file", good, "--name", "x")
	d.refused(2, "wants the PATH", "scan", "file")
	d.refused(2, "--wait-timeout", "scan", "file", good, "--wait-timeout", "soon")
	d.refused(2, "did you mean", "scan", "file", good, "--fail-on", "malicous")
	if os.Geteuid() != 0 { // root may read everything
		if err := os.Chmod(good, 0); err != nil {
			t.Fatal(err)
		}
		d.refused(2, "permission denied", "scan", "file", good)
	}
	if n := d.lab.State().Intezer.Requests; n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestAHostileFileNameObeysNobody(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: -1}, false)
	path := d.file("a\x1b]0;owned\x07\u202egpj\r\n.exe", "%PDF-1.4 with a name")
	for _, f := range []string{"table", "wide", "csv", "md", "yaml", "json", "ndjson"} {
		r := d.edrc("scan", "file", path, "-o", f)
		if r.exit != 0 || strings.ContainsAny(r.out+r.err, "\x1b\x07\r") || strings.Contains(r.out+r.err, "\u202e") && f != "json" && f != "ndjson" {
			t.Errorf("-o %s: exit %d, %q %q", f, r.exit, r.out, r.err)
		}
	}
}

func TestAPersonReadsTheWholeReasonUnderTheTable(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: -1}, false)
	d.tty = true
	r := d.edrc("scan", "file", d.file("offer.pdf", "%PDF-1.4 an offer"))
	if !strings.Contains(r.out, "none: not uploaded ") && !strings.Contains(r.out, "none: not uploaded\n") || !strings.Contains(r.err, "offer.pdf: not uploaded: type document is not in scan.upload.types") {
		t.Errorf("%+v", r)
	}
}
