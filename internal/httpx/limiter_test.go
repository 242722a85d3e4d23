package httpx

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"edrc/internal/fault"
)

func do(t *testing.T, c *Client, class string) error {
	t.Helper()
	_, err := c.Do(t.Context(), Request{Rate: class})
	return err
}

// on gives two clients one clock, and so one time to agree on.
func on(k *clock) func(*Config) {
	return func(cfg *Config) { cfg.Now, cfg.Sleep = k.Now, k.Sleep }
}

func TestEachRateClassHasItsOwnLimit(t *testing.T) {
	c, k := newClient(t, script(answer(200, "")), func(cfg *Config) {
		cfg.Limits = map[string]Limit{"": {PerSecond: 1, Burst: 2}, "slow": {PerSecond: 0.1}}
	})
	for _, step := range []struct {
		class string
		slept time.Duration
	}{
		{"", 0}, {"", 0}, {"unlisted", time.Second}, // the default's burst of two is used up
		{"slow", time.Second}, {"slow", 11 * time.Second}, {"", 11 * time.Second},
	} {
		if err := do(t, c, step.class); err != nil || k.slept() != step.slept {
			t.Fatalf("class %q: slept %v in all, want %v (%v)", step.class, k.slept(), step.slept, err)
		}
	}
}

func TestManyGoroutinesKeepToOneLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		c, _ := newClient(t, script(answer(200, "")), func(cfg *Config) {
			cfg.Now, cfg.Sleep = nil, nil
			cfg.Limits = map[string]Limit{"": {PerSecond: 10}}
		})
		var wg sync.WaitGroup
		for range 51 {
			wg.Go(func() {
				if err := do(t, c, ""); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(begin); took != 5*time.Second {
			t.Fatalf("took %v", took)
		}
	})
}

func TestATurnAfterTheDeadlineIsARateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newClient(t, script(answer(200, "")), func(cfg *Config) {
			cfg.Now, cfg.Sleep = nil, nil
			cfg.Limits = map[string]Limit{"": {PerSecond: 0.01}}
		})
		if err := do(t, c, ""); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for range 3 { // a refused request gives its place back
			_, err := c.Do(ctx, Request{})
			if e := wantKind(t, err, fault.RateLimited); e.RetryAfter != 100*time.Second || time.Since(begin) != 0 {
				t.Fatalf("%+v after %v", e, time.Since(begin))
			}
		}
	})
}

func TestOurOwnPacingIsNoFailureToWaitFor(t *testing.T) {
	c, k := newClient(t, script(answer(200, "")), func(cfg *Config) {
		cfg.Limits = map[string]Limit{"": {PerSecond: 0.001}} // a turn comes after 1,000 s, MaxWait is 120 s
	})
	for range 3 {
		if err := do(t, c, ""); err != nil {
			t.Fatal(err)
		}
	}
	if k.slept() != 2000*time.Second {
		t.Fatalf("slept %v", k.sleeps)
	}
}

func TestA429HoldsTheWholeClassBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var late atomic.Int32
		first := true
		c, _ := newClient(t, script(func(r *http.Request) (*http.Response, error) {
			if first {
				first = false
				return answer(429, "", "Retry-After", "30")(r)
			}
			if time.Since(begin) >= 30*time.Second {
				late.Add(1)
			}
			return answer(200, "")(r)
		}), func(cfg *Config) { cfg.Now, cfg.Sleep = nil, nil })
		var wg sync.WaitGroup
		for i := range 5 {
			time.Sleep(time.Duration(i) * time.Millisecond) // the first one is refused before the others start
			wg.Go(func() {
				if err := do(t, c, ""); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if late.Load() != 5 {
			t.Fatalf("%d of 5 waited", late.Load())
		}
	})
}

func TestConcurrencyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		c, _ := newClient(t, script(func(r *http.Request) (*http.Response, error) {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			time.Sleep(time.Second)
			return answer(200, "")(r)
		}), func(cfg *Config) { cfg.Concurrency = 3 })
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { _ = do(t, c, "") })
		}
		wg.Wait()
		if most.Load() != 3 {
			t.Fatalf("%d at once", most.Load())
		}
	})
}

func TestTwoClientsShareOneBudget(t *testing.T) {
	k, dir := newClock(), filepath.Join(t.TempDir(), "rate")
	shared := func(cfg *Config) {
		cfg.RateDir, cfg.RateKey = dir, "token-s3cr3t"
		cfg.Limits = map[string]Limit{"": {PerSecond: 1, Burst: 2}}
	}
	a, _ := newClient(t, script(answer(200, "")), on(k), shared)
	b, _ := newClient(t, script(answer(200, "")), on(k), shared)
	other, _ := newClient(t, script(answer(200, "")), on(k), shared, func(cfg *Config) { cfg.RateKey = "another" })
	for range 4 {
		for _, c := range []*Client{a, b} {
			if err := do(t, c, ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	if k.slept() != 6*time.Second { // eight requests: two at once, then one a second
		t.Fatalf("slept %v", k.sleeps)
	}
	if err := do(t, other, ""); err != nil || k.slept() != 6*time.Second {
		t.Fatalf("another credential waited: %v", k.sleeps)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 4 {
		t.Fatalf("%v %v", files, err)
	}
	for _, f := range files {
		raw, _ := os.ReadFile(filepath.Join(dir, f.Name()))
		if strings.Contains(f.Name()+string(raw), "s3cr3t") {
			t.Errorf("the credential stands in %s", f.Name())
		}
	}
}

func TestAFastClassTakesSlices(t *testing.T) {
	k, dir := newClock(), t.TempDir()
	s := newShare(dir, "key", "", Limit{PerSecond: 100, Burst: 20}, func(string) {})
	for range 20 {
		if turn, _, ok := s.take(k.Now()); !ok || turn != 0 {
			t.Fatalf("a token of the burst comes in %v, %v", turn, ok)
		}
	}
	if turn, _, _ := s.take(k.Now()); turn != 100*time.Millisecond { // the next slice of ten
		t.Fatalf("the next one comes in %v", turn)
	}
	if s.left != 9 {
		t.Fatalf("%d in hand", s.left)
	}
	s.giveBack(k.Now())
	fresh := newShare(dir, "key", "", Limit{PerSecond: 100, Burst: 20}, func(string) {})
	if turn, _, _ := fresh.take(k.Now()); turn != 190*time.Millisecond { // not 200: one came back
		t.Fatalf("another process waits %v", turn)
	}
}

func TestTwoClientsShareANotBefore(t *testing.T) {
	for _, limits := range []map[string]Limit{nil, {"": {PerSecond: 10, Burst: 5}}} {
		k, dir := newClock(), t.TempDir()
		shared := func(cfg *Config) { cfg.RateDir, cfg.RateKey, cfg.Limits = dir, "key", limits }
		a, _ := newClient(t, script(answer(429, "", "Retry-After", "600")), on(k), shared)
		w := script(answer(200, ""))
		b, _ := newClient(t, w, on(k), shared)
		wantKind(t, do(t, a, ""), fault.RateLimited)
		err := do(t, b, "")
		if e := wantKind(t, err, fault.RateLimited); e.RetryAfter != 600*time.Second || w.count() != 0 {
			t.Fatalf("%+v, %d sent", e, w.count())
		}
		_ = k.Sleep(t.Context(), 550*time.Second)
		before := k.slept()
		if err := do(t, b, ""); err != nil || k.slept()-before != 50*time.Second {
			t.Fatalf("%v, slept %v", err, k.sleeps)
		}
	}
}

func TestABrokenRateFileCostsTheSharingOnly(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	var trace strings.Builder
	c, k := newClient(t, script(answer(200, "")), func(cfg *Config) {
		cfg.RateDir, cfg.RateKey, cfg.Trace = filepath.Join(file, "sub"), "key", &trace
		cfg.Limits = map[string]Limit{"": {PerSecond: 1}}
	})
	for range 3 {
		if err := do(t, c, ""); err != nil {
			t.Fatal(err)
		}
	}
	if k.slept() != 2*time.Second || strings.Count(trace.String(), "limiting this process alone") != 1 {
		t.Fatalf("slept %v, trace:\n%s", k.sleeps, &trace)
	}
}

func TestNonsenseInARateFileCountsAsNothing(t *testing.T) {
	now := newClock().now
	for _, content := range []string{
		"", "garbage", "edrc-rate/1 12", "edrc-rate/2 1 1\n",
		rateState{empty: now.Add(24 * time.Hour), until: now.Add(24 * time.Hour)}.String(), // a clock set back
	} {
		s := newShare(t.TempDir(), "key", "", Limit{PerSecond: 1, Burst: 1}, func(string) {})
		if err := os.WriteFile(s.path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if turn, until, ok := s.take(now); turn != 0 || until.After(now) || !ok {
			t.Errorf("%q: %v %v %v", content, turn, until, ok)
		}
		if turn, _, _ := s.take(now); turn != time.Second {
			t.Errorf("%q was not repaired: %v", content, turn)
		}
	}
}
