package cli

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/lab"
	"edrc/internal/sample"
	"edrc/internal/source"
	"edrc/internal/triage"
)

// manifest gives the lines about files of a folder of evidence.
func (d *day) manifest(dir string) (lines []custodyLine) {
	d.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "manifest.ndjson"))
	if err != nil {
		d.Fatal(err)
	}
	for text := range bytes.Lines(b) {
		var l custodyLine
		if err := json.Unmarshal(text, &l); err != nil {
			d.Fatalf("%v in %q", err, text)
		}
		if l.What == custodyFile {
			lines = append(lines, l)
		}
	}
	return lines
}

// opens checks that an archive is what its line says, and opens with its password.
func (d *day) opens(dir string, l custodyLine) {
	d.Helper()
	path := filepath.Join(dir, l.File)
	raw, err := os.ReadFile(path)
	info, _ := os.Stat(path)
	sum := sha256.Sum256(raw)
	if err != nil || info.Mode().Perm() != 0o600 || hex.EncodeToString(sum[:]) != l.SHA256 || int64(len(raw)) != l.Bytes || l.File != "FILE_"+string(l.Contents.SHA256)+".zip" {
		d.Fatalf("%v %v %+v", err, info, l)
	}
	spool, err := sample.OpenSpool(d.TempDir())
	if err != nil {
		d.Fatal(err)
	}
	defer spool.Close()
	a, err := spool.Take(d.Context(), bytes.NewReader(raw), l.Contents.Password)
	if err != nil {
		d.Fatal(err)
	}
	defer a.Close()
	got, err := sample.Inspect(d.Context(), a, sample.Limits{}, alert.Hashes{SHA256: l.Contents.SHA256})
	if err != nil || got.Hashes != l.Contents.Hashes || got.Size != l.Contents.Size || !got.Encrypted || got.Manifest || got.Files != 1 {
		d.Errorf("%v %+v", err, got)
	}
	if seven, err := exec.LookPath("7z"); err == nil {
		out, err := exec.Command(seven, "t", "-p"+l.Contents.Password, path).CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("Everything is Ok")) {
			d.Errorf("7z: %v\n%s", err, out)
		}
		if out, err := exec.Command(seven, "t", "-pwrong", path).CombinedOutput(); err == nil {
			d.Errorf("7z opens it with any password: %s", out)
		}
	}
}

func TestTheFilesOfAlertsAreKeptEncryptedWithAChainOfCustody(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: -1, FetchTime: -1}, false)
	d.setting("scan: {engine: intezer", "was: {engine: intezer") // needs no engine
	d.cutSection("was:")
	f, g := d.unheld(0, "zipcrypto"), d.unheld(1, "aes")
	refs := []string{d.alertOn(f), d.alertOn(f), d.alertOn(g)}
	dir := filepath.Join(d.dir, "IR-1")
	r := d.edrc("alerts", "fetch", "--since", "1h", "--files", "--dir", dir)
	if r.exit != 0 || r.out != "" || !strings.Contains(r.err, "3 alerts written to "+dir+"; 2 files fetched. Manifest: ") || !strings.Contains(r.err, "password: infected") {
		t.Fatalf("%+v", r)
	}
	lines := d.manifest(dir)
	by := map[string]custodyLine{}
	for _, l := range lines {
		d.opens(dir, l)
		by[l.Ref.String()] = l
		if l.Kept || l.By.User == "" || l.By.Host == "" || l.Fetched.IsZero() || l.Created.IsZero() || l.Kind != "sentinelone" || l.Contents.Host == "" || l.Contents.Path == "" {
			t.Errorf("%+v", l)
		}
	}
	want := map[string]lab.FileInfo{refs[0]: f, refs[1]: f, refs[2]: g}
	for ref, w := range want {
		if c := by[ref].Contents; c == nil || string(c.SHA256) != w.SHA256 || string(c.SHA1) != w.SHA1 || string(c.MD5) != w.MD5 || c.Name != w.Name || c.Size != int64(w.Size) {
			t.Errorf("%s: %+v, want %+v", ref, by[ref].Contents, w)
		}
	}
	if n := d.fetched(refs[0]) + d.fetched(refs[1]) + d.fetched(refs[2]); len(lines) != 3 || n != 2 {
		t.Errorf("%d lines, %d fetches", len(lines), n)
	}
	d.again(dir, refs)
}

// cutSection takes a line out of the configuration.
func (d *day) cutSection(prefix string) {
	d.Helper()
	b, err := os.ReadFile(d.config())
	if err != nil {
		d.Fatal(err)
	}
	var out []string
	for _, line := range strings.Split(string(b), "\n") {
		if !strings.HasPrefix(line, prefix) {
			out = append(out, line)
		}
	}
	d.write(d.config(), strings.Join(out, "\n"))
}

// again repeats a fetch: nothing is fetched, told or replaced twice.
func (d *day) again(dir string, refs []string) {
	d.Helper()
	before := d.lab.State().Sources["s1-lab"].Fetches
	r := d.edrc("alerts", "fetch", refs[0], refs[2], "--files", "--dir", dir, "-o", "json")
	items := d.items(r.out)
	if r.exit != 0 || len(items) != 4 || len(d.manifest(dir)) != 3 || d.lab.State().Sources["s1-lab"].Fetches != before {
		d.Fatalf("%+v", r)
	}
	for _, i := range items {
		if i["kept"] != true || i["what"] != "alert" && i["what"] != "file" || i["what"] == "file" && i["contents"] == nil {
			d.Errorf("%v", i)
		}
	}
	// One more alert on a file that is there has a line, which says so.
	f := d.unheld(0, "zipcrypto")
	more := d.alertOn(f)
	r = d.edrc("alerts", "fetch", more, "--files", "--dir", dir)
	lines := d.manifest(dir)
	if last := lines[len(lines)-1]; r.exit != 0 || len(lines) != 4 || !last.Kept || last.Ref.String() != more || d.fetched(more) != 0 || !strings.Contains(r.err, "0 files fetched, 1 there already") {
		d.Errorf("%+v %+v", r, lines)
	}
	d.opens(dir, lines[3])

	d.tampered(dir, more, lines[3].File)
}

// tampered: evidence that was changed, or that nobody knows, is not taken for what it
// was, and not replaced unless somebody says so.
func (d *day) tampered(dir, ref, file string) {
	d.Helper()
	d.write(filepath.Join(dir, file), "mine")
	d.refused(3, "was changed: its bytes are not those of the manifest", "alerts", "fetch", ref, "--files", "--dir", dir)
	if b, _ := os.ReadFile(filepath.Join(dir, file)); string(b) != "mine" {
		d.Error("it was replaced")
	}
	lines := len(d.manifest(dir))
	d.ok("alerts", "fetch", ref, "--files", "--force", "--dir", dir)
	now := d.manifest(dir)
	if len(now) != lines+1 || now[lines].Kept {
		d.Fatalf("%+v", now)
	}
	d.opens(dir, now[lines])

	other := filepath.Join(d.dir, "IR-2")
	if err := os.MkdirAll(other, 0o700); err != nil {
		d.Fatal(err)
	}
	d.write(filepath.Join(other, file), "somebody else's")
	d.refused(3, "the manifest does not know it", "alerts", "fetch", ref, "--files", "--dir", other)
}

func TestAFileThatCannotBeHadIsReportedAndTheRestGoesOn(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: -1, FetchTime: -1}, false)
	refs := map[string]string{}
	var args []string
	hosts := map[string]bool{}
	for n, as := range []string{"wrong", "corrupt", "unreadable", "hostile", "zipcrypto", "aes"} {
		f := d.unheld(n, as)
		ref := d.alertOn(f)
		for as == "aes" && hosts[d.host(ref)] { // it will be offline, and the others are not
			ref = d.alertOn(f)
		}
		refs[as], args, hosts[d.host(ref)] = ref, append(args, ref), true
	}
	d.online(refs["aes"], false)
	dir := filepath.Join(d.dir, "IR")
	r := d.edrc(append([]string{"alerts", "fetch", "--files", "--dir", dir, "-o", "ndjson"}, args...)...)
	if r.exit != 3 || strings.Contains(r.err, "infected") {
		t.Fatalf("%+v", r)
	}
	told := map[string]string{}
	for _, o := range d.objects(r.err) {
		e := o["error"].(map[string]any)
		for as, ref := range refs {
			if strings.Contains(e["op"].(string), ref) {
				told[as] = e["message"].(string)
			}
		}
	}
	for as, words := range map[string]string{"wrong": "the alert says", "corrupt": "fetch_corrupt", "unreadable": "access is denied", "hostile": "climbs out", "aes": "endpoint offline: "} {
		if !strings.Contains(told[as], words) {
			t.Errorf("%s: %q", as, told[as])
		}
	}
	zips, _ := filepath.Glob(filepath.Join(dir, "*"))
	if lines := d.manifest(dir); len(lines) != 1 || lines[0].Ref.String() != refs["zipcrypto"] || len(zips) != 6+1+1 || len(d.objects(r.out)) != 7 {
		t.Errorf("%+v\n%v\n%s", lines, zips, r.out)
	}
	if n := d.fetched(refs["corrupt"]); n != 3 {
		t.Errorf("a damaged archive was asked for %d times", n)
	}
}

func TestWhatOneEndpointCannotGiveAnotherMay(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: -1, FetchTime: -1}, false)
	f := d.unheld(0, "aes")
	first := d.alertOn(f)
	other := d.alertOn(f)
	for d.host(other) == d.host(first) {
		other = d.alertOn(f)
	}
	d.online(first, false)
	dir := filepath.Join(d.dir, "IR")
	d.ok("alerts", "fetch", first, other, "--files", "--dir", dir)
	lines := d.manifest(dir)
	if len(lines) != 2 || lines[0].Contents.From.String() != other || lines[1].Contents.Host != strings.TrimSpace(d.host(other)) {
		t.Errorf("%+v", lines)
	}
}

func (d *day) host(ref string) string {
	d.Helper()
	return d.ok("alerts", "get", ref, "--jq", ".item.host.name")
}

func TestAFileThatComesTooLateIsLeftForTheNextTime(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: -1, FetchTime: time.Hour}, false)
	ref := d.alertOn(d.unheld(0, "zipcrypto"))
	dir := filepath.Join(d.dir, "IR")
	r := d.refused(3, "no file came within 30ms", "alerts", "fetch", ref, "--files", "--dir", dir, "--wait-timeout", "30ms")
	if !strings.Contains(r.err, "0 files fetched, 1 could not be had (the same command again tries those)") {
		t.Errorf("%+v", r)
	}
	d.control("fetch", `{"time":"0s"}`)
	d.ok("alerts", "fetch", ref, "--files", "--dir", dir, "--wait-timeout", "9s")
	d.opens(dir, d.manifest(dir)[0])
	d.refused(2, "--wait-timeout goes with --files", "alerts", "fetch", ref, "--dir", dir, "--wait-timeout", "9s")
	d.refused(2, "--endpoint goes with --files", "alerts", "fetch", ref, "--dir", dir, "--endpoint")
	d.refused(2, "--wait-timeout", "alerts", "fetch", ref, "--files", "--dir", dir, "--wait-timeout", "soon")
	d.refused(2, "exclude each other", "alerts", "fetch", ref, "--files", "--dir", dir, "--host", "x")
}

func TestOneFileUnderThreeHashesIsFetchedOnce(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: -1, FetchTime: -1}, false)
	f := d.unheld(0, "zipcrypto")
	for _, sha := range []string{"md5", "sha1", "sha256", "none"} {
		d.control("alerts", `{"count":1,"age":"1m","sha":"`+sha+`","file":`+mustText(t, f.Index)+`}`)
	}
	for _, a := range d.objects(d.ok("alerts", "list", "--since", "1h", "-o", "ndjson")) {
		d.online(a["ref"].(string), true)
	}
	dir := filepath.Join(d.dir, "IR")
	r := d.refused(3, "the alert gives no usable hash", "alerts", "fetch", "--since", "1h", "--files", "--dir", dir)
	if got := d.lab.State().Sources["s1-lab"].Fetches; got != 1 || !strings.Contains(r.err, "1 file fetched.") || len(d.manifest(dir)) != 3 {
		t.Errorf("%d fetches, %+v, %+v", got, r, d.manifest(dir))
	}
	again := d.refused(3, "0 files fetched, 3 there already", "alerts", "fetch", "--since", "1h", "--files", "--dir", dir)
	if got := d.lab.State().Sources["s1-lab"].Fetches; got != 1 || len(d.manifest(dir)) != 3 {
		t.Errorf("%d fetches, %+v", got, again)
	}
}

func TestAManifestThatACrashCutShortIsReadAllTheSame(t *testing.T) {
	dir := t.TempDir()
	c := &custody{dir: dir, now: time.Now}
	sha := alert.Hash(strings.Repeat("ab", 32))
	line := c.line(custodyFile, archiveName(sha), alert.Alert{Ref: alert.Ref{Source: "s1", ID: "1"}})
	line.Contents = &custodyContents{Hashes: alert.Hashes{SHA256: sha}, From: alert.Ref{Source: "s1", ID: "1"}}
	if err := c.write([]custodyLine{line, line}); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(c.manifest(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.WriteString(`{"schema":"edrc.custody/v1","what":"fi`)
	_ = f.Close()
	if err := c.write([]custodyLine{line}); err != nil {
		t.Fatal(err)
	}
	s, err := c.openArchives()
	if err != nil || len(s.known) != 1 || !s.told[[2]string{"s1:1", line.File}] {
		t.Errorf("%v %+v", err, s)
	}
	// A line without its file, as a crash in between leaves it: the file is fetched.
	if was, err := s.there(sha); was != nil || err != nil {
		t.Errorf("%v %v", was, err)
	}
	if err := os.Mkdir(filepath.Join(dir, "m"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "m", "manifest.ndjson"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := (&custody{dir: filepath.Join(dir, "m"), now: time.Now}).openArchives(); err == nil {
		t.Error("a folder was read as a manifest")
	}
}

// everyFile visits the files below some folders.
func everyFile(t *testing.T, visit func(path string, content []byte), dirs ...string) {
	t.Helper()
	n := 0
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			visit(path, b)
			n++
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n == 0 {
		t.Errorf("there is no file in %v: this proves nothing", dirs)
	}
}

// mute is a source that gives no files.
type mute struct {
	source.Source
	name string
}

func (m mute) Name() string { return m.name }
func (m mute) Kind() string { return "quietware" }

func TestASourceThatCannotGiveFilesIsToldOnce(t *testing.T) {
	t.Parallel()
	c := &custody{dir: t.TempDir(), now: time.Now}
	to, err := c.openArchives()
	if err != nil {
		t.Fatal(err)
	}
	e := &fileEvidence{svc: &triage.Service{Sources: []source.Source{mute{name: "q"}}}, to: to}
	alerts := func(yield func(alert.Alert, error) bool) {
		for i := range 5 {
			sha := alert.Hash(strings.Repeat(string(rune('a'+i)), 64))
			if !yield(alert.Alert{Ref: alert.Ref{Source: "q", ID: "1"}, Files: []alert.File{{Hashes: alert.Hashes{SHA256: sha}}}}, nil) {
				return
			}
		}
	}
	for range e.watch(t.Context(), alerts) {
	}
	var errs []error
	var sum tally
	for row, err := range e.fetch(t.Context(), &sum) {
		if err == nil {
			t.Errorf("%+v", row)
		}
		errs = append(errs, err)
	}
	if len(errs) != 1 || errs[0].Error() != "q: quietware cannot fetch files" || sum != (tally{}) {
		t.Errorf("%v %+v", errs, sum)
	}
	if code := fault.ExitCodeOf(errs, false); !nothingElse(errs) || code != fault.ExitUnsupported {
		t.Errorf("exit %d", code)
	}
	if nothingElse(nil) || nothingElse(append(errs, fault.New(fault.NotFound, "x"))) {
		t.Error("there was something else")
	}
}
