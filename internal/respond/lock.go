package respond

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"edrc/internal/fault"
)

// lockPoll is how often a lock that somebody holds is tried again.
const lockPoll = 50 * time.Millisecond

// lockTarget waits until nobody else works on the target. The lock is the system's:
// it ends with the process, however that ends.
func (e *Engine) lockTarget(ctx context.Context, t Target) (unlock func(), err error) {
	dir := filepath.Join(e.StateDir, "locks")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, journalError("make", dir, err)
	}
	sum := sha256.Sum256([]byte(t.Key()))
	l := flock.New(filepath.Join(dir, hex.EncodeToString(sum[:8])+".lock"))
	ok, err := l.TryLock()
	if err == nil && !ok {
		if e.Progress != nil {
			e.Progress(Progress{Waiting: t.Label()})
		}
		_, err = l.TryLockContext(ctx, lockPoll)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, fault.New(fault.Locked, "another edrc is at work on %s, and the wait for it was cut off: %w", t.Label(), ctx.Err()).
				WithHint("see what it does: edrc actions list")
		}
		return nil, journalError("lock", l.Path(), err)
	}
	return func() { _ = l.Close() }, nil
}

// busy reports whether somebody works on the target now.
func (e *Engine) busy(t Target) bool {
	sum := sha256.Sum256([]byte(t.Key()))
	path := filepath.Join(e.StateDir, "locks", hex.EncodeToString(sum[:8])+".lock")
	if _, err := os.Stat(path); err != nil {
		return false
	}
	l := flock.New(path)
	ok, err := l.TryRLock()
	if err != nil {
		return false
	}
	_ = l.Close()
	return !ok
}
