package cli

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"

	"github.com/spf13/cobra"

	"edrc/internal/fault"
	"edrc/internal/report"
	"edrc/internal/triage"
)

// ready is begin for a command with no options of its own; finishes says that it
// ends what it is doing by itself at Ctrl-C.
func (a *app) ready(cmd *cobra.Command, columns []string, finishes bool) (*triage.Service, report.Options, error) {
	return a.begin(cmd, columns, serviceOptions{finishes: finishes})
}

// interrupted reports whether Ctrl-C was pressed: what is under way is finished,
// and nothing new is begun.
func (a *app) interrupted() bool {
	select {
	case <-a.Interrupt:
		return true
	default:
		return false
	}
}

// adapt makes a column of one thing a column of another that holds it.
func adapt[T, U any](c report.Column[U], of func(T) U) report.Column[T] {
	out := report.Column[T]{Name: c.Name, Wide: c.Wide, Shrink: c.Shrink, Min: c.Min, Flex: c.Flex, Right: c.Right,
		Value: func(v report.View, t T) string { return c.Value(v, of(t)) }}
	if c.Sort != nil {
		out.Sort = func(x, y T) int { return c.Sort(of(x), of(y)) }
	}
	if c.Style != nil {
		out.Style = func(s style, t T, text string) string { return c.Style(s, of(t), text) }
	}
	return out
}

// actor is who did something, as records have it.
type actor struct {
	User string `json:"user"`
	UID  string `json:"uid,omitempty"`
	Host string `json:"host,omitempty"`
	PID  int    `json:"pid"`
}

func (a *app) actor() actor {
	out := actor{PID: os.Getpid()}
	out.Host, _ = os.Hostname()
	if u, err := user.Current(); err == nil {
		out.User, out.UID = u.Username, u.Uid
		return out
	}
	for _, key := range []string{"USER", "LOGNAME", "USERNAME"} {
		if out.User == "" {
			out.User, _ = a.LookupEnv(key)
		}
	}
	return out
}

// fresh writes a private file in one step: it is there whole, or not at all. One
// that is there already is replaced only with force; it is fs.ErrExist else.
func fresh(path string, force bool, write func(io.Writer) error) error {
	if _, err := os.Lstat(path); err == nil && !force {
		return fs.ErrExist
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".edrc-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	err = write(tmp)
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// fileError says which file could not be used for what.
func fileError(what, path string, err error) error {
	if err == nil {
		return nil
	}
	if _, is := errors.AsType[*fault.Error](err); is {
		return err
	}
	var e *fs.PathError
	if errors.As(err, &e) {
		err = e.Err
	}
	kind := fault.Unavailable
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrPermission) {
		kind = fault.Usage
	}
	return fault.New(kind, "%s %s: %w", what, path, err)
}
