package triage

import (
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/ledger"
)

func TestScanJudgesEachFileOnceAndTellsWhereFromAndAtWhatCost(t *testing.T) {
	w := newWorld(t)
	w.engine.set("known", alert.Malicious)
	in := []Judged{{File: threat("known")}, {File: threat("new")}, {File: threat("known")}, {File: alert.File{Name: "nohash"}}}
	w.Sleep = func(ctx ctxT, d time.Duration) error {
		w.engine.set("new", alert.Trusted)
		return w.clock.sleep(ctx, d)
	}
	out, err := w.Scan(w.ctx, in, ScanOptions{Wait: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		class   alert.Class
		from    ledger.Origin
		cost    int
		pending string
	}{{alert.Malicious, ledger.LookedUp, 0, ""}, {alert.Trusted, ledger.Scanned, 1, ""}, {alert.Malicious, ledger.LookedUp, 0, ""}, {"", "", 0, SkipNoHash}} {
		got := out[i]
		if got.Err != nil || got.From != want.from || got.Cost != want.cost || got.Pending != want.pending || (got.Verdict == nil) != (want.class == "") ||
			got.Verdict != nil && got.Verdict.Class != want.class {
			t.Errorf("%d: %+v", i, got)
		}
	}
	w.clock.add(time.Hour)
	out, _ = w.Scan(w.ctx, []Judged{{File: threat("new")}}, ScanOptions{Wait: time.Minute})
	if out[0].From != ledger.Remembered || out[0].Cost != 0 || out[0].Age < time.Hour {
		t.Errorf("%+v", out[0])
	}
}

func TestScanWithoutWaitingLeavesTheAnalysisRunning(t *testing.T) {
	w := newWorld(t)
	out, err := w.Scan(w.ctx, []Judged{{File: threat("a")}}, ScanOptions{})
	if err != nil || out[0].Verdict != nil || out[0].Pending != "analysis running" || out[0].Cost != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	w.engine.set("a", alert.Malicious)
	w.clock.add(time.Minute)
	out, err = w.Scan(w.ctx, []Judged{{File: threat("a")}}, ScanOptions{})
	if err != nil || out[0].Verdict == nil || w.engine.scans[hashesOf("a").SHA256] != 1 {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestScanSaysWhatItWaitsForInsteadOfWaiting(t *testing.T) {
	w := newWorld(t)
	w.engine.unheld[hashesOf("a").SHA256] = true
	began := w.clock.now()
	out, err := w.Scan(w.ctx, []Judged{{File: threat("a")}}, ScanOptions{Wait: time.Hour})
	if err != nil || !strings.Contains(out[0].Pending, "file needed") || w.clock.now().Sub(began) > time.Minute {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestScanTellsTheEnginesTroubleForEachFile(t *testing.T) {
	w := newWorld(t)
	w.engine.err = fault.New(fault.Auth, "wrong key")
	out, err := w.Scan(w.ctx, []Judged{{File: threat("a")}, {File: threat("b")}}, ScanOptions{Wait: time.Minute})
	if err != nil || !fault.Is(out[0].Err, fault.Auth) || !fault.Is(out[1].Err, fault.Auth) {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestScanWithoutAnEngineSaysWhatToConfigure(t *testing.T) {
	w := newWorld(t)
	w.Scanner = nil
	if _, err := w.Scan(w.ctx, nil, ScanOptions{}); !fault.Is(err, fault.Usage) {
		t.Error(err)
	}
	if e, err := w.Explain(w.ctx, hashesOf("a").SHA256); err != nil || e.Job != nil {
		t.Error(e, err)
	}
}

func TestScanWatchesAnAnalysisThatAnotherProcessDrives(t *testing.T) {
	w := newWorld(t)
	other := w.process("host/2/b", w.p)
	if _, err := other.Scan(w.ctx, []Judged{{File: threat("a")}}, ScanOptions{}); err != nil {
		t.Fatal(err)
	}
	w.clock.add(10 * time.Second)
	j, err := other.Scanner.Claim(w.ctx, 1)
	if err != nil || len(j) != 1 {
		t.Fatal(j, err)
	}
	w.engine.set("a", alert.Malicious)
	stepped := false
	w.Sleep = func(ctx ctxT, d time.Duration) error {
		if !stepped {
			stepped = true
			if err := other.Scanner.Step(ctx, j[0]); err != nil {
				t.Error(err)
			}
		}
		return w.clock.sleep(ctx, d)
	}
	out, err := w.Scan(w.ctx, []Judged{{File: threat("a")}}, ScanOptions{Wait: time.Hour})
	if err != nil || out[0].Verdict == nil || out[0].Cost != 0 || !stepped {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestTheFilesOfAlertsAreReadyForScan(t *testing.T) {
	w := newWorld(t)
	w.p.add("1", time.Hour, threat("a"), image("b"))
	w.p.add("2", time.Hour)
	fs, errs := w.AlertFiles(w.ctx, []alert.Ref{w.ref("1"), w.ref("2"), w.ref("nobody")})
	if len(fs) != 3 || fs[0].Ref != w.ref("1") || fs[2].Pending != SkipNoFile || len(errs) != 1 || !fault.Is(errs[0].Err, fault.NotFound) {
		t.Errorf("%+v, %v", fs, errs)
	}
}

func TestExplainNamesTheAlertsThatWantedAFileByAnyOfItsHashes(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	w.p.add("1", time.Hour, threat("a"))
	w.p.add("2", time.Hour, threat("a"))
	w.sync()
	for _, h := range hashesOf("a").All() {
		e, err := w.Explain(w.ctx, h)
		if err != nil || e.Verdict == nil || !e.Fresh || e.Job == nil || len(e.Alerts) != 2 {
			t.Errorf("%s: %+v, %v", h, e, err)
		}
	}
	e, err := w.Explain(w.ctx, hashesOf("nobody").SHA256)
	if err != nil || e.Job != nil || e.Alerts == nil {
		t.Errorf("%+v, %v", e, err)
	}
}
