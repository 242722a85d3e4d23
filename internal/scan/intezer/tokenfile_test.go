package intezer

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"edrc/internal/fault"
	"edrc/internal/httpx"
)

func tokenDir(dir string) func(*Options, *Env) {
	return func(_ *Options, e *Env) { e.TokenDir = dir }
}

// use makes a process that reads the quota.
func use(t *testing.T, s *server, change ...func(*Options, *Env)) error {
	t.Helper()
	_, err := s.client(change...).Quota(t.Context())
	return err
}

func TestTheTokenIsSharedBetweenProcessesInAPrivateFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := newServer(t).on(quotaRoute, reply200(`{}`))
	for range 3 {
		if err := use(t, s, tokenDir(dir)); err != nil {
			t.Fatal(err)
		}
	}
	s.count("POST /get-access-token", 1)
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	info, err := files[0].Info()
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	b, err := os.ReadFile(filepath.Join(dir, files[0].Name()))
	if err != nil || strings.Contains(string(b)+files[0].Name(), testKey) {
		t.Errorf("the key is in the file or its name: %v", err)
	}
}

func TestARotatedKeyAndAnotherServerNeverMeetAnOldToken(t *testing.T) {
	dir := t.TempDir()
	s := newServer(t).on(quotaRoute, reply200(`{}`))
	if err := use(t, s, tokenDir(dir)); err != nil {
		t.Fatal(err)
	}
	rotated := func(o *Options, _ *Env) { o.APIKey = httpx.Literal(strings.Replace(testKey, "0a", "0b", 1)) }
	if err := use(t, s, tokenDir(dir), rotated); err != nil {
		t.Fatal(err)
	}
	s.count("POST /get-access-token", 2)
	other := newServer(t).on(quotaRoute, reply200(`{}`))
	if err := use(t, other, tokenDir(dir)); err != nil {
		t.Fatal(err)
	}
	other.count("POST /get-access-token", 1)
}

func TestASavedTokenThatIsRefusedIsReplaced(t *testing.T) {
	dir := t.TempDir()
	s := newServer(t).on(quotaRoute, reply200(`{}`), answer(401, ``), reply200(`{}`)).
		on("POST /get-access-token", reply200(`{"result":"old"}`), reply200(`{"result":"new"}`))
	for range 3 {
		if err := use(t, s, tokenDir(dir)); err != nil {
			t.Fatal(err)
		}
	}
	s.count("POST /get-access-token", 2)
	all := s.of(quotaRoute)
	if got := all[len(all)-1].auth; got != "Bearer new" {
		t.Errorf("the last process used %q", got)
	}
}

func TestABadTokenFileCostsOneRequestAndIsReplaced(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"corrupt":          func(p string) error { return os.WriteFile(p, []byte("{"), 0o600) },
		"header injection": func(p string) error { return os.WriteFile(p, []byte(`{"token":"a\nb"}`), 0o600) },
		"expired": func(p string) error {
			return os.WriteFile(p, []byte(`{"token":"a","until":"2020-01-01T00:00:00Z"}`), 0o600)
		},
		"readable by others": func(p string) error { return os.Chmod(p, 0o644) },
		"a link": func(p string) error {
			if err := os.Rename(p, p+".real"); err != nil {
				return err
			}
			return os.Symlink(p+".real", p)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" && (name == "a link" || name == "readable by others") {
				t.Skip("no such thing on Windows")
			}
			dir := t.TempDir()
			s := newServer(t).on(quotaRoute, reply200(`{}`))
			if err := use(t, s, tokenDir(dir)); err != nil {
				t.Fatal(err)
			}
			if err := spoil(string(tokenFile(dir, s.url, testKey))); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := use(t, s, tokenDir(dir)); err != nil {
					t.Fatal(err)
				}
			}
			s.count("POST /get-access-token", 2)
		})
	}
}

func TestATokenDirectoryThatCannotBeUsedCostsNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newServer(t).on(quotaRoute, reply200(`{}`))
	if err := use(t, s, tokenDir(file)); err != nil {
		t.Fatal(err)
	}
}

func TestARefusedKeyForgetsItsToken(t *testing.T) {
	dir := t.TempDir()
	s := newServer(t).on(quotaRoute, reply200(`{}`), answer(401, ``)).
		on("POST /get-access-token", reply200(`{"result":"old"}`), answer(401, ``))
	if err := use(t, s, tokenDir(dir)); err != nil {
		t.Fatal(err)
	}
	wantKind(t, use(t, s, tokenDir(dir)), fault.Auth)
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}
