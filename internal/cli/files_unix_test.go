//go:build unix

package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"edrc/internal/lab"
)

// unheld adds an alert about the n-th file that the engine does not hold.
func (w *world) unheld(n int, as string) (id string, f lab.FileInfo) {
	w.t.Helper()
	for _, f = range w.lab.Files() {
		if f.Held != "nothing" || f.Skipped {
			continue
		}
		if n--; n < 0 {
			break
		}
	}
	resp, err := http.Post(w.lab.ControlURL()+"/_lab/alerts", "application/json", strings.NewReader(fmt.Sprintf(`{"count":1,"age":"1m","file":%d}`, f.Index)))
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var out struct{ IDs []string }
	if b, _ := io.ReadAll(resp.Body); json.Unmarshal(b, &out) != nil || len(out.IDs) != 1 {
		w.t.Fatalf("%s", b)
	}
	for command, body := range map[string]string{"serve": fmt.Sprintf(`{"file":%d,"as":%q}`, f.Index, as), "agent": fmt.Sprintf(`{"threat":%q,"online":true}`, out.IDs[0])} {
		if err := w.control(command, body); err != nil {
			w.t.Fatal(err)
		}
	}
	return out.IDs[0], f
}

// clear gives the files below the world's folder that have inert malware in clear.
func (w *world) clear() (paths []string, seen int) {
	w.t.Helper()
	err := filepath.WalkDir(w.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil // it may have gone meanwhile
		}
		if b, err := os.ReadFile(path); err == nil {
			seen++
			if bytes.Contains(b, []byte("edrc lab: inert sample")) {
				paths = append(paths, path)
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return paths, seen
}

func TestCtrlCLeavesAFetchToSync(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Alerts: -1, FetchTime: time.Hour})
	id, f := w.unheld(0, "zipcrypto")
	c := w.start("scan", "alert", "s1-lab:"+id, "--note")
	fetches := func() int { return w.lab.State().Sources["s1-lab"].FetchesByThreat[id] }
	until(t, "a fetch", func() bool { return fetches() == 1 })
	time.Sleep(50 * time.Millisecond) // its ticket is being kept
	c.signal(syscall.SIGINT)
	if code := c.wait(10 * time.Second); code != 130 {
		t.Fatalf("exit %d, want 130\n%s%s", code, c.out.String(), c.errout.String())
	}
	if !strings.Contains(c.out.String(), "none: file being fetched") || !strings.Contains(c.errout.String(), "1 file not judged yet: edrc sync carries on") {
		t.Errorf("it says\n%s%s", c.out.String(), c.errout.String())
	}
	if err := w.control("fetch", `{"time":"0s"}`); err != nil {
		t.Fatal(err)
	}
	w.must("sync")
	if st := w.lab.State(); fetches() != 1 || st.Intezer.ScansByFile[f.SHA256] != 1 || len(st.Sources["s1-lab"].Notes[id]) != 1 {
		t.Errorf("%d fetches, %d scans, %q", fetches(), st.Intezer.Scans, st.Sources["s1-lab"].Notes[id])
	}
}

func TestCtrlCLeavesWholeEvidence(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Alerts: -1, FetchTime: time.Millisecond})
	w.env["TMPDIR"] = filepath.Join(w.dir, "tmp")
	if err := os.Mkdir(w.env["TMPDIR"], 0o700); err != nil {
		t.Fatal(err)
	}
	quick, _ := w.unheld(0, "zipcrypto")
	dir := filepath.Join(w.dir, "IR")
	w.mustChild("alerts", "fetch", "s1-lab:"+quick, "--files", "--dir", dir)
	if err := w.control("fetch", `{"time":"1h"}`); err != nil {
		t.Fatal(err)
	}
	slow, _ := w.unheld(1, "aes")
	c := w.start("alerts", "fetch", "--since", "1h", "--files", "--dir", dir)
	until(t, "a fetch", func() bool { return w.lab.State().Sources["s1-lab"].FetchesByThreat[slow] == 1 })
	c.signal(syscall.SIGINT)
	if code := c.wait(10 * time.Second); code != 130 {
		t.Fatalf("exit %d, want 130\n%s%s", code, c.out.String(), c.errout.String())
	}
	if !strings.Contains(c.errout.String(), "1 alert written") || !strings.Contains(c.errout.String(), "Interrupted: the same command carries on") || strings.Contains(c.errout.String(), "canceled") {
		t.Errorf("it says\n%s", c.errout.String())
	}
	left, _ := os.ReadDir(dir)
	if len(left) != 4 { // two alerts, an archive, the manifest
		t.Errorf("%v", left)
	}
	if err := w.control("fetch", `{"time":"0s"}`); err != nil {
		t.Fatal(err)
	}
	if c := w.mustChild("alerts", "fetch", "--since", "1h", "--files", "--dir", dir); !strings.Contains(c.errout.String(), "1 file fetched, 1 there already") {
		t.Errorf("it says\n%s", c.errout.String())
	}
	if paths, seen := w.clear(); len(paths) > 0 || seen < 6 {
		t.Errorf("in clear: %v of %d files", paths, seen)
	}
}

func (w *world) mustChild(args ...string) *child {
	w.t.Helper()
	c := w.start(args...)
	if code := c.wait(20 * time.Second); code != 0 {
		w.t.Fatalf("edrc %v: exit %d\n%s%s", args, code, c.out.String(), c.errout.String())
	}
	return c
}

func TestAFileOnItsWayIsNowhereInClear(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{Alerts: -1, FetchTime: time.Millisecond})
	w.env["TMPDIR"] = filepath.Join(w.dir, "tmp")
	if err := os.Mkdir(w.env["TMPDIR"], 0o700); err != nil {
		t.Fatal(err)
	}
	for n, as := range []string{"zipcrypto", "aes", "wrong"} {
		id, _ := w.unheld(n, as)
		w.mustChild("scan", "alert", "s1-lab:"+id, "--wait-timeout", "3s")
	}
	if up := w.lab.State().Intezer.Uploads; up != 2 {
		t.Errorf("%d uploads: this proves less than it says", up)
	}
	// One waits on the spool: the engine refuses our key just when the file has come.
	if err := w.control("fetch", `{"time":"300ms"}`); err != nil {
		t.Fatal(err)
	}
	id, _ := w.unheld(3, "zipcrypto")
	c := w.start("scan", "alert", "s1-lab:"+id, "--wait-timeout", "5s")
	until(t, "a fetch", func() bool { return w.lab.State().Sources["s1-lab"].FetchesByThreat[id] == 1 })
	if err := w.control("token", `{"source":"intezer","valid":false}`); err != nil {
		t.Fatal(err)
	}
	c.wait(20 * time.Second)
	if kept, _ := filepath.Glob(filepath.Join(w.dir, "state", "spool", "kept-*")); len(kept) != 1 {
		t.Errorf("on the spool: %v\n%s%s", kept, c.out.String(), c.errout.String())
	}
	if paths, seen := w.clear(); len(paths) > 0 || seen < 3 {
		t.Errorf("in clear: %v of %d files", paths, seen)
	}
}
