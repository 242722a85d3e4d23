package store

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"edrc/internal/fault"
	"edrc/internal/ledger"
)

// hold keeps the committer busy with a first function until released, so that
// what is queued meanwhile goes into one commit.
func hold(t *testing.T, s *Store) (release func()) {
	t.Helper()
	begun, end := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- s.Update(context.Background(), s.maxRecords, func(ledger.Tx) error { close(begun); <-end; return nil })
	}()
	<-begun
	return func() {
		close(end)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// queued waits until n updates stand in the queue.
func queued(s *Store, n int) {
	for {
		s.mu.Lock()
		ok := len(s.queue) == n
		s.mu.Unlock()
		if ok {
			return
		}
		runtime.Gosched()
	}
}

func txid(t *testing.T, s *Store) (id int) {
	t.Helper()
	err := s.view(context.Background(), func(t *tx, _ *handle) error { id = t.bolt.ID(); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestUpdatesThatWaitTogetherShareOneCommit(t *testing.T) {
	s := fresh(t)
	put(t, s, "first", "x")
	release := hold(t, s)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { put(t, s, "k", "v") })
	}
	queued(s, 20)
	release()
	wg.Wait()
	if got := txid(t, s); got > 6 { // the file's own, the first, the holder, the twenty
		t.Errorf("twenty updates took the store to transaction %d", got)
	}
}

func TestACommitHoldsAtMostMaxRecordsUnlessOneUpdateIsLarger(t *testing.T) {
	s := fresh(t)
	s.maxRecords = 10
	for _, n := range []int{4, 4, 4, 30, 1} {
		s.queue = append(s.queue, &request{records: n})
	}
	for _, want := range []int{2, 1, 1, 1, 0} {
		if got := len(s.take()); got != want {
			t.Errorf("a commit took %d updates, want %d", got, want)
		}
	}
}

func TestTheFileStaysClosedBetweenTwoCommitsAndNotBeforeTheFirst(t *testing.T) {
	s := fresh(t)
	var waits []time.Duration
	now := time.Unix(1000, 0)
	s.pause, s.now = 50*time.Millisecond, func() time.Time { return now }
	s.sleep = func(_ context.Context, d time.Duration) error { waits = append(waits, d); now = now.Add(d); return nil }
	put(t, s, "k", "1")
	if len(waits) > 0 {
		t.Errorf("the first commit waited %v", waits)
	}
	now = now.Add(20 * time.Millisecond)
	put(t, s, "k", "2")
	now = now.Add(time.Second)
	put(t, s, "k", "3")
	if len(waits) != 1 || waits[0] != 30*time.Millisecond {
		t.Errorf("waited %v, want what was left of the pause, once", waits)
	}
}

func TestAnUpdateThatIsCancelledInTheQueueNeverRuns(t *testing.T) {
	s := fresh(t)
	release := hold(t, s)
	ctx, cancel := context.WithCancel(context.Background())
	got := make(chan error)
	go func() {
		got <- s.Update(ctx, 1, func(ledger.Tx) error { t.Error("it ran"); return nil })
	}()
	queued(s, 1)
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	release()
}

func TestAnErrorOverUncommittedWritesIsTriedAgainAlone(t *testing.T) {
	s := fresh(t)
	release := hold(t, s)
	var wg sync.WaitGroup
	wg.Go(func() {
		err := s.Update(context.Background(), 1, func(tx ledger.Tx) error {
			if err := tx.PutMeta("k", "never kept"); err != nil {
				return err
			}
			return errors.New("undone")
		})
		if err == nil {
			t.Error("no error")
		}
	})
	queued(s, 1)
	wg.Go(func() {
		err := s.Update(context.Background(), 1, func(tx ledger.Tx) error {
			if v, _ := tx.Meta("k"); v != "" {
				return ledger.ErrStale
			}
			return nil
		})
		if err != nil {
			t.Errorf("it was told %v over a write that was undone", err)
		}
	})
	queued(s, 2)
	release()
	wg.Wait()
}

func TestAFunctionThatEndsItsGoroutineLeavesTheStoreWorking(t *testing.T) {
	defer goleak.VerifyNone(t)
	s := fresh(t)
	err := s.Update(context.Background(), 1, func(ledger.Tx) error { runtime.Goexit(); return nil })
	if !errors.Is(err, errEnded) {
		t.Errorf("got %v", err)
	}
	put(t, s, "k", "v")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestCloseFinishesWhatIsQueuedAndRefusesMore(t *testing.T) {
	defer goleak.VerifyNone(t)
	s := fresh(t)
	release := hold(t, s)
	var wg sync.WaitGroup
	wg.Go(func() { put(t, s, "k", "v") })
	queued(s, 1)
	wg.Go(func() { _ = s.Close() })
	release()
	wg.Wait()
	if err := s.Update(context.Background(), 1, func(ledger.Tx) error { return nil }); !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}
	if got := get(t, open(t, s.path), "k"); got != "v" {
		t.Error("what was queued was not committed")
	}
}

func TestALockThatIsNotToBeHadIsLockedAndNamesItsHolder(t *testing.T) {
	s := fresh(t)
	put(t, s, "k", "v")
	other, err := bbolt.Open(s.path, fileMode, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	var slept time.Duration
	s.sleep = func(_ context.Context, d time.Duration) error { slept += d; return nil }
	for name, run := range map[string]func() error{
		"view":   func() error { return s.View(context.Background(), func(ledger.Tx) error { return nil }) },
		"update": func() error { return s.Update(context.Background(), 1, func(ledger.Tx) error { return nil }) },
	} {
		slept = 0
		err := run()
		if !fault.Is(err, fault.Locked) || !strings.Contains(err.Error(), "edrc process") {
			t.Errorf("%s: %v", name, err)
		}
		if want := map[string]time.Duration{"view": s.timeout, "update": 5 * s.timeout}[name]; slept < want || slept > want+time.Second {
			t.Errorf("%s waited %v, want %v", name, slept, want)
		}
	}
}

func TestAWaitForTheLockEndsWithItsContext(t *testing.T) {
	s := fresh(t)
	put(t, s, "k", "v")
	other, err := bbolt.Open(s.path, fileMode, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	for name, run := range map[string]func(context.Context) error{
		"view":   func(ctx context.Context) error { return s.View(ctx, func(ledger.Tx) error { return nil }) },
		"update": func(ctx context.Context) error { return s.Update(ctx, 1, func(ledger.Tx) error { return nil }) },
	} {
		ctx, cancel := context.WithCancel(context.Background())
		waits := make(chan struct{}, 1)
		s.sleep = func(ctx context.Context, _ time.Duration) error {
			select {
			case waits <- struct{}{}:
			default:
			}
			<-ctx.Done()
			return ctx.Err()
		}
		go func() { <-waits; cancel() }()
		if err := run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		s.committer.Wait()
	}
}

func TestNothingIsCreatedBeforeTheFirstWrite(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "a", "b", "edrc.db"))
	defer func() { _ = s.Close() }()
	if got := get(t, s, "k"); got != "" {
		t.Errorf("found %q", got)
	}
	if names := list(t, dir); len(names) > 0 {
		t.Errorf("a view created %v", names)
	}
	put(t, s, "k", "v")
	for path, want := range map[string]string{dir + "/a": "drwx------", dir + "/a/b": "drwx------", s.path: "-rw-------"} {
		if got := mode(t, path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	if names := list(t, filepath.Dir(s.path)); len(names) != 1 {
		t.Errorf("beside the store stands %v", names)
	}
}
