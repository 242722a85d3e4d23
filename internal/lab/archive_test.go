package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const testPassword = "edrc lab: ü 1"

func zipMethods() []string { return []string{zipCrypto, zipAES, zipAES1, zipAES128} }

func sample() entry {
	return entry{name: "räuber (1).exe", content: bytes.Repeat([]byte("inert bytes that can be packed; "), 3000)}
}

func mustZip(t *testing.T, method, password string, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := writeEncryptedZip(&b, method, password, entries); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func mustFingerprint(t *testing.T, content []byte) fingerprint {
	t.Helper()
	d, err := fingerprintOf(bytes.NewReader(content), maxUpload)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// tool finds a program, or skips the test.
func tool(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("none of %v is installed", names)
	return ""
}

func TestEncryptedZipsOfEachMethodAreReadBack(t *testing.T) {
	big := sample()
	for _, e := range []entry{big, {name: "stored", content: big.content, stored: true}, {name: "x", content: []byte("1")}, {name: "empty"}} {
		want := mustFingerprint(t, e.content)
		for _, method := range zipMethods() {
			z := mustZip(t, method, testPassword, e)
			if !bytes.Equal(z, mustZip(t, method, testPassword, e)) {
				t.Errorf("%s: not the same bytes twice", method)
			}
			if bytes.Contains(z, []byte("inert bytes that can be packed")) {
				t.Errorf("%s: the content stands in clear", method)
			}
			if got, err := unpack(bytes.Clone(z), testPassword, maxUpload); err != nil || got != want {
				t.Errorf("%s of %s: %+v, %v", method, e.name, got, err)
			}
			if _, err := unpack(bytes.Clone(z), "", maxUpload); !errors.Is(err, errNeedsPassword) {
				t.Errorf("%s without the password: %v", method, err)
			}
		}
	}
}

func TestAWrongPasswordNeverOpensAnArchive(t *testing.T) {
	for _, method := range zipMethods() {
		z, tries := mustZip(t, method, testPassword, sample()), 20
		if method == zipCrypto {
			tries = 2000 // one in 256 passes the check of the cipher
		}
		for n := range tries {
			if got, err := unpack(bytes.Clone(z), fmt.Sprint("wrong", n), maxUpload); !errors.Is(err, errCannotExtract) {
				t.Fatalf("%s: %+v, %v", method, got, err)
			}
		}
	}
}

func TestADamagedArchiveIsNeverAnotherFile(t *testing.T) {
	e := entry{name: "a", content: []byte("a short content of a file")}
	want := mustFingerprint(t, e.content)
	for _, method := range zipMethods() {
		z := mustZip(t, method, testPassword, e)
		for i := range z {
			for _, bad := range [][]byte{z[:i], slices.Concat(z[:i], []byte{z[i] ^ 0x41}, z[i+1:])} {
				isZip := bytes.HasPrefix(bad, []byte("PK"))
				if got, err := unpack(bytes.Clone(bad), testPassword, maxUpload); err == nil && isZip && got != want {
					t.Fatalf("%s, byte %d: %+v", method, i, got)
				}
			}
		}
	}
}

func TestAZipThatIsNotEncryptedIsAFileOrAnArchiveAsItIsSent(t *testing.T) {
	e := sample()
	z := mustZip(t, zipPlain, "", e)
	if got, err := unpack(z, "", maxUpload); err != nil || got != mustFingerprint(t, z) {
		t.Errorf("a document: %+v, %v", got, err)
	}
	if got, err := unpack(z, testPassword, maxUpload); err != nil || got != mustFingerprint(t, e.content) {
		t.Errorf("an archive: %+v, %v", got, err)
	}
}

func TestAnArchiveBeyondTheLimitOrWithTwoFilesIsRefused(t *testing.T) {
	bomb := mustZip(t, zipAES, testPassword, entry{name: "zeros", content: make([]byte, 1<<20)})
	if _, err := unpack(bomb, testPassword, 1<<20-1); !errors.Is(err, errTooLarge) {
		t.Errorf("a bomb of %d bytes: %v", len(bomb), err)
	}
	for _, z := range [][]byte{
		mustZip(t, zipAES, testPassword, entry{name: "a"}, entry{name: "b"}), mustZip(t, zipAES, testPassword),
		mustZip(t, zipAES, testPassword, entry{name: "dir/"}), []byte("PK\x03\x04"),
		[]byte("no archive at all"),
	} {
		if got, err := unpack(z, testPassword, maxUpload); !errors.Is(err, errCannotExtract) {
			t.Errorf("%.20q: %+v, %v", z, got, err)
		}
	}
	if err := writeEncryptedZip(new(bytes.Buffer), "rot13", "x", []entry{sample()}); err == nil {
		t.Error("an unknown method is written")
	}
}

func TestUnzipAnd7zOpenTheZipsOfTheLab(t *testing.T) {
	const password = "infected" // unzip knows nothing of UTF-8 in passwords
	entries := []entry{sample(), {name: "../../evil.exe", content: []byte("never unpacked by a path"), stored: true}}
	for _, tc := range []struct {
		tools, args []string
		methods     []string
	}{
		{[]string{"unzip"}, []string{"-tq", "-P", password}, []string{zipPlain, zipCrypto}},
		{[]string{"7z", "7za", "7zz", "/usr/lib/p7zip/7z"}, []string{"t", "-p" + password}, append(zipMethods(), zipPlain)},
	} {
		for _, method := range tc.methods {
			t.Run(tc.tools[0]+" "+method, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "a.zip")
				if err := os.WriteFile(path, mustZip(t, method, password, entries...), 0o600); err != nil {
					t.Fatal(err)
				}
				if out, err := exec.Command(tool(t, tc.tools...), append(tc.args, path)...).CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, out)
				}
			})
		}
	}
}

func TestWhatZipWritesIsRead(t *testing.T) {
	e, dir := sample(), t.TempDir()
	want := mustFingerprint(t, e.content)
	if err := os.WriteFile(filepath.Join(dir, "sample"), e.content, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"from a file":  {"-q", "-P", "infected", "-", "sample"},
		"stored":       {"-q", "-0", "-P", "infected", "-", "sample"},
		"from a pipe":  {"-q", "-P", "infected", "-", "-"}, // without the CRC in front
		"with folders": {"-q", "-r", "-P", "infected", "-", "."},
	} {
		cmd := exec.Command(tool(t, "zip"), args...)
		cmd.Dir, cmd.Stdin = dir, bytes.NewReader(e.content)
		z, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := unpack(z, "infected", maxUpload); err != nil || got != want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func Test7zOpensTheArchivesOfTheLab(t *testing.T) {
	path, e := filepath.Join(t.TempDir(), "a.7z"), sample()
	var b bytes.Buffer
	if err := writeSevenZip(&b, testPassword, []entry{e, {name: "dir/b", content: []byte("b")}}); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b.Bytes(), []byte("inert bytes")) {
		t.Error("the content stands in clear")
	}
	for _, bad := range [][]entry{nil, {{name: "empty"}}} {
		if writeSevenZip(new(bytes.Buffer), "x", bad) == nil {
			t.Errorf("%v is written", bad)
		}
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	program := tool(t, "7z", "7zr", "7za", "7zz")
	out, err := exec.Command(program, "x", "-so", "-p"+testPassword, path, e.name).Output()
	if err != nil || !bytes.Equal(out, e.content) {
		t.Errorf("%d bytes, %v", len(out), err)
	}
	out, err = exec.Command(program, "t", "-pwrong", path).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "Wrong password") {
		t.Errorf("a wrong password: %v, %s", err, out)
	}
}
