package config

import (
	"cmp"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"edrc/internal/fault"
)

// Find says which file [Load] would read, and whether it is there: --config,
// else EDRC_CONFIG, else edrc/edrc.yaml in the user's configuration directory.
// The current directory is never searched: a folder that an analyst unpacked
// must not choose where the credentials go. path is "" when nothing says where.
func Find(o Options) (path string, exists bool) {
	path = o.explicitPath()
	if path == "" {
		dir := configDir(o.machine())
		if dir == "" {
			return "", false
		}
		path = filepath.Join(dir, "edrc", "edrc.yaml")
	}
	_, err := os.Stat(path)
	// Present but unreadable is present: the error must say so, not "no file".
	return path, !os.IsNotExist(err)
}

// explicitPath is the file that somebody named, or "".
func (o Options) explicitPath() string {
	named, _ := o.env("EDRC_CONFIG")
	return cmp.Or(o.Path, named)
}

// env looks a variable up in o.Env, or in the process environment.
func (o Options) env(name string) (string, bool) {
	if o.Env != nil {
		return o.Env(name)
	}
	return os.LookupEnv(name)
}

// machine is what the choice of directories depends on.
type machine struct {
	goos, home string
	env        func(string) (string, bool)
}

func (o Options) machine() machine {
	m := machine{goos: runtime.GOOS, home: o.Home, env: o.env}
	if m.home == "" {
		name := "HOME"
		if m.goos == "windows" {
			name = "USERPROFILE"
		}
		m.home, _ = o.env(name)
	}
	return m
}

// dir is an absolute directory from a variable, or "": the XDG specification
// has relative ones ignored.
func (m machine) dir(variable string) string {
	v, _ := m.env(variable)
	if !filepath.IsAbs(v) {
		return ""
	}
	return v
}

// under is a path in the home directory, or "" when there is none.
func (m machine) under(parts ...string) string {
	if m.home == "" {
		return ""
	}
	return filepath.Join(append([]string{m.home}, parts...)...)
}

// configDir is where the user's programs keep their configuration, or "".
func configDir(m machine) string {
	switch m.goos {
	case "windows":
		return m.dir("AppData")
	case "darwin":
		return cmp.Or(m.dir("XDG_CONFIG_HOME"), m.under("Library", "Application Support"))
	}
	return cmp.Or(m.dir("XDG_CONFIG_HOME"), m.under(".config"))
}

// stateDir is where edrc keeps its memory when nobody says where.
func stateDir(m machine) (string, error) {
	var dir string
	switch base := m.dir("XDG_STATE_HOME"); {
	case base != "":
		dir = filepath.Join(base, "edrc")
	case m.goos == "windows":
		if base = m.dir("LocalAppData"); base != "" {
			dir = filepath.Join(base, "edrc")
		}
	case m.goos == "darwin":
		dir = m.under("Library", "Application Support", "edrc")
	default:
		dir = m.under(".local", "state", "edrc")
	}
	if dir == "" {
		return "", fault.Usagef("no place to keep state: there is no home directory").
			WithHint("set EDRC_STATE_DIR to a directory that edrc may write to, or state_dir in the configuration file")
	}
	return dir, nil
}

// expand makes a path of the file usable from anywhere: ~/ is the home
// directory, and a relative path starts at the file, because cron starts in
// another directory than the analyst. base "" leaves a relative path alone.
func (m machine) expand(path, base string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok && m.home != "" {
		return filepath.Join(m.home, rest)
	}
	if path == "" || base == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
}
