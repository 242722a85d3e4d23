package sample

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"edrc/internal/alert"
	"edrc/internal/fault"
)

// noise is n bytes that do not compress.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func TestEveryZipEncryptionIsRead(t *testing.T) {
	s, _ := newSpool(t)
	for c := plain; c <= ae2x256; c++ {
		for _, e := range []made{{store: true}, {}, {stream: true}, {store: true, stream: true}} {
			for _, data := range [][]byte{nil, []byte("x"), marked(5000), noise(200_000)} {
				e.name, e.data, e.crypt = "C/Users/ana/bad.exe", data, c
				t.Run(fmt.Sprintf("crypt %d stored %v streamed %v %d bytes", c, e.store, e.stream, len(data)), func(t *testing.T) {
					got, err := inspectBytes(s, makeZip(t, testPassword, e), testPassword, Limits{}, hashesOf(data))
					if err != nil {
						t.Fatal(err)
					}
					if got.Name != "bad.exe" || got.Hashes != hashesOf(data) || got.Size != int64(len(data)) || !got.Encrypted {
						t.Fatalf("got %+v", got)
					}
				})
			}
		}
	}
}

func TestArchivesOfInfoZipAreRead(t *testing.T) {
	zip := tool(t, "zip")
	s, _ := newSpool(t)
	data := marked(100_000)
	files := map[string][]byte{"C/Users/a b/bad.exe": data, "manifest.json": []byte(`[{"path":"C:\\Users\\a b\\bad.exe","sha1":"","reason":""}]`)}
	for name, args := range map[string][]string{
		"deflated": {"-q", "-r", "-P", testPassword, "o.zip", "."},
		"stored":   {"-q", "-r", "-0", "-P", testPassword, "o.zip", "."},
		"no dirs":  {"-q", "-r", "-D", "-P", testPassword, "o.zip", "."},
	} {
		t.Run(name, func(t *testing.T) {
			b := madeBy(t, files, "o.zip", zip, args...)
			got, err := inspectBytes(s, b, testPassword, Limits{}, hashesOf(data))
			if err != nil || got.Name != "bad.exe" || !got.Manifest || got.Files != 1 {
				t.Fatalf("got %+v, %v", got, err)
			}
			_, err = inspectBytes(s, b, "another", Limits{}, hashesOf(data))
			if p := ProblemOf(err); p != WrongPassword && p != Damaged {
				t.Fatalf("a wrong password gives %v", err)
			}
		})
	}
	t.Run("zip64, from a pipe", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "o.zip")
		cmd := exec.Command(zip, "-q", "-P", testPassword, path, "-")
		cmd.Stdin = bytes.NewReader(data)
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		b, _ := os.ReadFile(path)
		if _, err := inspectBytes(s, b, testPassword, Limits{}, hashesOf(data)); err != nil {
			t.Fatal(err)
		}
	})
}

func TestArchivesOf7ZipAreRead(t *testing.T) {
	seven := tool(t, "7z", "7za", "7zz")
	s, _ := newSpool(t)
	data := append(marked(100_000), noise(100_000)...)
	for name, args := range map[string][]string{
		"7z":                   {"o.7z", "-p" + testPassword},
		"7z, encrypted header": {"o.7z", "-p" + testPassword, "-mhe=on"},
		"7z, LZMA":             {"o.7z", "-p" + testPassword, "-m0=lzma"},
		"7z, stored":           {"o.7z", "-p" + testPassword, "-mx=0"},
		"7z, BCJ2":             {"o.7z", "-p" + testPassword, "-m0=bcj2", "-m1=lzma", "-m2=lzma", "-m3=lzma", "-mb0:1", "-mb0s1:2", "-mb0s2:3"},
		"7z, not solid":        {"o.7z", "-p" + testPassword, "-ms=off"},
		"zip, AES-256":         {"o.zip", "-tzip", "-mem=AES256", "-p" + testPassword},
		"zip, AES-128":         {"o.zip", "-tzip", "-mem=AES128", "-p" + testPassword},
		"zip, ZipCrypto":       {"o.zip", "-tzip", "-mem=ZipCrypto", "-p" + testPassword},
		"plain 7z":             {"o.7z"},
		"plain zip":            {"o.zip", "-tzip"},
	} {
		t.Run(name, func(t *testing.T) {
			b := madeBy(t, map[string][]byte{"d/other.txt": []byte("other"), "d/bad.exe": data}, args[0], seven,
				append(append([]string{"a", "-bd"}, args...), "d")...)
			a := take(t, s, b, testPassword)
			got, err := Inspect(context.Background(), a, Limits{}, hashesOf(data))
			if err != nil || got.Name != "bad.exe" || got.Files != 2 || !got.Encrypted {
				t.Fatalf("got %+v, %v", got, err)
			}
			r, err := OpenFile(context.Background(), a, Limits{}, got)
			if !bytes.Equal(readAll(t, r, err), data) {
				t.Fatal("OpenFile gives other bytes")
			}
			single, err := s.Single(context.Background(), a, Limits{}, got)
			if err != nil {
				t.Fatal(err)
			}
			defer single.Close()
			if single.Hashes != hashesOf(data) || single.Format() != Zip {
				t.Fatalf("got %v with %v", single, single.Hashes)
			}
			if len(args) > 2 || args[0] == "o.7z" && len(args) == 2 {
				_, err = inspectBytes(s, b, "another", Limits{}, hashesOf(data))
				if p := ProblemOf(err); p != WrongPassword && p != Damaged {
					t.Fatalf("a wrong password gives %v", err)
				}
			}
		})
	}
}

func TestWhatIsWrappedOpensIn7Zip(t *testing.T) {
	seven := tool(t, "7z", "7za", "7zz")
	s, _ := newSpool(t)
	data := marked(300_000)
	a, err := s.Wrap(context.Background(), bytes.NewReader(data), `C:\Users\ana\bäd.exe`, testPassword)
	if err != nil {
		t.Fatal(err)
	}
	r, err := a.Open()
	path := filepath.Join(t.TempDir(), "o.zip")
	if err := os.WriteFile(path, readAll(t, r, err), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(seven, "x", "-so", "-p"+testPassword, path).Output()
	if err != nil || !bytes.Equal(out, data) {
		t.Fatalf("7z gives %d bytes, %v", len(out), err)
	}
	if err := exec.Command(seven, "t", "-pwrong", path).Run(); err == nil {
		t.Fatal("7z opens it with a wrong password")
	}
}

func TestAWrongPasswordThatPassesTheCheckByteIsFoundOut(t *testing.T) {
	s, _ := newSpool(t)
	for _, store := range []bool{true, false} {
		b := makeZip(t, testPassword, made{name: "bad.exe", data: marked(5000), crypt: legacy, store: store})
		found := false
		for i := 0; !found && i < 20_000; i++ {
			_, err := inspectBytes(s, b, fmt.Sprintf("wrong-%d", i), Limits{}, alert.Hashes{})
			if err == nil {
				t.Fatal("a wrong password opens the archive")
			}
			found = ProblemOf(err) == Damaged
		}
		if !found {
			t.Fatal("no wrong password passed the check byte: 1 in 256 should")
		}
	}
}

func TestWrongBytesAreTold(t *testing.T) {
	s, _ := newSpool(t)
	data, other := marked(1000), hashesOf([]byte("other"))
	b := makeZip(t, testPassword, made{name: "bad.exe", data: data, crypt: legacy})
	for _, want := range []alert.Hashes{{SHA256: other.SHA256}, {SHA1: other.SHA1}, {MD5: other.MD5}, other} {
		_, err := inspectBytes(s, b, testPassword, Limits{}, want)
		wantProblem(t, err, WrongBytes)
		if !fault.Is(err, fault.Corrupt) || !bytes.Contains([]byte(err.Error()), []byte("fetch_corrupt")) {
			t.Fatalf("got %v", err)
		}
	}
	mine := hashesOf(data)
	for _, want := range []alert.Hashes{{}, {SHA1: mine.SHA1}, {MD5: mine.MD5}, {SHA256: mine.SHA256, MD5: other.MD5},
		{SHA1: "0000000000000000000000000000000000000000"}} {
		if _, err := inspectBytes(s, b, testPassword, Limits{}, want); err != nil {
			t.Fatalf("want %v: %v", want, err)
		}
	}
}

// damagedArchives are small ones of each kind.
func damagedArchives(t *testing.T) map[string][]byte {
	data := append(marked(2000), noise(1000)...)
	out := map[string][]byte{}
	for c := legacy; c <= ae2x256; c++ {
		out[fmt.Sprintf("zip %d", c)] = makeZip(t, testPassword, made{name: "d/bad.exe", data: data, crypt: c})
	}
	if seven, err := exec.LookPath("7z"); err == nil {
		files := map[string][]byte{"bad.exe": data}
		out["7z"] = madeBy(t, files, "o.7z", seven, "a", "-bd", "o.7z", "-p"+testPassword, "bad.exe")
		out["7z encrypted header"] = madeBy(t, files, "o.7z", seven, "a", "-bd", "-mhe=on", "o.7z", "-p"+testPassword, "bad.exe")
	}
	return out
}

func TestTruncationNeverPasses(t *testing.T) {
	s, _ := newSpool(t)
	for name, b := range damagedArchives(t) {
		for n := 0; n < len(b); n += 64 {
			_, err := inspectBytes(s, b[:n], testPassword, Limits{}, alert.Hashes{})
			if ProblemOf(err) == "" {
				t.Fatalf("%s cut to %d of %d bytes: %v", name, n, len(b), err)
			}
		}
	}
}

func TestAFlippedBitNeverGivesOtherBytes(t *testing.T) {
	s, _ := newSpool(t)
	want := hashesOf(append(marked(2000), noise(1000)...))
	for name, b := range damagedArchives(t) {
		for i := 0; i < len(b); i += 5 {
			bad := bytes.Clone(b)
			bad[i] ^= 1 << (i % 8)
			got, err := inspectBytes(s, bad, testPassword, Limits{}, alert.Hashes{})
			if err == nil && got.Hashes != want || err != nil && ProblemOf(err) == "" {
				t.Fatalf("%s with byte %d altered: %+v, %v", name, i, got, err)
			}
		}
	}
}
