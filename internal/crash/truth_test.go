//go:build linux

package crash

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/lab"
	"edrc/internal/ledger"
)

// threat is an alert as the console shows it.
type threat struct {
	ID   string `json:"id"`
	Info struct {
		Status     string    `json:"incidentStatus"`
		SHA256     string    `json:"sha256"`
		SHA1       string    `json:"sha1"`
		MD5        string    `json:"md5"`
		Confidence string    `json:"confidenceLevel"`
		Created    time.Time `json:"createdAt"`
	} `json:"threatInfo"`
	Agent struct {
		Online bool `json:"agentIsActive"`
	} `json:"agentRealtimeInfo"`
}

var sourceLine = regexp.MustCompile(`(?m)^  (\S+): \{kind: sentinelone, url: "([^"]+)", token: "([^"]+)"`)

// consoles are the lab's consoles: name, address, token.
func (w *world) consoles() [][3]string {
	w.Helper()
	b, err := os.ReadFile(w.config())
	if err != nil {
		w.Fatal(err)
	}
	var out [][3]string
	for _, m := range sourceLine.FindAllStringSubmatch(string(b), -1) {
		out = append(out, [3]string{m[1], m[2], m[3]})
	}
	if len(out) == 0 {
		w.Fatalf("no console in\n%s", b)
	}
	return out
}

// threats lists what a console has, with a client that shares nothing with edrc.
func (w *world) threats(console [3]string) []threat {
	w.Helper()
	var all []threat
	cursor := ""
	for {
		req, err := http.NewRequestWithContext(w.Context(), http.MethodGet, console[1]+"/web/api/v2.1/threats?limit=1000&sortBy=createdAt"+cursor, nil)
		if err != nil {
			w.Fatal(err)
		}
		req.Header.Set("Authorization", "ApiToken "+console[2])
		var page struct {
			Data       []threat
			Pagination struct{ NextCursor *string }
		}
		w.fetch(req, &page)
		all = append(all, page.Data...)
		if page.Pagination.NextCursor == nil {
			return all
		}
		cursor = "&cursor=" + url.QueryEscape(*page.Pagination.NextCursor)
	}
}

// truth is what should be in the lab at the end: per alert, the marker of the one
// note that must stand there, and "" where none of ours may.
type truth map[string]string

// truth works out from the lab's data alone what a faultless sync leaves.
func (w *world) truth() truth {
	w.Helper()
	files := w.filesByHash()
	judged := w.judged()
	out := truth{}
	for _, c := range w.consoles() {
		notes := w.lab.State().Sources[c[0]].Notes
		for _, t := range w.threats(c) {
			marker := ""
			f, known := files[t.hash(files)]
			if t.open() && known && judged[f.SHA256] && !slices.ContainsFunc(notes[t.ID], foreign) {
				marker = ledger.Marker(ledger.PurposeVerdict, ledger.VerdictSubject("intezer", alert.Class(f.Verdict), alert.Hash(f.SHA256)))
			}
			out[c[0]+":"+t.ID] = marker
		}
	}
	return out
}

func (w *world) filesByHash() map[string]lab.FileInfo {
	files := map[string]lab.FileInfo{}
	for _, f := range w.lab.Files() {
		for _, h := range []string{f.SHA256, f.SHA1, f.MD5} {
			files[h] = f
		}
	}
	return files
}

// judged gives the files, by SHA-256, that the engine can judge now: it has them, or
// some endpoint that is online has them and gives them as they are.
func (w *world) judged() map[string]bool {
	w.Helper()
	out, files := map[string]bool{}, w.filesByHash()
	for _, f := range files {
		out[f.SHA256] = f.Held != "nothing" && !f.Skipped
	}
	for _, c := range w.consoles() {
		for _, t := range w.threats(c) {
			f, known := files[t.hash(files)]
			if known && t.open() && t.Agent.Online && comes(f) {
				out[f.SHA256] = true
			}
		}
	}
	return out
}

// comes reports whether a file may be sent to the engine, and can be got whole from
// an endpoint that is online.
func comes(f lab.FileInfo) bool {
	document := strings.HasSuffix(f.Name, ".pdf") || strings.HasSuffix(f.Name, ".txt") // the lab has no others
	return !document && slices.Contains([]string{"zipcrypto", "aes", "huge"}, f.Serves)
}

func (t threat) open() bool { return t.Info.Status != "resolved" }

// hash is the best hash of a threat that is a file's at all.
func (t threat) hash(files map[string]lab.FileInfo) string {
	return first(t.Info.SHA256, t.Info.SHA1, t.Info.MD5, files)
}

// first is the best hash of a threat that is a file's at all.
func first(sha256, sha1, md5 string, files map[string]lab.FileInfo) string {
	for _, h := range []string{sha256, sha1, md5} {
		if _, ok := files[h]; ok {
			return h
		}
	}
	return ""
}

// foreign recognises the note that another tool of Intezer's leaves for a verdict.
func foreign(text string) bool { return strings.HasPrefix(text, "Intezer File Analysis") }

var marked = regexp.MustCompile(`\[edrc:([0-9a-f]{16})\]`)

// markers are those of our notes, by alert, as they stand in the lab.
func (w *world) markers() map[string][]string {
	out := map[string][]string{}
	for name, s := range w.lab.State().Sources {
		for id, notes := range s.Notes {
			for _, n := range notes {
				if m := marked.FindStringSubmatch(n); m != nil {
					out[name+":"+id] = append(out[name+":"+id], m[1])
				}
			}
		}
	}
	return out
}

// holds checks the promises: each alert has the note it must have, once, and each
// file was paid for as often as scans says.
func (w *world) holds(want truth, scans map[string]int, when string) {
	w.Helper()
	got := w.markers()
	for id, marker := range want {
		switch ms := got[id]; {
		case marker == "" && len(ms) > 0:
			w.Errorf("%s: %s has a note that nobody wanted: %v", when, id, ms)
		case marker != "" && len(ms) == 0:
			w.Errorf("%s: %s has no note: its verdict is lost", when, id)
		case marker != "" && len(ms) > 1:
			w.Errorf("%s: %s has %d notes: %v", when, id, len(ms), ms)
		case marker != "" && ms[0] != marker:
			w.Errorf("%s: %s has the note %s, want %s", when, id, ms[0], marker)
		}
	}
	for id := range got {
		if _, known := want[id]; !known {
			w.Errorf("%s: a note on %s, which the console does not show", when, id)
		}
	}
	paid := w.lab.State().Intezer.ScansByFile
	if !maps.Equal(paid, scans) {
		for h, n := range paid {
			if n != scans[h] {
				w.Errorf("%s: file %.12s… was paid for %d times, want %d", when, h, n, scans[h])
			}
		}
		for h, n := range scans {
			if paid[h] == 0 {
				w.Errorf("%s: file %.12s… was never scanned, want %d", when, h, n)
			}
		}
	}
	if w.Failed() {
		w.dump()
	}
}

// dump keeps what the children did, for whoever has to find out.
func (w *world) dump() {
	for n := range w.runs.Load() {
		b, _ := os.ReadFile(fmt.Sprintf("%s/boundaries-%d.log", w.dir, n+1))
		w.Logf("run %d passed:\n%s", n+1, b)
	}
}

// reference is what one sync that nothing happens to leaves in a world of these
// options, checked against the truth: the scans by file, and its boundaries.
func reference(t *testing.T, o lab.Options, s settings, prepare func(*world)) (map[string]int, run) {
	t.Helper()
	o.Faults, o.NoteLag, o.Echo, o.Mutate, o.LateFraction = nil, 0, false, false, 0
	w := newWorld(t, o, s)
	if prepare != nil {
		prepare(w)
	}
	want := w.truth()
	r := w.sync()
	if !r.settled() {
		t.Fatalf("a plain sync did not settle: exit %d\n%s\n%s", r.exit, r.stdout, r.stderr)
	}
	scans := w.lab.State().Intezer.ScansByFile
	fails := map[string]bool{}
	for _, f := range w.lab.Files() {
		fails[f.SHA256] = f.FailsOnce
	}
	judged := w.judged()
	for h, n := range scans {
		if n != 1 && !(n == 2 && fails[h]) {
			t.Errorf("file %.12s… was paid for %d times", h, n)
		}
		if !judged[h] {
			t.Errorf("file %.12s… was paid for, and cannot be judged", h)
		}
	}
	w.holds(want, scans, "reference")
	if t.Failed() {
		t.FailNow()
	}
	return scans, r
}
