package lab

import (
	"archive/zip"
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const password = "Infected_1234"

// activityItem is an activity, as far as tests read it.
type activityItem struct {
	ID, ThreatID, AgentID string
	ActivityType          int
	CreatedAt             time.Time
	Data                  struct {
		CommandID             json.Number
		DownloadURL, FilePath string
		FileContentHash       string
	}
}

// alertOn adds an alert about a file, and has its agent online or not.
func (w *bench) alertOn(file int, online bool) string {
	w.Helper()
	var out struct{ IDs []string }
	w.control("alerts", map[string]any{"file": file}, &out)
	w.control("agent", map[string]any{"threat": out.IDs[0], "online": online}, nil)
	return out.IDs[0]
}

// fetch asks for the file of a threat and gives how many agents were asked.
func (w *bench) fetch(id string) int {
	w.Helper()
	var out changeAnswer
	body := map[string]any{"data": map[string]string{"password": password}, "filter": map[string]any{"ids": []string{id}}}
	w.s1(200, "POST", "/threats/fetch-file", body).decode(w.T, &out)
	return out.Data.Affected
}

func (w *bench) activities(query string) []activityItem {
	w.Helper()
	var out struct{ Data []activityItem }
	w.s1(200, "GET", "/activities?"+query, nil).decode(w.T, &out)
	return out.Data
}

// uploads are those of a threat, the newest first.
func (w *bench) uploads(id string) []activityItem {
	w.Helper()
	return w.activities("activityTypes=86&sortBy=createdAt&sortOrder=desc&limit=1&threatIds=" + id)
}

// fileServed is the first file that agents upload as this.
func (w *bench) fileServed(as string) FileInfo {
	w.Helper()
	files := w.lab.Files()
	i := slices.IndexFunc(files, func(f FileInfo) bool { return f.Serves == as })
	if i < 0 {
		w.Fatalf("no file is served as %s", as)
	}
	return files[i]
}

func TestAnUploadAppearsAfterItsTime(t *testing.T) {
	c := newClock()
	w := newWorld(t, Options{Alerts: 10, Now: c.Now, FetchTime: time.Minute})
	id := w.alertOn(w.fileServed(serveZipCrypto).Index, true)
	if n := w.fetch(id); n != 1 {
		t.Fatalf("affected %d", n)
	}
	c.advance(59 * time.Second)
	if got := w.uploads(id); len(got) != 0 {
		t.Fatalf("too early: %+v", got)
	}
	c.advance(2 * time.Second)
	got := w.uploads(id)
	if len(got) != 1 || got[0].ThreatID != id || got[0].ActivityType != 86 || !got[0].CreatedAt.Equal(c.Now().Add(-time.Second)) {
		t.Fatalf("%+v", got)
	}
	if u := got[0].Data.DownloadURL; u != "/agents/"+got[0].AgentID+"/uploads/"+got[0].ID || u != got[0].Data.FilePath {
		t.Errorf("path %q of %+v", u, got[0])
	}
	if n := got[0].Data.CommandID.String(); len(n) != 19 {
		t.Errorf("the command's id %s is not beyond 2^53", n)
	}
	since := func(op string, at time.Time) int {
		return len(w.activities("threatIds=" + id + "&createdAt__" + op + "=" + url.QueryEscape(at.Format(time.RFC3339Nano))))
	}
	if at := got[0].CreatedAt; since("gte", at) != 1 || since("gt", at) != 0 || since("lte", at) != 1 || since("lt", at) != 0 {
		t.Error("the time bounds are not evaluated")
	}
	for query, want := range map[string]int{
		"": 1, "activityTypes=86,80": 1, "activityTypes=80": 0, "threatIds=1": 0, "agentIds=" + got[0].AgentID: 1, "agentIds=1": 0,
		"siteIds=1": 0, "ids=" + got[0].ID: 1, "sortBy=activityType": 1,
	} {
		if n := len(w.activities(query)); n != want {
			t.Errorf("%q: %d activities, want %d", query, n, want)
		}
	}
	c.advance(time.Second)
	w.fetch(id)
	c.advance(time.Hour)
	if again := w.uploads(id); len(again) != 1 || again[0].ID == got[0].ID || len(w.activities("sortBy=createdAt")) != 2 {
		t.Errorf("a second request: %+v", again)
	}
	st := w.lab.State().Sources["s1-lab"]
	if st.Fetches != 2 || st.FetchesByThreat[id] != 2 || st.Downloads != 0 {
		t.Errorf("state %+v", st)
	}
}

func TestAnUploadHoldsTheFileUnderThePassword(t *testing.T) {
	w := newWorld(t, Options{Alerts: 10, FetchTime: -1})
	for _, as := range []string{serveZipCrypto, serveAES} {
		f := w.fileServed(as)
		id := w.alertOn(f.Index, true)
		w.fetch(id)
		path := w.uploads(id)[0].Data.DownloadURL
		a := w.s1(200, "GET", path, nil)
		if a.header.Get("Content-Type") != "application/zip" {
			t.Errorf("%s: content type %q", as, a.header.Get("Content-Type"))
		}
		got := unzip(t, a.body)
		if len(got) != 2 {
			t.Fatalf("%s: entries %v", as, got)
		}
		var manifest []manifestItem
		if err := json.Unmarshal(got["manifest.json"], &manifest); err != nil || len(manifest) != 1 || manifest[0].SHA1 != f.SHA1 || manifest[0].Reason != "" {
			t.Errorf("%s: manifest %s, %v", as, got["manifest.json"], err)
		}
		name := entryName(manifest[0].Path)
		if sum := sha1.Sum(got[name]); hex.EncodeToString(sum[:]) != f.SHA1 || strings.ContainsAny(name[:2], `:\`) {
			t.Errorf("%s: %q is not the file", as, name)
		}
		w.must(401, "GET", w.lab.consoleURLs[0]+restRoot+path, "ApiToken x", nil)
		w.s1(404, "GET", path+"0", nil)
		w.s1(404, "GET", strings.Replace(path, "/agents/", "/agents/9", 1), nil)
	}
	if st := w.lab.State().Sources["s1-lab"]; st.Downloads != 2 {
		t.Errorf("%d downloads", st.Downloads)
	}
}

func TestUploadsThatAreNotTheFileAreEachWrongInTheirWay(t *testing.T) {
	w := newWorld(t, Options{Alerts: 10, FetchTime: -1})
	get := func(as string) (FileInfo, map[string][]byte) {
		f := w.fileServed(as)
		id := w.alertOn(f.Index, true)
		w.fetch(id)
		return f, unzip(t, w.s1(200, "GET", w.uploads(id)[0].Data.DownloadURL, nil).body)
	}
	holds := func(f FileInfo, entries map[string][]byte) string {
		for name, content := range entries {
			if sum := sha1.Sum(content); hex.EncodeToString(sum[:]) == f.SHA1 {
				return name
			}
		}
		return ""
	}
	if f, got := get(serveWrong); len(got) != 2 || holds(f, got) != "" || len(got["manifest.json"]) == 0 {
		t.Errorf("wrong: %d entries", len(got))
	}
	if _, got := get(serveUnreadable); len(got) != 1 || !strings.Contains(string(got["manifest.json"]), `"reason":"The agent`) {
		t.Errorf("unreadable: %s", got["manifest.json"])
	}
	if _, got := get(serveEmpty); len(got) != 0 {
		t.Errorf("empty: %v", got)
	}
	if f, got := get(serveCorrupt); len(got) != 2 || holds(f, got) != "" {
		t.Errorf("corrupt: %d entries", len(got))
	}
	if f, got := get(serveHostile); !strings.HasPrefix(holds(f, got), "../") {
		t.Errorf("hostile: %q", holds(f, got))
	}
	f, got := get(serveNested)
	for name, content := range got {
		if strings.HasSuffix(name, ".zip") && holds(f, unzip(t, content)) == "" {
			t.Error("nested: the inner zip does not have the file")
		}
	}
}

// unzip opens an archive with the password, as the ciphers of the lab's engine do. An entry that cannot be read is nil.
func unzip(t *testing.T, raw []byte) map[string][]byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.OpenRaw()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = decrypt(t, f, b)
	}
	return out
}

// decrypt gives the clear bytes of an entry, nil when they are not what the header says.
func decrypt(t *testing.T, f *zip.File, b []byte) []byte {
	t.Helper()
	method := f.Method
	if method == methodAES {
		method = uint16(f.Extra[9]) | uint16(f.Extra[10])<<8
		a, err := newAESEntry(password, b[:16])
		if err != nil {
			t.Fatal(err)
		}
		if body := b[18 : len(b)-aesMACSize]; !bytes.Equal(a.verify, b[16:18]) || !bytes.Equal(a.sum(body), b[len(b)-aesMACSize:]) {
			return nil
		}
		b = b[18 : len(b)-aesMACSize]
		a.xor(b)
	} else {
		k := newZipKeys(password)
		for i := range b {
			b[i] ^= k.next()
			k.update(b[i])
		}
		b = b[12:]
	}
	var inner bytes.Buffer
	z := zip.NewWriter(&inner)
	h := &zip.FileHeader{Name: "x", Method: method, CRC32: f.CRC32, CompressedSize64: uint64(len(b)), UncompressedSize64: f.UncompressedSize64}
	w, err := z.CreateRaw(h)
	if err == nil {
		_, err = w.Write(b)
	}
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	plain, err := zip.NewReader(bytes.NewReader(inner.Bytes()), int64(inner.Len()))
	if err != nil {
		t.Fatal(err)
	}
	r, err := plain.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		return nil
	}
	return content
}

func TestAnAgentThatIsBackUploadsWhatItWasAskedFor(t *testing.T) {
	c := newClock()
	w := newWorld(t, Options{Alerts: 10, Now: c.Now, FetchTime: time.Minute})
	file := w.fileServed(serveZipCrypto).Index
	off := w.alertOn(file, false)
	if n := w.fetch(off); n != 0 {
		t.Errorf("an agent that is offline was asked: %d", n)
	}
	w.control("agent", map[string]any{"threat": off, "online": true}, nil)
	if n := w.fetch(off); n != 1 {
		t.Errorf("the agent is back, affected %d", n)
	}
	agent := w.threats("ids=" + off).Data[0].AgentRealtimeInfo
	w.control("agent", map[string]any{"host": strings.ToLower(agent.AgentComputerName), "online": false}, nil)
	c.advance(time.Hour)
	if got := w.uploads(off); len(got) != 0 {
		t.Errorf("an agent that is offline uploaded: %+v", got)
	}
	w.control("agent", map[string]any{"id": agent.AgentID, "online": true}, nil)
	if got := w.uploads(off); len(got) != 1 || !got[0].CreatedAt.Equal(c.Now()) {
		t.Errorf("after an hour offline: %+v", got)
	}
	if st := w.lab.State().Sources["s1-lab"]; st.Fetches != 1 {
		t.Errorf("%d fetches", st.Fetches)
	}
	for _, bad := range []any{map[string]any{"online": true}, map[string]any{"host": "nobody"}, map[string]any{"id": "1"}, map[string]any{"threat": "1"}} {
		w.must(400, "POST", w.lab.ControlURL()+"/_lab/agent", "", bad)
	}
}

func TestUploadsExpire(t *testing.T) {
	c := newClock()
	w := newWorld(t, Options{Alerts: 10, Now: c.Now, FetchTime: -1, UploadLife: time.Hour})
	f := w.fileServed(serveZipCrypto)
	ids := []string{w.alertOn(f.Index, true), w.alertOn(f.Index, true)}
	var paths []string
	for _, id := range ids {
		w.fetch(id)
		paths = append(paths, w.uploads(id)[0].Data.DownloadURL)
	}
	w.control("expire", map[string]any{"ids": ids[:1]}, nil)
	w.s1(404, "GET", paths[0], nil)
	w.s1(200, "GET", paths[1], nil)
	c.advance(time.Hour)
	w.s1(404, "GET", paths[1], nil)
	if got := w.uploads(ids[1]); len(got) != 1 {
		t.Errorf("the activity went with the upload: %+v", got)
	}
}

func TestAFetchIsForOneThreat(t *testing.T) {
	w := newWorld(t, Options{Alerts: 200})
	ids := w.threats("limit=2&agentIsActive=true").ids()
	body := map[string]any{"data": map[string]string{"password": password}, "filter": map[string]any{"ids": ids}}
	w.s1(400, "POST", "/threats/fetch-file", body)
	if n := w.fetch("1234567890123456789"); n != 0 {
		t.Errorf("an unknown threat: affected %d", n)
	}
}

func TestWhatIsServedIsDealtAndCanBeSet(t *testing.T) {
	w := newWorld(t, Options{Alerts: 10, FetchTime: -1})
	files := w.lab.Files()
	dealt, toFetch := map[string]int{}, []string{}
	for _, f := range files {
		dealt[f.Serves]++
		if f.Held == "nothing" {
			toFetch = append(toFetch, f.Serves)
		}
	}
	for _, kind := range serveKinds() {
		if n := dealt[kind]; n == 0 && kind != serveHuge || n > 0 && kind == serveHuge {
			t.Errorf("%d files are served as %s", n, kind)
		}
	}
	if want := []string{"zipcrypto", "aes", "zipcrypto", "wrong", "aes", "unreadable"}; !slices.Equal(toFetch, want) {
		t.Errorf("of the files that must be fetched: %v, want %v", toFetch, want)
	}
	w.control("serve", map[string]any{"file": 7, "as": "empty"}, nil)
	if got := w.lab.Files()[7].Serves; got != serveEmpty {
		t.Errorf("file 7 is served as %s", got)
	}
	w.control("serve", map[string]any{"file": 7}, nil)
	if got := w.lab.Files()[7].Serves; got != files[7].Serves {
		t.Errorf("file 7 is served as %s again, want %s", got, files[7].Serves)
	}
	w.must(400, "POST", w.lab.ControlURL()+"/_lab/serve", "", map[string]any{"file": 7, "as": "jam"})
	w.must(400, "POST", w.lab.ControlURL()+"/_lab/serve", "", map[string]any{"file": 60, "as": "empty"})
}

func TestAHugeFileIsServedWithTheHashThatItHas(t *testing.T) {
	const size = 5<<20 + 7
	w := newWorld(t, Options{Alerts: 10, FetchTime: -1, Huge: size})
	f := w.fileServed(serveHuge)
	if f.Size != size || f.Held != "nothing" {
		t.Errorf("%+v", f)
	}
	id := w.alertOn(f.Index, true)
	w.fetch(id)
	req, err := http.NewRequest("GET", w.lab.consoleURLs[0]+restRoot+w.uploads(id)[0].Data.DownloadURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "ApiToken "+w.token)
	resp, err := w.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	// The only entry before the manifest is stored, so that it can be decrypted as it comes.
	head := make([]byte, 30)
	if _, err := io.ReadFull(resp.Body, head); err != nil {
		t.Fatal(err)
	}
	rest := int64(head[26]) + int64(head[27])<<8 + int64(head[28]) + int64(head[29])<<8
	if _, err := io.CopyN(io.Discard, resp.Body, rest); err != nil {
		t.Fatal(err)
	}
	k, sum, buf := newZipKeys(password), sha1.New(), make([]byte, 32<<10)
	for left, skip := size+12, 12; left > 0; {
		n, err := resp.Body.Read(buf[:min(left, len(buf))])
		for i := range n {
			buf[i] ^= k.next()
			k.update(buf[i])
		}
		_, _ = sum.Write(buf[min(skip, n):n])
		skip -= min(skip, n)
		if left -= n; err != nil && left > 0 {
			t.Fatal(err)
		}
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != f.SHA1 {
		t.Errorf("sha1 %s, want %s", got, f.SHA1)
	}
}

func TestADownloadSuffersFaults(t *testing.T) {
	w := newWorld(t, Options{Alerts: 10, FetchTime: -1})
	id := w.alertOn(w.fileServed(serveZipCrypto).Index, true)
	w.fetch(id)
	path := w.uploads(id)[0].Data.DownloadURL
	w.control("faults", map[string]string{"faults": "truncate=1"}, nil)
	_, err := w.do("GET", w.lab.consoleURLs[0]+restRoot+path, "ApiToken "+w.token, nil)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("truncated: %v", err)
	}
}

func TestActivitiesHaveEveryPathOfTheRecordedOnes(t *testing.T) {
	dir := os.Getenv("EDRC_FIXTURES")
	if dir == "" {
		t.Skip("EDRC_FIXTURES is unset: the recorded replies are not compared")
	}
	raw, err := os.ReadFile(filepath.Join(dir, "sentinelone", "rapid7", "threat_file.json"))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, Options{Alerts: 10, FetchTime: -1})
	id := w.alertOn(w.fileServed(serveZipCrypto).Index, true)
	w.fetch(id)
	lab, compared := shapesOf(t, w.s1(200, "GET", "/activities?threatIds="+id, nil).body), 0
	for path, kinds := range shapesOf(t, raw) {
		for kind := range kinds {
			compared++
			if lab[path] == nil || !lab.has(path, kind) {
				t.Errorf("the lab lacks %s as %s, it has %v", path, kind, lab[path])
			}
		}
	}
	if compared < 45 {
		t.Errorf("only %d paths were compared", compared)
	}
}
