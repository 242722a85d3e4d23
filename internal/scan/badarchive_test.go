package scan

import (
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
	"edrc/internal/source"
)

// unreadable are archives that another attempt may bring whole.
func unreadable() map[string]func(password string) []byte {
	return map[string]func(string) []byte{
		"cut off": func(p string) []byte {
			b := archiveOf(p, entry{"a", content("a")})
			return b[:len(b)/2]
		},
		"altered": func(p string) []byte {
			b := archiveOf(p, entry{"a", content("a")})
			b[30+1+12+3] ^= 1 // in the file's own bytes
			return b
		},
		"under another password": func(string) []byte { return archiveOf("Another_password_7", entry{"a", content("a")}) },
		// The cipher has one byte to tell a wrong password by: it fits by chance.
		"under another password that looks right": func(p string) []byte {
			return archiveUnder("Another_password_7", func(head []byte, check byte) bool {
				return pkware(p, head, false)[11] == check
			}, entry{"a", content("a")})
		},
		"a web page": func(string) []byte { return []byte("<html>log in</html>") },
		"nothing":    func(string) []byte { return nil },
	}
}

func TestAnArchiveThatCannotBeReadIsAskedForAgainUnderAnotherPasswordAFewTimes(t *testing.T) {
	for name, archive := range unreadable() {
		t.Run(name, func(t *testing.T) {
			w := newStation(t, Policy{}, Fetching{}, file("a"))
			w.serves(w.s1, "1", "a", func(f *served) { f.archive = archive })
			w.serves(w.s2, "2", "a")
			w.until(sha("a"), ledger.JobFetching)
			for attempt := 2; attempt <= maxBad; attempt++ {
				w.step()
				j := w.state(sha("a"), ledger.JobFetching, ReasonFetching+": again")
				if j.Fetch.Attempt != attempt || j.Fetch.Bad != attempt-1 || j.Fetch.Ticket != nil || !j.NextTry.After(w.clock.now()) {
					t.Errorf("%+v", j.Fetch)
				}
				w.clock.set(j.NextTry)
			}
			w.unpaid()
			w.drain(time.Hour)
			w.scanned(sha("a"))
			if got, n := w.s1.distinctPasswords("1"); got != maxBad || n != maxBad {
				t.Errorf("%d passwords in %d requests", got, n)
			}
			if w.s2.order() != "start 2, open 2" {
				t.Error(w.s2.order())
			}
		})
	}
}

func TestAnArchiveThatIsWholeAtLastIsTaken(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	n := 0
	w.serves(w.s1, "1", "a", func(f *served) {
		f.archive = func(p string) []byte {
			if n++; n < maxBad {
				return unreadable()["cut off"](p)
			}
			return archiveOf(p, entry{"a", content("a")})
		}
	})
	w.drain(time.Hour)
	w.scanned(sha("a"))
	if got, _ := w.s1.distinctPasswords("1"); got != maxBad {
		t.Errorf("%d passwords", got)
	}
}

func TestADownloadThatHasExpiredIsStartedAgainAndNotForEver(t *testing.T) {
	gone := fault.New(fault.Gone, "expired")
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	w.serves(w.s1, "1", "a", func(f *served) {
		f.states = []source.FetchState{source.FetchPending, source.FetchReady}
		f.openErr = []error{gone}
	})
	w.until(sha("a"), ledger.JobFetching)
	w.step()
	w.clock.set(w.job(sha("a")).NextTry)
	w.step()
	if j := w.state(sha("a"), ledger.JobFetching, "expired"); j.Fetch.Ticket != nil || !j.NextTry.After(w.clock.now()) {
		t.Errorf("%+v, next try %v", j.Fetch, j.NextTry)
	}
	w.drain(time.Hour)
	w.scanned(sha("a"))
	if got := w.s1.order(); got != "start 1, poll 1, open 1, start 1, open 1" {
		t.Error(got)
	}

	w = newStation(t, Policy{}, Fetching{}, file("a"))
	w.serves(w.s1, "1", "a", func(f *served) { f.openErr = []error{gone, gone, gone, gone, gone} })
	w.drain(12 * time.Hour)
	w.state(sha("a"), ledger.JobWaiting, ReasonFile)
	if n := len(w.s1.asked("open")); n != maxBad {
		t.Errorf("%d downloads", n)
	}
}

func TestADownloadThatBreaksOffIsRepeatedUnderItsPassword(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	cut := unavailable("the connection broke off")
	w.serves(w.s1, "1", "a", func(f *served) {
		f.states, f.openErr = []source.FetchState{source.FetchPending, source.FetchReady}, []error{cut, cut, cut, cut}
	})
	w.until(sha("a"), ledger.JobFetching)
	w.step()
	w.clock.set(w.job(sha("a")).NextTry)
	var before time.Duration
	for range 4 {
		_, errs := w.step()
		if tr := oneTrouble(t, errs); !tr.Fetch || tr.Source != "s1" || !fault.Is(tr, fault.Unavailable) {
			t.Errorf("%+v", tr)
		}
		j := w.state(sha("a"), ledger.JobFetching, ReasonFetchTrouble)
		if wait := j.NextTry.Sub(w.clock.now()); wait <= before {
			t.Errorf("the next try is in %v, after one of %v", wait, before)
		} else {
			before = wait
		}
		w.clock.set(j.NextTry)
	}
	w.drain(time.Hour)
	w.scanned(sha("a"))
	if got, n := w.s1.distinctPasswords("1"); got != 1 || n != 1 {
		t.Errorf("%d passwords in %d requests", got, n)
	}
}

func TestTroubleOfAProductIsItsOwnAndStopsNoOtherFile(t *testing.T) {
	for _, kind := range []fault.Kind{fault.Auth, fault.Denied, fault.RateLimited, fault.Unavailable, fault.Invalid} {
		t.Run(string(kind), func(t *testing.T) {
			w := newStation(t, Policy{}, Fetching{}, file("a"), file("b"))
			w.serves(w.s1, "1", "a", func(f *served) {
				f.failing = &fault.Error{Kind: kind, Msg: "no", RetryAfter: 20 * time.Minute}
			})
			w.serves(w.s2, "2", "b")
			w.step()
			_, errs := w.step()
			tr := oneTrouble(t, errs)
			if !tr.Fetch || tr.Source != "s1" || tr.Hash != sha("a") || !fault.Is(tr, kind) {
				t.Errorf("%+v", tr)
			}
			if j := w.state(sha("a"), ledger.JobFetching, ReasonFetchTrouble+": no"); j.NextTry.Sub(w.clock.now()) != 20*time.Minute || j.Claim.Holder != "" {
				t.Errorf("%+v", j)
			}
			w.drain(time.Minute)
			w.scanned(sha("b"))
			w.s1.mu.Lock()
			w.s1.files["1"].failing = nil
			w.s1.mu.Unlock()
			w.drain(time.Hour)
			w.state(sha("a"), ledger.JobJudged, "")
		})
	}
}

func TestAStateThatIsNotKnownIsTheProductsTrouble(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	w.serves(w.s1, "1", "a", func(f *served) { f.states = []source.FetchState{"melting"} })
	w.until(sha("a"), ledger.JobFetching)
	_, errs := w.step()
	if tr := oneTrouble(t, errs); tr.Source != "s1" || !tr.Fetch {
		t.Errorf("%+v", tr)
	}
	w.state(sha("a"), ledger.JobFetching, "melting")
}

func TestTroubleOfThisSideIsNobodyElses(t *testing.T) {
	for name, breaks := range map[string]func(*station) func(){
		"no secret": func(w *station) func() {
			w.secretE = fault.New(fault.Denied, "install.secret may be read by others")
			return func() { w.secretE = nil }
		},
		"no spool": func(w *station) func() {
			w.spoolE = fault.New(fault.Denied, "the spool belongs to somebody else")
			return func() { w.spoolE = nil }
		},
		"a full spool": func(w *station) func() {
			spool, err := w.fetching.Spool(true)
			if err != nil {
				w.t.Fatal(err)
			}
			most := spool.Max
			spool.Max = 10
			return func() { spool.Max = most }
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newStation(t, Policy{}, Fetching{}, file("a"))
			w.serves(w.s1, "1", "a")
			w.until(sha("a"), ledger.JobFetching)
			mend := breaks(w)
			_, errs := w.step()
			if tr := oneTrouble(t, errs); !tr.Fetch || tr.Source != "" {
				t.Errorf("%+v", tr)
			}
			w.state(sha("a"), ledger.JobFetching, ReasonFetchTrouble)
			mend()
			w.drain(time.Hour)
			w.scanned(sha("a"))
		})
	}
}

func TestAnArchiveThatComesInClearIsEncryptedBeforeItWaits(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	w.serves(w.s1, "1", "a", func(f *served) {
		f.archive = func(string) []byte { return archiveOf("", entry{"a", content("a")}) }
	})
	w.drain(time.Hour)
	w.scanned(sha("a")) // the engine refuses what comes in clear
}

func TestAFileOfManyIsFoundByItsHashAndSentAlone(t *testing.T) {
	for name, archive := range map[string]func(string) []byte{
		"beside others": func(p string) []byte {
			return archiveOf(p, entry{"x/b", content("b")}, entry{"x/a", content("a")})
		},
		"beside a manifest": func(p string) []byte {
			return archiveOf(p, entry{"manifest.json", []byte(`[{"path":"C:\\a","sha1":"","reason":""}]`)}, entry{"C/a", content("a")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newStation(t, Policy{}, Fetching{}, file("a"))
			w.serves(w.s1, "1", "a", func(f *served) { f.archive = archive })
			w.drain(time.Hour)
			w.scanned(sha("a"))
			if u := w.engine.uploads; len(u) != 1 || u[0].name != "a" {
				t.Errorf("%d uploads, %+v", len(u), u)
			}
		})
	}
}

func TestAJobThatWaitsForItsFileKeepsItsSeverity(t *testing.T) {
	w := newStation(t, Policy{}, Fetching{}, file("a"))
	w.serves(w.s1, "1", "a", offline)
	w.drain(time.Hour)
	w.alert(w.s1, "2", wish("a", alert.Critical, "256"))
	if j := w.state(sha("a"), ledger.JobFetching, ReasonOffline); j.Priority != alert.Critical {
		t.Error(j.Priority)
	}
}
