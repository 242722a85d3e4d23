package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edrc/internal/lab"
)

func TestCacheListShowsWhatIsRememberedInEveryFormat(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 150, Files: 40}, true)
	d.everyFormat("cache", "list")
	all := d.objects(d.ok("cache", "list", "--all", "-o", "ndjson"))
	if len(all) < 20 {
		t.Fatalf("%d verdicts", len(all))
	}
	bad := d.items(d.ok("cache", "list", "--verdict", "malicious", "-o", "json"))
	if len(bad) == 0 || len(bad) >= len(all) {
		t.Fatalf("%d malicious of %d", len(bad), len(all))
	}
	family, _ := bad[0]["verdict"].(map[string]any)["family"].(string)
	for _, v := range d.items(d.ok("cache", "list", "--family", strings.ToUpper(family[:2])+"*", "-o", "json")) {
		if got, _ := v["verdict"].(map[string]any)["family"].(string); !strings.EqualFold(got[:2], family[:2]) {
			t.Errorf("family %q", got)
		}
	}
	if n := len(d.items(d.ok("cache", "list", "--limit", "3", "-o", "json"))); n != 3 {
		t.Errorf("--limit 3 gave %d", n)
	}
	d.ahead = 48 * time.Hour
	if n := len(d.items(d.ok("cache", "list", "--since", "24h", "-o", "json"))); n != 0 {
		t.Errorf("--since gave %d", n)
	}
	d.refused(2, "did you mean", "cache", "list", "--verdict", "malicous")
	d.refused(2, "--limit", "cache", "list", "--limit", "0")
	d.refused(2, "--since", "cache", "list", "--since", "soon")
}

func TestCachePruneForgetsVerdictsFirstAndAlertsNeverBeforeTheirTime(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 120, Files: 30}, true)
	counts := func() map[string]int {
		var s struct {
			Item struct{ Counts map[string]int }
		}
		if err := json.Unmarshal([]byte(d.ok("cache", "stats", "-o", "json")), &s); err != nil {
			t.Fatal(err)
		}
		return s.Item.Counts
	}
	before := counts()
	if out := d.ok("cache", "prune", "--older-than", "1d"); !strings.HasPrefix(out, "forgotten: 0 ") && before["verdicts"] != counts()["verdicts"]+1 {
		t.Errorf("fresh verdicts were forgotten: %s", out)
	}
	d.ahead = 100 * 24 * time.Hour // all lives are over, retention is not
	dry := d.ok("cache", "prune", "--older-than", "10d", "--dry-run")
	if got := counts(); got["verdicts"] < before["verdicts"]-1 || !strings.HasPrefix(dry, "dry run: would forget") {
		t.Errorf("a dry run forgot: %v, %s", got, dry)
	}
	d.ok("cache", "prune", "--older-than", "10d")
	after := counts()
	if after["verdicts"] >= before["verdicts"] || after["alerts"] != before["alerts"] || after["effects"] != before["effects"] || after["jobs"] != before["jobs"] {
		t.Errorf("after 100 days: %v, before %v", after, before)
	}
	d.ahead = 200 * 24 * time.Hour
	var dryP, p struct {
		Item struct{ Alerts, Notes, Jobs, Verdicts int }
	}
	for out, into := range map[string]any{"--dry-run": &dryP, "": &p} {
		if out == "" {
			continue
		}
		if err := json.Unmarshal([]byte(d.ok("cache", "prune", "--older-than", "1d", "-o", "json", out)), into); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal([]byte(d.ok("cache", "prune", "--older-than", "1d", "-o", "json")), &p); err != nil {
		t.Fatal(err)
	}
	if dryP != p || p.Item.Alerts == 0 || p.Item.Notes == 0 || p.Item.Jobs == 0 {
		t.Errorf("the dry run promised %+v, it was %+v", dryP, p)
	}
	last := counts()
	if last["effects"] != 0 || last["alerts"] != before["alerts"]-p.Item.Alerts || last["wants"] >= before["wants"] {
		t.Errorf("after 200 days: %v, before %v", last, before)
	}
	if out := d.ok("cache", "compact"); !strings.Contains(out, "before") {
		t.Error(out)
	}
	var c struct {
		Item compactJSON
	}
	if err := json.Unmarshal([]byte(d.ok("cache", "compact", "-o", "json")), &c); err != nil || c.Item.After == 0 || c.Item.After > c.Item.Before {
		t.Errorf("%+v %v", c, err)
	}
	d.refused(2, "--older-than", "cache", "prune", "--older-than", "old")
}

func TestVerdictsGoFromOneAnalystToAnotherAndCostNothingThere(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 150, Files: 40}, true)
	file := filepath.Join(d.dir, "verdicts.ndjson")
	d.ok("cache", "export", file)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	d.refused(2, "--force", "cache", "export", file)
	d.ok("cache", "export", file, "--force")
	mine := d.objects(d.ok("cache", "list", "--all", "-o", "ndjson"))
	scans := d.lab.State().Intezer

	d.state = "colleague"
	if out := d.ok("cache", "import", file, "--dry-run"); !strings.Contains(out, "dry run") {
		t.Error(out)
	}
	if n := len(d.objects(d.ok("cache", "list", "--all", "-o", "ndjson"))); n != 0 {
		t.Fatalf("a dry run took %d in", n)
	}
	d.ok("cache", "import", file)
	theirs := d.objects(d.ok("cache", "list", "--all", "-o", "ndjson"))
	if len(theirs) == 0 || len(theirs) > len(mine) || theirs[0]["by"] != "import" {
		t.Errorf("%d of %d, %v", len(theirs), len(mine), theirs[0])
	}
	if out := d.ok("cache", "import", file); !strings.Contains(out, "0 new, 0 newer") {
		t.Errorf("the second import: %s", out)
	}
	d.edrc("sync")
	if now := d.lab.State().Intezer; now.Scans-scans.Scans > 3 {
		t.Errorf("a sync with imported verdicts spent %d scans", now.Scans-scans.Scans)
	}
}

// exportOf gives an export with lines of the caller's.
func (d *day) exportOf(lines ...string) string {
	d.Helper()
	file := filepath.Join(d.dir, fmt.Sprintf("made-%d.ndjson", len(lines)))
	d.write(file, fmt.Sprintf(`{"schema":"edrc.verdicts/v1","exported":%q}`+"\n", time.Now().UTC().Format(time.RFC3339))+strings.Join(lines, "\n"))
	return file
}

func TestImportTrustsNothingItCannotParse(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 30, Files: 20}, true)
	d.ok("cache", "export", filepath.Join(d.dir, "x.ndjson"))
	text, err := os.ReadFile(filepath.Join(d.dir, "x.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	scope := d.objects(string(text))[1]["engine"].(string)
	sha := strings.Repeat("ab", 32)
	line := func(verdict string) string {
		return fmt.Sprintf(`{"engine":%q,"age_seconds":60,"verdict":{%s}}`, scope, verdict)
	}
	good := line(`"engine":"intezer","verdict":"malicious","sha256":"` + sha + `","family":"Evil"`)
	future := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	bad := map[string]string{
		"is not a class":      line(`"engine":"intezer","verdict":"harmless","sha256":"` + sha + `"`),
		"no such hash":        line(`"engine":"intezer","verdict":"trusted","sha256":"` + sha[:60] + `"`),
		"sha1":                line(`"engine":"intezer","verdict":"trusted","sha1":"` + sha + `"`),
		"names no file":       line(`"engine":"intezer","verdict":"trusted","sha256":"` + strings.Repeat("0", 64) + `"`),
		"has no hash":         line(`"engine":"intezer","verdict":"trusted"`),
		"cannot be":           line(`"engine":"intezer","verdict":"trusted","sha256":"` + sha + `","analysed":"` + future + `"`),
		"size":                line(`"engine":"intezer","verdict":"trusted","sha256":"` + sha + `","size":-1`),
		"control":             line(`"engine":"intezer","verdict":"trusted","sha256":"` + sha + `","family":"a\u001b[31mb"`),
		"invisible":           line(`"engine":"intezer","verdict":"trusted","sha256":"` + sha + `","name":"a\u202eb"`),
		"https link":          line(`"engine":"intezer","verdict":"trusted","sha256":"` + sha + `","url":"javascript:alert(1)"`),
		"longer than":         line(`"engine":"intezer","verdict":"trusted","sha256":"` + sha + `","name":"` + strings.Repeat("x", 9000) + `"`),
		"longer than 1 MiB":   line(`"engine":"intezer","verdict":"trusted","sha256":"` + sha + `","name":"` + strings.Repeat("x", 2<<20) + `"`),
		"it is of":            strings.Replace(good, scope, "other engine", 1),
		"is no age":           strings.Replace(good, "60", "-60", 1),
		"unknown field":       strings.Replace(good, `"age_seconds"`, `"trust_me":true,"age_seconds"`, 1),
		"it is no verdict":    "not json at all \x1b[2J",
		"not UTF-8":           strings.Replace(good, "Evil", "Ev\xffil", 1),
		"behind":              good + good,
		"more than 500":       line(`"engine":"intezer","verdict":"trusted","sha256":"` + sha + `","iocs":[` + strings.Repeat(`{"type":"ip","value":"x"},`, 600) + `{"type":"ip","value":"x"}]`),
		"number of genes can": line(`"engine":"intezer","verdict":"trusted","sha256":"` + sha + `","shared_genes":-4`),
	}
	for want, l := range bad {
		r := d.refused(3, "line 3 rejected", "cache", "import", d.exportOf("", l))
		if !strings.Contains(r.err, want) || strings.ContainsRune(r.err+r.out, '\x1b') {
			t.Errorf("%s: %.300q", want, r.err)
		}
	}
	if r := d.edrc("seen", sha); r.exit != 5 {
		t.Fatalf("a rejected line left something: %+v", r)
	}
	var mixed []string
	for _, l := range bad {
		mixed = append(mixed, l)
	}
	d.refused(3, "rejected", "cache", "import", d.exportOf(append(mixed, good)...))
	if out := d.ok("scan", "show", sha); !strings.Contains(out, "Evil") || !strings.Contains(out, "by import") {
		t.Errorf("the good line beside bad ones: %s", out)
	}
	var j struct {
		Item importJSON
	}
	if err := json.Unmarshal([]byte(d.edrc("cache", "import", d.exportOf(mixed...), "-o", "json").out), &j); err != nil || j.Item.Rejected != len(bad) || j.Item.Rejections[0].Line != 2 {
		t.Errorf("%+v %v", j, err)
	}
}

func TestImportRefusesWhatIsNoExport(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 5, Files: 5}, false)
	for text, want := range map[string]string{
		"":                              "first line is no header",
		"hello\n":                       "first line is no header",
		`{"schema":"edrc.verdicts/v9"}`: "this edrc reads edrc.verdicts/v1",
		`{"schema":"edrc.verdicts/v1"}`: "cannot be",
		strings.Repeat("x", 2<<20):      "no export",
		`{"schema":"edrc.verdicts/v1","exported":"2999-01-01T00:00:00Z"}`: "is a clock wrong",
	} {
		d.stdin = text
		d.refused(2, want, "cache", "import", "-")
	}
	d.refused(2, "no-such-file", "cache", "import", filepath.Join(d.dir, "no-such-file"))
	d.refused(2, "cache import", "cache", "import")
}

func TestOfTwoAnalysesTheNewerWins(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 5, Files: 5}, true)
	scope := d.objects(d.ok("cache", "export", "-"))[1]["engine"].(string)
	sha := strings.Repeat("cd", 32)
	line := func(class string, ago time.Duration) string {
		return fmt.Sprintf(`{"engine":%q,"age_seconds":%d,"verdict":{"engine":"intezer","verdict":%q,"sha256":%q,"analysed":%q}}`,
			scope, int(ago.Seconds()), class, sha, time.Now().Add(-ago).UTC().Format(time.RFC3339))
	}
	class := func() string {
		return d.ok("scan", "show", sha, "-o", "json", "--jq", ".item.verdict.verdict")
	}
	d.ok("cache", "import", d.exportOf(line("unknown", 2*time.Hour)))
	d.ok("cache", "import", d.exportOf(line("trusted", 3*time.Hour)))
	if got := class(); !strings.Contains(got, "unknown") {
		t.Errorf("an older analysis won: %s", got)
	}
	d.ok("cache", "import", d.exportOf(line("malicious", time.Hour)))
	if got := class(); !strings.Contains(got, "malicious") {
		t.Errorf("a newer analysis lost: %s", got)
	}
	weak := fmt.Sprintf(`{"engine":%q,"age_seconds":0,"verdict":{"engine":"intezer","verdict":"trusted","md5":%q}}`, scope, sha[:32])
	d.ok("cache", "import", d.exportOf(weak))
	if out := d.ok("scan", "show", sha[:32]); !strings.Contains(out, "weak hash") {
		t.Error(out)
	}
}

func TestAVerdictFromAColleagueReachesAnAlertWhoseEndpointIsOffline(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 5}, false)
	f := d.unheld(0, "aes")
	ref := d.alertOn(f)
	d.online(ref, false)
	d.edrc("sync")
	d.explained(ref, "fetching", "none yet · endpoint offline: ")
	own := filepath.Join(d.dir, "own.ndjson")
	d.ok("cache", "export", own)
	text, err := os.ReadFile(own)
	if err != nil {
		t.Fatal(err)
	}
	scope := d.objects(string(text))[1]["engine"].(string)
	d.ok("cache", "import", d.exportOf(fmt.Sprintf(`{"engine":%q,"age_seconds":60,"verdict":{"engine":"intezer","verdict":"malicious","sha256":%q,"family":"Evil"}}`, scope, f.SHA256)))
	d.edrc("sync")
	if notes := d.notes(ref); len(notes) != 1 || !strings.Contains(notes[0], "malicious, Evil") {
		t.Errorf("the alert's notes: %q", notes)
	}
}
