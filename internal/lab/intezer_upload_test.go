package lab

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
)

// absent is a file that the engine does not hold, with its bytes.
func (w *bench) absent() (*file, entry) {
	w.Helper()
	i, f := w.fileThat(func(f *file) bool { return f.held == holdsNothing && f.verdict != "not_supported" })
	return f, entry{name: f.name, content: w.lab.engine.corpus.content(i, f.size)}
}

func TestAnEncryptedArchiveIsAnalysedAsTheFileInIt(t *testing.T) {
	for _, method := range zipMethods() {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t, Options{})
			f, e := w.absent()
			w.ask(404, "POST", "/analyze-by-hash", byHash(f.sha1))
			z := mustZip(t, method, testPassword, e)
			url := w.upload(201, "file.zip", z, map[string]string{"zip_password": testPassword, "verify_file_support": "true"}).ResultURL
			if again := w.upload(409, "file.zip", z, map[string]string{"zip_password": testPassword}); again.ResultURL != url {
				t.Errorf("while it runs: %+v", again)
			}
			w.control("finish", nil, nil)
			if got := w.ask(200, "GET", url, nil); got.Result.SHA256 != f.sha256 || got.Result.Verdict != f.verdict {
				t.Errorf("analysis %+v", got)
			}
			if got := w.ask(200, "GET", "/files/"+f.md5, private()); !got.Result.IsPrivate || got.ResultURL != url {
				t.Errorf("afterwards it is held: %+v", got)
			}
			w.ask(201, "POST", "/analyze-by-hash", byHash(f.sha1))
			if s := w.lab.State().Intezer; s.ScansByFile[f.sha256] != 2 || s.Scans != 2 || s.Uploads != 2 {
				t.Errorf("state %+v", s)
			}
		})
	}
}

func TestAnArchiveThatCannotBeOpenedCostsNothing(t *testing.T) {
	w := newWorld(t, Options{})
	_, e := w.absent()
	z := mustZip(t, zipAES, testPassword, e)
	for name, tc := range map[string]struct {
		filename string
		content  []byte
		password string
		want     string
	}{
		"no password":       {"file.zip", z, "", "Archive is password protected"},
		"a wrong one":       {"file.zip", z, "wrong", "Cannot extract archive"},
		"two files":         {"file.zip", mustZip(t, zipAES, "pw", e, sample()), "pw", "Cannot extract archive"},
		"cut off":           {"file.zip", z[:len(z)/2], testPassword, "Cannot extract archive"},
		"no archive":        {"file.zip", []byte("MZ"), testPassword, "Cannot extract archive"},
		"not called a .zip": {"file.bin", z, testPassword, "Cannot extract archive"},
	} {
		parts := map[string]string{}
		if tc.password != "" {
			parts["zip_password"] = tc.password
		}
		if got := w.upload(400, tc.filename, tc.content, parts); got.Error != tc.want {
			t.Errorf("%s: %q, want %q", name, got.Error, tc.want)
		}
	}
	if s := w.lab.State().Intezer; s.Scans != 0 || s.Uploads != 0 {
		t.Errorf("state %+v", s)
	}
}

func TestBytesThatNobodyKnowsBecomeAFile(t *testing.T) {
	w := newWorld(t, Options{})
	e := sample()
	want := mustFingerprint(t, e.content)
	url := w.upload(201, "file.zip", mustZip(t, zipCrypto, "infected", e), map[string]string{"zip_password": "infected"}).ResultURL
	w.control("finish", nil, nil)
	if got := w.ask(200, "GET", url, nil); got.Result.SHA256 != want.sha256 || got.Result.Verdict != "unknown" {
		t.Errorf("analysis %+v", got)
	}
	for _, hash := range []string{want.sha256, want.sha1, want.md5} {
		w.ask(200, "GET", "/files/"+hash, private())
	}
}

func TestUploadLimitsCanBeSet(t *testing.T) {
	w := newWorld(t, Options{})
	_, e := w.absent()
	i, odd := w.fileThat(func(f *file) bool { return f.verdict == "not_supported" && !f.skipped && !f.failsOnce })
	verify := map[string]string{"verify_file_support": "true"}
	if got := w.upload(415, "odd.bin", w.lab.engine.corpus.content(i, odd.size), verify); got.Error == "" {
		t.Errorf("%+v", got)
	}
	w.upload(201, "odd.bin", w.lab.engine.corpus.content(i, odd.size), nil)
	w.control("upload", map[string]any{"max": 2000, "verify": false}, nil)
	if got := w.upload(400, "a.bin", e.content[:500], verify); got.Details["verify_file_support"] == nil {
		t.Errorf("an old server: %+v", got)
	}
	w.upload(413, "a.bin", bytes.Repeat([]byte("x"), 2001), nil)
	bomb := mustZip(t, zipAES, "pw", entry{name: "a", content: make([]byte, 2001)})
	w.upload(413, "file.zip", bomb, map[string]string{"zip_password": "pw"})
	w.upload(201, "a.bin", bytes.Repeat([]byte("x"), 2000), nil)
	w.must(400, "POST", w.lab.ControlURL()+"/_lab/upload", "", map[string]int{"max": 0})
	w.control("quota", map[string]int{"usage": 500}, nil)
	w.upload(403, "b.bin", []byte("beyond the quota"), nil)
	if s := w.lab.State().Intezer; s.Scans != 2 {
		t.Errorf("state %+v", s)
	}
}

func TestALargeUploadWithADeadTokenIsReadAndRefused(t *testing.T) {
	w := newWorld(t, Options{})
	req, err := http.NewRequest("POST", w.lab.engineURL+intezerRoot+"/analyze", strings.NewReader(strings.Repeat("x", 8<<20)))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 401 {
		t.Errorf("status %d", resp.StatusCode)
	}
}
