package sample

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"edrc/internal/alert"
)

func TestNothingIsInClearOnDiskWhateverComes(t *testing.T) {
	s, dir := newSpool(t)
	data := marked(50_000)
	for name, b := range map[string][]byte{
		"plain zip":     makeZip(t, "", made{name: "d/bad.exe", data: data, store: true}),
		"mixed zip":     makeZip(t, testPassword, made{name: "a", data: []byte("x"), crypt: legacy}, made{name: "d/bad.exe", data: data, store: true}),
		"encrypted zip": makeZip(t, testPassword, made{name: marker, data: data, crypt: legacy, store: true}),
		"plain 7z":      make7z(data, stored7z(data, []byte{1, 1, 0}, 1)),
	} {
		t.Run(name, func(t *testing.T) {
			a := take(t, s, b, testPassword)
			look := func(step string) {
				t.Helper()
				raw, err := os.ReadFile(fmt.Sprintf("/proc/self/fd/%d", a.file.f.Fd()))
				if err == nil && (bytes.Contains(raw, []byte(marker)) || bytes.Contains(raw, []byte("PK"+"\x03\x04"))) {
					t.Fatalf("%s: the spool's file is in clear", step)
				}
				if found := clearBytes(dir); found != "" {
					t.Fatalf("%s: %s", step, found)
				}
			}
			look("after Take")
			c, err := Inspect(context.Background(), a, Limits{}, hashesOf(data))
			if err != nil || !c.Encrypted || a.Hashes != hashesOf(data) {
				t.Fatalf("got %+v, %v", c, err)
			}
			look("after Inspect")
			r, err := a.Open()
			out := readAll(t, r, err)
			if name != "encrypted zip" && bytes.Contains(out, []byte(marker)) {
				t.Fatal("the archive that leaves has the file in clear")
			}
			if int64(len(out)) != a.RawSize() || Sniff(out) != a.Format() {
				t.Fatalf("%d bytes of %s", len(out), a)
			}
			if err := s.Keep(context.Background(), a, name); err != nil {
				t.Fatal(err)
			}
			look("after Keep")
		})
	}
}

func TestFilesAreTheirOwnersAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("mode bits mean nothing on Windows")
	}
	dir := filepath.Join(t.TempDir(), "spool")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := OpenSpool(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a, err := s.Wrap(context.Background(), strings.NewReader("x"), "x", testPassword)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if names := namesIn(t, dir); len(names) != 0 {
		t.Fatalf("a file of this process alone has a name: %v", names)
	}
	if err := s.Keep(context.Background(), a, "k"); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, namesIn(t, dir)[0])} {
		if fi, err := os.Stat(path); err != nil || fi.Mode().Perm()&0o077 != 0 {
			t.Fatalf("%s: %v, %v", path, fi.Mode(), err)
		}
	}
	if fi, _ := a.file.f.Stat(); fi.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v", fi.Mode())
	}
}

func TestWhatIsKeptOpensInAnotherProcess(t *testing.T) {
	s, dir := newSpool(t)
	ctx := context.Background()
	data := marked(100_000)
	for _, text := range [][]byte{noise(10), data} { // the second replaces the first
		a, err := s.Wrap(ctx, bytes.NewReader(text), "bad.exe", testPassword)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Keep(ctx, a, "sid/threat"); err != nil {
			t.Fatal(err)
		}
		a.Close()
	}
	s.Close()
	later, err := OpenSpool(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer later.Close()
	list, err := later.List()
	if err != nil || len(list) != 1 || list[0].Digest != KeyDigest("sid/threat") || strings.Contains(namesIn(t, dir)[0], "threat") {
		t.Fatalf("kept: %v, %v", list, err)
	}
	_, err = later.OpenKept("sid/other", testPassword)
	wantProblem(t, err, NotKept)
	_, err = later.OpenKept("sid/threat", "another")
	wantProblem(t, err, WrongPassword)
	a, err := later.OpenKept("sid/threat", testPassword)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := Inspect(ctx, a, Limits{}, hashesOf(data)); err != nil || c.Name != "bad.exe" {
		t.Fatalf("got %+v, %v", c, err)
	}
	if err := a.Remove(); err != nil {
		t.Fatal(err)
	}
	if names := namesIn(t, dir); len(names) != 0 {
		t.Fatalf("left: %v", names)
	}
	if _, err := a.Open(); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("a removed archive opens: %v", err)
	}
}

func TestSweepTakesWhatIsOldAndWhatIsDead(t *testing.T) {
	s, dir := newSpool(t)
	ctx := context.Background()
	a, err := s.Wrap(ctx, strings.NewReader("x"), "x", testPassword)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for _, key := range []string{"old", "new", "dropped"} {
		if err := s.Keep(ctx, a, key); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	list, _ := s.List()
	for _, k := range list {
		if k.Digest == KeyDigest("old") {
			if err := os.Chtimes(filepath.Join(dir, k.name), now, now.Add(-48*time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range []string{"tmp-dead", "foreign", "kept-odd"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	held, f, err := s.temp()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Drop("dropped"); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Sweep(func(k Kept) bool { return k.Since.Before(now.Add(-24 * time.Hour)) }); n != 1 || err != nil {
		t.Fatalf("swept %d, %v", n, err)
	}
	got := strings.Join(namesIn(t, dir), " ")
	if strings.Contains(got, "tmp-dead") || !strings.Contains(got, held) || !strings.Contains(got, KeyDigest("new")) ||
		strings.Contains(got, KeyDigest("old")) || strings.Contains(got, KeyDigest("dropped")) || !strings.Contains(got, "foreign") {
		t.Fatalf("left: %s", got)
	}
	f.Close()
	if _, err := OpenSpool(dir); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(namesIn(t, dir), " "); strings.Contains(got, held) {
		t.Fatalf("left: %s", got)
	}
}

func TestSweepsAndKeepsAtTheSameTimeLoseNothing(t *testing.T) {
	s, dir := newSpool(t)
	a, err := s.Wrap(context.Background(), strings.NewReader("x"), "x", testPassword)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if other, err := OpenSpool(dir); err != nil {
					t.Error(err)
				} else {
					other.Close()
				}
			}
		}
	})
	for i := range 40 {
		if err := s.Keep(context.Background(), a, fmt.Sprint(i)); err != nil {
			t.Error(err)
		}
		b, err := s.Wrap(context.Background(), strings.NewReader("y"), "y", testPassword)
		if err != nil {
			t.Fatal(err)
		}
		b.Close()
	}
	close(stop)
	wg.Wait()
	if list, err := s.List(); len(list) != 40 || err != nil {
		t.Fatalf("%d are kept, %v", len(list), err)
	}
}

func TestAFaultOfTheSourceComesBackAsItIs(t *testing.T) {
	s, dir := newSpool(t)
	broken := errors.New("the line went dead")
	part := func() io.Reader { return io.MultiReader(bytes.NewReader(marked(100_000)), iotest.ErrReader(broken)) }
	if _, err := s.Take(context.Background(), part(), testPassword); !errors.Is(err, broken) || ProblemOf(err) != "" {
		t.Fatalf("got %v", err)
	}
	if _, err := s.Wrap(context.Background(), part(), "x", testPassword); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Wrap(ctx, part(), "x", testPassword); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	a := take(t, s, makeZip(t, testPassword, made{name: "a", data: marked(100), crypt: legacy}), testPassword)
	if _, err := Inspect(ctx, a, Limits{}, alert.Hashes{}); !errors.Is(err, context.Canceled) || ProblemOf(err) != "" {
		t.Fatalf("got %v", err)
	}
	for what, b := range map[string]string{"web page": "<html>", "JSON": `{"errors":[]}`, "empty": "", "gzip": "\x1f\x8b\x08", "starts with": "MZ"} {
		_, err := s.Take(context.Background(), strings.NewReader(b), testPassword)
		if wantProblem(t, err, Damaged); !strings.Contains(err.Error(), what) {
			t.Fatalf("got %v", err)
		}
	}
	if n := s.live.Load(); n != 0+a.size || len(namesIn(t, dir)) != 0 {
		t.Fatalf("%d bytes are counted, left: %v", n, namesIn(t, dir))
	}
}

func TestAnArchiveDoesNotPrintItsPassword(t *testing.T) {
	s, _ := newSpool(t)
	a, err := s.Wrap(context.Background(), strings.NewReader("x"), "x", testPassword)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if all := fmt.Sprintf("%v %+v %#v %s", a, a, a, a); strings.Contains(all, testPassword) {
		t.Fatal(all)
	}
}
