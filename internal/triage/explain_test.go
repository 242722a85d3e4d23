package triage

import (
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/ledger"
	"edrc/internal/scan"
	"edrc/internal/source"
)

func TestEveryStateOfAFileIsExplainedWithWhatComesNext(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	asked := &FetchView{Since: now.Add(-2 * time.Hour), Attempt: 1}
	since := ", asked for since 2026-11-23 07:00 UTC"
	for _, tc := range []struct {
		view FileView
		want string
	}{
		{FileView{}, ""},
		{FileView{State: ledger.JobJudged, Reason: "whatever", Verdict: &alert.Verdict{}}, ""},
		{FileView{State: ledger.JobWanted}, "not asked yet: the next sync asks"},
		{FileView{State: ledger.JobWanted, Reason: "the analysis failed", NextTry: now.Add(time.Minute)}, "the analysis failed, next try 09:01 UTC"},
		{FileView{State: ledger.JobWanted, Reason: "not asked yet", Fetch: &FetchView{Since: asked.Since, InHand: true}},
			"not asked yet; the file is in hand, encrypted on the spool: the next sync asks"},
		{FileView{State: ledger.JobLookedUp}, "the engine has no analysis of ours: the next sync has it scanned"},
		{FileView{State: ledger.JobFetching}, "file being fetched: the next sync carries it on"},
		{FileView{State: ledger.JobFetching, Reason: "file being fetched: s1-prod", Fetch: asked}, "file being fetched: s1-prod" + since + ": the next sync carries it on"},
		{FileView{State: ledger.JobFetching, Reason: "endpoint offline: WS-1 is offline", Fetch: asked, NextTry: now.Add(40 * time.Minute)},
			"endpoint offline: WS-1 is offline" + since + ", next try 09:40 UTC"},
		{FileView{State: ledger.JobFetching, Reason: "endpoint offline: WS-1 is offline", Fetch: asked, NextTry: now.Add(30 * time.Hour)},
			"endpoint offline: WS-1 is offline" + since + ", next try 2026-11-24 15:00 UTC"},
		{FileView{State: ledger.JobFetching, Reason: "endpoint offline: WS-1 is offline", Fetch: asked, NextTry: now.Add(-time.Minute)},
			"endpoint offline: WS-1 is offline" + since + ": the next sync carries it on"},
		{FileView{State: ledger.JobSubmitting}, "submit in doubt: the next sync looks it up before it is sent again"},
		{FileView{State: ledger.JobSubmitting, Reason: "submit in doubt", NextTry: now.Add(time.Minute)}, "submit in doubt, next try 09:01 UTC"},
		{FileView{State: ledger.JobSubmitting, Reason: "engine trouble", Fetch: &FetchView{InHand: true}},
			"submit in doubt (engine trouble); the file is in hand, encrypted on the spool: the next sync looks it up before it is sent again"},
		{FileView{State: ledger.JobAnalysing, Reason: "engine trouble"}, "analysis running: the next sync reads the result"},
		{FileView{State: ledger.JobAnalysing, NextTry: now.Add(5 * time.Second)}, "analysis running, next try 09:00 UTC"},
		{FileView{State: ledger.JobWaiting, Reason: "quota", NextTry: now.Add(time.Hour)}, "quota, next try 10:00 UTC"},
		{FileView{State: ledger.JobWaiting, Reason: scan.ReasonFile}, scan.ReasonFile + ": the next sync tries again"},
		{FileView{State: ledger.JobWithheld, Reason: scan.ReasonPolicy + ": type document is not in scan.upload.types"},
			"withheld, not uploaded: type document is not in scan.upload.types: allow it there, and the next sync uploads it"},
		{FileView{State: ledger.JobWithheld, Reason: "excluded by a rule of the engine's account"}, "withheld, excluded by a rule of the engine's account"},
		{FileView{State: ledger.JobFailed, Reason: "no file came, asked for since 2026-11-09: endpoint offline"},
			"given up, no file came, asked for since 2026-11-09: endpoint offline: a new alert that names it, or edrc scan alert, starts again"},
		{FileView{State: "later", Reason: "than this version"}, "later than this version"},
	} {
		if got := tc.view.Explain(now); got != tc.want {
			t.Errorf("%s (%s)\n got %q\nwant %q", tc.view.State, tc.view.Reason, got, tc.want)
		}
	}
}

func TestAFileThatNobodyAskedForHasNoFetch(t *testing.T) {
	if v := fetchView(nil); v != nil {
		t.Errorf("%+v", v)
	}
	if v := fetchView(&ledger.Fetch{Asked: []alert.Handle{{ID: "x"}}}); v != nil {
		t.Errorf("somebody asked about it, the product was not asked: %+v", v)
	}
	if v := fetchView(&ledger.Fetch{Kept: true, Size: 3, Type: "script", Attempt: 1}); v == nil || !v.InHand || v.Size != 3 || v.Type != "script" {
		t.Errorf("%+v", v)
	}
}

func TestTheNoteOfAFileThatNeverCameIsHarmlessAndHasItsMarker(t *testing.T) {
	f := &fileState{File: alert.File{Name: "a [edrc:0123456789abcdef]\x1b[31m http://evil.example", Hashes: alert.NewHashes(strings.Repeat("ab", 32))},
		Job: &ledger.Job{Key: ledger.JobKey{Hash: alert.Hash(strings.Repeat("ab", 32))}, State: ledger.JobFailed,
			Reason: scan.NoFile + ", asked for since 2026-11-09: endpoint offline: <b>WS</b>\u202e http://host.example"}}
	text := noFileText("intezer", f, "fedcba9876543210", source.Traits{NoteMax: 200})
	if got := markersIn(text); len(got) != 1 || got[0] != "fedcba9876543210" || !strings.HasSuffix(text, "[edrc:fedcba9876543210]") {
		t.Errorf("markers %v in %q", got, text)
	}
	if strings.ContainsAny(text, "\x1b\u202e") || strings.Contains(text, "http://") || !strings.Contains(text, "the file could not be had") || len([]rune(text)) > 200 {
		t.Errorf("%q", text)
	}
}
