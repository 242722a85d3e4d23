//go:build linux

package crash

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edrc/internal/lab"
)

// fetchOptions make a world whose engine lacks four files: three that an endpoint
// gives, in both ciphers, and one of which it gives other bytes. The analyses are
// over before the next run begins.
func fetchOptions() lab.Options {
	return lab.Options{Seed: 4, Alerts: -1, Files: 40, FetchTime: 40 * time.Millisecond, AnalysisTime: 50 * time.Millisecond}
}

// newFetchWorld has an alert or two about each of these files, on endpoints that are
// online. One file is known by its SHA-1 alone.
func newFetchWorld(t *testing.T, o lab.Options, s settings) *world {
	t.Helper()
	w := newWorld(t, o, s)
	files := w.filesHeld("nothing")
	if len(files) != 4 || !comes(files[0]) || !comes(files[1]) || !comes(files[2]) || files[3].Serves != "wrong" {
		t.Fatalf("the world is to have three files that can be fetched and one that cannot: %+v", files)
	}
	for i, hashes := range []string{"all", "sha1", "sha256", "all", "all"} {
		w.alertOn(files[i%4], hashes, true)
	}
	return w
}

// alertOn adds an alert about a file on an endpoint that is online or not, and gives
// its id.
func (w *world) alertOn(f lab.FileInfo, hashes string, online bool) string {
	w.Helper()
	id := w.addAlerts(map[string]any{"file": f.Index, "age": "10m", "sha": hashes})[0]
	w.endpoint(id, online)
	return id
}

// endpoint switches the endpoint of an alert on or off.
func (w *world) endpoint(id string, online bool) {
	w.Helper()
	w.control("agent", map[string]any{"threat": id, "online": online}, nil)
}

// fetched gives what the consoles were asked for: files, and downloads of them.
func (w *world) fetched() (files, downloads int) {
	for _, s := range w.lab.State().Sources {
		files, downloads = files+s.Fetches, downloads+s.Downloads
	}
	return files, downloads
}

// spool lists what waits on the spool.
func (w *world) spool() []string {
	w.Helper()
	list, err := os.ReadDir(filepath.Join(w.dir, "state", "spool"))
	if err != nil && !os.IsNotExist(err) {
		w.Fatal(err)
	}
	var out []string
	for _, e := range list {
		out = append(out, e.Name())
	}
	return out
}

// emptiesTheSpool checks that nothing is on the spool for ever: what a killed process
// left there a later run removes. It reports whether there was anything.
func (w *world) emptiesTheSpool(when string) bool {
	w.Helper()
	left := w.spool()
	if len(left) == 0 {
		return false
	}
	w.later(2 * time.Hour)
	w.sync()
	if still := w.spool(); len(still) > 0 {
		w.Errorf("%s: %d files stay on the spool: %q", when, len(still), still)
	}
	return true
}

// inert is in each of the lab's samples. A zip's entry begins with header, and a
// version, whose second byte is 0.
var inert, header = []byte("edrc lab: inert sample"), []byte("PK\x03\x04")

// clear gives where a sample stands in clear, or in an archive that is not veiled, in
// all that edrc has written: state, spool, store, temporary files, logs.
func (w *world) clear() []string {
	w.Helper()
	var found []string
	seen := 0
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		seen++
		if what := naked(b); what != "" {
			found = append(found, strings.TrimPrefix(path, w.dir)+": "+what)
		}
		return err
	})
	if err != nil || seen < 2 { // the configuration and a log at the least
		w.Fatalf("%d files were searched: %v", seen, err)
	}
	return found
}

// clear is world.clear for what a process that is stopped has open, also where the
// file has no name any more.
func (p *process) clear() []string {
	p.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid)
	list, err := os.ReadDir(dir)
	if err != nil || len(list) < 3 {
		p.Fatalf("%d files are open: %v", len(list), err)
	}
	var found []string
	for _, e := range list {
		path := filepath.Join(dir, e.Name())
		target, _ := os.Readlink(path)
		if st, err := os.Stat(path); err != nil || !st.Mode().IsRegular() || !strings.HasPrefix(target, "/") {
			continue // a pipe, a socket, a process
		}
		b, err := os.ReadFile(path)
		if err != nil {
			p.Fatal(err)
		}
		if what := naked(b); what != "" {
			found = append(found, target+": "+what)
		}
	}
	return found
}

// naked says what is wrong with bytes that are on a disk.
func naked(b []byte) string {
	if bytes.Contains(b, inert) {
		return "the bytes of a sample"
	}
	for {
		i := bytes.Index(b, header)
		if i < 0 || len(b) < i+6 {
			return ""
		}
		if b = b[i+4:]; b[1] == 0 {
			return "the entry of a zip"
		}
	}
}

func TestTheSearchForClearBytesFindsThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fetchOptions(), settings{})
	w.sync()
	if found := w.clear(); len(found) > 0 {
		t.Errorf("in a world without alerts: %q", found)
	}
	if err := os.MkdirAll(filepath.Join(w.dir, "state", "spool"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"tmp/a": "MZedrc lab: inert sample 1 of seed 4\n", "state/spool/b": "1234PK\x03\x04PK\x03\x04\x33\x00\x01\x00", "harmless": "PK\x03\x04\x33\x01"} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if found := w.clear(); len(found) != 2 || !strings.HasPrefix(found[0], "/state/spool/b") || !strings.HasPrefix(found[1], "/tmp/a") {
		t.Errorf("found %q", found)
	}
}
