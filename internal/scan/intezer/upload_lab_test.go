package intezer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/lab"
	"edrc/internal/scan"
)

// analysedByUpload uploads a file to the lab, twice, and waits for its verdict.
func analysedByUpload(t *testing.T, c *Client, u scan.Upload) alert.Verdict {
	t.Helper()
	sub, err := c.SubmitFile(t.Context(), u)
	if err != nil || sub.Outcome != scan.Accepted {
		t.Fatalf("%+v, %v", sub, err)
	}
	again, err := c.SubmitFile(t.Context(), u)
	if err != nil || again.Outcome != scan.AlreadyRunning || again.ID != sub.ID {
		t.Errorf("while it runs: %+v, %v", again, err)
	}
	for range 20 {
		a, err := c.Poll(t.Context(), sub.ID)
		if err != nil {
			t.Fatal(err)
		}
		if a.State == scan.Succeeded {
			return a.Verdict
		}
	}
	t.Fatal("it never ends")
	return alert.Verdict{}
}

// zipped makes an archive of the content with Info-ZIP, or skips the test.
func zipped(t *testing.T, content []byte, password string) scan.Upload {
	t.Helper()
	program, err := exec.LookPath("zip")
	if err != nil {
		t.Skip("zip is not installed")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sample"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-q", "-P", password, "-", "sample")
	cmd.Dir = dir
	z, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return scan.Upload{Name: "sample.zip", Password: password, Size: int64(len(z)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(z)), nil
	}}
}

func hashOf(content string) alert.Hash {
	sum := sha256.Sum256([]byte(content))
	return alert.Hash(hex.EncodeToString(sum[:]))
}

func TestUploadsToTheLabAreAnalysedAndThenKnown(t *testing.T) {
	l, c, _ := labWorld(t, lab.Options{})
	const plain, packed = "inert bytes of a script", "inert bytes in an archive"
	for content, u := range map[string]scan.Upload{plain: fileOf(plain), packed: zipped(t, []byte(packed), "infected")} {
		h := hashOf(content)
		if sub, err := c.Submit(t.Context(), h); err != nil || sub.Outcome != scan.NotHeld {
			t.Fatalf("before: %+v, %v", sub, err)
		}
		if v := analysedByUpload(t, c, u); v.SHA256 != h || v.Class != alert.Unknown {
			t.Errorf("%+v", v)
		}
		if a, err := c.Lookup(t.Context(), h); err != nil || !a.Private || a.Verdict.SHA256 != h {
			t.Errorf("afterwards: %+v, %v", a, err)
		}
		if n := l.State().Intezer.ScansByFile[string(h)]; n != 1 {
			t.Errorf("%d scans", n)
		}
	}
}

func TestAnArchiveThatTheLabCannotOpenCostsNothing(t *testing.T) {
	l, c, _ := labWorld(t, lab.Options{})
	wrong, none := zipped(t, []byte("inert"), "infected"), zipped(t, []byte("inert"), "infected")
	wrong.Password, none.Password = "another", ""
	for _, u := range []scan.Upload{wrong, none} {
		_, err := c.SubmitFile(t.Context(), u)
		if e := wantKind(t, err, fault.Invalid); e.Hint == "" {
			t.Errorf("no hint: %v", e)
		}
	}
	if s := l.State().Intezer; s.Scans != 0 {
		t.Errorf("%+v", s)
	}
}

func TestAnOldLabAndItsLimitsAreMet(t *testing.T) {
	l, c, _ := labWorld(t, lab.Options{})
	h, err := httpx.New(httpx.Config{Name: "control", Base: l.ControlURL()})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	set := httpx.Request{Method: http.MethodPost, Path: "/_lab/upload", JSON: json.RawMessage(`{"max":1000,"verify":false}`)}
	if _, err := h.Do(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	if sub, err := c.SubmitFile(t.Context(), fileOf("inert")); err != nil || sub.Outcome != scan.Accepted {
		t.Errorf("%+v, %v", sub, err)
	}
	large := fileOf(string(make([]byte, 1<<20)))
	if sub, err := c.SubmitFile(t.Context(), large); err != nil || sub.Outcome != scan.Unsupported || sub.Reason == "" {
		t.Errorf("%+v, %v", sub, err)
	}
}
