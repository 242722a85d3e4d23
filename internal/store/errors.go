package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"edrc/internal/fault"
)

// damage says that the store's file cannot be trusted any more. info is the file
// that was seen, so that nobody repairs the one that replaced it.
type damage struct {
	info os.FileInfo
	// sure: the file cannot be opened, or holds what was never written. Otherwise
	// bbolt panicked, and the file is looked at before it is set aside.
	sure  bool
	cause error
}

func (d *damage) Error() string { return fmt.Sprintf("the store is damaged: %v", d.cause) }
func (d *damage) Unwrap() error { return d.cause }

// panicked is a panic of a function that was given to Update.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string {
	return fmt.Sprintf("panic in a store transaction: %v\n%s", p.value, p.stack)
}

// guard runs fn and turns panics into errors: those that bbolt raises over a file
// that is not what it should be, and reads of mapped pages that the file no longer
// has, are damage; any other one is a bug of fn.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		r := recover()
		d, found := r.(*damage)
		switch {
		case r == nil:
		case found:
			err = d
		case fromFile(r):
			err = &damage{cause: fmt.Errorf("%v", r)}
		default:
			err = &panicked{value: r, stack: debug.Stack()}
		}
	}()
	return fn()
}

// fromFile reports whether the panic being recovered comes from the contents of
// the file: a memory fault at a real address, or raised inside bbolt.
func fromFile(r any) bool {
	if _, ok := r.(interface{ Addr() uintptr }); ok {
		return true
	}
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	panicking := false
	for {
		f, more := frames.Next()
		if f.Function == "runtime.gopanic" || f.Function == "runtime.sigpanic" {
			panicking = true
		} else if panicking && !strings.HasPrefix(f.Function, "runtime.") {
			return strings.HasPrefix(f.Function, "go.etcd.io/bbolt")
		}
		if !more {
			return false
		}
	}
}

// writeFailed is a commit that failed. bbolt puts some errors of the system into
// text, so that errors.Is no longer finds them.
type writeFailed struct{ error }

func (w writeFailed) Unwrap() error { return w.error }

// because reports whether one of the system's errors is behind err.
func because(err error, codes ...syscall.Errno) bool {
	for _, c := range codes {
		if errors.Is(err, c) || strings.Contains(err.Error(), c.Error()) {
			return true
		}
	}
	return false
}

// environmental reports an error of the file system, which says nothing about
// what is in the file.
func environmental(err error) bool {
	_, isErrno := errors.AsType[syscall.Errno](err)
	_, isPath := errors.AsType[*fs.PathError](err)
	_, isLink := errors.AsType[*os.LinkError](err)
	_, isWrite := errors.AsType[writeFailed](err)
	return isErrno || isPath || isLink || isWrite
}

// explain turns what opening or writing the file may fail with into a fault that
// says what to do. Faults and context errors pass unchanged.
func (s *Store) explain(op string, err error) error {
	_, known := errors.AsType[*fault.Error](err)
	if err == nil || known || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	dir := filepath.Dir(s.path)
	if d, ok := errors.AsType[*damage](err); ok {
		return fault.New(fault.Corrupt, "%s: the store %s is damaged: %w", op, s.path, d.cause)
	}
	if !environmental(err) {
		return fmt.Errorf("%s: %w", op, err)
	}
	e := fault.New(fault.Unavailable, "%s: the store %s: %w", op, s.path, err)
	switch {
	case because(err, syscall.ENOSPC, syscall.EDQUOT):
		return e.WithHint("the disk is full, nothing was written: free space in %s, or set store.path to another disk", dir)
	case because(err, syscall.EFBIG):
		return e.WithHint("the file would grow beyond the allowed size, nothing was written: raise `ulimit -f`, or run `edrc cache compact`")
	case because(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission):
		return e.WithHint("%s must be readable and writable by the user who runs edrc: fix its owner and mode, or set store.path or EDRC_STATE_DIR", dir)
	case because(err, syscall.ENOTDIR, syscall.EISDIR):
		return e.WithHint("store.path must name a file in a directory")
	}
	return e.WithHint("see whether the disk under %s is in order", dir)
}

// locked is the fault for a lock that was not to be had.
func (s *Store) locked(waited time.Duration) error {
	return fault.New(fault.Locked, "the store %s was in use for %s by %s", s.path, waited, lockHolder(s.path)).
		WithHint("try again when it is done; if it hangs, end it")
}
