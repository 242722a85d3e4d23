package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/lab"
	"edrc/internal/term"
)

// What several products together must do.

// tripper is a transport made of a function.
type tripper func(*http.Request) (*http.Response, error)

func (t tripper) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// servedAt gives where the lab serves a source, as the configuration says.
func (d *day) servedAt(source string) string {
	d.Helper()
	for line := range strings.Lines(string(d.lab.Config())) {
		if _, rest, ok := strings.Cut(line, "  "+source+": "); ok {
			_, rest, _ = strings.Cut(rest, "http")
			_, rest, _ = strings.Cut(rest, "://")
			return rest[:strings.IndexAny(rest, `/"', }`)]
		}
	}
	d.Fatalf("no %s in the lab", source)
	return ""
}

// shown is an alert as json has it.
type shown struct {
	Ref, Status, Severity, State, Reason, Noted, URL string
	Files                                            []alert.File
	Same                                             []string
	Raw                                              struct{ Issue struct{ ID string } }
}

func (d *day) alerts(args ...string) map[string]shown {
	d.Helper()
	var doc struct{ Items []shown }
	text := d.ok(append([]string{"alerts", "list", "--since", "60d", "--all", "-o", "json"}, args...)...)
	if err := json.Unmarshal([]byte(text), &doc); err != nil || len(doc.Items) == 0 {
		d.Fatalf("%v in %.300s", err, text)
	}
	out := map[string]shown{}
	for _, a := range doc.Items {
		out[a.Ref] = a
	}
	return out
}

// repeating lets Wiz tell that SentinelOne saw first what it has seen on a file that is
// in byHash: the id of a threat, by SHA-1.
func (d *day) repeating(byHash map[string]string) {
	wiz := d.servedAt("wiz-lab")
	var change func(any)
	change = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, one := range v {
				change(one)
			}
		case map[string]any:
			text, _ := json.Marshal(v)
			if _, detection := v["origins"]; detection {
				for hash, id := range byHash {
					if !bytes.Contains(text, []byte(hash)) {
						continue
					}
					v["origins"] = []any{"WIN_SENTINEL_ONE"}
					v["firstEvent"] = map[string]any{"nodes": []any{map[string]any{"rawAuditLogRecord": map[string]any{"threatInfo": map[string]any{"threatId": id}}}}}
				}
			}
			for _, inner := range v {
				change(inner)
			}
		}
	}
	d.transport = func(under http.RoundTripper) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			resp, err := under.RoundTrip(r)
			if err != nil || r.URL.Host != wiz || !strings.HasSuffix(r.URL.Path, "/graphql") {
				return resp, err
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			if err != nil {
				return nil, err
			}
			var doc any
			if json.Unmarshal(b, &doc) == nil {
				change(doc)
				b, _ = json.Marshal(doc)
			}
			resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
			resp.Header.Del("Content-Length")
			return resp, nil
		})
	}
}

func TestWhatWizRepeatsIsLinkedAndNotDoubled(t *testing.T) {
	d := newDay(t, lab.Options{Products: []string{"s1", "wiz"}, Alerts: 60, Files: 12}, false)
	byHash := map[string]string{}
	for ref, a := range d.alerts("--source", "s1-lab", "--status", "new,in_progress") {
		for _, f := range a.Files {
			if f.SHA1 != "" && f.SHA256 != "" && len(byHash) < 6 {
				byHash[string(f.SHA1)] = strings.TrimPrefix(ref, "s1-lab:")
			}
		}
	}
	d.repeating(byHash)
	all, listed := d.alerts("--repeats"), d.alerts()
	left := 0
	for ref, a := range all {
		if _, ok := listed[ref]; ok {
			continue
		}
		left++
		if len(a.Same) != 1 || !strings.HasPrefix(ref, "wiz-lab:") || !slices.Contains(listed[a.Same[0]].Same, ref) {
			t.Errorf("%s is left out: same %v, and %v", ref, a.Same, listed[a.Same[0]].Same)
		}
	}
	if left == 0 {
		t.Fatal("nothing is repeated")
	}
	if r := d.edrc("alerts", "list", "--since", "60d"); !strings.Contains(r.err, fmt.Sprintf("; %d more repeat", left)) {
		t.Errorf("%s", r.err)
	}

	d.edrc("sync", "--since", "60d")
	repeats, own := 0, map[string]bool{} // the latter are threats that have something of their own
	for ref, a := range d.alerts("--source", "wiz-lab", "--repeats") {
		switch {
		case !strings.Contains(a.Reason, "no note: it repeats s1-lab:"):
			own[a.Raw.Issue.ID] = true
		default:
			repeats++
			if a.Noted != "" || a.State != "done" {
				t.Errorf("%s: %+v", ref, a)
			}
			if card := d.ok("alerts", "get", ref); !strings.Contains(card, "s1-lab:") || !strings.Contains(card, "(the same finding)") {
				t.Errorf("%s\n%s", ref, card)
			}
		}
	}
	if repeats == 0 {
		t.Error("no repeat was told on its finding")
	}
	for threat, notes := range d.lab.State().Sources["wiz-lab"].Notes {
		if slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, "[edrc:") }) && !own[threat] {
			t.Errorf("threat %s has a note, and all of it is told elsewhere", threat)
		}
	}
}

func TestOneFileSeenByAnyProductsIsOneScanAndANoteOnEachAlert(t *testing.T) {
	d := newDay(t, lab.Options{Products: []string{"all"}, Alerts: 24, Files: 10}, false)
	for _, sha := range []string{"sha1", "md5"} { // beside those that are known by all hashes
		d.control("alerts", `{"source":"s1-lab","count":2,"file":3,"age":"1h","sha":"`+sha+`"}`)
	}
	d.edrc("sync", "--since", "60d")
	state := d.lab.State()
	paid := 0
	for sha, n := range state.Intezer.ScansByFile {
		paid++
		if n > 2 { // the lab's engine fails one file once
			t.Errorf("%s was paid for %d times", sha, n)
		}
	}
	if paid == 0 || state.Intezer.Scans > paid+1 {
		t.Errorf("%d scans of %d files", state.Intezer.Scans, paid)
	}
	// Which files are one is what the lab knows.
	file := map[alert.Hash]string{}
	for _, f := range d.lab.Files() {
		for _, h := range []string{f.SHA256, f.SHA1, f.MD5} {
			file[alert.Hash(h)] = f.SHA256
		}
	}
	products, noted := map[string]map[string]bool{}, map[string]int{}
	for ref, a := range d.alerts("--repeats", "--status", "new,in_progress") {
		source, _, _ := strings.Cut(ref, ":")
		for _, f := range a.Files {
			sha := file[f.Best()]
			if products[sha] == nil {
				products[sha] = map[string]bool{}
			}
			products[sha][source] = true
		}
		if a.Noted != "" {
			noted[source]++
		} else if waits := slices.ContainsFunc(a.Files, func(f alert.File) bool { return file[f.Best()] == "" }); a.State == "open" && !waits ||
			a.State == "done" && !strings.HasPrefix(a.Reason, "no note: ") {
			t.Errorf("%s has no note: %+v", ref, a)
		}
	}
	shared := 0
	for _, by := range products {
		if len(by) > 1 {
			shared++
		}
	}
	for _, name := range d.lab.SourceNames() {
		if noted[name] == 0 {
			t.Errorf("%s: nothing is noted", name)
		}
		for container, notes := range state.Sources[name].Notes {
			var ours []string
			for _, n := range notes {
				if _, marker, ok := strings.Cut(n, "[edrc:"); ok {
					ours = append(ours, marker[:16])
				}
			}
			if slices.Sort(ours); len(slices.Compact(slices.Clone(ours))) != len(ours) {
				t.Errorf("%s: %s has a note twice: %v", name, container, ours)
			}
		}
	}
	if shared < 3 {
		t.Errorf("only %d files are seen by several products: the test shows nothing", shared)
	}
}

func TestWhatAProductCannotDoNamesWhatCan(t *testing.T) {
	d := newDay(t, lab.Options{Products: []string{"wiz"}, Alerts: 12, Files: 4}, false)
	for ref, a := range d.alerts() {
		r := d.refused(fault.ExitUnsupported, "wiz cannot isolate hosts", "isolate", "host", ref, "--reason", "x", "--yes")
		for _, command := range []string{"edrc isolate instance i-", "edrc isolate role i-"} {
			if !strings.Contains(r.err, command) {
				t.Errorf("%s\n%s", command, r.err)
			}
		}
		if card := d.ok("alerts", "get", ref); strings.Contains(card, "edrc isolate instance i-") == (a.Status == "resolved") {
			t.Errorf("%s is %s\n%s", ref, a.Status, card)
		}
		if a.Raw.Issue.ID == "" {
			d.refused(fault.ExitUnsupported, "MATCH_ONLY", "note", "add", ref, "--text", "x")
		}
		if len(a.Files) > 0 {
			r = d.edrc("alerts", "fetch", "--files", ref, "--dir", d.dir+"/evidence")
			if !strings.Contains(r.err, "wiz cannot fetch files") || !strings.Contains(r.err, "another source on the same host") {
				t.Errorf("%+v", r)
			}
		}
	}
	if n := len(d.lab.State().Sources["wiz-lab"].Isolated); n != 0 {
		t.Errorf("%d isolated", n)
	}
}

func TestThePageOfEveryProductsAlertIsOpenedOrPrinted(t *testing.T) {
	d := newDay(t, lab.Options{Products: []string{"all"}, Alerts: 10, Files: 4}, false)
	of := map[string][]shown{}
	for ref, a := range d.alerts("--repeats") {
		source, _, _ := strings.Cut(ref, ":")
		of[source] = append(of[source], a)
	}
	open := func(tty bool, display, ref string) (r typedResult, started []string) {
		io, out, _ := term.Test("")
		errs := &manyWrite{}
		io.Now, io.Err, io.OutTTY = time.Now, errs, tty
		env := Env{IO: io, Now: io.Now, LookupEnv: func(k string) (string, bool) {
			v := map[string]string{"EDRC_STATE_DIR": d.stateDir(), "HOME": d.dir, "DISPLAY": display}[k]
			return v, v != ""
		}}
		env.Run = func(_ string, args ...string) error { started = append(started, args[len(args)-1]); return nil }
		code := Run(t.Context(), []string{"--config", d.config(), "alerts", "open", ref}, env)
		return typedResult{code, out.String(), errs.String()}, started
	}
	for _, name := range d.lab.SourceNames() {
		var a shown // the first that has a page: one without an incident may have none
		var printed typedResult
		for _, a = range of[name] {
			if printed, _ = open(false, "", a.Ref); printed.exit != fault.ExitNotFound {
				break
			}
		}
		u, err := url.Parse(strings.TrimSuffix(printed.out, "\n"))
		if err != nil || printed.exit != 0 || u.Host == "" || a.URL != "" && a.URL != u.String() || u.Scheme != "https" && !loopback(u.Hostname()) {
			t.Errorf("%s: %+v, the page is %q", a.Ref, printed, a.URL)
			continue
		}
		if r, started := open(true, ":0", a.Ref); r.exit != 0 || len(started) != 1 || started[0] != u.String() || r.out != "" {
			t.Errorf("%s with a display: %+v, %v", name, r, started)
		}
		for _, tty := range []bool{true, false} {
			display := map[bool]string{true: "", false: ":0"}[tty]
			if r, started := open(tty, display, a.Ref); r.exit != 0 || len(started) != 0 || r.out != u.String()+"\n" {
				t.Errorf("%s, terminal %v, display %q: %+v, %v", name, tty, display, r, started)
			}
		}
	}
}

func TestAConsolesPageIsOverHTTPSOrRefused(t *testing.T) {
	ref := alert.Ref{Source: "x", ID: "1"}
	for _, bad := range []string{"http://console.example/x", "javascript:alert(1)", "file:///etc/passwd", "https://u:p@console.example/", "https:///x", "//console.example/x",
		"https://console.example/\x1b[31m", "data:text/html,x", "http://127.0.0.1.example/"} {
		if got, err := consoleAddress(ref, bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %q, %v", bad, got, err)
		}
	}
	if _, err := consoleAddress(ref, ""); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	for _, good := range []string{"https://console.example/a?b=c#/d", "http://127.0.0.1:8443/x", "http://[::1]/x"} {
		if got, err := consoleAddress(ref, good); err != nil || got != good {
			t.Errorf("%q: %q, %v", good, got, err)
		}
	}
}

func TestTheMatrixIsWhatTheInterfacesSay(t *testing.T) {
	d := newDay(t, lab.Options{Products: []string{"all"}, Alerts: -1}, false)
	const all = "list get sync incidents note-add note-list note-remove resolve fetch hosts isolate"
	want := map[string]string{ // without
		"sentinelone": "incidents", "crowdstrike": "note-remove", "defender": "note-remove", "carbonblack": "", "cortex": "note-remove",
		"wiz": "fetch hosts isolate", "guardduty": "note-list note-remove fetch hosts isolate",
	}
	rows := d.items(d.ok("sources", "-o", "json"))
	if len(rows) != len(want) {
		t.Errorf("%d products", len(rows))
	}
	for _, row := range rows {
		kind, can := row["kind"].(string), row["can"].(map[string]any)
		without, known := want[kind]
		if !known || len(can) != len(strings.Fields(all)) {
			t.Errorf("%s: %v", kind, can)
		}
		for _, capability := range strings.Fields(all) {
			has, told := can[strings.ReplaceAll(capability, "-", " ")].(bool)
			if !told || has == slices.Contains(strings.Fields(without), capability) {
				t.Errorf("%s: %s is %v", kind, capability, has)
			}
		}
	}
}

func TestOfSevenProductsThoseThatFailAreNamedAndTheOthersComplete(t *testing.T) {
	d := newDay(t, lab.Options{Products: []string{"all"}, Alerts: 24, Files: 10}, false)
	down, slow := d.servedAt("cbc-lab"), d.servedAt("cortex-lab")
	var asked atomic.Int64
	d.transport = func(under http.RoundTripper) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			switch {
			case r.URL.Host == down:
				return nil, errors.New("dial tcp: connection refused")
			case r.URL.Host == slow && asked.Add(1) > 3: // in the middle of it
				return &http.Response{StatusCode: http.StatusTooManyRequests, Status: "429 Too Many Requests", Proto: "HTTP/1.1", Body: io.NopCloser(strings.NewReader("{}")),
					Header: http.Header{"Retry-After": {"3600"}, "Content-Type": {"application/json"}}, Request: r}, nil
			}
			return under.RoundTrip(r)
		})
	}
	d.control("vendor", `{"source":"falcon-lab","verb":"token","body":{"valid":false}}`)
	r := d.refused(fault.ExitPartial, "", "sync", "--since", "60d", "-o", "json")
	var doc struct {
		Item struct {
			Sources []struct {
				Source, Error string
				Alerts, Notes int
			}
		}
	}
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil || len(doc.Item.Sources) != 7 {
		t.Fatalf("%v\n%s\n%s", err, r.out, r.err)
	}
	failing := map[string]string{"cbc-lab": "", "falcon-lab": "", "cortex-lab": ""}
	for _, s := range doc.Item.Sources {
		if _, fails := failing[s.Source]; fails != (s.Error != "") {
			t.Errorf("%s: %q", s.Source, s.Error)
		} else if !fails && (s.Alerts == 0 || s.Notes == 0) {
			t.Errorf("%s: %+v", s.Source, s)
		}
		if s.Error != "" {
			failing[s.Source] = s.Error
		}
	}
	again := d.refused(fault.ExitPartial, "", "sync", "--since", "60d")
	for name, why := range failing {
		if why == "" || !strings.Contains(again.err, "edrc: "+name+": ") {
			t.Errorf("%s (%s) is not named:\n%s", name, why, again.err)
		}
	}
}
