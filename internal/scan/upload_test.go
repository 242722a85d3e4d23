package scan

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
)

// inHand is a station whose file a was fetched and waits on the spool.
func inHand(t *testing.T, p Policy, change ...func(*specimen)) *station {
	t.Helper()
	w := newStation(t, p, Fetching{}, file("a", change...))
	w.serves(w.s1, "1", "a")
	w.until(sha("a"), ledger.JobFetching)
	w.until(sha("a"), ledger.JobWanted)
	return w
}

// fails makes the next n calls of a kind fail.
func (e *engine) fails(call string, n int, err error) {
	e.before = func(c string, _ alert.Hash) error {
		if c == call {
			if n--; n >= 0 {
				return err
			}
		}
		return nil
	}
}

func TestAnUploadInDoubtIsLookedUpThenAskedForByHashAndPaidOnce(t *testing.T) {
	lost := fault.New(fault.InDoubt, "the connection was reset")
	for name, c := range map[string]struct {
		happens func(*station)
		order   string
	}{
		"it runs, and the hash joins it": {func(w *station) {
			w.engine.afterUpload = func() error { w.engine.afterUpload = nil; return lost }
		}, "lookup submit upload lookup submit poll poll detail"},
		"it is done, and the look-up finds it": {func(w *station) {
			w.engine.afterUpload = func() error {
				w.engine.afterUpload = nil
				w.engine.finish(sha("a"))
				return lost
			}
		}, "lookup submit upload lookup detail"},
		"it runs, its hash is not known yet, and the second upload joins it": {func(w *station) {
			w.engine.byHash[sha("a")].lags = true
			w.engine.afterUpload = func() error { w.engine.afterUpload = nil; return lost }
		}, "lookup submit upload lookup submit upload poll poll detail"},
		"it never arrived, and is sent again": {func(w *station) {
			w.engine.fails("upload", 1, lost)
		}, "lookup submit upload lookup submit upload poll poll detail"},
	} {
		t.Run(name, func(t *testing.T) {
			w := inHand(t, Policy{MaxScans: 1})
			w.engine.calls = nil
			c.happens(w)
			_, errs := w.step()
			if tr := oneTrouble(t, errs); tr.Fetch || !fault.Is(tr, fault.InDoubt) {
				t.Errorf("%+v", tr)
			}
			if j := w.state(sha("a"), ledger.JobSubmitting, ReasonEngine); !j.Kept() || len(w.kept()) != 1 || w.spentOn() != 1 {
				t.Errorf("%+v, reserved %d", j, w.spentOn())
			}
			w.drain(time.Hour)
			if got := w.engine.order(); got != c.order {
				t.Error(got)
			}
			w.scanned(sha("a"))
			if w.Spent() != 1 || len(w.s1.asked("open")) != 1 {
				t.Errorf("counted %d; %s", w.Spent(), w.s1.order())
			}
		})
	}
}

func TestWhatTheEngineNeverTakesIsRememberedUnderEveryHashOfTheBytes(t *testing.T) {
	for name, make := range map[string]func(*testing.T) *station{
		"it says so": func(t *testing.T) *station {
			return inHand(t, Policy{}, func(f *specimen) { f.uploaded = Unsupported })
		},
		"it is too large": func(t *testing.T) *station {
			w := newStation(t, Policy{}, Fetching{}, file("a"))
			w.engine.maxUpload = 5
			w.serves(w.s1, "1", "a")
			return w
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := make(t)
			w.drain(time.Hour)
			w.state(sha("a"), ledger.JobJudged, "")
			for _, h := range hashesOf("a").All() {
				if v := w.verdict(h); v == nil || v.Verdict.Class != alert.NotSupported || v.Verdict.Weak {
					t.Errorf("%s: %+v", h.Algo(), v)
				}
			}
			if w.engine.paid() != 0 || w.spentOn() != 0 {
				t.Errorf("paid %d, reserved %d", w.engine.paid(), w.spentOn())
			}
			w.nothingKept()
			calls := w.engine.order()
			if j, v := w.want(wish("a", alert.High, "5")); j == nil || v == nil {
				t.Error("the file is asked for again under its MD5")
			}
			if w.engine.order() != calls {
				t.Error(w.engine.order())
			}
		})
	}
}

func TestAnUploadThatTheEngineCannotOpenIsPackedAnewOnce(t *testing.T) {
	w := inHand(t, Policy{})
	w.engine.fails("upload", 1, fault.New(fault.Invalid, "the archive cannot be opened there"))
	w.drain(time.Hour)
	if w.engine.count("upload") != 2 || len(w.engine.uploads) != 2 {
		t.Fatalf("%d uploads", w.engine.count("upload"))
	}
	if first, second := w.engine.uploads[0], w.engine.uploads[1]; bytes.Equal(first.raw, second.raw) || first.password != second.password {
		t.Error("the second upload is the first one")
	}
	w.scanned(sha("a"))
	if len(w.s1.asked("open")) != 1 {
		t.Error(w.s1.order())
	}
}

func TestAnUploadThatIsRefusedHoweverItIsPackedIsGivenUp(t *testing.T) {
	w := inHand(t, Policy{MaxScans: 1})
	w.engine.fails("upload", 1000, fault.New(fault.Invalid, "the archive cannot be opened there"))
	w.drain(7 * 24 * time.Hour)
	j := w.state(sha("a"), ledger.JobFailed, "the engine refused the upload: the archive cannot be opened there")
	if w.engine.count("upload") != 2 || j.Reserved != "" || w.spentOn() != 0 || w.granted.Load() != 0 {
		t.Errorf("%d uploads, reserved %d, granted %d", w.engine.count("upload"), w.spentOn(), w.granted.Load())
	}
	if told := w.told(); len(told) != 1 {
		t.Errorf("told: %v", told)
	}
	w.nothingKept()
	w.clock.add(time.Hour)
	w.engine.before = nil // a new alert, and an engine that has learned
	w.serves(w.s2, "2", "a")
	w.drain(time.Hour)
	w.scanned(sha("a"))
}

func TestAQuotaThatIsUsedUpBetweenFetchAndUploadFetchesNothingAgain(t *testing.T) {
	w := inHand(t, Policy{})
	w.engine.fails("upload", 1, fault.New(fault.Quota, "used up"))
	w.step()
	if j := w.state(sha("a"), ledger.JobWaiting, ReasonQuota); !j.Kept() || len(w.kept()) != 1 || w.spentOn() != 0 {
		t.Errorf("%+v, reserved %d", j, w.spentOn())
	}
	asked := w.s1.order()
	w.drain(2 * time.Hour)
	w.scanned(sha("a"))
	if w.s1.order() != asked {
		t.Error(w.s1.order())
	}
}

func TestABudgetThatIsUsedUpLeavesTheArchiveForTomorrow(t *testing.T) {
	w := newStation(t, Policy{DailyBudget: 1}, Fetching{}, file("a"), file("b"))
	w.engine.byHash[sha("b")].unheld = false
	w.serves(w.s1, "1", "a")
	w.until(sha("a"), ledger.JobFetching)
	w.until(sha("a"), ledger.JobWanted)
	w.want(wish("b", alert.Critical, "256"))
	w.step()
	w.step()
	w.state(sha("a"), ledger.JobWaiting, ReasonQuota)
	asked := w.s1.order()
	w.drain(26 * time.Hour)
	w.state(sha("a"), ledger.JobJudged, "")
	if w.s1.order() != asked || w.engine.paid() != 2 {
		t.Errorf("paid %d; %s", w.engine.paid(), w.s1.order())
	}
}

func TestAnUploadThatCertainlyDidNotArriveIsRepeatedFromTheSpool(t *testing.T) {
	w := inHand(t, Policy{})
	w.engine.fails("upload", 3, unavailable("no route"))
	_, errs := w.step()
	if tr := oneTrouble(t, errs); tr.Fetch {
		t.Errorf("the engine's trouble is told as the product's: %+v", tr)
	}
	w.state(sha("a"), ledger.JobWaiting, ReasonEngine)
	if w.spentOn() != 0 || len(w.kept()) != 1 {
		t.Errorf("reserved %d", w.spentOn())
	}
	w.drain(time.Hour)
	w.scanned(sha("a"))
	if len(w.s1.asked("open")) != 1 {
		t.Error(w.s1.order())
	}
}

// spoil changes the file of the archive on the spool.
func (w *station) spoil(change func(path string) error) {
	w.t.Helper()
	list, err := filepath.Glob(filepath.Join(w.dir, "kept-*"))
	if err != nil || len(list) != 1 {
		w.t.Fatalf("%v, %v", list, err)
	}
	if err := change(list[0]); err != nil {
		w.t.Fatal(err)
	}
}

func TestAnArchiveThatIsNotWholeAnyMoreIsFetchedAgainAndNotSent(t *testing.T) {
	flip := func(at int) func(string) error {
		return func(path string) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if at < 0 {
				at += len(b)
			}
			b[at] ^= 0xff
			return os.WriteFile(path, b, 0o600)
		}
	}
	for name, change := range map[string]func(path string) error{
		"it vanished":              os.Remove,
		"it was emptied":           func(path string) error { return os.Truncate(path, 0) },
		"it was cut off":           func(path string) error { return os.Truncate(path, 60) },
		"its head was changed":     flip(0),
		"its file was changed":     flip(32 + 31 + 12 + 2),
		"its directory was":        flip(-22),
		"it is another password's": flip(26),
	} {
		t.Run(name, func(t *testing.T) {
			w := inHand(t, Policy{MaxScans: 1})
			w.spoil(change)
			if _, errs := w.step(); len(errs) != 0 {
				t.Errorf("a trouble: %v", errs)
			}
			j := w.state(sha("a"), ledger.JobFetching, ReasonFetching)
			if j.Kept() || j.Fetch.Ticket != nil || j.Fetch.Attempt != 1 || w.granted.Load() != 0 {
				t.Errorf("%+v", j.Fetch)
			}
			w.unpaid()
			w.drain(time.Hour)
			w.scanned(sha("a"))
			if got, n := w.s1.distinctPasswords("1"); got != 1 || n != 2 || w.engine.count("upload") != 1 {
				t.Errorf("%d passwords in %d requests, %d uploads", got, n, w.engine.count("upload"))
			}
		})
	}
}

func TestTheArchiveOfAnUploadInDoubtMayVanishToo(t *testing.T) {
	w := inHand(t, Policy{})
	w.engine.byHash[sha("a")].lags = true
	w.engine.afterUpload = func() error { w.engine.afterUpload = nil; return fault.New(fault.InDoubt, "reset") }
	w.step()
	w.state(sha("a"), ledger.JobSubmitting, "")
	w.spoil(os.Remove)
	w.drain(time.Hour)
	w.scanned(sha("a"))
}

func TestASpoolThatCannotBeReadIsNoTroubleOfTheEngine(t *testing.T) {
	for _, doubt := range []bool{false, true} {
		w := inHand(t, Policy{MaxScans: 1})
		if doubt {
			w.engine.fails("upload", 1, fault.New(fault.InDoubt, "reset"))
			w.step()
			w.clock.set(w.job(sha("a")).NextTry)
		}
		w.spoolE = fault.New(fault.Denied, "the spool belongs to somebody else")
		_, errs := w.step()
		if tr := oneTrouble(t, errs); !tr.Fetch || tr.Source != "" {
			t.Errorf("%+v", tr)
		}
		want, reserved := ledger.JobWaiting, 0
		if doubt {
			want, reserved = ledger.JobSubmitting, 1
		}
		w.state(sha("a"), want, ReasonFetchTrouble)
		if w.spentOn() != reserved || w.granted.Load() != int64(reserved) {
			t.Errorf("reserved %d, granted %d", w.spentOn(), w.granted.Load())
		}
		w.spoolE = nil
		w.drain(time.Hour)
		w.scanned(sha("a"))
	}
}

func TestARuleThatExcludesAnUploadWithholdsIt(t *testing.T) {
	w := inHand(t, Policy{}, func(f *specimen) { f.uploaded = SkippedByRule })
	w.drain(time.Hour)
	w.state(sha("a"), ledger.JobWithheld, "excluded by a rule")
	if w.spentOn() != 0 || len(w.told()) != 1 {
		t.Errorf("reserved %d, told %v", w.spentOn(), w.told())
	}
	w.nothingKept()
	if err := w.Reopen(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.state(sha("a"), ledger.JobWithheld, "excluded by a rule")
}

func TestAnUploadThatARunningAnalysisAnswersIsJoinedAndNotPaid(t *testing.T) {
	w := inHand(t, Policy{})
	f := w.engine.byHash[sha("a")] // somebody else's upload, which its hash does not find yet
	f.id, f.began, f.lags = "theirs", w.clock.now(), true
	w.engine.byID["theirs"] = f
	w.drain(time.Hour)
	j := w.state(sha("a"), ledger.JobJudged, "")
	if j.From != ledger.LookedUp || w.engine.count("upload") != 1 || w.engine.paid() != 0 || w.spentOn() != 0 || w.Spent() != 0 {
		t.Errorf("%+v; reserved %d, counted %d", j, w.spentOn(), w.Spent())
	}
	w.nothingKept()
}

func TestAClaimThatRanOutBeforeTheUploadSendsNothing(t *testing.T) {
	w := inHand(t, Policy{MaxScans: 1})
	w.engine.before = func(call string, _ alert.Hash) error {
		if call == "submit" {
			w.engine.before = nil
			w.clock.add(time.Hour) // the laptop was closed
		}
		return nil
	}
	if _, errs := w.step(); len(errs) != 0 {
		t.Error(errs)
	}
	if w.engine.count("upload") != 0 || w.granted.Load() != 0 {
		t.Errorf("%d uploads, granted %d", w.engine.count("upload"), w.granted.Load())
	}
	w.drain(time.Hour)
	w.scanned(sha("a"))
}

func TestAnUploadThatIsInterruptedIsLeftToTheNextRun(t *testing.T) {
	w := inHand(t, Policy{})
	ctx, cancel := context.WithCancel(t.Context())
	w.engine.uploading = func(ctx context.Context) error {
		cancel()
		return fault.New(fault.Interrupted, "interrupted: %w", ctx.Err())
	}
	jobs, err := w.Claim(t.Context(), 1)
	if err != nil || len(jobs) != 1 {
		t.Fatal(jobs, err)
	}
	if err := w.Step(ctx, jobs[0]); !fault.Is(err, fault.Interrupted) {
		t.Errorf("%v", err)
	}
	if j := w.state(sha("a"), ledger.JobWanted, ""); j.Claim.Holder != "" || !j.Kept() || w.spentOn() != 0 {
		t.Errorf("%+v, reserved %d", j, w.spentOn())
	}
	w.engine.uploading = nil
	w.drain(time.Minute)
	w.scanned(sha("a"))
}
