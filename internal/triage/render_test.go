package triage

import (
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"edrc/internal/alert"
	"edrc/internal/ledger"
	"edrc/internal/source"
)

// noteOf renders a note about one file; change makes it hostile.
func noteOf(t source.Traits, change func(*ledger.Alert, *fileState)) string {
	f := fileState{File: threat("a"), Verdict: &ledger.VerdictRecord{Verdict: alert.Verdict{Engine: "intezer", Class: alert.Malicious,
		Family: "LockBit", Genes: 412, Hashes: hashesOf("a"), Size: 421_888, FileType: "PE", URL: "https://analyze.intezer.com/analyses/1",
		Attack: []alert.Technique{{ID: "T1059"}, {ID: "T1486"}},
		IOCs:   []alert.IOC{{Type: "url", Value: "https://evil.example/x?u=http://other.example"}, {Type: "ip", Value: "192.0.2.1"}}}}}
	rec := &ledger.Alert{Marker: markerOf("a", alert.Malicious)}
	if change != nil {
		change(rec, &f)
	}
	return noteText(rec, []fileState{f}, t)
}

func named(name string) func(*ledger.Alert, *fileState) {
	return func(_ *ledger.Alert, f *fileState) { f.File.Name = name }
}

var wide = source.Traits{NoteMax: 10_000}

func TestTheNoteSaysWhatAColleagueNeeds(t *testing.T) {
	want := "Intezer verdict: malicious, LockBit (412 shared code genes)\n" +
		"a  sha256 " + string(hashesOf("a").SHA256) + "  412 KiB PE\n" +
		"TTPs: T1059, T1486 · IOCs: 2 (hxxps://evil[.]example/x?u=hxxp://other.example, 192[.]0[.]2[.]1)\n" +
		"Full report: https://analyze.intezer.com/analyses/1\n" +
		"[edrc:" + markerOf("a", alert.Malicious) + "]"
	if got := noteOf(wide, nil); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestALongListIsCutShort(t *testing.T) {
	rec := &ledger.Alert{Marker: "0123456789abcdef"}
	var fs []fileState
	for range 13 {
		fs = append(fs, fileState{File: threat("a"), Verdict: &ledger.VerdictRecord{Verdict: alert.Verdict{Engine: "intezer", Class: alert.Unknown,
			Hashes: hashesOf("a"), Attack: slices.Repeat([]alert.Technique{{ID: "T1"}}, 20)}}})
	}
	got := noteText(rec, fs, wide)
	if !strings.Contains(got, "and 3 more files\n") || strings.Count(got, "T1,") != maxNoteAttack || strings.Count(got, "\n") != 13 {
		t.Error(got)
	}
}

func TestWithoutAVerdictThereIsNoNote(t *testing.T) {
	if got := noteText(&ledger.Alert{}, []fileState{{File: threat("a")}}, wide); got != "" {
		t.Errorf("%q", got)
	}
}

// renderings are what products do to a note before they give it back.
func renderings(s string) map[string]string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = html.EscapeString(lines[i])
	}
	return map[string]string{
		"as it is":  s,
		"html":      "<p>" + strings.Join(lines, "</p>\n<p>") + "</p>",
		"br":        strings.Join(lines, "<br/>"),
		"escaped":   html.EscapeString(s),
		"unescaped": html.UnescapeString(s),
		"nfd":       norm.NFD.String(s),
		"nfc":       norm.NFC.String(s),
		"nfkc":      norm.NFKC.String(s),
		"folded":    strings.Join(strings.Fields(s), " "),
		"trimmed":   strings.TrimSpace(s),
		"crlf":      strings.ReplaceAll(s, "\n", "\r\n"),
	}
}

const planted = "0123456789abcdef"

// hostile are names that try to plant a marker.
func hostile() []string {
	return []string{
		"x [edrc:" + planted + "].exe",
		"x edrc:" + planted,
		"x [EDRC:" + planted + "] [Edrc:" + planted + "] [eDrC:" + planted + "]",
		"x [edrc&#58;" + planted + "]",
		"x [edrc&#x3a;" + planted + "]",
		"x [edrc&colon;" + planted + "]",
		"x [edrc&amp;#58;" + planted + "]",
		"x [&#101;drc:" + planted + "]",
		"x [ed&#x72;c&#58" + planted + "]",
		"x [ed<b></b>rc:" + planted + "]",
		"x [edrc<i>:</i>" + planted + "]",
		"x <y<b>edrc&#58;" + planted + ">",
		"x [ed\u200drc:" + planted + "]",
		"x [ed\u00adrc:" + planted + "]",
		"x [ed\u200brc:" + planted + "]",
		"x [e\u0301drc:" + planted + "]",
		"x [\uff45drc\uff1a" + planted + "]",
		"x [edrc\uff1a" + planted + "]",
		"x [ed\nrc:" + planted + "]",
		"x\n[edrc:" + planted + "]",
		"x\r\n[edrc:" + planted + "]",
		"x\x00[edrc:" + planted + "]",
		"x <a href='[edrc:" + planted + "]'>",
		"x [edrc:edrc:" + planted + "]",
		"x [edrc:\t" + planted + "] edrc:",
		"<", "&", "<!--", "x <b", "[edrc", "[edrc:", "edrc: edrc:",
	}
}

func TestNobodyPlantsAMarkerWithAFileName(t *testing.T) {
	want := []string{markerOf("a", alert.Malicious)}
	for _, name := range hostile() {
		for _, tr := range []source.Traits{wide, {NoteMax: 10_000, NoteASCII: true}} {
			for how, got := range renderings(noteOf(tr, named(name))) {
				if ms := markersIn(got); !slices.Equal(ms, want) {
					t.Errorf("%q, %s: markers %v, want %v\n%s", name, how, ms, want, got)
				}
			}
		}
	}
}

func TestNothingElseOfAVendorPlantsAMarkerEither(t *testing.T) {
	want := []string{markerOf("a", alert.Malicious)}
	for _, s := range hostile() {
		for field, change := range map[string]func(*ledger.Alert, *fileState){
			"family":    func(_ *ledger.Alert, f *fileState) { f.Verdict.Verdict.Family = s },
			"type":      func(_ *ledger.Alert, f *fileState) { f.Verdict.Verdict.FileType = s },
			"url":       func(_ *ledger.Alert, f *fileState) { f.Verdict.Verdict.URL = s },
			"ioc":       func(_ *ledger.Alert, f *fileState) { f.Verdict.Verdict.IOCs = []alert.IOC{{Value: s}} },
			"technique": func(_ *ledger.Alert, f *fileState) { f.Verdict.Verdict.Attack = []alert.Technique{{ID: s}} },
		} {
			for how, got := range renderings(noteOf(wide, change)) {
				if ms := markersIn(got); !slices.Equal(ms, want) {
					t.Errorf("%s %q, %s: %v", field, s, how, ms)
				}
			}
		}
	}
}

func TestAnOrdinaryNoteIsNotMangledByTheGuard(t *testing.T) {
	for _, name := range []string{"R&D <final>.exe", "naïve – résumé.docx", "日本語.exe", "a & b"} {
		if got := noteOf(wide, named(name)); !strings.Contains(got, name) {
			t.Errorf("%q is not in\n%s", name, got)
		}
	}
}

func TestWhatAPersonWritesCannotPlantAMarkerAndKeepsItsLinks(t *testing.T) {
	got := finishNote("see https://wiki.example/x and [edrc:"+planted+"]\n\n", "fedcba9876543210", wide)
	if want := "see https://wiki.example/x and [edrc :" + planted + "]\n[edrc:fedcba9876543210]"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestLinksInANoteCannotBeClicked(t *testing.T) {
	for _, s := range []string{"http://evil.example", "HTTPS://evil.example/x", "ftp://evil.example", "xhttp://evil.example", "a http://b http://c"} {
		got := noteOf(wide, func(_ *ledger.Alert, f *fileState) {
			f.File.Name, f.Verdict.Verdict.Family, f.Verdict.Verdict.URL = s, s, ""
			f.Verdict.Verdict.IOCs = []alert.IOC{{Value: s}, {Value: "https://a.example/?next=" + s}}
		})
		if regexp.MustCompile(`(?i)(http|ftp)s?://`).MatchString(got) {
			t.Errorf("%q can be clicked in\n%s", s, got)
		}
	}
}

func TestANoteFitsAndItsMarkerIsWhole(t *testing.T) {
	for _, most := range []int{40, 64, 100, 200, 1000} {
		for _, ascii := range []bool{false, true} {
			got := noteOf(source.Traits{NoteMax: most, NoteASCII: ascii}, named(strings.Repeat("ü\x1b日", 4000)))
			fits(t, got, most, ascii)
		}
	}
}

// fits checks what is promised of every note.
func fits(t *testing.T, note string, most int, ascii bool) {
	t.Helper()
	want := markerOf("a", alert.Malicious)
	if n := len([]rune(note)); n > most {
		t.Fatalf("%d characters, %d fit:\n%s", n, most, note)
	}
	if !strings.HasSuffix(note, "\n[edrc:"+want+"]") {
		t.Fatalf("the marker is not whole in\n%s", note)
	}
	for _, r := range note {
		if r != '\n' && r != '\t' && unicode.IsControl(r) || r == '\u202e' || ascii && r > 0x7e {
			t.Fatalf("%U in\n%q", r, note)
		}
	}
}

func FuzzNote(f *testing.F) {
	for _, s := range hostile() {
		f.Add(s, "LockBit", "https://evil.example", 300, false)
		f.Add("a.exe", s, s, 4000, true)
	}
	f.Fuzz(func(t *testing.T, name, family, ioc string, most int, ascii bool) {
		most = 64 + max(0, most)%10_000
		if strings.Contains(name+family+ioc, markerOf("a", alert.Malicious)) {
			t.Skip() // it tells its own
		}
		note := noteOf(source.Traits{NoteMax: most, NoteASCII: ascii}, func(_ *ledger.Alert, f *fileState) {
			f.File.Name, f.Verdict.Verdict.Family = name, family
			f.Verdict.Verdict.IOCs = []alert.IOC{{Value: ioc}}
		})
		fits(t, note, most, ascii)
		for how, got := range renderings(note) {
			if ms := markersIn(got); !slices.Equal(ms, []string{markerOf("a", alert.Malicious)}) {
				t.Fatalf("%s: markers %v in\n%q", how, ms, got)
			}
		}
	})
}

// The titles of EDR Connect by the version of its SDK: contracts, 6.6.
func TestANoteOfEDRConnectIsRecognisedInEveryVersion(t *testing.T) {
	const rest = "\n=========================\n\n🧨 Malicious - LockBit (412 shared code genes)\n\nSize: 1.2MB\n\nFull report:\n👉 https://analyze.intezer.com/analyses/1"
	for version, text := range map[string]string{
		"1.6.7":        "Intezer Analyze File Scan" + rest,
		"1.6.8":        "Intezer Analysis" + rest,
		"1.6.9 short":  "Intezer Analysis: 🧨 Malicious - LockBit",
		"1.7.0":        "Intezer FileAnalysis" + rest,
		"1.7.0 short":  "Intezer FileAnalysis: 🧨 Malicious - LockBit",
		"1.8.1":        "Intezer File Analysis" + rest,
		"1.8.1 short":  "Intezer Analysis: 🧨 Malicious - LockBit > https://analyze.intezer.com/analyses/1",
		"1.8.1 html":   "<p>Intezer File Analysis</p><p>=====</p><p>&#129512; Malicious</p>",
		"1.8.1 spaced": "\n  Intezer File Analysis" + rest,
	} {
		w := noteWorld(t)
		id := w.p.put("1", text)
		w.sync()
		r := w.state("1", ledger.AlertDone, "told already by Intezer EDR Connect")
		if len(w.p.posts) != 0 || r.NoteID != id || !w.effects()[0].Foreign {
			t.Errorf("%s: %d posts, %+v", version, len(w.p.posts), r)
		}
	}
}

func TestWhatIsNoVerdictOfEDRConnectIsNotTakenForOne(t *testing.T) {
	for name, text := range map[string]string{
		"a failure":         "Intezer Analyze File Scan failed: malicious file could not be fetched",
		"a failure in html": "<p>Intezer Analyze File Scan failed: malicious</p>",
		"another class":     "Intezer File Analysis\n=====\n\n✅ Trusted",
		"a mention":         "see the Intezer File Analysis: malicious",
		"a person":          "malicious, says Intezer",
	} {
		w := noteWorld(t)
		w.p.put("1", text)
		if w.sync(); len(w.p.posts) != 1 {
			t.Errorf("%s: the verdict was not told", name)
		}
	}
	w := newWorld(t) // one of several files: which one it was about nobody can tell
	w.engine.set("a", alert.Malicious)
	w.engine.set("b", alert.Trusted)
	w.p.add("1", time.Hour, threat("a"), image("b"))
	w.p.put("1", "Intezer File Analysis\n=====\n\n🧨 Malicious")
	if w.sync(); len(w.p.posts) != 1 {
		t.Error("the verdict of one of several files was taken for told")
	}
}

func TestSizesAreForTheEye(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 421_888: "412 KiB", 5 << 20: "5.0 MiB", 3 << 40: "3.0 TiB", 1 << 60: "1048576 TiB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
