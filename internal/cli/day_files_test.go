package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/lab"
)

// unheld gives the n-th file that the engine does not hold; agents upload it in this way.
func (d *day) unheld(n int, as string) lab.FileInfo {
	d.Helper()
	for _, f := range d.lab.Files() {
		if f.Held != "nothing" || f.Skipped {
			continue
		}
		if n--; n < 0 {
			d.control("serve", fmt.Sprintf(`{"file":%d,"as":%q}`, f.Index, as))
			return f
		}
	}
	d.Fatal("the lab has no such file")
	return lab.FileInfo{}
}

// held gives a file that the engine holds and nobody has analysed.
func (d *day) held() lab.FileInfo {
	d.Helper()
	files := d.lab.Files()
	i := slices.IndexFunc(files, func(f lab.FileInfo) bool { return f.Held == "public" && !f.FailsOnce && !f.Skipped })
	if i < 0 {
		d.Fatal("the lab has no such file")
	}
	return files[i]
}

// alertOn adds an alert about a file, on an endpoint that is online.
func (d *day) alertOn(f lab.FileInfo) string {
	d.Helper()
	resp, err := http.Post(d.lab.ControlURL()+"/_lab/alerts", "application/json", strings.NewReader(fmt.Sprintf(`{"count":1,"file":%d,"age":"1m"}`, f.Index)))
	if err != nil {
		d.Fatal(err)
	}
	defer resp.Body.Close()
	var out struct{ IDs []string }
	if b, _ := io.ReadAll(resp.Body); json.Unmarshal(b, &out) != nil || len(out.IDs) != 1 {
		d.Fatalf("%s", b)
	}
	ref := "s1-lab:" + out.IDs[0]
	d.online(ref, true)
	return ref
}

func (d *day) online(ref string, online bool) {
	d.Helper()
	d.control("agent", fmt.Sprintf(`{"threat":%q,"online":%t}`, strings.TrimPrefix(ref, "s1-lab:"), online))
}

// fetched is how often the endpoint of an alert was asked for its file.
func (d *day) fetched(ref string) int {
	return d.lab.State().Sources["s1-lab"].FetchesByThreat[strings.TrimPrefix(ref, "s1-lab:")]
}

func (d *day) notes(ref string) []string {
	return d.lab.State().Sources["s1-lab"].Notes[strings.TrimPrefix(ref, "s1-lab:")]
}

// card is the verdict that the card of an alert shows, in one line.
func (d *day) card(ref string) string {
	d.Helper()
	_, text, _ := strings.Cut(d.ok("alerts", "get", ref), "\n  verdict ")
	var words []string
	for i, line := range strings.Split(text, "\n") {
		if i > 0 && !strings.HasPrefix(line, "            ") {
			break
		}
		words = append(words, strings.Fields(line)...)
	}
	return strings.Join(words, " ")
}

// explained checks the card of an alert, and that json tells the same state.
func (d *day) explained(ref, state, words string) {
	d.Helper()
	if got := d.card(ref); !strings.Contains(got, words) {
		d.Errorf("%s: the card says %q, want %q", state, got, words)
	}
	got := strings.TrimSpace(d.ok("alerts", "get", ref, "--jq", ".item.file_states[0].state"))
	if got != state {
		d.Errorf("the state is %s, want %s", got, state)
	}
}

func TestTheCardExplainsAFileThatCame(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 5, FetchTime: -1}, false)
	judged := d.alertOn(d.unheld(0, "zipcrypto"))
	d.ok("scan", "alert", judged)
	d.explained(judged, "judged", "· scanned ")

	none := d.alertOn(d.unheld(1, "unreadable"))
	d.edrc("scan", "alert", none)
	d.explained(none, "waiting", "none yet · file needed: the engine does not hold it: the agent could not read the file: ")
	if got := d.card(none); !strings.Contains(got, ", next try ") || d.fetched(none) != 1 {
		t.Errorf("%d fetches, %s", d.fetched(none), got)
	}
}

func TestTheCardExplainsEveryStateOfAFileThatHasNotCome(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: 5, FetchTime: time.Hour}, false)
	ask := func(ref string) string {
		d.Helper()
		d.edrc("scan", "alert", ref, "--no-wait")
		return ref
	}
	d.explained(ask(d.alertOn(d.unheld(0, "aes"))), "fetching", "none yet · file being fetched: s1-lab, asked for since 20")

	offline := d.alertOn(d.unheld(1, "aes"))
	d.online(offline, false)
	d.explained(ask(offline), "fetching", "none yet · endpoint offline: ")
	if got := d.card(offline); !strings.Contains(got, " is offline, asked for since 20") || !strings.Contains(got, " UTC, next try ") {
		t.Error(got)
	}

	d.setting("scan: {", "scan: {upload: {types: []}, ")
	withheld := ask(d.alertOn(d.unheld(2, "aes")))
	d.explained(withheld, "withheld", "none · withheld, not uploaded: scan.upload.types allows nothing: allow it there, and the next sync uploads it")
	d.setting("upload: {types: []}, ", "")

	d.control("analysis", `{"time":"1h"}`)
	d.explained(ask(d.alertOn(d.held())), "analysing", "none yet · analysis running")

	d.control("quota", `{"quota":1,"usage":1}`)
	files := d.lab.Files()
	last := slices.IndexFunc(files, func(f lab.FileInfo) bool {
		return f.Held == "public" && !f.FailsOnce && !f.Skipped && f.Index != d.held().Index
	})
	d.explained(ask(d.alertOn(files[last])), "waiting", "none yet · quota")
	d.control("quota", `{"quota":500,"usage":0}`)

	d.ahead = 15 * 24 * time.Hour
	d.explained(ask(offline), "failed", "none · given up, no file came, asked for since 20")
	if got := d.card(offline); !strings.HasSuffix(got, ": a new alert that names it, or edrc scan alert, starts again") {
		t.Error(got)
	}
}

func TestAFileThatNeverCameIsSaidOnceAndItsVerdictIsToldStill(t *testing.T) {
	d := newDay(t, lab.Options{Alerts: -1, FetchTime: -1}, false)
	f := d.unheld(0, "zipcrypto")
	ref := d.alertOn(f)
	d.online(ref, false)
	sync := func() { d.Helper(); d.edrc("sync") }
	sync()
	sync()
	if got := d.notes(ref); len(got) != 0 {
		t.Fatalf("noted before its time: %q", got)
	}
	d.ahead = 15 * 24 * time.Hour
	for range 3 {
		sync()
	}
	got := d.notes(ref)
	if len(got) != 1 || !strings.Contains(got[0], "no verdict, the file could not be had") || !strings.Contains(got[0], "endpoint offline") || !strings.Contains(got[0], f.SHA256) {
		t.Fatalf("%q", got)
	}
	d.ahead += time.Hour
	d.online(ref, true)
	d.ok("scan", "alert", ref)
	for range 3 {
		sync()
	}
	if got = d.notes(ref); len(got) != 2 || !strings.Contains(got[1], "Intezer verdict: "+strings.ReplaceAll(f.Verdict, "_", " ")) {
		t.Errorf("%q", got)
	}
	if st := d.lab.State(); st.Intezer.Scans != 1 || d.fetched(ref) != 1 {
		t.Errorf("%d scans, %d fetches", st.Intezer.Scans, d.fetched(ref))
	}
}
