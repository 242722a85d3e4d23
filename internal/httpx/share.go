package httpx

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

const (
	// sliceTime is how much of the budget a process takes at once: enough that a
	// fast class does not lock the file for every request, little enough that what
	// a killed process held is not missed.
	sliceTime = 100 * time.Millisecond
	sliceLife = time.Second            // an unused slice is forfeited; a "not before" is seen this late at most
	lockWait  = 250 * time.Millisecond // how long the lock is waited for
	shareRest = time.Minute            // how long a file that failed is left alone
	maxAhead  = 10 * time.Minute       // see sane
	maxQueue  = 256                    // see sane
)

// share is this process's view of a rate file: the token bucket of one (credential,
// class), common to all processes of the user. The file is a cache of the last few
// seconds, so it is not synced, and nonsense in it counts as an empty one.
type share struct {
	path  string
	limit Limit
	slice int
	note  func(string)

	mu    sync.Mutex
	left  int       // tokens of the slice in hand
	from  time.Time // when they may be used
	until time.Time // when they are forfeited
	seen  time.Time // the "not before" as last read
	rest  time.Time // the file is not tried before
}

// rateState is the content of a rate file.
type rateState struct {
	empty time.Time // when the bucket is, or was, empty
	until time.Time // nothing is sent before
}

func newShare(dir, key, class string, l Limit, note func(string)) *share {
	sum := sha256.Sum256([]byte(key + "\x00" + class))
	n := int(sliceTime.Seconds() * l.PerSecond)
	return &share{
		path:  filepath.Join(dir, hex.EncodeToString(sum[:8])+".rate"),
		limit: l, slice: min(max(n, 1), l.Burst), note: note,
	}
}

// take takes one token and says in how long it may be used. ok is false when the
// file cannot be used.
func (s *share) take(now time.Time) (turn time.Duration, until time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left == 0 || !now.Before(s.until) {
		if !s.update(now, s.draw(now)) {
			return 0, time.Time{}, false
		}
	}
	if s.limit.PerSecond > 0 {
		s.left--
	}
	return max(s.from.Sub(now), 0), s.seen, true
}

// draw takes a slice out of the state. A bucket that was empty at time t holds
// (now-t)/interval tokens, at most Burst.
func (s *share) draw(now time.Time) func(*rateState) {
	return func(st *rateState) {
		s.left, s.from, s.seen = 1, now, st.until
		if step := s.limit.interval(); step > 0 {
			full := now.Add(-time.Duration(s.limit.Burst) * step)
			if st.empty.Before(full) {
				st.empty = full
			}
			st.empty = st.empty.Add(time.Duration(s.slice) * step)
			s.left, s.from = s.slice, st.empty
		}
		if s.from.Before(now) {
			s.from = now
		}
		s.until = s.from.Add(sliceLife)
	}
}

// giveBack returns a token that will not be used.
func (s *share) giveBack(now time.Time) {
	step := s.limit.interval()
	if step == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.update(now, func(st *rateState) { st.empty = st.empty.Add(-step) })
}

// pause writes a "not before" for everybody.
func (s *share) pause(now, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.update(now, func(st *rateState) {
		if t.After(st.until) {
			st.until = t
		}
	})
}

// update changes the file under its lock, and reports whether it could. After a
// failure the file is left alone for a while; the trace says so once.
func (s *share) update(now time.Time, change func(*rateState)) bool {
	if now.Before(s.rest) {
		return false
	}
	if err := s.locked(now, change); err != nil {
		s.rest = now.Add(shareRest)
		s.note("the rate file cannot be used, limiting this process alone: " + err.Error())
		return false
	}
	return true
}

func (s *share) locked(now time.Time, change func(*rateState)) error {
	ctx, cancel := context.WithTimeout(context.Background(), lockWait)
	defer cancel()
	// A file of its own carries the lock: on Windows a locked file cannot be read
	// through another handle.
	lock := flock.New(s.path + ".lock")
	_, err := lock.TryLockContext(ctx, time.Millisecond)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(s.path), 0o700); err == nil {
			_, err = lock.TryLockContext(ctx, time.Millisecond)
		}
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	raw, err := os.ReadFile(s.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	st := parseState(string(raw)).sane(now, s.limit.interval())
	change(&st)
	return os.WriteFile(s.path, []byte(st.String()), 0o600)
}

const stateFormat = "edrc-rate/1 %d %d\n"

func (st rateState) String() string {
	return fmt.Sprintf(stateFormat, st.empty.UnixNano(), st.until.UnixNano())
}

// parseState reads a rate file; anything else gives the state of a fresh one.
func parseState(s string) rateState {
	var empty, until int64
	if _, err := fmt.Sscanf(s, stateFormat, &empty, &until); err != nil {
		empty, until = 0, 0
	}
	return rateState{empty: time.Unix(0, empty), until: time.Unix(0, until)}
}

// sane drops times so far ahead that they can only come from a clock that was set
// back since: a bucket for which hundreds seem to queue, a pause beyond the longest.
func (st rateState) sane(now time.Time, step time.Duration) rateState {
	if st.empty.After(now.Add(maxAhead + maxQueue*step)) {
		st.empty = time.Unix(0, 0)
	}
	if st.until.After(now.Add(maxPause)) {
		st.until = time.Unix(0, 0)
	}
	return st
}
