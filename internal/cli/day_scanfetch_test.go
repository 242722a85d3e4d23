package cli

import (
	"strings"
	"testing"
	"time"

	"edrc/internal/lab"
)

func TestScanningAnAlertFetchesItsFileUploadsItOnceAndSaysSo(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 5}, false)
	f := d.unheld(0, "zipcrypto")
	ref := d.alertOn(f)
	out := d.ok("scan", "alert", ref, "--note", "-o", "json")
	got := d.items(out)
	verdict, _ := got[0]["verdict"].(map[string]any)
	if len(got) != 1 || got[0]["cost"] != 1.0 || got[0]["from"] != "scanned" || verdict["verdict"] != f.Verdict || verdict["sha256"] != f.SHA256 {
		t.Fatalf("%s", out)
	}
	if st := d.lab.State(); st.Intezer.Uploads != 1 || st.Intezer.ScansByFile[f.SHA256] != 1 || d.fetched(ref) != 1 || len(d.notes(ref)) != 1 {
		t.Errorf("%+v %v", st.Intezer, d.notes(ref))
	}
	// Another alert on the same file, by way of its incident: nothing is fetched again.
	other := d.alertOn(f)
	if out := d.ok("scan", "incident", other, "--fail-on", "trusted"); d.fetched(other) != 0 || !strings.Contains(out, "remembered") {
		t.Errorf("%d fetches, %s", d.fetched(other), out)
	}
	// An incident whose file must be fetched, with another cipher.
	third := d.alertOn(d.unheld(1, "aes"))
	if r := d.edrc("scan", "incident", third); r.exit != 0 || !strings.Contains(r.out, "scanned, ") || !strings.HasPrefix(r.err, "1 scan spent") || d.fetched(third) != 1 {
		t.Errorf("%d fetches, %+v", d.fetched(third), r)
	}
}

func TestWhatAScanLeavesSyncCarriesOnWithoutASecondFetch(t *testing.T) {
	for _, flag := range [][]string{{"--no-wait"}, {"--wait-timeout", "0s"}} {
		t.Run(strings.Join(flag, " "), func(t *testing.T) {
			d := newDay(t, lab.Options{Alerts: -1, FetchTime: time.Hour}, false)
			f := d.unheld(0, "zipcrypto")
			ref := d.alertOn(f)
			r := d.edrc(append([]string{"scan", "alert", ref}, flag...)...)
			if r.exit != 0 || !strings.Contains(r.out, "none: file being fetched: s1-lab") || !strings.Contains(r.err, "1 file not judged yet: edrc sync carries on") {
				t.Fatalf("%+v", r)
			}
			if r := d.edrc(append([]string{"scan", "alert", ref, "--fail-on", "malicious"}, flag...)...); r.exit != 3 {
				t.Errorf("\"not bad\" would be a guess: exit %d", r.exit)
			}
			d.control("fetch", `{"time":"0s"}`)
			d.ok("sync")
			if st := d.lab.State(); d.fetched(ref) != 1 || st.Intezer.Scans != 1 || len(d.notes(ref)) != 1 {
				t.Errorf("%d fetches, %d scans, notes %q", d.fetched(ref), st.Intezer.Scans, d.notes(ref))
			}
		})
	}
}

func TestADryRunAsksNoEndpointForAFile(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 5}, false)
	ref := d.alertOn(d.unheld(0, "zipcrypto"))
	if r := d.edrc("scan", "alert", ref, "--dry-run"); r.exit != 0 || !strings.Contains(r.err, "dry run: 1 scan would be spent") {
		t.Errorf("%+v", r)
	}
	if st := d.lab.State(); d.fetched(ref) != 0 || st.Intezer.Uploads+st.Intezer.Scans != 0 {
		t.Errorf("%d fetches, %+v", d.fetched(ref), st.Intezer)
	}
}

func TestThePolicyOfASourceDecidesAndAChangeOfItReopens(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: -1, Sources: 2, FetchTime: -1}, false)
	f := d.unheld(0, "zipcrypto")
	ref := d.alertOn(f)
	const rule = "upload: {sources: {s1-lab: {types: []}, file: {types: [document]}}}, "
	d.setting("scan: {", "scan: {"+rule)
	r := d.edrc("scan", "alert", ref)
	if r.exit != 0 || !strings.Contains(r.out, "none: not uploaded: scan.upload.sources.s1-lab.types allows nothing") || d.fetched(ref) != 0 {
		t.Fatalf("%d fetches, %+v", d.fetched(ref), r)
	}
	d.ok("sync") // it has nothing to do with the file either
	if d.fetched(ref) != 0 || d.lab.State().Intezer.Uploads != 0 {
		t.Error("it was fetched all the same")
	}
	// The rule for a size is one for the bytes that came.
	d.setting(rule, "upload: {sources: {s1-lab: {max_size: 10}}}, ")
	d.ok("sync")
	if got := d.card(ref); !strings.Contains(got, "withheld, not uploaded: it has ") || !strings.Contains(got, "more than the 10 of scan.upload.sources.s1-lab.max_size") {
		t.Error(got)
	}
	d.setting("upload: {sources: {s1-lab: {max_size: 10}}}, ", "")
	d.ok("sync")
	if st := d.lab.State(); st.Intezer.Uploads != 1 || st.Intezer.Scans != 1 || len(d.notes(ref)) != 1 {
		t.Errorf("%+v, notes %q", st.Intezer, d.notes(ref))
	}
	d.refused(2, "did you mean", "alerts", "list", "--severity", "hgh")
	d.setting("scan: {", "scan: {upload: {sources: {s1-lb: {types: []}}}, ")
	d.refused(2, `did you mean "s1-lab"`, "scan", "alert", ref)
}
