package scan

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/sample"
	"edrc/internal/source"
)

// ignorant makes the engine one that knows files by their SHA-256 alone.
func (e *engine) ignorant(names ...string) {
	e.mute = true
	for _, n := range names {
		delete(e.byHash, hashesOf(n).SHA1)
		delete(e.byHash, hashesOf(n).MD5)
	}
}

func TestBytesThatTurnOutToBeJudgedAlreadyCostNothingAndTheAliasIsRemembered(t *testing.T) {
	for _, algo := range []string{"1", "5"} {
		t.Run("by "+map[string]string{"1": "SHA-1", "5": "MD5"}[algo], func(t *testing.T) {
			w := newStation(t, Policy{}, Fetching{}, file("a", func(f *specimen) { f.age = time.Hour }))
			w.engine.ignorant("a")
			w.want(wish("a", alert.High, "256"))
			w.drain(time.Minute)
			w.state(sha("a"), ledger.JobJudged, "")
			wanted := wish("a", alert.High, algo)
			weak := wanted.File.Best()
			w.alert(w.s1, "1", wanted)
			w.s1.serve("1", "a")
			w.until(weak, ledger.JobFetching)
			w.until(weak, ledger.JobWanted)
			calls := w.engine.order()
			w.step()
			if j := w.state(weak, ledger.JobJudged, ""); j.From != ledger.Remembered || w.engine.order() != calls {
				t.Errorf("%+v; %s", j, w.engine.order())
			}
			if v := w.verdict(weak); v == nil || v.Verdict.SHA256 != sha("a") {
				t.Errorf("the alias is not remembered: %+v", v)
			}
			w.unpaid()
			w.nothingKept()
		})
	}
}

func TestOneFileThatTwoJobsFetchIsScannedOnce(t *testing.T) {
	for _, order := range [][]string{{"256", "1"}, {"1", "256"}, {"5", "1", "256"}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			w := newStation(t, Policy{}, Fetching{}, file("a"))
			w.engine.ignorant("a")
			for i, algo := range order {
				id := fmt.Sprint(i)
				w.alert(w.s1, id, wish("a", alert.High, algo))
				w.s1.serve(id, "a")
			}
			w.drain(time.Hour)
			for _, algo := range order {
				w.state(wish("a", 0, algo).File.Best(), ledger.JobJudged, "")
			}
			w.scanned(sha("a"))
			if n := w.engine.count("upload"); n != 1 {
				t.Errorf("%d uploads", n)
			}
		})
	}
}

// TestOneFileUnderThreeHashesIsUploadedAndPaidForOnce draws which alerts name which
// hashes of two files, how their products answer, when workers of two processes step,
// how time passes, and which answers of the engine are lost.
func TestOneFileUnderThreeHashesIsUploadedAndPaidForOnce(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			policy := Policy{PollBase: time.Second, RetryBase: time.Second}
			w := newStation(t, policy, Fetching{Retry: time.Minute}, file("a"), file("b"))
			w.engine.takes = 10 * time.Second
			if w.engine.mute = r.IntN(2) == 0; w.engine.mute {
				w.engine.ignorant("a", "b")
			}
			var mu sync.Mutex
			lost := 4
			lose := func() error {
				mu.Lock()
				defer mu.Unlock()
				if r.IntN(2) == 0 || lost == 0 {
					return nil
				}
				lost--
				return fault.New(fault.InDoubt, "reset")
			}
			w.engine.afterUpload = lose
			w.engine.after = func(alert.Hash) error { return lose() }
			both := []*station{w, w.another(t, policy, Fetching{Policy: UploadPolicy{UploadRule: UploadRule{Types: sample.Types()}}, Retry: time.Minute})}
			named := map[alert.Hash]bool{}
			answers := []source.FetchState{source.FetchPending, source.FetchUnreachable, source.FetchLost}
			for i := range 4 + r.IntN(10) {
				switch r.IntN(3) {
				case 0:
					name, p := []string{"a", "b"}[r.IntN(2)], []*product{w.s1, w.s2}[r.IntN(2)]
					algos := [][]string{{"256"}, {"1"}, {"5"}, {"256", "1"}, {"1", "5"}}[r.IntN(5)]
					p.serve(fmt.Sprint(i), name, func(f *served) {
						for range r.IntN(3) {
							f.states = append(f.states, answers[r.IntN(len(answers))])
						}
						f.states = append(f.states, source.FetchReady)
					})
					if job := w.alert(p, fmt.Sprint(i), wish(name, []alert.Severity{alert.Low, alert.Critical}[r.IntN(2)], algos...)); job != nil {
						named[job.Key.Hash] = true
					}
				case 1:
					var wg sync.WaitGroup
					for n := range 1 + r.IntN(4) {
						wg.Go(func() { stepAll(t, both[n%2].Scanner) })
					}
					wg.Wait()
				case 2:
					w.clock.add(time.Duration(1+r.IntN(90)) * time.Second)
				}
			}
			w.drain(24 * time.Hour)
			for _, name := range []string{"a", "b"} {
				if f := w.engine.byHash[sha(name)]; f.scans > 1 {
					t.Errorf("file %s was paid for %d times: %s", name, f.scans, w.engine.order())
				}
			}
			for h := range named {
				if j := w.job(h); j.State != ledger.JobJudged {
					t.Errorf("%s is %s (%s)", h, j.State, j.Reason)
				}
			}
		})
	}
}
