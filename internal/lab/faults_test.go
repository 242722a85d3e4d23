package lab

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseFaultsReadsWhatItPrints(t *testing.T) {
	faults, err := ParseFaults(" 429=0.05, 500=0.05,reset@after=0.02,timeout@before=0.1 ")
	if err != nil {
		t.Fatal(err)
	}
	want := []Fault{{"429", "", 0.05}, {"500", "", 0.05}, {"reset", "after", 0.02}, {"timeout", "before", 0.1}}
	if !slices.Equal(faults, want) {
		t.Errorf("got %v, want %v", faults, want)
	}
	for _, f := range faults {
		if again, err := ParseFaults(f.String()); err != nil || again[0] != f {
			t.Errorf("%s: %v, %v", f, again, err)
		}
	}
	if none, err := ParseFaults(""); err != nil || none != nil {
		t.Errorf("empty: %v, %v", none, err)
	}
}

func TestParseFaultsSaysWhatIsAllowed(t *testing.T) {
	for text, want := range map[string]string{
		"reset":               "no rate",
		"404=0.1":             "the kinds are 429, 500, 503, reset",
		"reset@during=0.1":    "before or after",
		"reset@=0.1":          "before or after",
		"429@after=0.1":       "has not applied",
		"reset=lots":          "must be a number",
		"reset=0":             "above 0",
		"reset=1.5":           "above 0",
		"reset=NaN":           "above 0",
		"reset=0.7,html=0.7":  "add up",
		"reset=0.1;html=0.1,": "must be a number",
	} {
		if _, err := ParseFaults(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestParseLate(t *testing.T) {
	if p, d, err := ParseLate("0.05:10m"); p != 0.05 || d != 10*time.Minute || err != nil {
		t.Error(p, d, err)
	}
	if p, d, err := ParseLate(""); p != 0 || d != 0 || err != nil {
		t.Error(p, d, err)
	}
	for _, bad := range []string{"0.05", "2:10m", "x:10m", "0.1:-1s", "0.1:soon"} {
		if _, _, err := ParseLate(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestFaultsOnReadsAreSeenByAPlainClient(t *testing.T) {
	w := newWorld(t, Options{Alerts: 20})
	url := w.lab.consoleURLs[0] + restRoot + "/threats"
	get := func(fault string) (answer, error) {
		w.control("faults", map[string]string{"faults": fault + "=1"}, nil)
		return w.do("GET", url, "ApiToken "+w.token, nil)
	}
	for fault, status := range map[string]int{"429": 429, "500": 500, "503": 503} {
		if a, err := get(fault); err != nil || a.status != status || !strings.Contains(string(a.body), `"errors"`) {
			t.Errorf("%s: %d %v %s", fault, a.status, err, a.body)
		}
	}
	if _, err := get("reset"); err == nil || errors.Is(err, io.EOF) { // an orderly end is an EOF
		t.Errorf("reset: %v", err)
	}
	if _, err := get("truncate"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("truncate: %v", err)
	}
	if a, err := get("html"); err != nil || !strings.Contains(a.header.Get("Content-Type"), "text/html") {
		t.Errorf("html: %v %v", a.header, err)
	}
	for _, place := range []string{"reset@before", "500@after"} {
		if a, err := get(place); err != nil || a.status != 200 {
			t.Errorf("%s hit a read: %d %v", place, a.status, err)
		}
	}
	w.client.Timeout = 100 * time.Millisecond
	w.control("faults", map[string]string{"faults": "timeout=1"}, nil)
	if _, err := w.do("GET", url, "ApiToken "+w.token, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("timeout: %v", err)
	}
}

func TestWriteIsAppliedAfterAndOnlyAfter(t *testing.T) {
	for _, kind := range []string{"500", "503", "reset", "timeout", "truncate", "html"} {
		for _, place := range []string{"", "@before", "@after"} {
			w := newWorld(t, Options{Alerts: 10})
			id := w.threats("limit=1").ids()[0]
			w.control("faults", map[string]string{"faults": kind + place + "=1"}, nil)
			w.client.Timeout = 200 * time.Millisecond
			a, err := w.do("POST", w.lab.consoleURLs[0]+restRoot+"/threats/notes", "ApiToken "+w.token, noteOn("hello", id))
			if err == nil && a.status == 200 && kind != "html" {
				t.Errorf("%s%s: the answer came through: %s", kind, place, a.body)
			}
			applied := len(w.lab.State().Sources["s1-lab"].Notes[id]) == 1
			if applied != (place == "@after") {
				t.Errorf("%s%s: applied %v", kind, place, applied)
			}
		}
	}
}

func TestFaultsHitTheTokenAndTheConfiguredShare(t *testing.T) {
	faults, err := ParseFaults("429=0.3")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, Options{Faults: faults})
	hits, dialects := 0, map[string]bool{}
	for range 300 {
		a, err := w.do("POST", w.lab.engineURL+intezerRoot+"/get-access-token", "", map[string]string{"api_key": w.lab.engine.apiKey})
		if err != nil {
			t.Fatal(err)
		}
		if a.status == http.StatusTooManyRequests {
			hits++
			dialects[a.header.Get("Retry-After")] = true
			if a.header.Get("Retry-After") == "" && a.header.Get("X-RateLimit-Reset") == "" {
				t.Error("a 429 that does not say how long to wait")
			}
		}
	}
	if hits < 60 || hits > 120 {
		t.Errorf("%d of 300 requests were hit, want about 90", hits)
	}
	if len(dialects) < 4 {
		t.Errorf("Retry-After came in %d dialects: %v", len(dialects), dialects)
	}
	if got := w.lab.State().Intezer.Requests; got != 300 {
		t.Errorf("%d requests were counted, want 300", got)
	}
}

func TestFaultsOnGraphQLTellMutationsFromQueries(t *testing.T) {
	w := newWorld(t, Options{Alerts: 10})
	w.control("faults", map[string]string{"faults": "500@after=1"}, nil)
	w.graphql("{ alerts(first: 1) { totalCount } }", nil, "")
	a := w.must(500, "POST", w.lab.consoleURLs[0]+graphqlPath, "Bearer "+w.token, map[string]any{
		"query": `mutation M { addAlertNote(alertId: "` + w.lab.consoles[0].uuid(&w.lab.consoles[0].threats[0]) + `", text: "x") { data { id } } }`,
	})
	if len(a.body) == 0 {
		t.Error("no error body")
	}
	id := w.threats("limit=1").ids()[0]
	if notes := w.lab.State().Sources["s1-lab"].Notes[id]; len(notes) != 1 {
		t.Errorf("the mutation was not applied: %v", notes)
	}
}

func TestLatencyIsAddedToEveryReply(t *testing.T) {
	w := newWorld(t, Options{Latency: 50 * time.Millisecond})
	start := time.Now()
	w.threats("limit=1")
	if d := time.Since(start); d < 50*time.Millisecond {
		t.Errorf("answered after %s", d)
	}
}
