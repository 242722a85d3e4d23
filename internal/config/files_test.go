package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAFileThatCannotBeUsedGivesOneClearMessage(t *testing.T) {
	for _, tc := range []struct {
		name string
		make func(path string) error
		want string
	}{
		{"missing", func(string) error { return nil }, "FILE: no such file"},
		{"a directory", func(p string) error { return os.Mkdir(p, 0o700) }, "FILE: is a directory, not a configuration file"},
		{"not UTF-8", writes("a: \xff\n"), "FILE: is not UTF-8 text"},
		{"UTF-16", writes("\xff\xfea\x00:\x00"), "FILE: is not UTF-8 text"},
		{"too large", writes(strings.Repeat("# filler\n", 1<<18)), "FILE: is larger than 1 MiB: this is not a configuration file"},
		{"a tab", writes("http:\n\ttimeout: 3s\n"), "FILE:2: a tab in the indentation: YAML wants spaces"},
		{"no YAML", writes("sources: {a\n"), "FILE:1: not valid YAML: did not find expected ',' or '}'"},
		{"a control character", writes("a: \x01\n"), "FILE: not valid YAML: control characters are not allowed"},
	} {
		o := testOptions(t, "")
		o.Path = filepath.Join(t.TempDir(), "x.yaml")
		if err := tc.make(o.Path); err != nil {
			t.Fatal(err)
		}
		if got, _ := refused(t, o); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.name, got, tc.want)
		}
	}
}

func writes(text string) func(string) error {
	return func(path string) error { return os.WriteFile(path, []byte(text), 0o600) }
}

func TestAFileWithoutPermissionSaysSo(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	o := testOptions(t, "")
	if err := os.Chmod(o.Path, 0); err != nil {
		t.Fatal(err)
	}
	if got, _ := refused(t, o); got != "FILE: cannot be read: permission denied" {
		t.Errorf("got %s", got)
	}
}

func TestTheNamedFileWinsAndTheCurrentDirectoryIsNeverSearched(t *testing.T) {
	home := t.TempDir()
	t.Chdir(home)
	if err := os.WriteFile("edrc.yaml", []byte("nonsense: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := environment{"XDG_CONFIG_HOME": filepath.Join(home, "conf")}
	o := Options{Home: home, Env: env.lookup}
	own := filepath.Join(home, "conf", "edrc", "edrc.yaml")
	if path, exists := Find(o); path != own || exists {
		t.Errorf("Find = %s, %v", path, exists)
	}
	if c := mustLoad(t, o); c.Path != "" || len(c.Sources) != 0 {
		t.Errorf("without a file: %+v", c)
	}
	if err := os.MkdirAll(filepath.Dir(own), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ path, by string }{{own, ""}, {filepath.Join(home, "env.yaml"), "EDRC_CONFIG"}, {filepath.Join(home, "flag.yaml"), "--config"}} {
		if err := os.WriteFile(step.path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		switch step.by {
		case "EDRC_CONFIG":
			env["EDRC_CONFIG"] = step.path
		case "--config":
			o.Path = step.path
		}
		if path, exists := Find(o); path != step.path || !exists || mustLoad(t, o).Path != step.path {
			t.Errorf("Find = %s, %v, want %s", path, exists, step.path)
		}
	}
}

func TestDirectoriesFollowTheSystem(t *testing.T) {
	for _, tc := range []struct {
		goos, home string
		env        environment
		conf, st   string
	}{
		{"linux", "/h", nil, "/h/.config", "/h/.local/state/edrc"},
		{"linux", "/h", environment{"XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s"}, "/c", "/s/edrc"},
		{"linux", "/h", environment{"XDG_CONFIG_HOME": "c", "XDG_STATE_HOME": "s"}, "/h/.config", "/h/.local/state/edrc"},
		{"darwin", "/h", nil, "/h/Library/Application Support", "/h/Library/Application Support/edrc"},
		{"windows", "/h", environment{"AppData": "/a", "LocalAppData": "/l"}, "/a", "/l/edrc"},
		{"linux", "", nil, "", ""},
		{"windows", "", nil, "", ""},
	} {
		m := machine{goos: tc.goos, home: tc.home, env: tc.env.lookup}
		state, err := stateDir(m)
		if conf := configDir(m); conf != tc.conf || state != tc.st || (err == nil) != (tc.st != "") {
			t.Errorf("%s %v: %q, %q, %v", tc.goos, tc.env, conf, state, err)
		}
	}
}

func TestWithoutAHomeTheErrorNamesTheVariableThatHelps(t *testing.T) {
	env := environment{}
	o := Options{Env: env.lookup}
	if path, exists := Find(o); path != "" || exists {
		t.Errorf("Find = %q, %v", path, exists)
	}
	if msg, hint := refused(t, o); !strings.Contains(msg, "no home directory") || !strings.Contains(hint, "EDRC_STATE_DIR") {
		t.Errorf("got %s (%s)", msg, hint)
	}
	env["EDRC_STATE_DIR"] = "/var/lib/edrc"
	if c := mustLoad(t, o); c.StateDir != "/var/lib/edrc" || c.Store.Path != "/var/lib/edrc/edrc.db" {
		t.Errorf("got %s, %s", c.StateDir, c.Store.Path)
	}
}
