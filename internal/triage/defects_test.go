package triage

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/httpx"
	"edrc/internal/lab"
	"edrc/internal/ledger"
	"edrc/internal/scan"
	"edrc/internal/source/sentinelone"
)

// The numbers are those of contracts 6.5: what EDR Connect of 2022 got wrong.
// Those of the engine's client stand in scan/intezer/defects_test.go.

func TestDefect01_MoreThanAThousandAlertsAreSeen(t *testing.T) {
	w := newLabWorld(t, lab.Options{Alerts: 2300, Files: 10})
	w.Settings.NotesOff = true
	w.run(w.Service)
	if got := w.remembered(); got != w.total() || got < 2300 {
		t.Errorf("%d of %d alerts", got, w.total())
	}
}

func TestDefect02_ARestartForgetsNothingWhateverBecameOfTheNotes(t *testing.T) {
	w := newWorld(t)
	w.p.add("1", 5*time.Minute, threat("a"))
	w.Settings.Wait = 0
	w.sync()
	w.engine.set("a", alert.Malicious)
	w.clock.add(time.Minute)
	w.Service = w.process("host/2/b", w.p)
	w.sync()
	w.one("1")
	w.p.notes = map[string][]note{}
	w.Service = w.process("host/3/c", w.p)
	w.clock.add(time.Minute)
	w.sync()
	if len(w.p.posts) != 1 || w.engine.scans[hashesOf("a").SHA256] != 1 {
		t.Errorf("%d notes, %v scans", len(w.p.posts), w.engine.scans)
	}
}

func TestDefect03_OneStuckAnalysisStallsNobodyAndTheRunEnds(t *testing.T) {
	w := newWorld(t)
	w.p.add("stuck", time.Hour, threat("stuck")).Severity = alert.Critical
	for i := range 10 {
		name := fmt.Sprint(i)
		w.engine.set(name, alert.Malicious)
		w.p.add(name, time.Hour, threat(name))
	}
	w.sync() // returns: that is the test
	for i := range 10 {
		w.one(fmt.Sprint(i))
	}
	w.state("stuck", ledger.AlertOpen, "")
}

func TestDefect04_AnAnalysisThatOutlivesTheWaitIsToldToEveryAlertThatCameMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.Settings.Wait = 0
	w.p.add("first", time.Minute, threat("a"))
	for i := range 3 {
		w.sync()
		w.clock.add(2 * time.Minute)
		w.p.add(fmt.Sprint("later", i), time.Minute, threat("a"))
	}
	w.engine.set("a", alert.Malicious)
	w.sync()
	for _, id := range []string{"first", "later0", "later1", "later2"} {
		w.one(id)
	}
}

func TestDefect06_WhatGoesWrongWithOneFileIsThatFilesAlone(t *testing.T) {
	w := newWorld(t)
	w.engine.fails[hashesOf("failing").SHA256] = true
	w.engine.unheld[hashesOf("missing").SHA256] = true
	w.engine.set("odd", alert.NotSupported)
	w.engine.set("neutral", alert.Neutral)
	w.engine.set("bad", alert.Malicious)
	for _, name := range []string{"failing", "missing", "odd", "neutral", "bad"} {
		w.p.add(name, time.Hour, threat(name))
	}
	w.sync()
	for name, text := range map[string]string{"odd": "not supported", "neutral": "neutral", "bad": "malicious"} {
		if got := w.one(name); !strings.Contains(got, text) {
			t.Errorf("%s: %s", name, got)
		}
	}
	w.state("failing", ledger.AlertSkipped, "failed")
	w.state("missing", ledger.AlertOpen, "")
}

func TestDefect07_AfterTheStoreIsLostNoNoteOfOursOrOfAnOldTitleIsRepeated(t *testing.T) {
	w := newWorld(t)
	titles := []string{"Intezer Analyze File Scan", "Intezer Analysis", "Intezer Analysis: x", "Intezer FileAnalysis", "Intezer FileAnalysis: x", "Intezer File Analysis"}
	w.engine.set("a", alert.Malicious)
	w.p.add("ours", time.Hour, threat("a"))
	w.sync()
	for i, title := range titles {
		w.p.add(fmt.Sprint(i), time.Hour, threat("a"))
		w.p.put(fmt.Sprint(i), title+"\n=========================\n\n🧨 Malicious")
	}
	fresh := newWorld(t)
	fresh.p = w.p
	fresh.Service = fresh.process("host/2/b", w.p)
	fresh.engine.set("a", alert.Malicious)
	fresh.sync()
	if len(w.p.posts) != 1 {
		t.Errorf("%q", w.p.posts)
	}
}

func TestDefect08_AFailureNoteIsNotTakenForAVerdict(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	w.p.add("1", time.Hour, threat("a"))
	w.p.put("1", "Intezer Analyze File Scan failed: the file is malicious beyond measure")
	w.sync()
	if texts := w.p.texts("1"); len(texts) != 2 {
		t.Errorf("%q", texts)
	}
}

func TestDefect09_AnExhaustedQuotaIsOneRefusalARunAndNoErrorPerAlert(t *testing.T) {
	w := newLabWorld(t, lab.Options{Alerts: 300, Files: 60, Quota: 1})
	w.control("quota", map[string]int{"quota": 5, "usage": 5})
	sum := w.settle(w.Service)
	if len(sum.Errors) != 0 || !sum.QuotaShort || sum.Waiting[scan.ReasonQuota] == 0 {
		t.Errorf("%+v, %v", sum, sum.Errors)
	}
	before := w.lab.State().Intezer.Requests
	w.run(w.Service)
	if n := w.lab.State().Intezer.Requests - before; n > 5 {
		t.Errorf("%d requests of a run that may spend nothing", n)
	}
	if n := w.lab.State().Intezer.Scans; n != 0 {
		t.Errorf("%d scans", n)
	}
}

func TestDefect10_AWaitOfManyMinutesIsNotTakenModuloAMinute(t *testing.T) {
	for _, wait := range []time.Duration{30 * time.Second, time.Minute, 61 * time.Second, 3*time.Minute + 20*time.Second} {
		w := newWorld(t)
		r := &syncer{Service: w.Service}
		if err := r.pause(w.ctx, t0.Add(wait)); err != nil {
			t.Fatal(err)
		}
		if took := w.clock.now().Sub(t0); took != wait {
			t.Errorf("a wait of %v took %v", wait, took)
		}
	}
}

func TestDefect12_MacsAreJudgedAndAlertsWithoutAHashAreReported(t *testing.T) {
	w := newWorld(t)
	w.engine.set("a", alert.Malicious)
	w.p.add("mac", time.Hour, threat("a")).Host = alert.Host{ID: "h", Name: "mac", OS: "macOS 15", Platform: "macos"}
	w.p.add("nohash", time.Hour, alert.File{Name: "x", Path: "/x"})
	sum := w.sync()
	w.one("mac")
	w.state("nohash", ledger.AlertSkipped, SkipNoHash)
	if sum.Skipped[SkipNoHash] != 1 {
		t.Errorf("%v", sum.Skipped)
	}
}

func TestDefect13_ManyConsolesInOneProcessTheWorstFirstAndADryRun(t *testing.T) {
	w := newWorld(t)
	other := newProduct("other", w.clock)
	w.p.add("low", time.Hour, threat("low")).Severity = alert.Low
	other.add("crit", time.Hour, threat("crit")).Severity = alert.Critical
	w.policy = scan.Policy{DryRun: true}
	w.Service = w.process("host/1/a", w.p, other)
	if sum := w.sync(SyncOptions{DryRun: true}); sum.ScansPriced != 2 || len(w.engine.ask) != 0 {
		t.Errorf("%+v", sum)
	}
	real := newWorld(t)
	real.Settings.Wait = 0
	real.Service = real.process("host/1/a", w.p, other)
	real.sync()
	if want := []alert.Hash{hashesOf("crit").SHA256, hashesOf("low").SHA256}; !slices.Equal(real.engine.ask, want) {
		t.Errorf("%v", real.engine.ask)
	}
	l := real.list(ListOptions{Query: alert.Query{Severities: []alert.Severity{alert.Critical}}})
	if len(l.Rows) != 1 || l.Rows[0].Alert.ID != "crit" {
		t.Errorf("%+v", l.Rows)
	}
}

// recorder remembers where requests go.
type recorder struct {
	base http.RoundTripper
	mu   sync.Mutex
	seen map[string]bool
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	r.seen[req.URL.Host+" "+req.URL.Path] = true
	r.mu.Unlock()
	return r.base.RoundTrip(req)
}

func (r *recorder) CloseIdleConnections() {
	if c, ok := r.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func TestDefect14_NothingIsSentButWhatTheWorkNeeds(t *testing.T) {
	rec := &recorder{base: httpx.NewTransport(), seen: map[string]bool{}}
	w := newLabWorld(t, lab.Options{Alerts: 60, Files: 20}, func(o *sentinelone.Options) {})
	w.transport = rec
	w.Service = w.process("host/1/a", w.store, scan.Policy{})
	w.settle(w.Service)
	if len(rec.seen) == 0 {
		t.Fatal("nothing was recorded")
	}
	hosts := map[string]bool{}
	for at := range rec.seen {
		host, path, _ := strings.Cut(at, " ")
		hosts[host] = true
		if strings.Contains(path, "edr-connector") || strings.Contains(path, "summary") || strings.Contains(path, "telemetry") {
			t.Errorf("telemetry: %s", at)
		}
	}
	if len(hosts) != 2 {
		t.Errorf("requests went to %v, one console and one engine are configured", hosts)
	}
	for h := range hosts {
		if u, err := url.Parse("http://" + h); err != nil || u.Hostname() != "127.0.0.1" {
			t.Errorf("a request went to %s", h)
		}
	}
}
