package sample

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"edrc/internal/alert"
)

const (
	testPassword = "Correct-Horse-7!"
	marker       = "EDRC-CLEAR-MARKER-0123456789"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv("EDRC_SAMPLE_CHILD"); mode != "" {
		child(mode, os.Getenv("EDRC_SAMPLE_DIR"))
		return
	}
	os.Exit(m.Run())
}

// marked is n bytes of clear text that can be searched for.
func marked(n int) []byte {
	return bytes.Repeat([]byte(marker+"\n"), n/len(marker)+1)[:n]
}

func newSpool(t testing.TB) (*Spool, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "spool")
	s, err := OpenSpool(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, dir
}

// take puts bytes on the spool.
func take(t testing.TB, s *Spool, data []byte, password string) *Archive {
	t.Helper()
	a, err := s.Take(context.Background(), bytes.NewReader(data), password)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// hashesOf hashes bytes.
func hashesOf(b []byte) alert.Hashes {
	h := newHasher()
	h.Write(b)
	return h.sums()
}

// inspectBytes takes and inspects in one.
func inspectBytes(s *Spool, data []byte, password string, lim Limits, want alert.Hashes) (Contents, error) {
	a, err := s.Take(context.Background(), bytes.NewReader(data), password)
	if err != nil {
		return Contents{}, err
	}
	defer a.Close()
	return Inspect(context.Background(), a, lim, want)
}

// wantProblem fails unless err has the problem.
func wantProblem(t *testing.T, err error, want Problem) {
	t.Helper()
	if ProblemOf(err) != want {
		t.Fatalf("got %v (%q), want problem %q", err, ProblemOf(err), want)
	}
}

// tool finds a program or skips; in CI it must be there.
func tool(t testing.TB, names ...string) string {
	t.Helper()
	for _, n := range names {
		if p, err := exec.LookPath(n); err == nil {
			return p
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("none of %v is installed", names)
	}
	t.Skipf("none of %v is installed: the archives of an independent writer are not tried", names)
	return ""
}

// madeBy runs an archiver over files in a folder of its own and gives the archive.
func madeBy(t testing.TB, files map[string][]byte, out, program string, args ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, msg)
	}
	b, err := os.ReadFile(filepath.Join(dir, out))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// clear tells where the marker or an archive's own bytes stand on a disk, "" nowhere.
func clearBytes(dir string) string {
	found := ""
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		found += clearFile(path)
		return nil
	})
	return found
}

// clearFile looks into one file, which may be one of /proc/PID/fd.
func clearFile(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for _, s := range []string{marker, "PK\x03\x04", sevenMagic, manifestName} {
		if bytes.Contains(b, []byte(s)) {
			return fmt.Sprintf("%s has %q; ", path, s)
		}
	}
	return ""
}

// namesIn lists a folder.
func namesIn(t testing.TB, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		out = append(out, e.Name())
	}
	return out
}

// readAll reads and closes.
func readAll(t testing.TB, r io.ReadCloser, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// long gives a text of n letters.
func long(n int) string { return strings.Repeat("n", n) }
