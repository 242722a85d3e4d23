package lab

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestStartRefusesWhatIsNotLoopback(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:0", ":0", "192.0.2.1:80", "example.com:80", "127.0.0.1"} {
		if l, err := Start(context.Background(), Options{Listen: listen}); err == nil {
			_ = l.Close()
			t.Errorf("%s was accepted", listen)
		}
	}
	for _, o := range []Options{{Files: -1}, {LateFraction: 2}, {LateFraction: 0.5}, {Faults: []Fault{{Kind: "x", Rate: 1}}}, {Sources: 99}} {
		if l, err := Start(context.Background(), o); err == nil {
			_ = l.Close()
			t.Errorf("%+v was accepted", o)
		}
	}
}

func TestLabEndsWithItsContextAndWithRequestsThatHang(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	l, err := Start(ctx, Options{Faults: []Fault{{Kind: "timeout", Rate: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		resp, err := http.Get(l.consoleURLs[0] + restRoot + "/threats")
		if err == nil {
			_ = resp.Body.Close()
		}
		ended <- err
	}()
	time.Sleep(20 * time.Millisecond)
	cancel()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the request that hangs was answered")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the request still hangs")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestConfigNamesEverySourceAndItsKeys(t *testing.T) {
	w := newWorld(t, Options{Sources: 3, Alerts: 5, NoteLag: 2 * time.Second, StorePath: "/tmp/it's here/store.db"})
	text := string(w.lab.Config())
	for _, want := range []string{
		"sources:\n  s1-lab: {kind: sentinelone, url: \"http://127.0.0.1:", "  s1-lab2: {", "  s1-lab3: {",
		"note_settle: 2s, settle: 0s, rate: 1000}\n", "scan: {engine: intezer, url: \"http://", "rate: 1000, concurrency: 8, poll: 100ms}\n",
		"api_key: \"" + w.lab.engine.apiKey + "\"", "store: {path: '/tmp/it''s here/store.db'}\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the configuration lacks %q:\n%s", want, text)
		}
	}
	for n, c := range w.lab.consoles {
		w.must(200, "GET", w.lab.consoleURLs[n]+restRoot+"/threats", "ApiToken "+c.token, nil)
	}
	plain := newWorld(t, Options{Alerts: 5})
	if text := string(plain.lab.Config()); strings.Contains(text, "store") || !strings.Contains(text, "note_settle: 0s") {
		t.Errorf("configuration:\n%s", text)
	}
}

func TestStateIsServedInItsExactShape(t *testing.T) {
	w := newWorld(t, Options{Alerts: 10})
	_, f := w.fileThat(ordinary)
	w.ask(201, "POST", "/analyze-by-hash", byHash(f.sha256))
	id := w.bare(1)[0]
	w.postNote("hello", id)
	served := w.must(200, "GET", w.lab.ControlURL()+"/_lab/state", "", nil).body
	own, err := json.Marshal(w.lab.State())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"intezer":{"scans":1,"lookups":0,"uploads":0,"requests":2,"scans_by_file":{"` + f.sha256 + `":1}},` +
		`"sources":{"s1-lab":{"alerts":10,"requests":2,"notes":{"` + id + `":["hello"]},"fetches":0,"downloads":0,"fetches_by_threat":{},"isolated":[]}}}`
	if string(served) != want || string(own) != want {
		t.Errorf("served %s\nown    %s\nwant   %s", served, own, want)
	}
}

func TestControlAddsAlertsAsAsked(t *testing.T) {
	c := newClock()
	w := newWorld(t, Options{Alerts: 20, Now: c.Now})
	var out struct{ IDs []string }
	w.control("alerts", map[string]any{"source": "s1-lab", "count": 5, "age": "10m", "file": 3, "equal_times": true, "sha": "sha1", "severity": "low"}, &out)
	p := w.threats("ids=" + strings.Join(out.IDs, ","))
	f := w.lab.engine.corpus.files[3]
	if len(p.Data) != 5 {
		t.Fatalf("%d alerts", len(p.Data))
	}
	for _, d := range p.Data {
		i := d.ThreatInfo
		if at := c.Now().Add(-10 * time.Minute); !i.CreatedAt.Equal(at) || !i.UpdatedAt.Equal(at) {
			t.Errorf("created %s updated %s, want %s", i.CreatedAt, i.UpdatedAt, at)
		}
		if i.SHA1 == nil || *i.SHA1 != f.sha1 || i.SHA256 != nil || i.MD5 != nil {
			t.Errorf("hashes %v %v %v", i.SHA256, i.SHA1, i.MD5)
		}
	}
	for sha, want := range map[string]func(threatItem) bool{
		"none": func(d threatItem) bool {
			return d.ThreatInfo.SHA256 == nil && d.ThreatInfo.SHA1 == nil && d.ThreatInfo.MD5 == nil
		},
		"zero":   func(d threatItem) bool { return strings.Trim(*d.ThreatInfo.SHA1, "0") == "" },
		"sha256": func(d threatItem) bool { return d.ThreatInfo.SHA256 != nil && d.ThreatInfo.SHA1 == nil },
		"md5":    func(d threatItem) bool { return d.ThreatInfo.MD5 != nil && d.ThreatInfo.SHA1 == nil },
	} {
		w.control("alerts", map[string]any{"sha": sha, "file": -1}, &out)
		if d := w.threats("ids=" + out.IDs[0]).Data; len(d) != 1 || !want(d[0]) {
			t.Errorf("%s: %+v", sha, d)
		}
	}
	for _, bad := range []any{
		map[string]any{"file": 1000}, map[string]any{"sha": "sha512"}, map[string]any{"severity": "dire"},
		map[string]any{"source": "s1-other"}, map[string]any{"age": "soon"}, map[string]any{"colour": "red"},
	} {
		w.must(400, "POST", w.lab.ControlURL()+"/_lab/alerts", "", bad)
	}
}

func TestControlChangesTheWorld(t *testing.T) {
	c := newClock()
	w := newWorld(t, Options{Alerts: 30, Now: c.Now})
	ids := w.bare(2)
	c.advance(time.Minute)
	w.control("touch", map[string]any{"source": "s1-lab", "ids": ids[:1], "status": "resolved"}, nil)
	if i := w.threats("ids=" + ids[0]).Data[0].ThreatInfo; i.IncidentStatus != "resolved" || !i.UpdatedAt.Equal(c.Now()) {
		t.Errorf("touched: %+v", i)
	}
	w.control("note", map[string]any{"source": "s1-lab", "id": ids[1], "text": "by another tool"}, nil)
	if p := w.notes(ids[1], ""); len(p.Data) != 1 || p.Data[0].Text != "by another tool" {
		t.Errorf("note: %+v", p)
	}
	w.control("purge", map[string]any{"source": "s1-lab", "ids": ids[1:]}, nil)
	if p := w.threats("ids=" + ids[1]); len(p.Data) != 0 {
		t.Errorf("purged: %+v", p)
	}
	for _, sortBy := range []string{"id", "createdAt", "updatedAt"} {
		left := w.walk("limit=10&sortBy=" + sortBy)
		if slices.Sort(left); len(left) != 29 || len(slices.Compact(left)) != 29 {
			t.Errorf("by %s: %d threats are left, want each of 29 once", sortBy, len(left))
		}
	}
	w.control("analysis", map[string]string{"time": "1h"}, nil)
	_, f := w.fileThat(ordinary)
	url := w.ask(201, "POST", "/analyze-by-hash", byHash(f.sha256)).ResultURL
	w.ask(202, "GET", url, nil)
	w.ask(202, "GET", url, nil)
	w.must(400, "POST", w.lab.ControlURL()+"/_lab/touch", "", map[string]any{"ids": []string{"123"}})
	w.must(400, "POST", w.lab.ControlURL()+"/_lab/faults", "", map[string]string{"faults": "nonsense=1"})
}

func TestFilesTellTheWorldAsItIs(t *testing.T) {
	w := newWorld(t, Options{Alerts: 10})
	var files []FileInfo
	w.must(200, "GET", w.lab.ControlURL()+"/_lab/files", "", nil).decode(t, &files)
	kinds, verdicts := map[string]int{}, map[string]int{}
	for i, f := range files {
		kinds[f.Held]++
		verdicts[f.Verdict]++
		status := 404
		switch f.Held {
		case "private", "stale":
			status = 200
		case "expired":
			status = 410
		}
		if f.Index != i {
			t.Errorf("file %d has index %d", i, f.Index)
		}
		w.ask(status, "GET", "/files/"+f.SHA1, private())
	}
	for _, want := range []string{"private", "stale", "expired", "public", "nothing"} {
		if kinds[want] == 0 {
			t.Errorf("no file is held as %s", want)
		}
	}
	for _, want := range []string{"malicious", "suspicious", "trusted", "unknown", "not_supported", "no_threats", "neutral"} {
		if verdicts[want] == 0 {
			t.Errorf("no file is %s", want)
		}
	}
}

func TestTinyWorldsStart(t *testing.T) {
	for _, o := range []Options{{Files: 1, Alerts: 1}, {Files: 2, Alerts: -1}, {Files: 3, Alerts: 5, LateFraction: 1, LateMax: time.Hour}} {
		w := newWorld(t, o)
		w.threats("limit=10")
		w.alerts(map[string]any{"first": 10})
	}
}
